"""Golden cases: a folder each, from a fleet and what is done live to everything that is printed.

    fleet/*.yaml     what Git says; `before/*.yaml`, if there, was applied earlier
    live.yaml        merge patches by others in between: [{manager, path, patch | delete | fault}]
    options.yaml     options of the plan: allow_destroy, mode, targets
    graph.txt plan.txt plan.md plan.json run.log     or error.txt

`make golden` writes them anew; read the diff before you commit it. Nothing is scrubbed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from planner import select
from planner.changes import Plan
from planner.views import graphs, jsonview, markdown, text
from planner.views.problems import error_text
from planner.views.progress import event_text
from planner.views.report import report_text
from providers import yamldoc
from providers.kube.sandbox.faults import Fault
from state.errors import ClusterformError
from tests.support.lab import Lab
from tests.support.manifests import NAMESPACE

HERE = Path(__file__).parent
CASES = sorted(p.name for p in HERE.iterdir() if (p / "fleet").is_dir())
INPUTS = {"live.yaml", "options.yaml"}
REWRITE = os.environ.get("GOLDEN") == "1"


def yaml(path: Path) -> Any:
    """The one document of a file, or {}."""
    if not path.is_file():
        return {}
    documents, findings = yamldoc.parse(path.read_bytes(), path.name)
    assert findings == []
    return documents[0].body


def put(lab: Lab, folder: Path) -> None:
    for old in (lab.root / "clusters").glob("*.yaml"):
        old.unlink()
    lab.write("clusters/namespace.yaml", NAMESPACE)
    for path in sorted(folder.glob("*.yaml")):
        lab.write(f"clusters/{path.name}", path.read_text())
    lab.commit()


def act(lab: Lab, step: dict[str, Any]) -> None:
    """One thing that somebody else does."""
    if "fault" in step:
        lab.sandbox.fault(Fault(**step["fault"], count=None))
    elif "delete" in step:
        assert lab.request("DELETE", step["delete"]).status == 200
    else:
        lab.patch(step["path"], step["patch"], manager=step["manager"])
        lab.pass_time(60)


def produced(case: Path, root: Path) -> dict[str, str]:
    """File name → content of everything that a case prints."""
    lab = Lab(root)
    put(lab, case / "before")
    lab.converge()
    put(lab, case / "fleet")
    for step in yaml(case / "live.yaml").get("steps", ()):
        act(lab, step)
    options = yaml(case / "options.yaml")
    try:
        plan = lab.plan(
            mode=options.get("mode", "apply"),
            allow_destroy=tuple(options.get("allow_destroy", ())),
            targets=tuple(select.parse(t) for t in options.get("targets", ())),
        )
        return {**printed(plan), "run.log": run_log(lab, plan)}
    except ClusterformError as error:
        return {"error.txt": error_text(error).rstrip("\n") + "\n"}


def printed(plan: Plan) -> dict[str, str]:
    return {
        "graph.txt": graphs.graph_text(plan, "text"),
        "plan.txt": text.plan_text(plan, verbose=False, color=False),
        "plan.md": markdown.plan_markdown(plan),
        "plan.json": jsonview.plan_json(plan),
    }


def run_log(lab: Lab, plan: Plan) -> str:
    """One write at a time, so that the order of lines is the order of the schedule."""
    try:
        finished = lab.apply(plan, parallel=1)
    except ClusterformError as error:
        return error_text(error).rstrip("\n") + "\n"
    left = lab.plan()
    lines = [line for event in lab.events if (line := event_text(event))]
    lines += [report_text(finished).rstrip("\n"), ""]
    empty = "next plan: no changes" + ("" if left.complete else " in what could be read")
    lines += [f"left: {c.verb} {c.action}" for c in left.changes] or [empty]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Path) -> None:
    case = HERE / name
    found = produced(case, tmp_path)
    stored = {p.name: p for p in case.iterdir() if p.is_file() and p.name not in INPUTS}
    if REWRITE:
        for path in stored.values():
            path.unlink()
        for file, content in found.items():
            (case / file).write_text(content)
        return
    assert sorted(stored) == sorted(found), "missing or orphaned files; make golden"
    for file, content in found.items():
        assert content == stored[file].read_text(), f"{name}/{file}; make golden, read the diff"


def test_every_folder_is_a_case() -> None:
    folders = [p.name for p in HERE.iterdir() if p.is_dir() and not p.name.startswith("__")]
    assert sorted(folders) == CASES
    for name in CASES:
        folders = sorted(p.name for p in (HERE / name).iterdir() if p.is_dir())
        assert folders in (["before", "fleet"], ["fleet"])
