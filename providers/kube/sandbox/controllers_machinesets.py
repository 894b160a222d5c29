"""MachineSets: as many machines as wanted, held back by the preflight checks.

Sources: cluster-api v1.14 `core/reconcilers/machineset/` (`machineset_preflight.go`,
`machineset_delete_policy.go`); docs/cluster-api.md, "The arithmetic".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from providers.kube.sandbox.controllers_contracts import started
from providers.kube.sandbox.controllers_making import Plan, make
from providers.kube.sandbox.controllers_objects import (
    CLUSTER_NAME,
    CORE,
    SET_NAME,
    cluster_of,
    follow,
    holds,
    key_of,
    minor,
    pause,
    suffix,
    versions,
)
from providers.kube.sandbox.controllers_subject import Subject, deleting, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-core"
_MAKER = "capi-machineset"
_FINALIZER = "cluster.x-k8s.io/machineset"
NO_CREATE = "cluster.x-k8s.io/disable-machine-create"
_DELETE_FIRST = "cluster.x-k8s.io/delete-machine"
_SKIP = "machineset.cluster.x-k8s.io/skip-preflight-checks"
_IN_PLACE = ("deletion", "minReadySeconds", "readinessGates", "taints")


def machines_of(world: World, machine_set: JsonObject) -> list[JsonObject]:
    """The machines of a set, those being deleted too."""
    metadata = machine_set["metadata"]
    found = world.list(CORE, "Machine", metadata["namespace"], {SET_NAME: metadata["name"]})
    return sorted(found, key=lambda m: (m["metadata"]["creationTimestamp"], m["metadata"]["name"]))


def reconcile(world: World, key: Key) -> None:
    """Make or delete machines until there are as many as wanted."""
    machine_set = load(world, key, MANAGER)
    if machine_set is None:
        return
    cluster = cluster_of(world, machine_set.value)
    machine_set.hold(_FINALIZER)
    if cluster is not None and not pause(machine_set, cluster):
        if machine_set.deleting:
            _delete(machine_set)
        else:
            blocked = _scale(machine_set, cluster)
            _propagate(machine_set)
            _status(machine_set, blocked)
    machine_set.save()


def _delete(machine_set: Subject) -> None:
    machines = machines_of(machine_set.world, machine_set.value)
    if not machines:
        machine_set.release(_FINALIZER)
        return
    machine_set.state("Deleting", True, f"{len(machines)} machines are left")
    for machine in machines:
        if not deleting(machine):
            machine_set.world.delete(*key_of(machine))


def _scale(machine_set: Subject, cluster: JsonObject) -> str:
    """One step; why machines cannot be made, or `""`."""
    machines = machines_of(machine_set.world, machine_set.value)
    alive = [machine for machine in machines if not deleting(machine)]
    wanted = machine_set.spec.get("replicas", 1)
    for machine in _victims(machine_set, alive)[: max(0, len(alive) - wanted)]:
        machine_set.world.delete(*key_of(machine))
    annotations = machine_set.metadata.get("annotations") or {}
    if len(alive) >= wanted or annotations.get(NO_CREATE) == "true":
        return ""
    blocked = preflight(machine_set.world, machine_set.value, cluster)
    for number in range(0 if blocked else wanted - len(alive)):
        blocked = blocked or make(machine_set.world, _plan(machine_set, cluster, number))
    return blocked


def _plan(machine_set: Subject, cluster: JsonObject, number: int) -> Plan:
    template = machine_set.spec["template"]
    metadata = template.get("metadata") or {}
    ending = suffix(machine_set.metadata["uid"], machine_set.world.now, number)
    labels = {**(metadata.get("labels") or {}), SET_NAME: machine_set.name}
    return Plan(
        name=f"{machine_set.name}-{ending}",
        cluster=cluster,
        owner=machine_set.value,
        manager=_MAKER,
        labels={**labels, CLUSTER_NAME: cluster["metadata"]["name"]},
        annotations=dict(metadata.get("annotations") or {}),
        spec=dict(template["spec"]),
    )


def _victims(machine_set: Subject, alive: Sequence[JsonObject]) -> list[JsonObject]:
    """In the order in which machines go: marked ones, unhealthy ones, then by `deletion.order`."""
    order = (machine_set.spec.get("deletion") or {}).get("order", "Random")
    if order == "Newest":
        ordered = list(reversed(alive))
    elif order == "Oldest":
        ordered = list(alive)
    else:
        ordered = sorted(alive, key=lambda m: suffix(m["metadata"]["uid"]))

    def rank(machine: JsonObject) -> tuple[bool, bool]:
        marked = _DELETE_FIRST in (machine["metadata"].get("annotations") or {})
        return not marked, holds(machine, "Ready")

    return sorted(ordered, key=rank)


def preflight(world: World, machine_set: JsonObject, cluster: JsonObject) -> str:
    """Why a new machine would not be made now; silent upstream but for this message."""
    annotations = machine_set["metadata"].get("annotations") or {}
    ref = cluster["spec"].get("controlPlaneRef")
    if annotations.get(_SKIP) == "All" or not ref:
        return ""
    control_plane = follow(world, ref, cluster["metadata"]["namespace"])
    named = f"{ref['kind']} {cluster['metadata']['namespace']}/{ref['name']}"
    if not started(control_plane) or control_plane is None:
        return f'{named} is provisioning ("ControlPlaneIsStable" preflight check failed)'
    wanted = control_plane["spec"].get("version", "")
    running = (control_plane.get("status") or {}).get("version") or wanted
    if wanted != running:
        return f'{named} is upgrading to {wanted} ("ControlPlaneIsStable" preflight check failed)'
    return _skew(machine_set["spec"]["template"]["spec"], running)


def _skew(machine: JsonObject, running: str) -> str:
    version = machine.get("version") or running
    told = f"MachineSet version ({version}) and control plane version ({running})"
    if minor(version) > minor(running):
        return f'{told} do not fit ("KubernetesVersionSkew" preflight check failed)'
    config = (machine.get("bootstrap") or {}).get("configRef") or {}
    if config.get("kind", "").startswith("KubeadmConfig") and minor(version) != minor(running):
        return f'{told} do not fit ("KubeadmVersionSkew" preflight check failed)'
    return ""


def _propagate(machine_set: Subject) -> None:
    """Labels, annotations and what else never replaces a machine reach it in place."""
    template = machine_set.spec["template"]
    metadata = template.get("metadata") or {}
    for found in machines_of(machine_set.world, machine_set.value):
        if deleting(found):
            continue
        machine = Subject(machine_set.world, key_of(found), found, _MAKER)
        for field in ("labels", "annotations"):
            if metadata.get(field):
                machine.metadata.setdefault(field, {}).update(metadata[field])
        for field in _IN_PLACE:
            _copy(template["spec"], machine.spec, field)
        machine.save()


def _copy(source: JsonObject, target: JsonObject, field: str) -> None:
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)


def _status(machine_set: Subject, blocked: str) -> None:
    machines = machines_of(machine_set.world, machine_set.value)
    wanted = machine_set.spec.get("replicas", 1)
    machine_set.status.update(counters(machines))
    machine_set.status["observedGeneration"] = machine_set.metadata["generation"]
    set_selector(machine_set)
    scaling_conditions(machine_set, len(machines), wanted, blocked)
    machine_conditions(machine_set, machines)
    machine_set.calm("Remediating", "Deleting")


def set_selector(subject: Subject) -> None:
    """`status.selector`, as the scale subresource wants it."""
    matched = (subject.spec.get("selector") or {}).get("matchLabels") or {}
    subject.status["selector"] = ",".join(f"{k}={matched[k]}" for k in sorted(matched))


def counters(machines: Sequence[JsonObject]) -> dict[str, Any]:
    """The counters of `status` that machines add up to."""
    found: dict[str, Any] = {"replicas": len(machines)}
    alive = [machine for machine in machines if not deleting(machine)]
    for name, kind in _COUNTED:
        found[name] = sum(1 for machine in alive if holds(machine, kind))
    return {**found, "versions": versions(machines)}


_COUNTED = (
    ("readyReplicas", "Ready"),
    ("availableReplicas", "Available"),
    ("upToDateReplicas", "UpToDate"),
)


def scaling_conditions(subject: Subject, have: int, wanted: int, blocked: str) -> None:
    """ScalingUp, with what blocks it, and ScalingDown."""
    told = f"Scaling up from {have} to {wanted} replicas"
    told += f" is blocked because:\n* {blocked}" if blocked else ""
    up = have < wanted or bool(blocked)
    subject.state("ScalingUp", up, told if up else "")
    down = have > wanted
    subject.state(
        "ScalingDown", down, f"Scaling down from {have} to {wanted} replicas" if down else ""
    )


def machine_conditions(subject: Subject, machines: Sequence[JsonObject]) -> None:
    """MachinesReady and MachinesUpToDate."""
    alive = [machine for machine in machines if not deleting(machine)]
    for kind, of in (("MachinesReady", "Ready"), ("MachinesUpToDate", "UpToDate")):
        failing = [m["metadata"]["name"] for m in alive if not holds(m, of)]
        told = f"* Machines {', '.join(failing)}: not {of}" if failing else ""
        subject.state(kind, not failing, told, "" if alive else "NoReplicas")
