"""Has an object reached a milestone? By conditions and counters, as each kind's contract says.

Sources: Cluster API book, provider contracts and "Readiness" of v1beta2 conditions;
docs/semantics.md 19; docs/cluster-api.md, "Milestones". Which form conditions have is decided in
`conditions`, which contract holds in `contract`, what is rolled out in `rollouts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from providers import contract, rollouts
from providers.base import Health, Milestone, Readiness, references, value
from providers.capi import (
    ADDONS,
    CLONED_FROM,
    CLUSTER,
    CLUSTER_CLASS,
    GROUP,
    KINDS,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    RELEASES_READY,
    RESOURCES_APPLIED,
)
from providers.conditions import (
    annotations_of,
    by_name,
    condition,
    conditions,
    first_failing,
    has_new_form,
    integer,
    leaving,
    name_of,
)
from providers.controlplane import KUBEADM
from providers.resourcesets import Reach, applied
from providers.rollouts import REACHED, UNSEEN, deepest, leaving_cause, observed
from providers.topology import TOPOLOGY, topology
from state.resource import GroupKind, JsonObject, ResourceId, split_api_version

MANAGED_BY = "cluster.x-k8s.io/managed-by"
_PAUSED = "cluster.x-k8s.io/paused"
_DEPLOYMENT, _POOL = "MachineDeployment", "MachinePool"


class Relatives(msgspec.Struct, frozen=True, kw_only=True):
    """Objects around the one that is waited for, from the same reads."""

    machine_sets: Sequence[JsonObject] = ()
    machines: Sequence[JsonObject] = ()
    owners: Sequence[JsonObject] = ()
    """Of a Cluster: its control plane, MachineDeployments and MachinePools."""
    cluster: JsonObject | None = None
    """The Cluster that the object belongs to: it may be paused as a whole."""
    cluster_class: JsonObject | None = None
    """Of a Cluster with a topology: its class."""
    made: Sequence[JsonObject] = ()
    """Of a Cluster with a topology: the templates that its owners refer to."""
    contract: str = ""
    """What the CRD of the object's kind claims; `""`: not known."""
    reach: Reach | None = None
    """Of a ClusterResourceSet: the Clusters around it; None: its own word has to do."""


def relatives_of(kind: GroupKind) -> tuple[GroupKind, ...]:
    """The kinds that have to be read beside an object of `kind` to judge its milestones."""
    if kind == MACHINE_DEPLOYMENT:
        return (MACHINE_SET, MACHINE)
    if kind in (KUBEADM, CLUSTER, GroupKind(GROUP, _POOL)):
        return (MACHINE,)
    return ()


def check(milestone: Milestone, body: JsonObject | None, relatives: Relatives) -> Readiness:
    """Whether `body` (None: not there) has reached `milestone`; waiting comes with its reason."""
    if milestone.name == "absent":
        return REACHED if body is None else _terminating(body, relatives)
    if body is None:
        return Readiness(Health.WAITING, "NotFound", "not there yet")
    if milestone.name in ("applied", "exists"):
        return REACHED
    manager = externally_managed(body)
    if manager:
        return Readiness(Health.REACHED, "ExternallyManaged", manager)
    paused = held_back(body) or _cluster_held_back(relatives)
    if paused:
        since = condition(body, "Paused").since
        return Readiness(Health.BLOCKED, "Paused", paused, since)
    return _PREDICATES[milestone.name](body, relatives)


def told_to_pause(body: JsonObject) -> str:
    """Why its controllers are to leave the object alone, by its field or its annotation; "" if not.

    What a body will say before a write has no conditions that mean anything yet.
    """
    return held_back({**body, "status": {}})


def held_back(body: JsonObject) -> str:
    """Why the controllers leave the object alone: paused itself or by its Cluster; "" if not.

    The condition Paused is the controllers' own word (Cluster API v1beta2 contract).
    """
    if value(body, "spec.paused") is True:
        return "spec.paused is set"
    if _PAUSED in annotations_of(body):
        return f"the annotation {_PAUSED} is set"
    found = condition(body, "Paused")
    if found.status == "True":
        return found.message.strip() or "its Cluster is paused"
    return ""


def _cluster_held_back(relatives: Relatives) -> str:
    """Paused by its Cluster, which the object need not say itself: not yet, or on old servers."""
    if relatives.cluster is None:
        return ""
    why = told_to_pause(relatives.cluster)
    return f"its Cluster is paused: {why}" if why else ""


def externally_managed(body: JsonObject) -> str:
    """`externally managed by X`: the provider's controller never touches it; "" if not.

    Another tool creates the infrastructure and sets the status. Source: Cluster API book,
    "Externally managed infrastructure".
    """
    if contract.role_of(_kind(body)) is not contract.Role.INFRA_CLUSTER:
        return ""
    manager = annotations_of(body).get(MANAGED_BY)
    if manager is None:
        return ""
    return f"externally managed by {manager}" if manager else "externally managed"


def _kind(body: JsonObject) -> GroupKind:
    group = split_api_version(str(body.get("apiVersion") or ""))[0]
    return GroupKind(group, str(body.get("kind") or ""))


# ---------------------------------------------------------------------- deletion


def _terminating(body: JsonObject, relatives: Relatives) -> Readiness:
    """What a deletion waits for, and what of it is left."""
    if not leaving(body):
        return Readiness(Health.WAITING, "Deleting", "still there")
    paused = held_back(body) or _cluster_held_back(relatives)
    if paused and _kind(body).group.endswith(GROUP):
        return Readiness(Health.BLOCKED, "Paused", f"{paused}: its deletion does not go on")
    found = _namespace_left(body) or leaving_cause(body)
    children = by_name(relatives.machines)
    if not children:
        return found
    noun = "machine" if len(children) == 1 else "machines"
    going = next((m for m in children if leaving(m)), None)
    detail = f", {name_of(going)}: {leaving_cause(going).message}" if going else ""
    message = f"{found.message} · {len(children)} {noun} left{detail}"
    return Readiness(found.health, found.reason, message, found.since, found.trouble)


def _namespace_left(body: JsonObject) -> Readiness | None:
    """What a Namespace says of its content. Source: k8s.io/api core/v1, NamespaceConditionType."""
    found = conditions(body)
    for kind in _NAMESPACE:
        held = found.get(kind)
        if held is not None and held.status == "True":
            trouble = kind.endswith("Failure")
            return Readiness(Health.WAITING, held.reason, held.text, held.since, trouble)
    return None


_NAMESPACE = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
)


# ---------------------------------------------------------------------- predicates


def wait_for(body: JsonObject, *wanted: tuple[str, str]) -> Readiness:
    """The first of the wanted conditions that does not hold, in its own words."""
    found = conditions(body)
    for kind, status in wanted:
        held = found.get(kind)
        if held is None:
            return Readiness(Health.WAITING, kind, f"no condition {kind} yet")
        if held.status != status:
            message = held.text or f"{kind}={held.status} ({held.reason})"
            trouble = held.severity == "Error"
            return Readiness(Health.WAITING, kind, message, held.since, trouble)
    return REACHED


def _established(body: JsonObject, _: Relatives) -> Readiness:
    return wait_for(body, ("Established", "True"))


def _complete(body: JsonObject, _: Relatives) -> Readiness:
    """A Job or Pod that ran to its end (helm/helm v4.2, pkg/kube, jobReady and podReady of hooks);
    anything else is complete once it is there."""
    if body.get("kind") == "Pod":
        phase = value(body, "status.phase")
        if phase == "Succeeded":
            return REACHED
        health = Health.BLOCKED if phase == "Failed" else Health.WAITING
        return Readiness(health, str(phase or "Pending"))
    if body.get("kind") != "Job":
        return REACHED
    failed = condition(body, "Failed")
    if failed.status == "True":
        return Readiness(Health.BLOCKED, "Failed", failed.message)
    return wait_for(body, ("Complete", "True"))


def _available(body: JsonObject, relatives: Relatives) -> Readiness:
    kind = body.get("kind")
    if kind == "Deployment":
        return _deployment(body)
    if kind == CLUSTER.kind:
        return _cluster(body, relatives)
    if integer(body, "status.observedGeneration") is not None and not observed(body):
        return UNSEEN
    return deepest_of(wait_for(body, ("Available", "True")), relatives)


def _deployment(body: JsonObject) -> Readiness:
    if not observed(body):
        return UNSEEN
    wanted = integer(body, "spec.replicas")
    wanted = 1 if wanted is None else wanted
    for name in ("updatedReplicas", "availableReplicas"):
        have = integer(body, f"status.{name}") or 0
        if have < wanted:
            progress = condition(body, "Progressing")
            failed = condition(body, "ReplicaFailure")
            why = failed if failed.status == "True" else progress
            trouble = why is failed or progress.reason == "ProgressDeadlineExceeded"
            text = f"{name} {have} of {wanted}" + (f" · {why.text}" if trouble else "")
            return Readiness(Health.WAITING, "Available", text, why.since, trouble)
    return REACHED


def _cluster(body: JsonObject, relatives: Relatives) -> Readiness:
    """Available, not rolling out, its topology reconciled, and everything it owns rolled out.

    The last, because a Cluster says "done" for 2 s while a rollout begins below it. What is paused
    and has nothing left to do holds up nothing.
    """
    if not observed(body):
        return UNSEEN
    if value(body, "spec.topology") is not None or TOPOLOGY in conditions(body):
        state = topology(body)
        if state.health is not Health.REACHED:
            return deepest_of(state, relatives) if not state.trouble else state
    new = has_new_form(body)
    state = wait_for(body, ("Available" if new else "Ready", "True"))
    if state.health is not Health.REACHED:
        return deepest_of(state, relatives)
    if going := _going(relatives):
        return Readiness(Health.WAITING, "Deleting", going)
    for owner in by_name(relatives.owners):
        if owner.get("kind") not in (_DEPLOYMENT, _POOL, KUBEADM.kind):
            continue  # another provider's control plane: the Cluster sums it up by its contract
        below, paused = _rolled_out(owner, relatives), held_back(owner)
        if below.health is not Health.REACHED:
            health = Health.BLOCKED if paused else below.health
            why = f"{below.message} · paused ({paused})" if paused else below.message
            message = f"{owner.get('kind')} {name_of(owner)}: {why}"
            return Readiness(health, below.reason, message, below.since, below.trouble)
    rolling = condition(body, "RollingOut")
    if rolling.status not in ("", "False") and not any(map(_waits_for_somebody, relatives.owners)):
        return deepest_of(wait_for(body, ("RollingOut", "False")), relatives)
    return REACHED


def _going(relatives: Relatives) -> str:
    """What leaves a Cluster and is not gone yet: its topology says it is reconciled before that."""
    for owner in by_name(relatives.owners):
        if leaving(owner):
            return f"{owner.get('kind')} {name_of(owner)} is being deleted"
    count = sum(map(leaving, relatives.machines))
    if count and relatives.owners:
        return f"{count} machine{'s are' if count > 1 else ' is'} being deleted"
    return ""


def _followed(body: JsonObject, relatives: Relatives) -> Readiness:
    """Everything of a topology is made from the templates that its class names now, and settled.

    A Cluster's own generation does not move with its class, so nothing in it says that the topology
    controller has seen the new one. The cloned-from annotations of what it made do, where the class
    names new templates; for the rest `planner.waits` lets a moment pass.
    """
    found = relatives.cluster_class
    if found is None:
        return Readiness(Health.WAITING, "ClusterClass", "its class is not there")
    if not observed(found):
        return Readiness(Health.WAITING, "ClusterClass", "its class is not reconciled yet")
    home = ResourceId("", CLUSTER_CLASS.group, CLUSTER_CLASS.kind, "", "")
    offered = {r.target.name for r in references(found, home, KINDS[CLUSTER_CLASS])}
    for made in by_name((*relatives.owners, *relatives.made)):
        source = (made["metadata"].get("annotations") or {}).get(CLONED_FROM)
        if source and source not in offered:
            message = f"{made.get('kind')} {name_of(made)} is still made from {source}"
            return Readiness(Health.WAITING, "ClusterClass", message)
    return _cluster(body, relatives)


def _waits_for_somebody(owner: JsonObject) -> bool:
    """With OnDelete, RollingOut stays True until somebody deletes machines."""
    return owner.get("kind") == _DEPLOYMENT and rollouts.on_delete(owner)


def deepest_of(state: Readiness, relatives: Relatives) -> Readiness:
    """A wait, explained by the machines around."""
    return state if state.health is Health.REACHED else deepest(state, relatives.machines)


def _initialized(body: JsonObject, relatives: Relatives) -> Readiness:
    """Of a Cluster by its own fields, of a control plane by its contract."""
    if contract.role_of(_kind(body)) is contract.Role.CONTROL_PLANE:
        return _provided(body, relatives, "Initialized", _NOT_INITIALIZED)
    if value(body, "status.initialization.controlPlaneInitialized") is True:
        return REACHED
    if value(body, "status.controlPlaneReady") is True:
        return REACHED
    return deepest_of(wait_for(body, ("ControlPlaneInitialized", "True")), relatives)


def _plane_ready(body: JsonObject, relatives: Relatives) -> Readiness:
    """A control plane of another provider: initialized by its contract, and at its version.

    Only minor versions are compared: who is asked for 1.33 runs a patch release of it.
    """
    # Managed control planes of contract v1beta1 need not have `initialized`.
    ready = value(body, "status.ready") is True and value(body, "status.initialized") is None
    if not ready or relatives.contract == contract.V1BETA2:
        state = _provided(
            body, relatives, "Initialized", _NOT_INITIALIZED, contract.Role.CONTROL_PLANE
        )
        if state.health is not Health.REACHED:
            return state
    wanted, runs = value(body, "spec.version"), value(body, "status.version")
    if wanted and runs and _minor(wanted) != _minor(runs):
        return Readiness(Health.WAITING, "Version", f"runs {runs}, wanted {wanted}")
    return REACHED


def _minor(version: str) -> list[str]:
    return str(version).removeprefix("v").split(".")[:2]


def _provisioned(body: JsonObject, relatives: Relatives) -> Readiness:
    return _provided(body, relatives, "Provisioned", "infrastructure is being provisioned")


_NEGATIVE = frozenset(
    {"Deleting", "Paused", "Remediating", "RollingOut", "ScalingDown", "ScalingUp", "Updating"}
)
"""Conditions that are False where all is well."""


_NOT_INITIALIZED = "the control plane is not initialized yet"


def _provided(
    body: JsonObject,
    relatives: Relatives,
    name: str,
    waiting: str,
    role: contract.Role | None = None,
) -> Readiness:
    """A provider's object by the field of its contract, explained by its own conditions."""
    role = role or contract.role_of(_kind(body)) or contract.Role.INFRA_CLUSTER
    if contract.done(role, body, relatives.contract):
        return REACHED
    failing = first_failing(body, ("Ready", *(k for k in conditions(body) if k not in _NEGATIVE)))
    if failing is None or not failing.said:
        unsure = not relatives.contract and contract.needed(role, body)
        note = "; status.ready is set, but the contract of its kind is not known" if unsure else ""
        return Readiness(Health.WAITING, name, waiting + note)
    trouble = failing.severity == "Error"
    message = f"{waiting} · {failing.type}: {failing.said}"
    return Readiness(Health.WAITING, name, message, failing.since, trouble)


def _rolled_out(body: JsonObject, relatives: Relatives) -> Readiness:
    """MachineDeployment, MachinePool, control plane: everything there, and up to date."""
    kind = body.get("kind")
    machines = of_owner(body, relatives.machines)
    if kind == _DEPLOYMENT:
        return rollouts.deployment(body, relatives.machine_sets, machines)
    if kind == _POOL:
        return rollouts.pool(body, machines)
    return rollouts.control_plane(body, machines)


def of_owner(body: JsonObject, machines: Sequence[JsonObject]) -> list[JsonObject]:
    """The machines of an owner among those of its cluster, by the labels Cluster API sets."""
    kind, name = body.get("kind"), name_of(body)
    label = {_DEPLOYMENT: f"{GROUP}/deployment-name", _POOL: f"{GROUP}/pool-name"}.get(str(kind))

    def mine(machine: JsonObject) -> bool:
        found = value(machine, "metadata.labels")
        found = found if isinstance(found, dict) else {}
        return found.get(label) == name if label else f"{GROUP}/control-plane" in found

    return [m for m in machines if mine(m)]


# ---------------------------------------------------------------------- kinds that only status asks


def _remediating(body: JsonObject, _: Relatives) -> Readiness:
    """MachineHealthCheck: allowed to remediate, and all machines healthy."""
    allowed = condition(body, "RemediationAllowed")
    if allowed.status == "False":
        message = f"{allowed.reason}: {allowed.text}".rstrip(": ")
        return Readiness(Health.WAITING, "RemediationAllowed", message, allowed.since, trouble=True)
    healthy, expected = (
        integer(body, f"status.{name}") for name in ("currentHealthy", "expectedMachines")
    )
    if healthy is not None and expected is not None and healthy < expected:
        return Readiness(Health.WAITING, "Unhealthy", f"{healthy} of {expected} machines healthy")
    return REACHED


def _resources(body: JsonObject, relatives: Relatives) -> Readiness:
    """ClusterResourceSet: everything put into every cluster that it selects."""
    if relatives.reach is not None:
        return applied(body, relatives.reach)
    found = wait_for(body, ("ResourcesApplied", "True"))
    said = condition(body, "ResourcesApplied").said
    waiting = found.health is Health.WAITING and said
    return Readiness(found.health, found.reason, said, found.since) if waiting else found


def _releases(body: JsonObject, _: Relatives) -> Readiness:
    """HelmChartProxy (CAAPH v0.6): releases of the wanted spec, and all of them ready."""
    if integer(body, "status.observedGeneration") is not None and not observed(body):
        return UNSEEN
    specs = "HelmReleaseProxySpecsUpToDate"
    return wait_for(body, (specs, "True"), ("HelmReleaseProxiesReady", "True"))


_PREDICATES: dict[str, Callable[[JsonObject, Relatives], Readiness]] = {
    "complete": _complete,
    "established": _established,
    "available": _available,
    "class-followed": _followed,
    "control-plane-initialized": _initialized,
    "control-plane-ready": _plane_ready,
    "infrastructure-provisioned": _provisioned,
    "rolled-out": _rolled_out,
    "healthy": _remediating,
    "resources-applied": _resources,
    "releases-ready": _releases,
}

HEALTH_CHECK = GroupKind(GROUP, "MachineHealthCheck")
RESOURCE_SET = GroupKind(ADDONS, "ClusterResourceSet")
CHART_PROXY = GroupKind(ADDONS, "HelmChartProxy")
SHOWN: dict[GroupKind, Milestone] = {
    HEALTH_CHECK: Milestone(name="healthy"),
    RESOURCE_SET: RESOURCES_APPLIED,
    CHART_PROXY: RELEASES_READY,
}
"""What `status` asks of objects around a cluster."""
