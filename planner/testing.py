"""`clusterform test`: every release rendered and checked, and what the repository expects of them.

Cases, in the order of the report: the repository loads; each release renders, fits the schemas of
the CRDs at hand and passes the rules (docs/validation.md); each declared set of values of a chart
renders; expectations; edits, each tried on a built-in cluster (`planner.trial`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from planner.changes import Plan
from planner.expectations import Edit, Expectation, Test, matching, problem, read_test
from planner.explain import declared
from planner.trial import Trial
from planner.validate import all_findings
from planner.workspace import Workspace
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import Resource

FOLDER = "tests"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test."""

    group: str
    name: str
    problems: tuple[str, ...] = ()
    """Why it failed; `()`: it passed."""
    where: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return not self.problems


def run(workspace: Workspace, folder: str = FOLDER) -> list[Case]:
    """All cases. Raises ClusterformError('no-tests') for a folder that is not there."""
    tests, findings = _tests(workspace, folder)
    if findings:
        return [Case(group="tests", name=f.path, problems=(_text(f),)) for f in findings]
    cases = list(_releases(workspace))
    if any(not case.passed for case in cases):
        return cases  # what does not render has no fields to expect anything of
    resources = declared(workspace)
    for test in tests:
        cases += [_timed(test.name, e.title, e.where, _expected(e, resources)) for e in test.expect]
        cases += [_timed(test.name, e.name, e.where, _tried(workspace, e)) for e in test.edits]
    return cases


def _tests(workspace: Workspace, folder: str) -> tuple[list[Test], list[Finding]]:
    files = [f.path for f in workspace.tree.files(folder) if f.path.endswith((".yaml", ".yml"))]
    if not files and folder != FOLDER:
        raise ClusterformError("no-tests", f"there is no test in {folder}")
    found: list[Test] = []
    findings: list[Finding] = []
    contents = workspace.tree.read(files)
    for path in files:
        if b"kind: Test" not in contents[path]:
            continue
        test, wrong = read_test(contents[path], path, lambda _: True)
        found.append(test)
        findings += wrong
    return found, findings


def _releases(workspace: Workspace) -> Iterator[Case]:
    """A case for each release, with the errors at its file; one for what belongs to none."""
    started = time.perf_counter()
    found = all_findings(workspace.loaded, workspace.line_of)
    errors = [f for f in found if f.severity == "error"]
    names: dict[str, str] = {}
    for document in workspace.loaded.documents:
        if document.release is not None and document.release.kind != "profile":
            names.setdefault(document.release.text, document.origin.via[-1].at)
    for error in errors:
        for kind in ("HelmRelease", "Kustomization", "WorkloadCluster"):
            if error.summary.startswith(f"{kind} "):
                names.setdefault(error.summary.partition(":")[0], error.path)
    seconds = time.perf_counter() - started
    left = list(errors)
    for name, at in sorted(names.items()):
        mine = [e for e in errors if e.path == at.partition(":")[0]]
        left = [e for e in left if e not in mine]
        yield Case(
            group="releases",
            name=f"{name} renders and is valid",
            problems=tuple(_text(e) for e in mine),
            where=at,
            seconds=seconds / len(names),
        )
    yield Case(
        group="repository",
        name="everything else is valid",
        problems=tuple(_text(e) for e in left),
        seconds=0.0 if names else seconds,
    )


def _timed(group: str, name: str, where: str, check: Callable[[], Iterator[str]]) -> Case:
    started = time.perf_counter()
    try:
        problems = tuple(check())
    except ClusterformError as error:
        problems = (error.brief,)
    seconds = time.perf_counter() - started
    return Case(group=group, name=name, problems=problems, where=where, seconds=seconds)


def _expected(
    expectation: Expectation, resources: tuple[Resource, ...]
) -> Callable[[], Iterator[str]]:
    def check() -> Iterator[str]:
        found = matching(expectation, resources)
        absent = expectation.check == "exists" and not expectation.value and not expectation.path
        if not found and not absent:
            yield "no object matches"
        for resource in found:
            wrong = problem(expectation, resource.decoded())
            if wrong:
                yield f"{resource.id} ({resource.origin}): {wrong}"

    return check


def _tried(workspace: Workspace, edit: Edit) -> Callable[[], Iterator[str]]:
    def check() -> Iterator[str]:
        with Trial(workspace) as trial:
            plan = trial.plan_of(edit.release, edit.values)
        counts = machines(plan)
        for name, wanted in edit.machines:
            if counts[name] != wanted:
                yield f"{name}: {counts[name]} machines, expected {wanted}" + _why(plan, name)
        refused = [f.summary for f in plan.findings if f.kind in ("refused", "blocked")]
        yield from refused
        if counts["destroyed"] and not edit.destroys:
            yield f"destroys {counts['destroyed']} machines; destroys: true would allow it"

    return check


def machines(plan: Plan) -> dict[str, int]:
    """Machines replaced, added, removed and destroyed by a plan."""
    names = ("replaced", "added", "removed", "destroyed")
    return {name: sum(getattr(c.impact, name) for c in plan.changes) for name in names}


def _why(plan: Plan, name: str) -> str:
    """The changes behind a number, for the report."""
    found = [
        f"{c.id.kind} {c.id.name}: {c.impact.because or 'by its fields'}"
        for c in plan.changes
        if getattr(c.impact, name)
    ]
    return f" ({'; '.join(found[:3])})" if found else ""


def _text(found: Finding) -> str:
    return f"{found.where}: {found.summary}" + (f"; {found.hint}" if found.hint else "")
