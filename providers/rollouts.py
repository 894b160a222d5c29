"""Has an owner of machines rolled out? Exactly, in the window too in which all counters say "done".

For 0.7 s after a change a MachineDeployment reports its new generation as observed, all counters as
reached and RollingOut=False (docs/cluster-api.md, "The rollout window"). What cannot lie is the
comparison that the controllers themselves make: a machine is up to date if the template of its
MachineSet equals the MachineDeployment's. So that is made here, and a machine's own UpToDate
counts beside it, for what only its controller knows (`rollout.after`, updates in place). It holds
for servers that have no such condition, too. Sources: Cluster API v1.14.0
core/reconcilers/machine/machine_controller_status.go (setUpToDateCondition),
core/reconcilers/machinedeployment/{machinedeployment_status.go,mdutil},
core/reconcilers/machinepool/machinepool_controller_status.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from providers.base import Health, Readiness, value
from providers.capi import default_replicas, owner_uids, rollout_key
from providers.conditions import (
    annotations_of,
    by_name,
    condition,
    conditions,
    first_failing,
    has_new_form,
    innermost,
    integer,
    leaving,
    name_of,
)
from state.resource import JsonObject

REACHED = Readiness(Health.REACHED)
UNSEEN = Readiness(Health.WAITING, "Observed", "the controller has not seen the change yet")
REPLICAS_MANAGED_BY = "cluster.x-k8s.io/replicas-managed-by"
MACHINE_CHAIN = (
    "BootstrapConfigReady",
    "BootstrapReady",  # its name in old conditions
    "InfrastructureReady",
    "NodeHealthy",
    "Ready",
)
"""Conditions of a Machine from the cause to its consequences: the first that fails explains."""
_LOOK_HERE = frozenset(
    {
        "BootstrapFailed",
        "InPlaceUpdateFailed",
        "InternalError",
        "InvalidConditionReported",
        "NodeDeleted",
        "ObjectDeleted",
        "ObjectDoesNotExist",
        "RemediationRequestCreationFailed",
        "RemediationTemplateNotFound",
    }
)


def observed(body: JsonObject) -> bool:
    """The controller has seen this generation. One that has never written a status has not."""
    seen = integer(body, "status.observedGeneration")
    return seen is not None and seen >= (integer(body, "metadata.generation") or 0)


def wanted_replicas(body: JsonObject) -> int:
    """`spec.replicas`; where it is left out, what the webhook makes of it.

    A MachinePool whose replicas another tool manages has as many as it has.
    """
    if REPLICAS_MANAGED_BY in annotations_of(body):
        return integer(body, "status.replicas") or 0
    replicas = integer(body, "spec.replicas")
    if replicas is not None:
        return replicas
    return default_replicas(body, integer(body, "status.replicas") or 0)


def counter(body: JsonObject, name: str) -> int:
    """A counter of the status, wherever this version of the API keeps it.

    v1beta1 has the new ones below `status.v1beta2`; servers before v1.9 only `updatedReplicas`, and
    a control plane without `availableReplicas` says how many are not available.
    """
    for path in (f"status.v1beta2.{name}", f"status.{name}"):
        found = integer(body, path)
        if found is not None:
            return found
    if name == "upToDateReplicas":
        return integer(body, "status.updatedReplicas") or 0
    missing = integer(body, "status.unavailableReplicas")
    if name == "availableReplicas" and missing is not None:
        return max(0, (integer(body, "status.replicas") or 0) - missing)
    return 0


def on_delete(deployment: JsonObject) -> bool:
    """Its outdated machines stay until somebody deletes them."""
    paths = ("spec.rollout.strategy.type", "spec.strategy.type")
    return any(value(deployment, path) == "OnDelete" for path in paths)


def deployment(
    body: JsonObject, machine_sets: Sequence[JsonObject], machines: Sequence[JsonObject]
) -> Readiness:
    """A MachineDeployment. With OnDelete: everything that happens without somebody's help."""
    if not observed(body):
        return UNSEEN
    wanted = wanted_replicas(body)
    own = [s for s in machine_sets if value(body, "metadata.uid") in owner_uids(s)]
    key = rollout_key(_template(body))
    fitting = [s for s in own if rollout_key(_template(s)) == key]
    uids = {str(value(s, "metadata.uid")) for s in fitting}
    outdated = [m for m in machines if not (owner_uids(m) & uids) or _says_outdated(m)]
    if on_delete(body):
        return _on_delete(body, machines, [m for m in outdated if not leaving(m)], wanted)
    if wanted and not fitting:
        return Readiness(Health.WAITING, "RollingOut", f"0 of {wanted} machines up to date")
    busy = [s for s in own if integer(s, "spec.replicas") or integer(s, "status.replicas")]
    old = [s for s in busy if s not in fitting]
    if outdated or old or len(busy) > 1:
        done = sum(1 for m in machines if m not in outdated and not leaving(m))
        return _rolling(body, done, wanted, machines)
    return _counted(body, wanted, machines)


def _template(body: JsonObject) -> JsonObject:
    found = value(body, "spec.template.spec")
    return found if isinstance(found, dict) else {}


def _says_outdated(machine: JsonObject) -> bool:
    return condition(machine, "UpToDate").status not in ("", "True")


def _on_delete(
    body: JsonObject, machines: Sequence[JsonObject], outdated: Sequence[JsonObject], wanted: int
) -> Readiness:
    for name in ("replicas", "availableReplicas"):
        have = counter(body, name)
        if have != wanted:
            return _explained(body, name, f"{name} {have} of {wanted}", machines)
    if not outdated:
        return REACHED
    count = f"{len(outdated)} of {len(machines)}"
    message = f"OnDelete: {count} machines are outdated until somebody deletes them"
    return Readiness(Health.REACHED, "OnDelete", message)


def control_plane(body: JsonObject, machines: Sequence[JsonObject]) -> Readiness:
    """A control plane with machines: its counters and conditions move together with its generation.

    A Machine that has no UpToDate yet is not taken as up to date where the controller writes such
    conditions; its version is compared in any case.
    """
    if not observed(body):
        return UNSEEN
    wanted = wanted_replicas(body)
    strict = has_new_form(body)
    version = value(body, "spec.version")

    def current(machine: JsonObject) -> bool:
        said = condition(machine, "UpToDate").status
        same = version in (None, value(machine, "spec.version"))
        return same and (said == "True" or (said == "" and not strict))

    done = [m for m in machines if current(m)]
    if len(done) < len(machines):
        return _rolling(body, sum(1 for m in done if not leaving(m)), wanted, machines)
    return _counted(body, wanted, machines)


def pool(body: JsonObject, machines: Sequence[JsonObject]) -> Readiness:
    """A MachinePool: its provider decides what is outdated, so versions and counters are compared.

    Its `upToDateReplicas` says nothing: a copy of `spec.replicas`, or all machines that stay.
    """
    if not observed(body):
        return UNSEEN
    for new, old, what in _POOL_STEPS:
        if value(body, new) is not True and value(body, old) is not True:
            failing = first_failing(body, (what, f"{what.removesuffix('Ready')}Ready"))
            text = failing.said if failing else ""
            return Readiness(Health.WAITING, what, text or f"{what}: not yet")
    wanted = wanted_replicas(body)
    version = value(body, "spec.template.spec.version")
    listed = value(body, "status.versions")
    others = [
        v
        for v in (listed if isinstance(listed, list) else ())
        if isinstance(v, dict) and v.get("version") != version and v.get("replicas")
    ]
    if version and others:
        told = ", ".join(f"{v.get('replicas')} at {v.get('version')}" for v in others)
        return _explained(body, "RollingOut", f"{told}, {version} wanted", machines)
    names = ("replicas", "readyReplicas", "availableReplicas")
    return _counted(body, wanted, machines, names)


_POOL_STEPS = (
    (
        "status.initialization.bootstrapDataSecretCreated",
        "status.bootstrapReady",
        "BootstrapConfigReady",
    ),
    (
        "status.initialization.infrastructureProvisioned",
        "status.infrastructureReady",
        "InfrastructureReady",
    ),
)


def _counted(
    body: JsonObject,
    wanted: int,
    machines: Sequence[JsonObject],
    names: Iterable[str] = ("replicas", "upToDateReplicas", "availableReplicas"),
) -> Readiness:
    for name in names:
        have = counter(body, name)
        if have != wanted:
            return _explained(body, name, f"{name} {have} of {wanted}", machines)
    going = [m for m in machines if leaving(m)]
    if going:
        noun = "machine is" if len(going) == 1 else "machines are"
        message = f"{len(going)} {noun} being deleted · {_leaving_text(by_name(going)[0])}"
        return Readiness(Health.WAITING, "Deleting", message)
    rolling = conditions(body).get("RollingOut")
    if rolling is not None and rolling.status != "False":
        return _explained(body, "RollingOut", rolling.text or "still rolling out", machines)
    return REACHED


def _rolling(body: JsonObject, done: int, wanted: int, machines: Sequence[JsonObject]) -> Readiness:
    return _explained(body, "RollingOut", f"{done} of {wanted} machines up to date", machines)


# ---------------------------------------------------------------------- why


def _explained(
    body: JsonObject, reason: str, message: str, machines: Sequence[JsonObject]
) -> Readiness:
    """A wait with its deepest cause: a preflight that holds, a machine, a remediation."""
    state = Readiness(Health.WAITING, reason, message, condition(body, "RollingOut").since)
    held = preflight(body)
    if held:
        since = condition(body, "ScalingUp").since
        return Readiness(Health.WAITING, "Preflight", f"{message} · {held}", since)
    found = deepest(state, machines)
    remediating = condition(body, "Remediating")
    if found == state and remediating.status == "True":
        text = f"{message} · remediating: {remediating.text}".rstrip(": ")
        return Readiness(Health.WAITING, "Remediating", text, remediating.since, trouble=True)
    scaling = condition(body, "ScalingUp")
    if found == state and scaling.status == "True" and "blocked" in scaling.message:
        text = f"{message} · {innermost(scaling.message)}"
        return Readiness(Health.WAITING, "ScalingUp", text, scaling.since, trouble=True)
    return found


def preflight(body: JsonObject) -> str:
    """The preflight check that keeps a MachineSet or MachineDeployment from making machines.

    It is said only in the message of ScalingUp (machineset_preflight.go).
    """
    scaling = condition(body, "ScalingUp")
    if scaling.status != "True" or "preflight check failed" not in scaling.message:
        return ""
    point = innermost(scaling.message).replace(" preflight check failed", "")
    return f"held by a preflight check: {point}"


def deepest(state: Readiness, machines: Iterable[JsonObject]) -> Readiness:
    """The same wait, explained by the first machine that has trouble of its own."""
    for machine in by_name(machines):
        found = machine_cause(machine)
        if found is not None:
            message = f"{state.message} · {name_of(machine)}: {found.message}"
            return Readiness(state.health, state.reason, message, found.since, found.trouble)
    going = by_name(m for m in machines if leaving(m))
    if going:
        text = _leaving_text(going[0])
        return Readiness(state.health, state.reason, f"{state.message} · {text}", state.since)
    return state


def machine_cause(machine: JsonObject) -> Readiness | None:
    """The first condition of a Machine that fails, from cause to consequence; None: none does."""
    if leaving(machine):
        return None
    found = conditions(machine)
    for kind in MACHINE_CHAIN:
        failing = found.get(kind)
        if failing is not None and failing.status == "False":
            said = f" ({failing.said})" if failing.said else ""
            trouble = failing.severity == "Error" or failing.reason in _LOOK_HERE
            return Readiness(
                Health.WAITING, kind, f"waiting for {kind}{said}", failing.since, trouble
            )
    return None


def _leaving_text(machine: JsonObject) -> str:
    return f"{name_of(machine)}: {leaving_cause(machine).message}"


def leaving_cause(body: JsonObject) -> Readiness:
    """On what a deletion waits, in the words of the object: its condition, or who holds it."""
    said = condition(body, "Deleting")
    if said.status == "True" or (said.reason and said.reason != "NotDeleting"):
        reason = said.reason or "Deleting"
        message = f"{reason}: {said.text}" if said.text else reason
        return Readiness(Health.WAITING, reason, message, said.since)
    finalizers = value(body, "metadata.finalizers")
    listed = finalizers if isinstance(finalizers, list) else ()
    held = ", ".join(found for found in listed if isinstance(found, str))
    message = f"finalizers: {held}" if held else "is being deleted"
    since = str(value(body, "metadata.deletionTimestamp") or "")
    return Readiness(Health.WAITING, "Deleting", message, since)
