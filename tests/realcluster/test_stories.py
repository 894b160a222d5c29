"""Plan, apply, edit, plan again, on a real API server with Cluster API's CRDs."""

from __future__ import annotations

from planner.changes import Confidence
from tests.realcluster.lab import RealLab
from tests.support import manifests
from tests.support.lab import by_verb, capi, change_of


def start(lab: RealLab, namespace: str) -> None:
    """One cluster in a namespace of its own, planned and applied."""
    text = "---\n".join((manifests.NAMESPACE, manifests.cluster()))
    lab.write("clusters/c1.yaml", text.replace("team-a", namespace))
    lab.commit()
    finished = lab.apply(lab.plan(), wait=False)
    assert [r for r in finished.results if r.outcome != "done"] == []


def test_a_cluster_is_applied_and_the_next_plan_is_empty(lab: RealLab) -> None:
    start(lab, lab.fleet)
    again = lab.plan()
    assert (again.changes, again.complete) == ((), True)


def test_an_edit_in_git_is_planned_exactly_and_applied(lab: RealLab) -> None:
    start(lab, lab.fleet)
    lab.edit("clusters/c1.yaml", ("replicas: 2", "replicas: 5"))
    plan = lab.plan()
    change = change_of(plan, "MachineDeployment")
    assert len(plan.changes) == 1
    assert [(f.path[-1], f.before, f.after) for f in change.fields] == [("f:replicas", 2, 5)]
    assert change.confidence is Confidence.EXACT
    lab.apply(plan, wait=False)
    assert lab.plan().changes == ()


def test_a_live_scale_is_drift_and_taken_back(lab: RealLab) -> None:
    start(lab, lab.fleet)
    path = capi("machinedeployments", lab.fleet, "c1-md0")
    path = path.replace("team-a", lab.fleet)
    lab.patch(path, {"spec": {"replicas": 7}}, manager="kubectl-scale")
    plan = lab.plan()
    assert list(by_verb(plan)) == ["update"]
    assert [t.manager for t in change_of(plan, "MachineDeployment").takes] == ["kubectl-scale"]
    lab.apply(plan, wait=False)
    live = lab.get(path)
    assert live is not None
    assert live["spec"]["replicas"] == 2
    assert lab.plan().changes == ()
