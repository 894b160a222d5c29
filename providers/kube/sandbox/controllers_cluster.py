"""The Cluster controller: owners, initialization, conditions, and deletion in order.

Sources: cluster-api v1.14 `core/reconcilers/cluster/`; conditions as in the recorded fixture
`capi-plain-converged.yaml`; order of deletion as in `reconcileDelete`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from providers.kube.sandbox.controllers_contracts import ready, started
from providers.kube.sandbox.controllers_objects import (
    CLUSTER_NAME,
    CONTROL_PLANE_LABEL,
    CORE,
    add_owner,
    condition,
    follow,
    holds,
    initialized,
    key_of,
    labels_of,
    owner,
    pause,
    ref_key,
)
from providers.kube.sandbox.controllers_resourcesets import selecting
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, deleting, load
from providers.kube.sandbox.controllers_topology import render
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-core"
_FINALIZER = "cluster.cluster.x-k8s.io"
_COUNTERS = ("replicas", "readyReplicas", "availableReplicas", "upToDateReplicas")
_POOLS = ("MachineDeployment", "MachinePool")


def reconcile(world: World, key: Key) -> None:
    """Bring a Cluster forward by what its parts have reached."""
    cluster = load(world, key, MANAGER)
    if cluster is None:
        return
    before = _signals(cluster.value)
    cluster.hold(_FINALIZER)
    if not pause(cluster, cluster.value):
        if cluster.deleting:
            _delete(cluster)
        else:
            _advance(cluster)
    cluster.save()
    if _signals(cluster.value) != before:
        for child in _children(cluster):
            world.wake(child, 0)
    for unbound in selecting(world, cluster.value):
        world.wake(unbound, 0)


def _signals(value: JsonObject) -> tuple[object, ...]:
    """What other controllers wait for in a Cluster."""
    return (
        condition(value, "Paused").get("status"),
        initialized(value, "infrastructureProvisioned"),
        initialized(value, "controlPlaneInitialized"),
    )


def _children(cluster: Subject) -> Iterator[Key]:
    for ref in (cluster.spec.get("infrastructureRef"), cluster.spec.get("controlPlaneRef")):
        if found := ref_key(ref, cluster.namespace):
            yield found
    for kind in (*_POOLS, "MachineSet", "MachineHealthCheck", "Machine"):
        for child in _of_cluster(cluster, kind):
            yield key_of(child)
            spec = child["spec"]
            refs = ((spec.get("bootstrap") or {}).get("configRef"), spec.get("infrastructureRef"))
            for ref in refs if kind == "Machine" else ():
                if found := ref_key(ref, cluster.namespace):
                    yield found


def _of_cluster(cluster: Subject, kind: str) -> list[JsonObject]:
    found = cluster.world.list(CORE, kind, cluster.namespace)
    return [child for child in found if child["spec"].get("clusterName") == cluster.name]


def _advance(cluster: Subject) -> None:
    cluster.state("Deleting", False)
    if cluster.spec.get("topology"):
        render(cluster)
    infrastructure = _part(cluster, "infrastructureRef")
    control_plane = _part(cluster, "controlPlaneRef")
    reached = cluster.status.setdefault("initialization", {})
    stuck = cluster.world.stuck(cluster.key)
    _infrastructure(cluster, infrastructure)
    if started(control_plane) and not stuck:
        reached["controlPlaneInitialized"] = True
    up = bool(reached.get("controlPlaneInitialized"))
    waiting = "Control plane not yet initialized"
    cluster.state("ControlPlaneInitialized", up, "" if up else waiting, "" if up else stuck or "")
    cluster.state("RemoteConnectionProbe", up, "" if up else "Remote connection not established")
    if not reached:
        del cluster.status["initialization"]
    pools = [pool for kind in _POOLS for pool in _of_cluster(cluster, kind)]
    _parts(cluster, control_plane, pools)
    if stuck:
        cluster.world.wake(cluster.key, TIMINGS.retry)
    cluster.status["phase"] = "Provisioned" if holds(cluster.value, _READY) else "Provisioning"
    cluster.status["observedGeneration"] = cluster.metadata["generation"]


_READY = "InfrastructureReady"


def _part(cluster: Subject, field: str) -> JsonObject | None:
    """An object the Cluster refers to; it becomes the Cluster's, else nothing happens to it."""
    ref = cluster.spec.get(field)
    found = follow(cluster.world, ref, cluster.namespace)
    if found is None:
        if ref:
            cluster.world.wake(cluster.key, TIMINGS.retry)
        return None
    part = Subject(cluster.world, key_of(found), found, MANAGER)
    add_owner(found, owner(cluster.value))
    found["metadata"].setdefault("labels", {})[CLUSTER_NAME] = cluster.name
    part.save()
    return found


def _infrastructure(cluster: Subject, found: JsonObject | None) -> None:
    ref = cluster.spec.get("infrastructureRef")
    if ref and found is None:
        cluster.state(_READY, False, f"{ref['kind']} does not exist", "DoesNotExist")
        return
    done = found is None or ready(found)
    if done:
        cluster.status["initialization"]["infrastructureProvisioned"] = True
    endpoint = ((found or {}).get("spec") or {}).get("controlPlaneEndpoint") or {}
    if done and endpoint.get("host"):
        cluster.spec["controlPlaneEndpoint"] = endpoint
    cluster.state(_READY, done, "" if done else f"{(ref or {}).get('kind')} is being provisioned")


def _parts(cluster: Subject, control_plane: JsonObject | None, pools: list[JsonObject]) -> None:
    """Counters and conditions that sum up the control plane and the workers."""
    ref = cluster.spec.get("controlPlaneRef")
    everything = [*([control_plane] if control_plane else []), *pools]
    if control_plane and "replicas" in control_plane["spec"]:
        cluster.status["controlPlane"] = _counted([control_plane])
    cluster.status["workers"] = _counted(pools)
    missing = f"{ref['kind']} does not exist" if ref and control_plane is None else ""
    available = not ref or holds(control_plane, "Available")
    cluster.state("ControlPlaneAvailable", available, missing or _why([control_plane], "Available"))
    workers = all(holds(pool, "Available") for pool in pools)
    cluster.state(
        "WorkersAvailable", workers, _why(pools, "Available"), "" if pools else "NoWorkers"
    )
    _rolling_out(cluster, [p for p in everything if holds(p, "RollingOut")])
    for kind in ("ScalingUp", "ScalingDown"):
        busy = [p for p in everything if holds(p, kind)]
        cluster.state(kind, bool(busy), _bullets(f"{_named(p)}: {kind}" for p in busy))
    cluster.calm("Remediating")
    for which, found in (("ControlPlane", [control_plane]), ("Worker", pools)):
        for kind in ("MachinesReady", "MachinesUpToDate"):
            fine = all(p is None or condition(p, kind).get("status") != "False" for p in found)
            cluster.state(f"{which}{kind}", fine, "" if fine else _why(found, kind))
    needed = (_READY, "RemoteConnectionProbe", "ControlPlaneAvailable", "WorkersAvailable")
    failing = [kind for kind in needed if not holds(cluster.value, kind)]
    # A topology that is being upgraded does not make a Cluster unavailable; a missing class does.
    if condition(cluster.value, "TopologyReconciled").get("reason") == "ClusterClassNotReconciled":
        failing.append("TopologyReconciled")
    why = (f"{k}: {condition(cluster.value, k).get('message') or 'not yet'}" for k in failing)
    cluster.state("Available", not failing, _bullets(why))


def _counted(parts: Sequence[JsonObject]) -> JsonObject:
    total = {"desiredReplicas": sum(p["spec"].get("replicas", 1) for p in parts)}
    counts: dict[str, int] = {}
    for part in parts:
        for entry in (part.get("status") or {}).get("versions") or ():
            counts[entry["version"]] = counts.get(entry["version"], 0) + entry["replicas"]
    for name in _COUNTERS:
        total[name] = sum((p.get("status") or {}).get(name, 0) for p in parts)
    told = [{"version": version, "replicas": counts[version]} for version in sorted(counts)]
    return {**total, "versions": told} if told else total


def _rolling_out(cluster: Subject, rolling: list[JsonObject]) -> None:
    """The Cluster says RollingOut about a second after its MachineDeployment does."""
    if not rolling:
        cluster.stop("rolling-out")
    shown = bool(rolling) and cluster.waited("rolling-out", TIMINGS.follow)
    cluster.state("RollingOut", shown, _bullets(_named(p) for p in rolling) if shown else "")


def _why(parts: Sequence[JsonObject | None], kind: str) -> str:
    found = [p for p in parts if p is not None and not holds(p, kind)]
    return _bullets(
        f"{_named(p)}: {condition(p, kind).get('message') or f'condition {kind} not yet reported'}"
        for p in found
    )


def _named(part: JsonObject) -> str:
    return f"{part['kind']} {part['metadata']['name']}"


def _bullets(lines: Iterator[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _delete(cluster: Subject) -> None:
    """Workers, then the control plane, then the infrastructure, then the Cluster itself."""
    machines = [m for m in _of_cluster(cluster, "Machine") if not _controls(m)]
    workers = [w for kind in (*_POOLS, "MachineSet") for w in _of_cluster(cluster, kind)]
    steps = (
        ("WaitingForWorkersDeletion", [*workers, *machines]),
        ("WaitingForControlPlaneDeletion", _referred(cluster, "controlPlaneRef")),
        ("WaitingForInfrastructureDeletion", _referred(cluster, "infrastructureRef")),
    )
    for reason, parts in steps:
        if parts:
            cluster.state("Deleting", True, _bullets(_named(p) for p in parts), reason)
            cluster.status["phase"] = "Deleting"
            for part in parts:
                if not deleting(part):
                    cluster.world.delete(*key_of(part))
            return
    cluster.world.forget_workload(cluster.key[2], cluster.key[3])
    cluster.release(_FINALIZER)


def _controls(machine: JsonObject) -> bool:
    return CONTROL_PLANE_LABEL in labels_of(machine)


def _referred(cluster: Subject, field: str) -> list[JsonObject]:
    found = follow(cluster.world, cluster.spec.get(field), cluster.namespace)
    return [] if found is None else [found]
