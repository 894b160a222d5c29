"""Versions more than one minor away: a step of one plan for each minor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.changes import AfterAction, Plan
from planner.views.graphs import graph_text
from planner.views.jsonview import plan_json
from planner.views.markdown import plan_markdown
from planner.views.text import plan_text
from tests.support.lab import Lab, by_verb, capi
from tests.support.manifests import NAMESPACE, cluster

_KIND = "KubeadmControlPlane"
_PLANE = f"kind: {_KIND}\nmetadata: {{"


def lab_at(tmp_path: Path, version: str, **more: int) -> Lab:
    lab = Lab(tmp_path)
    put(lab, cluster(version=version, **more))
    lab.converge()
    return lab


def put(lab: Lab, manifests: str) -> None:
    lab.write("clusters/c1.yaml", NAMESPACE + "---\n" + manifests)
    lab.commit()


def plane_steps(plan: Plan) -> list[tuple[int, str, str, int]]:
    """(step, from, to, machines replaced) of every write to the control plane."""
    return [
        (c.action.step, str(f.before), str(f.after), c.impact.replaced)
        for c in plan.changes
        if c.id.kind == "KubeadmControlPlane"
        for f in c.fields
        if f.path[-1] == "f:version"
    ]


def test_two_minors_are_two_steps_of_one_plan_and_workers_follow_once(tmp_path: Path) -> None:
    lab = lab_at(tmp_path, "v1.34.2", workers=2)
    before = {m["metadata"]["name"] for m in lab.list(capi("machines", "team-a"))}
    put(lab, cluster(version="v1.36.1", workers=2))
    plan = lab.plan()
    assert plane_steps(plan) == [(0, "v1.34.2", "v1.35.0", 1), (1, "v1.35.0", "v1.36.1", 1)]
    second = next(c for c in plan.changes if c.action.step == 1)
    assert isinstance(second.precondition, AfterAction)
    pool = next(c for c in plan.changes if c.id.kind == "MachineDeployment")
    assert pool.impact.replaced == 2
    assert any("passes through v1.35.0" in f.summary for f in plan.findings)

    finished = lab.apply(plan)
    assert [r for r in finished.results if r.outcome != "done"] == []
    machines = lab.list(capi("machines", "team-a"))
    assert {m["spec"]["version"] for m in machines} == {"v1.36.1"}
    assert not before & {m["metadata"]["name"] for m in machines}
    assert lab.plan().changes == ()


def test_the_version_in_between_can_be_named(tmp_path: Path) -> None:
    lab = lab_at(tmp_path, "v1.34.2")
    edited = cluster(version="v1.36.1").replace(
        "kind: KubeadmControlPlane\nmetadata: {",
        "kind: KubeadmControlPlane\n"
        "metadata: {annotations: {clusterform.dev/upgrade-via: v1.35.4}, ",
    )
    assert "upgrade-via" in edited
    put(lab, edited)
    plan = lab.plan()
    assert plane_steps(plan) == [(0, "v1.34.2", "v1.35.4", 1), (1, "v1.35.4", "v1.36.1", 1)]
    assert not any("passes through" in f.summary for f in plan.findings)


@pytest.mark.parametrize("named", ["", "nonsense"])
def test_a_version_of_a_distribution_has_to_be_named(tmp_path: Path, named: str) -> None:
    lab = lab_at(tmp_path, "v1.34.2+rke2r1")
    note = f"annotations: {{clusterform.dev/upgrade-via: {named or 'none'}}}, "
    put(lab, cluster(version="v1.36.1+rke2r1").replace(_PLANE, _PLANE + note))
    plan = lab.plan()
    assert plane_steps(plan) == []
    (refused,) = [f for f in plan.findings if f.code == "V2"]
    assert "clusterform.dev/upgrade-via" in refused.hint


def test_a_named_version_is_taken_as_it_is_written(tmp_path: Path) -> None:
    lab = lab_at(tmp_path, "v1.34.2+rke2r1")
    note = "annotations: {clusterform.dev/upgrade-via: v1.35.4+rke2r2}, "
    put(lab, cluster(version="v1.36.1+rke2r1").replace(_PLANE, _PLANE + note))
    assert [(a, b) for _, a, b, _ in plane_steps(lab.plan())] == [
        ("v1.34.2+rke2r1", "v1.35.4+rke2r2"),
        ("v1.35.4+rke2r2", "v1.36.1+rke2r1"),
    ]


def test_an_upgrade_cut_off_between_its_steps_is_resumed(tmp_path: Path) -> None:
    lab = lab_at(tmp_path, "v1.34.2", workers=2)
    put(lab, cluster(version="v1.36.1", workers=2))
    first = lab.apply(
        lab.plan(),
        interrupt=lambda e, stop: stop() if getattr(e, "milestone", "") == "rolled-out" else None,
    )
    assert first.interrupted
    finished = lab.resume(first.run)
    assert [r for r in finished.results if r.outcome != "done"] == []
    machines = lab.list(capi("machines", "team-a"))
    assert {m["spec"]["version"] for m in machines} == {"v1.36.1"}
    assert lab.plan().changes == ()


def test_a_template_stays_while_a_pool_that_rolls_on_delete_has_machines_from_it(
    tmp_path: Path,
) -> None:
    lab = lab_at(tmp_path, "v1.35.0", workers=2)
    text = cluster(version="v1.35.0", workers=2).replace(
        "  replicas: 2\n", "  replicas: 2\n  rollout: {strategy: {type: OnDelete}}\n"
    )
    assert "OnDelete" in text
    behind = "startupDuration: 1s}}\n---\napiVersion: boot"
    assert behind in text
    put(lab, text.replace(behind, behind.replace("1s", "2s")))
    plan = lab.plan()
    assert "prune" not in by_verb(plan)
    assert any("rolls on delete" in f.summary for f in plan.findings)
    finished = lab.apply(plan)
    assert [r for r in finished.results if r.outcome != "done"] == []
    assert lab.plan().changes == ()


def test_each_write_of_an_upgrade_in_two_steps_says_which_one_it_is(tmp_path: Path) -> None:
    lab = lab_at(tmp_path, "v1.34.2")
    put(lab, cluster(version="v1.36.1"))
    plan = lab.plan()
    assert [(c.action.step, c.steps) for c in plan.changes if c.id.kind == _KIND] == [
        (0, 2),
        (1, 2),
    ]
    shown = [
        plan_text(plan, verbose=False, color=False),
        plan_markdown(plan),
        graph_text(plan, "text"),
    ]
    for text in shown:
        assert f"{_KIND} c1, step 1 of 2" in text
        assert f"{_KIND} c1, step 2 of 2" in text
    order = "order: control plane step 1 rolled out → control plane step 2"
    assert order in shown[0]
    steps = [(c["step"], c["steps"]) for c in json.loads(plan_json(plan))["changes"]]
    assert {(0, 2), (1, 2)} <= set(steps)
