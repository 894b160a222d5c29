"""Kubeadm control planes.

Sources: Cluster API v1.14.0 — controlplane/kubeadm/webhooks/admission (what may change),
controlplane/kubeadm/pkg/filters.go (what rolls), reconcilers/kubeadmcontrolplane/scale.go.
"""

from __future__ import annotations

from typing import Any

from providers.base import (
    Effect,
    Fact,
    Impact,
    KindRules,
    RefRule,
    count,
    due,
    mapping,
    moment,
    value,
)
from providers.bootstrap import secret_refs
from providers.capi import (
    CLONED_FROM,
    NO_NUMBER,
    ROLLED_OUT,
    changed_field,
    made,
    scale,
    staying,
    wanted_machines,
)
from providers.conditions import condition
from state.resource import GroupKind, JsonObject

GROUP = "controlplane.cluster.x-k8s.io"
KUBEADM = GroupKind(GROUP, "KubeadmControlPlane")


KINDS: dict[GroupKind, KindRules] = {
    KUBEADM: KindRules(
        references=(
            RefRule(
                path="spec.machineTemplate.spec.infrastructureRef", reason="makes its machines"
            ),
            RefRule(path="spec.machineTemplate.infrastructureRef", reason="makes its machines"),
            *secret_refs("spec.kubeadmConfigSpec"),
        ),
        cascaded=True,
        protected=True,
        machines=True,
        control_plane=True,
        ready=ROLLED_OUT,
        defaults=(
            ("spec.replicas", 1),
            ("spec.rollout.strategy.type", "RollingUpdate"),
            ("spec.rollout.strategy.rollingUpdate.maxSurge", 1),
            ("spec.rollout.strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
        ),
        reads=(
            "spec.replicas",
            "spec.version",
            "spec.machineTemplate.spec.infrastructureRef",
            "spec.machineTemplate.infrastructureRef",
            "spec.kubeadmConfigSpec",
            "spec.rollout",
        ),
    ),
    GroupKind(GROUP, "KubeadmControlPlaneTemplate"): KindRules(
        references=secret_refs("spec.template.spec.kubeadmConfigSpec"),
        template=True,
        cascaded=True,
    ),
}


def kubeadm_impact(before: JsonObject | None, after: JsonObject, fact: Fact) -> Impact:
    """What becoming `after` does to the control-plane machines: always one at a time.

    The facts are its Machines and their infrastructure machines, whose cloned-from annotation
    names the template they were made from.
    """
    replicas = wanted_machines(after)
    if replicas is None:
        return NO_NUMBER
    if before is None:
        return made(replicas)
    if fact.unreadable:
        return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    machines = staying(fact.machines)
    cloned = {_identity(m): m for m in fact.infra_machines}
    was, becomes = (mapping(value(b, "spec.kubeadmConfigSpec")) for b in (before, after))
    settled = not _trigger(before, after)
    outdated = sum(
        1
        for m in machines
        if reconfigured(was, becomes, m, fact)
        or _outdated(m, cloned, after, settled)
        or rollout_due(m, after, fact)
    )
    live = len(machines)
    replaced, added, removed = scale(live, live - outdated, replicas)
    rolls = replaced > 0
    surges = max_surge(after) != "0"
    return Impact(
        effect=Effect.ROLLS if rolls else Effect.SCALES if added or removed else Effect.IN_PLACE,
        replaced=replaced,
        added=added,
        removed=removed,
        live=live,
        total=replicas,
        peak=max(live, replicas + (1 if surges else 0)) if rolls else max(live, replicas),
        # The next one goes once the new control plane is healthy, which is before its node is
        # available (scale.go asks for pods and etcd; measured).
        floor=max(0, replicas - (1 if surges else 2)) if rolls else min(live, replicas),
        because=(_trigger(before, after) or "outdated already") if rolls else "",
        note="one at a time" if rolls else "",
    )


def max_surge(plane: JsonObject) -> str:
    """`maxSurge` of a control plane, where v1beta2 has it or where v1beta1 does."""
    for at in ("spec.rollout.strategy", "spec.rolloutStrategy"):
        found = value(plane, f"{at}.rollingUpdate.maxSurge")
        if found is not None:
            return str(found)
    return "1"


def _trigger(before: JsonObject, after: JsonObject) -> str:
    return changed_field(
        before,
        after,
        (
            "spec.version",
            "spec.machineTemplate.spec.infrastructureRef.name",
            "spec.machineTemplate.infrastructureRef.name",
            "spec.kubeadmConfigSpec",
            "spec.rollout.after",
            "spec.rolloutAfter",
            _EXPIRY_DAYS,
        ),
    )


_EXPIRY_DAYS = "spec.rollout.before.certificatesExpiryDays"
_DAY = 86_400


def rollout_due(machine: JsonObject, plane: JsonObject, fact: Fact) -> bool:
    """Replaced without any other change: `rollout.after` has passed, or certificates run out.

    Source: Cluster API v1.14.0, util/collections ShouldRolloutAfter and ShouldRolloutBefore.
    """
    since = due(value(plane, "spec.rollout.after") or value(plane, "spec.rolloutAfter"), fact)
    if moment(machine["metadata"].get("creationTimestamp")) < since:
        return True
    days = count(
        value(plane, _EXPIRY_DAYS) or value(plane, "spec.rolloutBefore.certificatesExpiryDays")
    )
    expiry = moment(value(machine, "status.certificatesExpiryDate"))
    return bool(days and expiry and fact.now and fact.now + days * _DAY > expiry)


def _identity(body: JsonObject) -> tuple[str, str]:
    return body.get("kind", ""), body["metadata"]["name"]


def _outdated(
    machine: JsonObject,
    cloned: dict[tuple[str, str], JsonObject],
    after: JsonObject,
    settled: bool,
) -> bool:
    """`settled`: nothing that rolls changes now, so what the machine says of itself holds."""
    if value(machine, "spec.version") != value(after, "spec.version"):
        return True
    reference = value(machine, "spec.infrastructureRef", {})
    infra = cloned.get((reference.get("kind", ""), reference.get("name", "")))
    wanted = value(after, "spec.machineTemplate.spec.infrastructureRef.name") or value(
        after, "spec.machineTemplate.infrastructureRef.name"
    )
    if infra is not None:
        cloned_from = (infra["metadata"].get("annotations") or {}).get(CLONED_FROM)
        if cloned_from != wanted or not settled:
            return bool(cloned_from != wanted)
    return says_outdated(machine)


def says_outdated(machine: JsonObject) -> bool:
    """A machine that says of itself that it is not up to date, in either form of conditions."""
    return condition(machine, "UpToDate").status == "False"


def reconfigured(before: JsonObject, after: JsonObject, machine: JsonObject, fact: Fact) -> bool:
    """Whether a change of kubeadmConfigSpec (`before` → `after`) makes a machine outdated.

    A machine that joined never sees `initConfiguration`; the one that was initialized sees
    `joinConfiguration` only where both say the same. Source: Cluster API v1.14.0,
    controlplane/kubeadm/pkg/filters.go, matchesKubeadmConfig; confirmed on its controllers.
    """
    name = value(machine, "spec.bootstrap.configRef.name")
    config = next((c for c in fact.configs if c["metadata"]["name"] == name), None)
    if config is None:
        return False  # as the controller does: what is not there is not compared
    was, becomes = _compared(before), _compared(after)
    joined = _as_joined(becomes)
    if value(config, "spec.joinConfiguration.controlPlane") is not None:
        return _as_joined(was) != joined
    initialized = {k: v for k, v in becomes.items() if k != "joinConfiguration"}
    same = {k: v for k, v in was.items() if k != "joinConfiguration"} == initialized
    converted = {k: v for k, v in was.items() if k != "initConfiguration"}
    init = mapping(was.get("initConfiguration"))
    converted["joinConfiguration"] = {k: init[k] for k in _SHARED if k in init}
    return not same and _pruned(converted) != _pruned(
        {
            **joined,
            "joinConfiguration": {
                k: v for k, v in mapping(joined.get("joinConfiguration")).items() if k in _SHARED
            },
        }
    )


_SHARED = ("nodeRegistration", "patches", "skipPhases", "timeouts")
"""What init and join configurations have in common."""


def _as_joined(spec: JsonObject) -> JsonObject:
    return {k: v for k, v in spec.items() if k != "initConfiguration"}


def _compared(spec: JsonObject) -> JsonObject:
    """The part of kubeadmConfigSpec that is compared: empty equals missing, some fields never."""
    kept: JsonObject = dict(_pruned(spec) or {})
    for part, ignored in _NOT_COMPARED.items():
        found = kept.get(part)
        if isinstance(found, dict):
            kept[part] = {k: v for k, v in found.items() if k not in ignored}
            timeouts = kept[part].get("timeouts")
            if isinstance(timeouts, dict):
                kept[part]["timeouts"] = {k: v for k, v in timeouts.items() if k != _HEALTH_CHECK}
    pruned: JsonObject = _pruned(kept)
    return pruned


_HEALTH_CHECK = "controlPlaneComponentHealthCheckSeconds"
_NOT_COMPARED = {
    "clusterConfiguration": ("dns", "controlPlaneEndpoint"),
    "joinConfiguration": ("discovery", "caCertPath"),
    "initConfiguration": (),
}


def _pruned(value_: Any) -> Any:
    if isinstance(value_, dict):
        pruned = {k: _pruned(v) for k, v in value_.items()}
        return {k: v for k, v in pruned.items() if v not in ({}, [], None, "")}
    if isinstance(value_, list):
        return [_pruned(v) for v in value_]
    return value_
