"""Between plan and apply an object moves: what was planned for it is refused before a write."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from planner.changes import Plan
from planner.events import RunFinished
from state.errors import ClusterformError
from tests.realcluster.lab import RealLab
from tests.realcluster.server import ControlPlane
from tests.realcluster.worlds import Body, collection, first_body

Move = Callable[[RealLab], None]


def body(lab: RealLab, name: str, **data: str) -> Body:
    made = first_body("ConfigMap", name, lab.fleet)
    made["data"] = data
    return made


def write(lab: RealLab, *bodies: Body) -> None:
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": lab.fleet}}
    lab.write("clusters/all.yaml", "\n---\n".join(json.dumps(d) for d in (home, *bodies)))
    lab.commit()


def planned(lab: RealLab) -> Plan:
    """An update of `one`, a delete of `two`, a create of `three`, an update of `other`."""
    write(lab, body(lab, "one", a="1"), body(lab, "two", a="1"), body(lab, "other", a="1"))
    lab.apply(lab.plan(), wait=False)
    write(lab, body(lab, "one", a="2"), body(lab, "three", a="1"), body(lab, "other", a="2"))
    plan = lab.plan()
    assert len(plan.changes) == 4
    return plan


def path(lab: RealLab, name: str) -> str:
    return collection("ConfigMap", lab.fleet, name)


def edit(lab: RealLab) -> None:
    lab.patch(path(lab, "one"), {"data": {"a": "9"}}, manager="kubectl-edit")


def remove(lab: RealLab) -> None:
    lab.request("DELETE", path(lab, "one"))


def replace(lab: RealLab) -> None:
    lab.request("DELETE", path(lab, "one"))
    lab.make(body(lab, "one", a="1"), "configmaps")


def disown(lab: RealLab) -> None:
    live = lab.get(path(lab, "one"))
    assert live is not None
    steps = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    lab.json_patch(path(lab, "one"), steps, manager="kubectl")


def appear(lab: RealLab) -> None:
    lab.make(body(lab, "three", a="mine"), "configmaps")


def relabel(lab: RealLab) -> None:
    """What would be deleted is another fleet's now."""
    labels = {"metadata": {"labels": {"clusterform.dev/fleet": "other"}}}
    lab.patch(path(lab, "two"), labels, manager="kubectl-label")


MOVES: dict[str, tuple[Move, str]] = {
    "a field that would be written": (edit, "one"),
    "deleted": (remove, "one"),
    "deleted and made again": (replace, "one"),
    "our ownership removed": (disown, "one"),
    "appeared": (appear, "three"),
    "what would be deleted is not ours any more": (relabel, "two"),
}


def outcomes(run: RunFinished) -> dict[str, str]:
    return {r.action.rpartition("/")[2]: r.code or r.outcome for r in run.results}


@pytest.mark.parametrize("move", MOVES)
def test_what_moved_is_not_written_and_the_rest_is(lab: RealLab, move: str) -> None:
    plan = planned(lab)
    how, name = MOVES[move]
    how(lab)
    before = lab.get(path(lab, name))
    run = lab.apply(plan, wait=False)
    expected = dict.fromkeys(("one", "two", "three", "other"), "done") | {name: "stale"}
    assert outcomes(run) == expected
    assert lab.get(path(lab, name)) == before


def status(lab: RealLab) -> None:
    lab.patch(f"{pool(lab)}/status", {"status": {"replicas": 2}}, manager="manager")


def finalizer(lab: RealLab) -> None:
    own = {"metadata": {"finalizers": ["example.org/hold"]}}
    lab.patch(pool(lab), own, manager="manager")


def owner_reference(lab: RealLab) -> None:
    live = lab.get(pool(lab).replace("machinedeployments/pool", "clusters/home"))
    assert live is not None
    reference = {
        "apiVersion": live["apiVersion"],
        "kind": "Cluster",
        "name": "home",
        "uid": live["metadata"]["uid"],
    }
    lab.patch(pool(lab), {"metadata": {"ownerReferences": [reference]}}, manager="manager")


def pool(lab: RealLab) -> str:
    return collection("MachineDeployment", lab.fleet, "pool")


@pytest.mark.parametrize("move", [status, finalizer, owner_reference])
def test_what_controllers_do_all_day_disturbs_nothing(lab: RealLab, move: Move) -> None:
    machines = first_body("MachineDeployment", "pool", lab.fleet)
    write(lab, machines, first_body("Cluster", "home", lab.fleet))
    lab.apply(lab.plan(), wait=False)
    machines["spec"]["replicas"] = 4
    write(lab, machines, first_body("Cluster", "home", lab.fleet))
    plan = lab.plan()
    move(lab)
    assert [r.outcome for r in lab.apply(plan, wait=False).results] == ["done"]
    live = lab.get(pool(lab))
    assert live is not None
    assert live["spec"]["replicas"] == 4
    removal: Any = [{"op": "remove", "path": "/metadata/finalizers"}]
    if live["metadata"].get("finalizers"):
        lab.json_patch(pool(lab), removal, manager="manager")


def widget_crd(group: str, served: str) -> Body:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": name, "served": name == served, "storage": name == served, "schema": schema}
        for name in ("v1", "v2")
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": versions,
        },
    }


def test_a_version_that_is_served_no_more_is_neither_written_nor_absent(lab: RealLab) -> None:
    group = f"{lab.fleet}.example.org"
    crd = widget_crd(group, "v1")
    lab.make(crd, "customresourcedefinitions")
    widget = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": lab.fleet},
        "spec": {"size": 1},
    }
    lab.pass_time(1)
    write(lab, widget)
    lab.apply(lab.plan(), wait=False)
    write(lab, {**widget, "spec": {"size": 2}})
    plan = lab.plan()
    definition = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    spec = {"spec": {"versions": widget_crd(group, "v2")["spec"]["versions"]}}
    lab.patch(definition, spec, manager="kubectl")
    lab.pass_time(2)
    [result] = lab.apply(plan, wait=False).results
    assert (result.outcome, result.code) == ("failed", "stale")
    live = lab.get(f"/apis/{group}/v2/namespaces/{lab.fleet}/widgets/w")
    assert live is not None
    assert live["spec"] == {"size": 1}
    again = lab.plan()
    assert again.changes == ()
    told = " ".join(f.summary for f in again.findings)
    assert f"Widget is served as {group}/v2, not as {group}/v1" in told
    lab.request("DELETE", definition)


def test_another_cluster_behind_the_same_context_gets_no_write(
    lab: RealLab, own_plane: Callable[..., ControlPlane], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(lab)
    other = own_plane(controllers=False)
    monkeypatch.setenv("KUBECONFIG", str(other.kubeconfig))
    with pytest.raises(ClusterformError) as raised:
        lab.apply(plan, wait=False)
    assert raised.value.code == "stale"
    assert raised.value.exit == 4
