"""Clusters made from a ClusterClass: what a class edit or a new version replaces, and when."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from simulated import INFRASTRUCTURE, Fleet, condition, documents, holds

KCP = "controlplane.cluster.x-k8s.io/v1beta2"
CLASS = "topology/clusters/class.yaml"


@pytest.fixture
def edge(fleet: Fleet) -> Fleet:
    for obj in [*documents(CLASS), *documents("topology/clusters/edge-1.yaml")]:
        fleet.apply(obj)
    fleet.namespace = "team-b"
    fleet.wait(10)
    return fleet


def topology(fleet: Fleet, **change: Any) -> None:
    fleet.change("Cluster", "edge-1", {"topology": change})


def reconciled(fleet: Fleet) -> bool:
    cluster = fleet.get("Cluster", "edge-1")
    return holds(cluster, "TopologyReconciled") and holds(cluster, "Available")


def test_the_class_makes_what_the_fixture_shows(edge: Fleet) -> None:
    assert reconciled(edge)
    assert len(edge.machines()) == 4
    (control_plane,) = edge.list("KubeadmControlPlane", KCP)
    assert "topology.cluster.x-k8s.io/owned" in control_plane["metadata"]["labels"]
    pools = edge.list("MachineDeployment")
    names = [p["metadata"]["labels"]["topology.cluster.x-k8s.io/deployment-name"] for p in pools]
    assert names == ["md-0", "md-1"]
    assert condition(edge.get("Cluster", "edge-1"), "RollingOut")["status"] == "False"


def test_scaling_a_pool(edge: Fleet) -> None:
    before = set(edge.machines())
    pools = [{"class": "worker", "name": "md-0", "replicas": 3}]
    topology(edge, workers={"machineDeployments": [*pools, WORKERS[1]]})
    edge.wait(4)
    assert before < set(edge.machines())
    assert len(edge.machines()) == 5


WORKERS = [{"class": "worker", "name": f"md-{n}", "replicas": 2 - n} for n in range(2)]


def test_a_version_goes_to_the_control_plane_then_pool_by_pool(edge: Fleet) -> None:
    before = set(edge.machines())
    topology(edge, version="v1.35.2")
    order = []
    for _ in range(80):
        edge.wait(0.1, step=0.1)
        new = [m for n, m in edge.machines().items() if n not in before]
        for machine in new:
            labels = machine["metadata"]["labels"]
            part = labels.get("topology.cluster.x-k8s.io/deployment-name", "control plane")
            order += [] if part in order else [part]
    edge.wait(6)
    assert order == ["control plane", "md-0", "md-1"]
    assert not before & set(edge.machines())
    assert reconciled(edge)


def test_a_class_edit_rolls_only_what_differs(edge: Fleet) -> None:
    before = set(edge.machines())
    found = next(d for d in documents(CLASS) if d["metadata"]["name"] == "small-workers")
    same, other = copy.deepcopy(found), copy.deepcopy(found)
    same["metadata"]["name"], other["metadata"]["name"] = "workers-same", "workers-other"
    other["spec"]["template"]["spec"]["backend"]["inMemory"]["node"] = {}
    for obj in (same, other):
        edge.apply(obj)
    (cluster_class,) = (d for d in documents(CLASS) if d["kind"] == "ClusterClass")
    worker = cluster_class["spec"]["workers"]["machineDeployments"][0]
    worker["infrastructure"]["templateRef"]["name"] = "workers-same"
    edge.apply(cluster_class)
    edge.wait(5)
    assert set(edge.machines()) == before
    worker["infrastructure"]["templateRef"]["name"] = "workers-other"
    edge.apply(cluster_class)
    edge.wait(10)
    kept = before & set(edge.machines())
    assert len(kept) == 1
    assert len(edge.machines()) == 4
    assert reconciled(edge)


def test_a_variable_reaches_the_machines_it_patches(edge: Fleet) -> None:
    before = set(edge.machines("md-"))
    topology(edge, variables=[{"name": "startup", "value": "2s"}])
    edge.wait(10)
    assert not before & set(edge.machines("md-"))
    name = next(iter(edge.machines("md-")))
    infra = edge.get("DevMachine", name, INFRASTRUCTURE)
    provisioning = infra["spec"]["backend"]["inMemory"]["vm"]["provisioning"]
    assert provisioning == {"startupDuration": "2s"}


def test_a_missing_class_is_awaited(fleet: Fleet) -> None:
    class_parts = documents(CLASS)
    namespace, *rest = class_parts
    for obj in (namespace, *documents("topology/clusters/edge-1.yaml")):
        fleet.apply(obj)
    fleet.namespace = "team-b"
    fleet.wait(1)
    found = condition(fleet.get("Cluster", "edge-1"), "TopologyReconciled")
    assert found["reason"] == "ClusterClassNotReconciled"
    for obj in rest:
        fleet.apply(obj)
    fleet.wait(10)
    assert reconciled(fleet)


def test_deleting_the_cluster_leaves_the_class(edge: Fleet) -> None:
    edge.delete("Cluster", "edge-1")
    edge.wait(5)
    assert edge.get("Cluster", "edge-1") is None
    assert not edge.machines()
    left = {t["metadata"]["name"] for t in edge.list("DevMachineTemplate", INFRASTRUCTURE)}
    assert left == {"small-control-plane", "small-workers"}
