"""A cluster comes up, pauses, gets stuck, and goes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from simulated import INFRASTRUCTURE, NAMESPACE, Fleet, condition, holds

from providers.kube.api import Request
from providers.kube.sandbox.faults import Fault

KCP = "controlplane.cluster.x-k8s.io/v1beta2"
SETTLED = ("Deleting", "Paused", "Remediating", "RollingOut", "ScalingDown", "ScalingUp")


def workload(fleet: Fleet, path: str) -> Any:
    """A GET in the workload cluster, by what its kubeconfig Secret says."""
    secret = fleet.get("Secret", "shop-prod-kubeconfig", "v1")
    assert secret["type"] == "cluster.x-k8s.io/secret"
    config = json.loads(base64.b64decode(secret["data"]["value"]))
    server = config["clusters"][0]["cluster"]["server"]
    found = fleet.file.workload(server, config["users"][0]["user"]["token"])
    assert found is not None
    return json.loads(found.request(Request(method="GET", path=path)).body)


def names(listed: Any) -> set[str]:
    return {item["metadata"]["name"] for item in listed["items"]}


def test_everything_converges(running: Fleet) -> None:
    cluster = running.get("Cluster", "shop-prod")
    false = {c["type"] for c in cluster["status"]["conditions"] if c["status"] != "True"}
    assert false == set(SETTLED)
    assert cluster["spec"]["controlPlaneEndpoint"]["port"] == 6443
    for part in ("controlPlane", "workers"):
        assert {v for k, v in cluster["status"][part].items() if k != "versions"} == {3}
    assert all(holds(m, "Ready") for m in running.machines().values())
    assert len(running.machines()) == 6


def test_three_and_three_machines_take_six_to_eight_seconds(fleet: Fleet, example: Any) -> None:
    for obj in example:
        fleet.apply(obj)
    fleet.wait(6)
    assert not ready(fleet)
    fleet.wait(2)
    assert ready(fleet)


def ready(fleet: Fleet) -> bool:
    status = fleet.get("Cluster", "shop-prod")["status"]
    return {status[p]["availableReplicas"] for p in ("controlPlane", "workers")} == {3}


def test_once_converged_nothing_is_written_any_more(running: Fleet) -> None:
    before = [m["metadata"]["resourceVersion"] for m in running.list("MachineDeployment")]
    newest = running.list("Cluster")[0]["metadata"]["resourceVersion"]
    running.wait(600, step=60)
    metadata = {"name": "other", "namespace": NAMESPACE}
    running.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    running.wait(1)
    assert running.list("Cluster")[0]["metadata"]["resourceVersion"] == newest
    assert [m["metadata"]["resourceVersion"] for m in running.list("MachineDeployment")] == before


def test_the_workload_cluster_holds_what_kubeadm_makes(running: Fleet) -> None:
    nodes = names(workload(running, "/api/v1/nodes"))
    assert nodes == set(running.machines())
    system = "/api/v1/namespaces/kube-system"
    assert {"kubeadm-config", "kubelet-config"} <= names(workload(running, f"{system}/configmaps"))
    daemons = workload(running, "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy")
    assert daemons["status"]["numberAvailable"] == 6
    dns = workload(running, "/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    assert dns["status"]["availableReplicas"] == 2


def test_a_machine_is_made_as_the_recorded_ones(running: Fleet) -> None:
    name, machine = next(iter(running.machines("workers").items()))
    assert machine["spec"]["providerID"] == f"in-memory://{name}"
    assert machine["status"]["nodeRef"] == {"name": name}
    infra = running.get("DevMachine", name, INFRASTRUCTURE)
    cloned = infra["metadata"]["annotations"]["cluster.x-k8s.io/cloned-from-name"]
    assert cloned == "shop-prod-workers"
    assert running.get("Secret", name, "v1")["type"] == "cluster.x-k8s.io/secret"
    owners = [o["kind"] for o in machine["metadata"]["ownerReferences"]]
    assert owners == ["MachineSet"]


def test_nothing_happens_before_the_cluster_is_there(fleet: Fleet, example: Any) -> None:
    for obj in example:
        if obj["kind"] != "Cluster":
            fleet.apply(obj)
    fleet.wait(5)
    assert not fleet.machines()
    assert not fleet.get("DevCluster", "shop-prod", INFRASTRUCTURE).get("status")


def test_workers_wait_for_the_control_plane(fleet: Fleet, example: Any) -> None:
    for obj in example:
        fleet.apply(obj)
    fleet.wait(2)
    assert not fleet.machines("workers")
    message = condition(fleet.get("MachineDeployment", "shop-prod-workers"), "ScalingUp")["message"]
    assert "ControlPlaneIsStable" in message


def test_references_that_come_late_are_found(fleet: Fleet, example: Any) -> None:
    for obj in reversed(example):
        fleet.apply(obj)
        fleet.wait(0.5)
    fleet.wait(15)
    assert ready(fleet)


def test_paused_stops_everything_and_says_so(running: Fleet) -> None:
    running.change("Cluster", "shop-prod", {"paused": True})
    running.change("MachineDeployment", "shop-prod-workers", {"replicas": 5})
    running.wait(5)
    assert len(running.machines()) == 6
    for kind, name in (("Cluster", "shop-prod"), ("MachineDeployment", "shop-prod-workers")):
        assert holds(running.get(kind, name), "Paused")
    running.change("Cluster", "shop-prod", {"paused": None})
    running.wait(5)
    assert len(running.machines()) == 8
    assert not holds(running.get("MachineDeployment", "shop-prod-workers"), "Paused")


def test_a_stuck_machine_holds_its_rollout(running: Fleet) -> None:
    path = r".*/Machine/team-a/shop-prod-workers-.*"
    running.file.fault(Fault(kind="stuck", path=path, reason="NoAddress", count=None))
    running.change("MachineDeployment", "shop-prod-workers", {"replicas": 4})
    running.wait(10)
    stuck = [m for m in running.machines("workers").values() if not holds(m, "Ready")]
    assert {condition(m, "NodeHealthy")["reason"] for m in stuck} == {"NoAddress"}
    assert any(condition(m, "BootstrapConfigReady")["status"] == "False" for m in stuck)
    running.file.clear_faults()
    running.wait(8)
    assert all(holds(m, "Ready") for m in running.machines().values())


STUCK = {
    "workers": ("MachineDeployment", "shop-prod-workers", "cluster.x-k8s.io/v1beta2"),
    "control-plane": ("KubeadmControlPlane", "shop-prod-control-plane", KCP),
}


@pytest.mark.parametrize("part", STUCK)
def test_what_a_stuck_owner_makes_never_becomes_ready(running: Fleet, part: str) -> None:
    kind, name, version = STUCK[part]
    before = set(running.machines(part))
    running.file.fault(
        Fault(kind="stuck", path=f".*/{kind}/team-a/{name}", reason="Quota", count=None)
    )
    running.change(kind, name, {"replicas": len(before) + 2}, version)
    running.wait(20)
    made = {n: m for n, m in running.machines(part).items() if n not in before}
    assert made
    assert {condition(m, "NodeHealthy")["reason"] for m in made.values()} == {"Quota"}
    assert running.get(kind, name, version)["status"]["readyReplicas"] == len(before)
    running.file.clear_faults()
    running.wait(20)
    assert running.get(kind, name, version)["status"]["readyReplicas"] == len(before) + 2


def test_a_stuck_cluster_never_initializes(fleet: Fleet, example: Any) -> None:
    fault = Fault(kind="stuck", path=".*/Cluster/team-a/shop-prod", reason="Quota", count=None)
    fleet.file.fault(fault)
    for obj in example:
        fleet.apply(obj)
    fleet.wait(60, step=5)
    found = condition(fleet.get("Cluster", "shop-prod"), "ControlPlaneInitialized")
    assert (found["status"], found["reason"]) == ("False", "Quota")


def test_deletion_goes_workers_control_plane_infrastructure_cluster(running: Fleet) -> None:
    running.delete("Cluster", "shop-prod")
    gone: list[str] = []
    probes = {
        "workers": lambda: running.get("MachineDeployment", "shop-prod-workers"),
        "control plane": lambda: running.get("KubeadmControlPlane", "shop-prod-control-plane", KCP),
        "infrastructure": lambda: running.get("DevCluster", "shop-prod", INFRASTRUCTURE),
        "cluster": lambda: running.get("Cluster", "shop-prod"),
    }
    reasons = set()
    for _ in range(60):
        running.wait(0.05, step=0.05)
        gone += [name for name, probe in probes.items() if name not in gone and probe() is None]
        if (cluster := running.get("Cluster", "shop-prod")) is not None:
            reasons.add(condition(cluster, "Deleting").get("reason"))
    assert gone == list(probes)
    assert {"WaitingForWorkersDeletion", "WaitingForControlPlaneDeletion"} <= reasons
    assert not running.machines()
    assert running.list("DevMachineTemplate", INFRASTRUCTURE) == []
    assert running.list("Secret", "v1") == []


def test_what_an_object_says_is_applied_again_without_a_write(running: Fleet, example: Any) -> None:
    versions = {}
    for obj in example:
        answer = running.apply(obj)
        versions[obj["kind"], obj["metadata"]["name"]] = answer["metadata"]["resourceVersion"]
    running.wait(2)
    for obj in example:
        answer = running.apply(obj)
        key = obj["kind"], obj["metadata"]["name"]
        assert answer["metadata"]["resourceVersion"] == versions[key]


def test_a_cluster_of_the_same_name_can_come_again(running: Fleet, example: Any) -> None:
    running.delete("Cluster", "shop-prod")
    running.wait(5)
    for obj in example:
        running.apply(obj)
    running.wait(10)
    assert ready(running)
    assert names(workload(running, "/api/v1/nodes")) == set(running.machines())
