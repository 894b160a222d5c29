"""Has an object reached a milestone? By conditions and counters, as each kind's contract says.

Sources: Cluster API book, provider contracts and "Readiness" of v1beta2 conditions;
docs/semantics.md 19; docs/cluster-api.md, "The rollout window": counters and conditions say "done"
for 0.7 s before a rollout has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from providers.base import Health, Milestone, Readiness, value
from providers.capi import CLUSTER, GROUP, MACHINE, MACHINE_DEPLOYMENT, MACHINE_SET, owner_uids
from providers.controlplane import KUBEADM
from state.resource import GroupKind, JsonObject

REACHED = Readiness(Health.REACHED)


class Relatives(msgspec.Struct, frozen=True, kw_only=True):
    """Objects around the one that is waited for, from the same reads."""

    machine_sets: Sequence[JsonObject] = ()
    machines: Sequence[JsonObject] = ()


def relatives_of(kind: GroupKind) -> tuple[GroupKind, ...]:
    """The kinds that have to be read beside an object of `kind` to judge its milestones."""
    if kind == MACHINE_DEPLOYMENT:
        return (MACHINE_SET, MACHINE)
    if kind in (KUBEADM, CLUSTER, GroupKind(GROUP, "MachinePool")):
        return (MACHINE,)
    return ()


def check(milestone: Milestone, body: JsonObject | None, relatives: Relatives) -> Readiness:
    """Whether `body` (None: not there) has reached `milestone`; waiting comes with its reason."""
    if milestone.name == "absent":
        return REACHED if body is None else _terminating(body)
    if body is None:
        return Readiness(Health.WAITING, "NotFound", "not there yet")
    if milestone.name in ("applied", "exists"):
        return REACHED
    paused = held_back(body)
    if paused:
        return Readiness(Health.BLOCKED, "Paused", paused)
    return _PREDICATES[milestone.name](body, relatives)


def conditions(body: JsonObject) -> dict[str, JsonObject]:
    """`status.conditions` by type. A status without a list (a new CRD has null) reads as empty."""
    found = (body.get("status") or {}).get("conditions") or ()
    return {c.get("type", ""): c for c in found if isinstance(c, dict)}


def held_back(body: JsonObject) -> str:
    """Why the controllers leave the object alone: paused itself or by its Cluster; "" if not.

    The condition Paused is the controllers' own word (Cluster API v1beta2 contract).
    """
    if value(body, "spec.paused") is True:
        return "spec.paused is set"
    annotations = body["metadata"].get("annotations") or {}
    if "cluster.x-k8s.io/paused" in annotations:
        return "the annotation cluster.x-k8s.io/paused is set"
    condition = conditions(body).get("Paused", {})
    if condition.get("status") == "True":
        return str(condition.get("message") or "its Cluster is paused")
    return ""


def _terminating(body: JsonObject) -> Readiness:
    deleting = conditions(body).get("Deleting", {})
    finalizers = ", ".join(body["metadata"].get("finalizers") or ())
    message = deleting.get("message") or (f"finalizers: {finalizers}" if finalizers else "")
    return Readiness(Health.WAITING, str(deleting.get("reason") or "Deleting"), str(message))


def _observed(body: JsonObject) -> bool:
    observed = value(body, "status.observedGeneration")
    return observed is None or observed >= body["metadata"].get("generation", 0)


def _waiting(body: JsonObject, *wanted: tuple[str, str]) -> Readiness:
    """The first of the wanted conditions that does not hold, in its own words."""
    found = conditions(body)
    for kind, status in wanted:
        condition = found.get(kind)
        if condition is None:
            return Readiness(Health.WAITING, kind, f"no condition {kind} yet")
        if condition.get("status") != status:
            message = _last_line(str(condition.get("message") or ""))
            return Readiness(
                Health.WAITING,
                kind,
                message or f"{kind}={condition.get('status')} ({condition.get('reason', '')})",
            )
    return REACHED


def _last_line(message: str) -> str:
    """The innermost line of a nested condition message, without its bullets."""
    lines = [line.strip().lstrip("* ").strip() for line in message.strip().splitlines()]
    return lines[-1].rpartition(": * ")[2] if lines else ""


def _established(body: JsonObject, _: Relatives) -> Readiness:
    return _waiting(body, ("Established", "True"))


def _available(body: JsonObject, relatives: Relatives) -> Readiness:
    if body.get("kind") == "Deployment":
        return _deployment(body)
    if not _observed(body):
        return Readiness(Health.WAITING, "Observed", "the controller has not seen the change yet")
    state = _waiting(body, ("Available", "True"))
    if state.health is Health.REACHED and "RollingOut" in conditions(body):
        state = _waiting(body, ("RollingOut", "False"))
    return state if state.health is Health.REACHED else deepest(state, relatives.machines)


def _deployment(body: JsonObject) -> Readiness:
    if value(body, "status.observedGeneration", 0) < body["metadata"].get("generation", 0):
        return Readiness(Health.WAITING, "Observed", "the controller has not seen the change yet")
    wanted = value(body, "spec.replicas", 1)
    for counter in ("updatedReplicas", "availableReplicas"):
        have = value(body, f"status.{counter}", 0)
        if have < wanted:
            return Readiness(Health.WAITING, "Available", f"{counter} {have} of {wanted}")
    return REACHED


def _initialized(body: JsonObject, relatives: Relatives) -> Readiness:
    if value(body, "status.initialization.controlPlaneInitialized") is True:
        return REACHED
    if value(body, "status.controlPlaneReady") is True:
        return REACHED
    return deepest(_waiting(body, ("ControlPlaneInitialized", "True")), relatives.machines)


def _plane_ready(body: JsonObject, _: Relatives) -> Readiness:
    """A control plane of another provider: initialized by its contract, and at its version.

    Only minor versions are compared: who is asked for 1.33 runs a patch release of it.
    """
    started = (
        value(body, "status.initialization.controlPlaneInitialized") is True
        or value(body, "status.initialized") is True
        or (value(body, "status.ready") is True and value(body, "status.initialized") is None)
    )
    if not started:
        return Readiness(Health.WAITING, "Initialized", "the control plane is being made")
    wanted, runs = value(body, "spec.version"), value(body, "status.version")
    if wanted and runs and _minor(wanted) != _minor(runs):
        return Readiness(Health.WAITING, "Version", f"runs {runs}, wanted {wanted}")
    return REACHED


def _minor(version: str) -> list[str]:
    return str(version).removeprefix("v").split(".")[:2]


def _provisioned(body: JsonObject, _: Relatives) -> Readiness:
    """InfraCluster: `status.initialization.provisioned`, or `status.ready` by contract v1beta1."""
    if (
        value(body, "status.initialization.provisioned") is True
        or value(body, "status.ready") is True
    ):
        return REACHED
    return Readiness(Health.WAITING, "Provisioned", "infrastructure is being provisioned")


def _rolled_out(body: JsonObject, relatives: Relatives) -> Readiness:
    """MachineDeployment, KubeadmControlPlane, MachinePool: everything there, and up to date.

    Counters alone lie: after a template change a MachineDeployment reports all of them as done at
    the new generation before its rollout has begun. Its Machines' `UpToDate` does not.
    """
    if not _observed(body):
        return Readiness(Health.WAITING, "Observed", "the controller has not seen the change yet")
    wanted = value(body, "spec.replicas", 1)
    outdated = [m for m in relatives.machines if not _up_to_date(m)]
    others = _old_sets(body, relatives.machine_sets)
    if outdated or others:
        done = len(relatives.machines) - len(outdated)
        state = Readiness(Health.WAITING, "RollingOut", f"{done} of {wanted} machines up to date")
        return deepest(state, relatives.machines)
    for counter in ("replicas", "upToDateReplicas", "availableReplicas"):
        have = value(body, f"status.{counter}", 0)
        if have != wanted:
            state = Readiness(Health.WAITING, counter, f"{counter} {have} of {wanted}")
            return deepest(state, relatives.machines)
    if "RollingOut" in conditions(body):
        return _waiting(body, ("RollingOut", "False"))
    return REACHED


def _up_to_date(machine: JsonObject) -> bool:
    return str(conditions(machine).get("UpToDate", {}).get("status", "True")) == "True"


def _old_sets(body: JsonObject, machine_sets: Iterable[JsonObject]) -> int:
    """MachineSets beside the newest that still have machines."""
    own = [ms for ms in machine_sets if body["metadata"].get("uid") in owner_uids(ms)]
    busy = [ms for ms in own if value(ms, "spec.replicas", 0) or value(ms, "status.replicas", 0)]
    return max(0, len(busy) - 1)


def deepest(state: Readiness, machines: Iterable[JsonObject]) -> Readiness:
    """The same wait, explained by the first machine that has trouble of its own."""
    for machine in sorted(machines, key=lambda m: str(m["metadata"]["name"])):
        if machine["metadata"].get("deletionTimestamp"):
            continue
        found = conditions(machine)
        for kind in ("BootstrapConfigReady", "InfrastructureReady", "NodeHealthy", "Ready"):
            condition = found.get(kind, {})
            if condition.get("status") == "False":
                name = machine["metadata"]["name"]
                text = str(condition.get("message") or condition.get("reason") or "").strip()
                detail = f"{state.message} · {name}: waiting for {kind}"
                return Readiness(
                    state.health, state.reason, detail + (f" ({text})" if text else "")
                )
    return state


_PREDICATES: dict[str, Callable[[JsonObject, Relatives], Readiness]] = {
    "established": _established,
    "available": _available,
    "control-plane-initialized": _initialized,
    "control-plane-ready": _plane_ready,
    "infrastructure-provisioned": _provisioned,
    "rolled-out": _rolled_out,
}
