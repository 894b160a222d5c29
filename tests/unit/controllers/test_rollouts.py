"""Rollouts as measured: which machines go, how many at a time, and what is shown meanwhile.

The numbers are those of the table and the timeline recorded with real controllers.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from simulated import INFRASTRUCTURE, Fleet, condition, holds

WORKERS = "shop-prod-workers"
CONTROL_PLANE = "shop-prod-control-plane"
KCP = "controlplane.cluster.x-k8s.io/v1beta2"
BOOTSTRAP = "bootstrap.cluster.x-k8s.io/v1beta2"


class Counts(msgspec.Struct, frozen=True):
    replaced: int
    new: int
    kept: int
    peak: int


def watch(fleet: Fleet, part: str, seconds: float = 15) -> Counts:
    """Let a change work, and count machines of a part meanwhile."""
    before = set(fleet.machines(part))
    peak = len(before)
    for _ in range(int(seconds / 0.1)):
        fleet.wait(0.1, step=0.1)
        peak = max(peak, len(fleet.machines(part)))
    after = set(fleet.machines(part))
    return Counts(len(before - after), len(after - before), len(before & after), peak)


def template(name: str) -> Any:
    """A reference of a MachineDeployment's template."""
    ref = {"apiGroup": INFRASTRUCTURE.partition("/")[0], "kind": "DevMachineTemplate", "name": name}
    return {"template": {"spec": {"infrastructureRef": ref}}}


def copied(fleet: Fleet, kind: str, name: str, new: str, api_version: str) -> None:
    """The same template under another name."""
    found = copy.deepcopy(fleet.get(kind, name, api_version))
    metadata = {"name": new, "namespace": found["metadata"]["namespace"]}
    fleet.apply({**{k: found[k] for k in ("apiVersion", "kind", "spec")}, "metadata": metadata})


def test_the_window_in_which_all_looks_done(running: Fleet) -> None:
    copied(running, "DevMachineTemplate", WORKERS, "workers-b", INFRASTRUCTURE)
    running.change("MachineDeployment", WORKERS, template("workers-b"))
    seen = []
    for _ in range(60):
        running.wait(0.05, step=0.05)
        seen.append(look(running))
    done = [s for s in seen if s.observed and s.counters == (3, 3, 3) and not s.rolling]
    unobserved = [s for s in seen if not s.observed]
    # A wait that reads generation, counters and RollingOut would stop here, and be wrong.
    assert len(done) * 0.05 == pytest.approx(0.7, abs=0.11)
    assert len(unobserved) * 0.05 == pytest.approx(0.2, abs=0.06)
    assert all(s.outdated == 3 for s in [*unobserved, *done])
    assert {s.sets for s in done} == {2}
    first = next(i for i, s in enumerate(seen) if s.rolling)
    cluster = next(i for i, s in enumerate(seen) if s.cluster)
    assert (cluster - first) * 0.05 == pytest.approx(1.0, abs=0.15)


class Look(msgspec.Struct, frozen=True):
    observed: bool
    counters: tuple[int, int, int]
    rolling: bool
    outdated: int
    sets: int
    cluster: bool


def look(fleet: Fleet) -> Look:
    found = fleet.get("MachineDeployment", WORKERS)
    status = found["status"]
    names = ("replicas", "upToDateReplicas", "availableReplicas")
    return Look(
        status["observedGeneration"] == found["metadata"]["generation"],
        (status[names[0]], status[names[1]], status[names[2]]),
        holds(found, "RollingOut"),
        sum(not holds(m, "UpToDate") for m in fleet.machines("workers").values()),
        len(fleet.list("MachineSet")),
        holds(fleet.get("Cluster", "shop-prod"), "RollingOut"),
    )


def test_an_infrastructure_template_of_another_name_replaces_all(running: Fleet) -> None:
    copied(running, "DevMachineTemplate", WORKERS, "workers-b", INFRASTRUCTURE)
    running.change("MachineDeployment", WORKERS, template("workers-b"))
    assert watch(running, "workers") == Counts(3, 3, 0, 4)
    assert settled(running)
    assert len(running.list("MachineSet")) == 1


def settled(fleet: Fleet) -> bool:
    found, cluster = fleet.get("MachineDeployment", WORKERS), fleet.get("Cluster", "shop-prod")
    counters = {found["status"][n] for n in ("replicas", "upToDateReplicas", "availableReplicas")}
    rolling = holds(found, "RollingOut") or holds(cluster, "RollingOut")
    return counters == {found["spec"]["replicas"]} and not rolling


def test_a_bootstrap_template_of_another_name_replaces_all(running: Fleet) -> None:
    copied(running, "KubeadmConfigTemplate", WORKERS, "workers-b", BOOTSTRAP)
    ref = {"apiGroup": "bootstrap.cluster.x-k8s.io", "kind": "KubeadmConfigTemplate"}
    spec = {"bootstrap": {"configRef": {**ref, "name": "workers-b"}}}
    running.change("MachineDeployment", WORKERS, {"template": {"spec": spec}})
    assert watch(running, "workers") == Counts(3, 3, 0, 4)


def test_a_machine_is_replaced_in_about_a_second(running: Fleet) -> None:
    copied(running, "DevMachineTemplate", WORKERS, "workers-b", INFRASTRUCTURE)
    running.change("MachineDeployment", WORKERS, template("workers-b"))
    running.wait(1)
    watch(running, "workers", 3 * 1.2)
    assert settled(running)


@pytest.mark.parametrize(("replicas", "counts"), [(5, Counts(0, 2, 3, 5)), (2, Counts(1, 0, 2, 3))])
def test_scaling(running: Fleet, replicas: int, counts: Counts) -> None:
    running.change("MachineDeployment", WORKERS, {"replicas": replicas})
    assert watch(running, "workers", 4) == counts
    assert settled(running)


@pytest.mark.parametrize("change", [
    {"template": {"metadata": {"labels": {"tier": "front"}}}},
    {"template": {"spec": {"deletion": {"nodeDrainTimeoutSeconds": 60}}}},
])  # fmt: skip
def test_what_changes_in_place(running: Fleet, change: Any) -> None:
    running.change("MachineDeployment", WORKERS, change)
    assert watch(running, "workers", 4) == Counts(0, 0, 3, 3)
    machine = next(iter(running.machines("workers").values()))
    label = machine["metadata"]["labels"].get("tier")
    timeout = (machine["spec"].get("deletion") or {}).get("nodeDrainTimeoutSeconds")
    assert (label, timeout) in [("front", None), (None, 60)]


def test_going_back_uses_the_machine_set_that_still_lives(running: Fleet) -> None:
    copied(running, "DevMachineTemplate", WORKERS, "workers-b", INFRASTRUCTURE)
    before = set(running.machines("workers"))
    running.change("MachineDeployment", WORKERS, template("workers-b"))
    running.wait(3, step=0.1)
    half = set(running.machines("workers"))
    assert before & half
    assert half - before
    running.change("MachineDeployment", WORKERS, template(WORKERS))
    running.wait(12)
    after = set(running.machines("workers"))
    assert before & half <= after
    assert len(after) == 3
    assert not (half - before) & after
    assert settled(running)


def test_on_delete_waits_for_somebody(running: Fleet) -> None:
    copied(running, "DevMachineTemplate", WORKERS, "workers-b", INFRASTRUCTURE)
    strategy = {"strategy": {"type": "OnDelete", "rollingUpdate": None}}
    running.change("MachineDeployment", WORKERS, {"rollout": strategy, **template("workers-b")})
    assert watch(running, "workers", 5) == Counts(0, 0, 3, 3)
    running.delete("Machine", next(iter(running.machines("workers"))))
    assert watch(running, "workers", 5).new == 1


def test_surge_and_unavailable_bound_a_rollout(running: Fleet) -> None:
    rolling = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
    copied(running, "DevMachineTemplate", WORKERS, "workers-b", INFRASTRUCTURE)
    running.change("MachineDeployment", WORKERS, {"rollout": rolling, **template("workers-b")})
    assert watch(running, "workers") == Counts(3, 3, 0, 3)


def test_the_oldest_machine_goes_first_if_that_is_the_order(running: Fleet) -> None:
    running.change("MachineDeployment", WORKERS, {"deletion": {"order": "Newest"}, "replicas": 4})
    running.wait(4)
    newest = max(
        running.machines("workers").values(), key=lambda m: m["metadata"]["creationTimestamp"]
    )
    running.change("MachineDeployment", WORKERS, {"replicas": 3})
    running.wait(4)
    assert newest["metadata"]["name"] not in running.machines("workers")


ARGUMENTS = {"apiServer": {"extraArgs": [{"name": "v", "value": "2"}]}}


@pytest.mark.parametrize("change", [
    {"version": "v1.35.2"},
    {"kubeadmConfigSpec": {"clusterConfiguration": ARGUMENTS}},
])  # fmt: skip
def test_a_control_plane_rolls_one_at_a_time(running: Fleet, change: Any) -> None:
    running.change("KubeadmControlPlane", CONTROL_PLANE, change, KCP)
    assert watch(running, "control-plane", 10) == Counts(3, 3, 0, 4)
    assert not holds(running.get("KubeadmControlPlane", CONTROL_PLANE, KCP), "RollingOut")


def test_what_does_not_roll_a_control_plane(running: Fleet) -> None:
    spec = {"clusterConfiguration": {"dns": {"imageTag": "v1.12.4"}}}
    running.change("KubeadmControlPlane", CONTROL_PLANE, {"kubeadmConfigSpec": spec}, KCP)
    assert watch(running, "control-plane", 4) == Counts(0, 0, 3, 3)


def test_a_control_plane_has_no_window(running: Fleet) -> None:
    running.change("KubeadmControlPlane", CONTROL_PLANE, {"version": "v1.35.2"}, KCP)
    for _ in range(20):
        running.wait(0.05, step=0.05)
        found = running.get("KubeadmControlPlane", CONTROL_PLANE, KCP)
        observed = found["status"]["observedGeneration"] == found["metadata"]["generation"]
        assert observed == holds(found, "RollingOut")


def test_workers_newer_than_the_control_plane_are_held(running: Fleet) -> None:
    change = {"template": {"spec": {"version": "v1.35.2"}}}
    running.change("MachineDeployment", WORKERS, change)
    assert watch(running, "workers", 5) == Counts(0, 0, 3, 3)
    message = condition(running.get("MachineDeployment", WORKERS), "ScalingUp")["message"]
    assert "VersionSkew" in message
    running.change("KubeadmControlPlane", CONTROL_PLANE, {"version": "v1.35.2"}, KCP)
    running.wait(20)
    assert {m["spec"]["version"] for m in running.machines().values()} == {"v1.35.2"}
    assert settled(running)
