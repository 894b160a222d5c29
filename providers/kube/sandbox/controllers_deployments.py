"""MachineDeployments: rolling from one MachineSet to another, and the window before it shows.

Sources: cluster-api v1.14 `core/reconcilers/machinedeployment/` (`mdutil`,
`machinedeployment_rolling.go`); the timing of docs/cluster-api.md, "The rollout window": Machines
say UpToDate=False at once, then the new generation is observed while everything else still says
"done", then RollingOut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from providers.kube.sandbox.controllers_machinesets import (
    NO_CREATE,
    counters,
    machine_conditions,
    machines_of,
    scaling_conditions,
    set_selector,
)
from providers.kube.sandbox.controllers_objects import (
    CORE,
    add_owner,
    adopt,
    cluster_of,
    condition,
    follow,
    holds,
    key_of,
    owned_by,
    owner,
    pause,
    suffix,
)
from providers.kube.sandbox.controllers_rolling import (
    HASH,
    MAKER,
    limits,
    on_delete,
    roll,
    strategy_of,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, deleting, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-core"
_FINALIZER = "cluster.x-k8s.io/machinedeployment"
_REVISION = "machinedeployment.clusters.x-k8s.io/revision"


def reconcile(world: World, key: Key) -> None:
    """Bring machines to the deployment's template, no faster than its strategy allows."""
    deployment = load(world, key, MANAGER)
    if deployment is None:
        return
    cluster = cluster_of(world, deployment.value)
    deployment.hold(_FINALIZER)
    if cluster is not None:
        add_owner(deployment.value, owner(cluster))
    if deployment.deleting:
        if not pause(deployment, cluster):
            _delete(deployment)
    elif cluster is not None and not pause(deployment, cluster) and not _held(deployment):
        _advance(deployment, cluster)
    deployment.save()


def _held(deployment: Subject) -> bool:
    return bool(deployment.spec.get("paused"))


def _delete(deployment: Subject) -> None:
    sets = _sets(deployment)
    if not sets:
        deployment.release(_FINALIZER)
        return
    deployment.state("Deleting", True, f"{len(sets)} MachineSets are left")
    deployment.status["phase"] = "ScalingDown"
    for machine_set in sets:
        if not deleting(machine_set):
            deployment.world.delete(*key_of(machine_set))


def _sets(deployment: Subject) -> list[JsonObject]:
    found = deployment.world.list(CORE, "MachineSet", deployment.namespace)
    own = [s for s in found if owned_by(s, "MachineDeployment") == deployment.name]
    return sorted(own, key=_revision)


def _revision(machine_set: JsonObject) -> tuple[int, str]:
    annotations = machine_set["metadata"].get("annotations") or {}
    return int(annotations.get(_REVISION, "0")), machine_set["metadata"]["name"]


def template_key(machine: JsonObject) -> tuple[Any, ...]:
    """What decides whether a machine is replaced: references count by name, never by content."""
    bootstrap = machine.get("bootstrap") or {}
    return (
        machine.get("version"),
        _ref(bootstrap.get("configRef")) or bootstrap.get("dataSecretName"),
        _ref(machine.get("infrastructureRef")),
        machine.get("failureDomain"),
    )


def _ref(ref: JsonObject | None) -> tuple[str, str, str] | None:
    return (ref.get("apiGroup", ""), ref.get("kind", ""), ref.get("name", "")) if ref else None


def _advance(deployment: Subject, cluster: JsonObject) -> None:
    missing = _templates(deployment, cluster)
    sets = _sets(deployment)
    current = [s for s in sets if _fits(deployment, s)][-1:]
    old = [s for s in sets if s not in current]
    _mark_machines(deployment, current, old)
    if not _observed(deployment, _machines(deployment.world, old)):
        return
    if missing:
        _status(deployment, [*current, *old], missing)
        return
    chosen = current[0] if current else _create(deployment, cluster, sets)
    if _in_window(deployment):
        return
    roll(deployment, chosen, old)
    _status(deployment, _sets(deployment), "")


def _templates(deployment: Subject, cluster: JsonObject) -> str:
    """The Cluster owns the templates; the one that is not there, or `""`."""
    spec = deployment.spec["template"]["spec"]
    for ref in ((spec.get("bootstrap") or {}).get("configRef"), spec.get("infrastructureRef")):
        found = follow(deployment.world, ref, deployment.namespace)
        if found is not None:
            adopt(deployment.world, cluster, found, MANAGER)
        elif ref:
            return f"{ref['kind']} {ref['name']} not found"
    return ""


def _fits(deployment: Subject, machine_set: JsonObject) -> bool:
    wanted = template_key(deployment.spec["template"]["spec"])
    return (
        not deleting(machine_set)
        and template_key(machine_set["spec"]["template"]["spec"]) == wanted
    )


def _machines(world: World, sets: Sequence[JsonObject]) -> list[JsonObject]:
    return [machine for machine_set in sets for machine in machines_of(world, machine_set)]


def _mark_machines(
    deployment: Subject, current: Sequence[JsonObject], old: Sequence[JsonObject]
) -> None:
    """A Machine knows first that it is outdated: before the new generation is even observed."""
    for sets, fine in ((current, True), (old, False)):
        for machine in _machines(deployment.world, sets):
            why = "" if fine else _difference(deployment.spec["template"]["spec"], machine["spec"])
            mark(deployment.world, machine, why if not fine else "", MANAGER)


def mark(world: World, machine: JsonObject, outdated: str, manager: str) -> None:
    """Set UpToDate of a Machine; the message says what differs."""
    subject = Subject(world, key_of(machine), machine, manager)
    subject.state("UpToDate", not outdated, outdated)
    subject.save()


def _difference(wanted: JsonObject, machine: JsonObject) -> str:
    if wanted.get("version") != machine.get("version"):
        return f"* Version {machine.get('version')}, {wanted.get('version')} required"
    return "* Template of the machine is not the MachineDeployment's"


def _observed(deployment: Subject, outdated: Sequence[JsonObject]) -> bool:
    """observedGeneration follows a change after a while, and opens the window of a rollout."""
    generation = deployment.metadata["generation"]
    seen = deployment.status.get("observedGeneration")
    if seen == generation:
        return True
    if seen is not None and not deployment.waited(f"observe-{generation}", TIMINGS.observe):
        return False
    deployment.stop(f"observe-{generation}", "begin", "follow")
    deployment.status["observedGeneration"] = generation
    if outdated and seen is not None and not on_delete(deployment):
        deployment.waited("begin", TIMINGS.begin)
        deployment.waited("follow", TIMINGS.begin + TIMINGS.follow)
    return True


def _in_window(deployment: Subject) -> bool:
    return deployment.started("begin") and not deployment.waited("begin", TIMINGS.begin)


def _create(deployment: Subject, cluster: JsonObject, sets: Sequence[JsonObject]) -> JsonObject:
    """A new MachineSet for the template, with no machines yet."""
    template = deployment.spec["template"]
    ending = suffix(deployment.metadata["uid"], template_key(template["spec"]), len(sets))
    revision = str(max([_revision(s)[0] for s in sets], default=0) + 1)
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), HASH: ending}
    selector = (deployment.spec.get("selector") or {}).get("matchLabels") or {}
    value = {
        "apiVersion": f"{CORE}/v1beta2",
        "kind": "MachineSet",
        "metadata": {
            "name": f"{deployment.name}-{ending}",
            "namespace": deployment.namespace,
            "labels": labels,
            "annotations": {_REVISION: revision, NO_CREATE: "false"},
            "ownerReferences": [owner(deployment.value, controller=True)],
        },
        "spec": {
            "clusterName": cluster["metadata"]["name"],
            "replicas": 0,
            "selector": {"matchLabels": {**selector, HASH: ending}},
            "template": {"metadata": {**metadata, "labels": labels}, "spec": template["spec"]},
        },
    }
    deployment.metadata.setdefault("annotations", {})[_REVISION] = revision
    return deployment.world.create(value, manager=MAKER)


def _status(deployment: Subject, sets: Sequence[JsonObject], missing: str) -> None:
    machines = _machines(deployment.world, sets)
    wanted = deployment.spec.get("replicas", 1)
    counted = counters(machines)
    outdated = [m for m in machines if not holds(m, "UpToDate") and not deleting(m)]
    lagging = deployment.started("follow") and not deployment.waited("follow", _LAG)
    if lagging and outdated:
        counted["upToDateReplicas"] = deployment.status.get("upToDateReplicas", 0)
    elif not outdated:
        deployment.stop("begin", "follow")
    deployment.status.update(counted)
    set_selector(deployment)
    scaling_conditions(deployment, len(machines), wanted, missing or _blocked(sets))
    machine_conditions(deployment, machines)
    deployment.state("RollingOut", bool(outdated), rolling_message(len(outdated)))
    _, unavailable = limits(wanted, strategy_of(deployment))
    have, needed = counted["availableReplicas"], wanted - unavailable
    told = f"{have} available replicas, at least {needed} required"
    deployment.state("Available", have >= needed, "" if have >= needed else told)
    deployment.calm("Remediating", "Deleting")
    deployment.status["phase"] = _phase(deployment)


_LAG = TIMINGS.begin + TIMINGS.follow


def rolling_message(outdated: int) -> str:
    """The message of RollingOut."""
    return f"Rolling out {outdated} not up-to-date replicas" if outdated else ""


def _blocked(sets: Sequence[JsonObject]) -> str:
    for machine_set in sets:
        _, found, why = condition(machine_set, "ScalingUp").get("message", "").partition("\n* ")
        if found:
            return str(why)
    return ""


def _phase(deployment: Subject) -> str:
    for kind in ("ScalingUp", "ScalingDown"):
        if holds(deployment.value, kind):
            return kind
    return "Running"
