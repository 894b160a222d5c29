"""Cluster API core: Cluster, ClusterClass, MachineDeployment and their relatives.

Sources: Cluster API v1.14.0 — api/core/v1beta2, core/webhooks/admission,
core/reconcilers/machinedeployment/mdutil (what rolls), docs/book (owner references).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from providers.base import (
    Effect,
    Fact,
    Impact,
    KindRules,
    Milestone,
    RefRule,
    count,
    due,
    mapping,
    moment,
    value,
)
from state.resource import GroupKind, JsonObject

GROUP = "cluster.x-k8s.io"
ADDONS = "addons.cluster.x-k8s.io"
CLUSTER = GroupKind(GROUP, "Cluster")
CLUSTER_CLASS = GroupKind(GROUP, "ClusterClass")
MACHINE_DEPLOYMENT = GroupKind(GROUP, "MachineDeployment")
MACHINE_POOL = GroupKind(GROUP, "MachinePool")
MACHINE_SET = GroupKind(GROUP, "MachineSet")
MACHINE = GroupKind(GROUP, "Machine")
CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"
DEPLOYMENT_NAME = "cluster.x-k8s.io/deployment-name"
SET_NAME = "cluster.x-k8s.io/set-name"
POOL_NAME = "cluster.x-k8s.io/pool-name"
CONTROL_PLANE = "cluster.x-k8s.io/control-plane"
TOPOLOGY_OWNED = "topology.cluster.x-k8s.io/owned"
DEPLOYMENT_TOPOLOGY = "topology.cluster.x-k8s.io/deployment-name"
POOL_TOPOLOGY = "topology.cluster.x-k8s.io/pool-name"
CLONED_FROM = "cluster.x-k8s.io/cloned-from-name"
AUTOSCALER_MIN = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
AUTOSCALER_MAX = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"

_OF_CLUSTER = RefRule(
    path="spec.clusterName", group=GROUP, kind="Cluster", name="", reason="belongs to its Cluster"
)
_MACHINE_SPEC = (
    RefRule(path="{}.bootstrap.configRef", reason="bootstraps its machines"),
    RefRule(
        path="{}.bootstrap.dataSecretName", kind="Secret", name="", reason="bootstraps its machines"
    ),
    RefRule(path="{}.infrastructureRef", reason="makes its machines"),
)


def _machine_refs(at: str) -> tuple[RefRule, ...]:
    return tuple(
        RefRule(path=r.path.format(at), kind=r.kind, name=r.name, reason=r.reason)
        for r in _MACHINE_SPEC
    )


def _template_refs(*paths: str) -> tuple[RefRule, ...]:
    return tuple(RefRule(path=p, reason="is part of the class") for p in paths)


def _remediations(*paths: str) -> tuple[RefRule, ...]:
    return tuple(RefRule(path=p, reason="remediates with it") for p in paths)


AVAILABLE = Milestone(name="available", deadline=1800)
ROLLED_OUT = Milestone(name="rolled-out", deadline=3600)
INITIALIZED = Milestone(name="control-plane-initialized", deadline=2100)
FOLLOWED = Milestone(name="class-followed", deadline=3600)
"""Of a Cluster: its class was written, and everything of it is made from the class as it is now."""
PROVISIONED = Milestone(name="infrastructure-provisioned", deadline=2100)
RESOURCES_APPLIED = Milestone(name="resources-applied", deadline=2700)
RELEASES_READY = Milestone(name="releases-ready", deadline=2700)
"""Of what acts on clusters that may be made in the same run: these come up first."""

TEMPLATE_FIELDS = (
    "spec.template.spec.version",
    "spec.template.spec.bootstrap",
    "spec.template.spec.infrastructureRef",
    "spec.template.spec.failureDomain",
)

KINDS: dict[GroupKind, KindRules] = {
    CLUSTER: KindRules(
        references=(
            RefRule(path="spec.infrastructureRef", reason="runs on its infrastructure"),
            RefRule(path="spec.controlPlaneRef", reason="is controlled by its control plane"),
            RefRule(
                path="spec.topology.classRef",
                group=GROUP,
                kind="ClusterClass",
                same_namespace=False,
                reason="is made from its class",
            ),
            RefRule(
                path="spec.topology.class",
                group=GROUP,
                kind="ClusterClass",
                name="",
                reason="is made from its class",
            ),
            *_remediations(
                "spec.topology.controlPlane.healthCheck.remediation.templateRef",
                "spec.topology.controlPlane.machineHealthCheck.remediationTemplate",
                "spec.topology.workers.machineDeployments[*].healthCheck.remediation.templateRef",
                "spec.topology.workers.machineDeployments[*].machineHealthCheck.remediationTemplate",
            ),
        ),
        protected=True,
        ready=AVAILABLE,
        reads=("spec.paused", "spec.topology.version"),
    ),
    CLUSTER_CLASS: KindRules(
        references=_template_refs(
            "spec.infrastructure.templateRef",
            "spec.infrastructure.ref",
            "spec.controlPlane.templateRef",
            "spec.controlPlane.ref",
            "spec.controlPlane.machineInfrastructure.templateRef",
            "spec.controlPlane.machineInfrastructure.ref",
            "spec.controlPlane.healthCheck.remediation.templateRef",
            "spec.controlPlane.machineHealthCheck.remediationTemplate",
            "spec.workers.machineDeployments[*].bootstrap.templateRef",
            "spec.workers.machineDeployments[*].infrastructure.templateRef",
            "spec.workers.machineDeployments[*].template.bootstrap.ref",
            "spec.workers.machineDeployments[*].template.infrastructure.ref",
            "spec.workers.machineDeployments[*].healthCheck.remediation.templateRef",
            "spec.workers.machineDeployments[*].machineHealthCheck.remediationTemplate",
            "spec.workers.machinePools[*].bootstrap.templateRef",
            "spec.workers.machinePools[*].infrastructure.templateRef",
            "spec.workers.machinePools[*].template.bootstrap.ref",
            "spec.workers.machinePools[*].template.infrastructure.ref",
        ),
        always_shared=True,
        machines=True,
    ),
    MACHINE_DEPLOYMENT: KindRules(
        references=(_OF_CLUSTER, *_machine_refs("spec.template.spec")),
        immutable=("spec.clusterName",),
        cascaded=True,
        machines=True,
        ready=ROLLED_OUT,
        defaults=(
            ("spec.replicas", 1),
            ("spec.rollout.strategy.type", "RollingUpdate"),
            ("spec.rollout.strategy.rollingUpdate.maxSurge", 1),
            ("spec.rollout.strategy.rollingUpdate.maxUnavailable", 0),
            (
                "spec.rollout.strategy",
                {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            ),
        ),
        reads=(
            "spec.replicas",
            "spec.rollout.strategy",
            "spec.rollout.after",
            "spec.paused",
            *TEMPLATE_FIELDS,
        ),
    ),
    MACHINE_POOL: KindRules(
        references=(_OF_CLUSTER, *_machine_refs("spec.template.spec")),
        immutable=("spec.clusterName",),
        cascaded=True,
        machines=True,
        ready=ROLLED_OUT,
        defaults=(("spec.replicas", 1),),
        reads=("spec.replicas", *TEMPLATE_FIELDS),
    ),
    MACHINE_SET: KindRules(
        references=(_OF_CLUSTER, *_machine_refs("spec.template.spec")),
        immutable=("spec.clusterName",),
        cascaded=True,
        machines=True,
        defaults=(("spec.replicas", 1),),
        reads=("spec.replicas", *TEMPLATE_FIELDS),
    ),
    MACHINE: KindRules(
        references=(_OF_CLUSTER, *_machine_refs("spec")),
        immutable=("spec.clusterName",),
        cascaded=True,
        machines=True,
    ),
    GroupKind(GROUP, "MachineHealthCheck"): KindRules(
        references=(
            _OF_CLUSTER,
            *_remediations("spec.remediation.templateRef", "spec.remediationTemplate"),
        ),
        immutable=("spec.clusterName",),
        cascaded=True,
    ),
    GroupKind(ADDONS, "ClusterResourceSet"): KindRules(
        references=(
            RefRule(path="spec.resources[*]", reason="is put into clusters", lifeline=False),
        ),
        immutable=("spec.clusterSelector", "spec.strategy"),
        replaceable=True,
        always_shared=True,
        ready=RESOURCES_APPLIED,
    ),
    # Deleting one uninstalls its chart everywhere, so it is never replaced.
    GroupKind(ADDONS, "HelmChartProxy"): KindRules(
        immutable=("spec.reconcileStrategy",), always_shared=True, ready=RELEASES_READY
    ),
}


def class_reference(cluster: JsonObject) -> tuple[str, str] | None:
    """(namespace, name) of the ClusterClass in either form; None without a topology."""
    topology = mapping(value(cluster, "spec.topology"))
    if not topology:
        return None
    home = str(cluster["metadata"].get("namespace"))
    reference = mapping(topology.get("classRef"))
    name = reference.get("name") or topology.get("class")
    namespace = reference.get("namespace") or topology.get("classNamespace") or home
    return (str(namespace), str(name)) if name else None


def rolling_limits(replicas: int, strategy: JsonObject) -> tuple[int, int]:
    """(surge, unavailable) of a RollingUpdate: percentages round up and down; never both 0.

    Source: Cluster API book, §MachineDeployment; defaults 1 and 0.
    """
    limits = mapping(strategy.get("rollingUpdate"))
    surge = _count(limits.get("maxSurge", 1), replicas, math.ceil)
    unavailable = _count(limits.get("maxUnavailable", 0), replicas, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _count(limit: Any, replicas: int, rounding: Any) -> int:
    share = _SHARE.fullmatch(limit) if isinstance(limit, str) else None
    if share is None:
        return count(limit) or 0
    many = int(share[1])
    return int(rounding(many * replicas / 100)) if share[2] else many


_SHARE = re.compile(r"([0-9]{1,9})(%?)")
"""A limit in a string: an IntOrString of Kubernetes is a number or a percentage."""


def rollout_key(machine_spec: Any) -> tuple[Any, ...]:
    """The four fields that decide whether a machine is up to date (mdutil MachineTemplateUpToDate).

    References count by group, kind and name; never by what the template says.
    """
    machine_spec = mapping(machine_spec)
    bootstrap = mapping(machine_spec.get("bootstrap"))
    return (
        machine_spec.get("version"),
        reference_key(bootstrap.get("configRef")) or bootstrap.get("dataSecretName"),
        reference_key(machine_spec.get("infrastructureRef")),
        machine_spec.get("failureDomain") or None,
    )


def reference_key(reference: Any) -> tuple[str, str, str] | None:
    """(group, kind, name) of a reference in either form."""
    if not isinstance(reference, dict) or not reference:
        return None
    group = reference.get("apiGroup") or str(reference.get("apiVersion", "")).rpartition("/")[0]
    return str(group), str(reference.get("kind", "")), str(reference.get("name", ""))


def scale(live: int, current: int, replicas: int) -> tuple[int, int, int]:
    """(replaced, added, removed): `live` machines, `current` of them up to date, `replicas` wanted.

    A machine that goes because fewer are wanted is removed, not replaced.
    """
    replaced = min(live - current, max(0, replicas - current))
    return replaced, max(0, replicas - live), max(0, live - replicas)


def machine_deployment_impact(before: JsonObject | None, after: JsonObject, fact: Fact) -> Impact:
    """What becoming `after` does to the machines of a MachineDeployment.

    `before` is the live object (None: a create), `after` the object as it will be; the facts are
    its MachineSets and Machines. Machines of a MachineSet whose template equals the new one are
    kept, so going back to a live MachineSet is cheap.
    """
    replicas = wanted_machines(after)
    if replicas is None:
        return NO_NUMBER
    if before is None:
        return made(replicas)
    if fact.unreadable:
        return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    wanted = rollout_key(value(after, "spec.template.spec", {}))
    since = due(value(after, "spec.rollout.after") or value(after, "spec.rolloutAfter"), fact)
    current_sets = {
        ms["metadata"]["uid"]
        for ms in fact.machine_sets
        if rollout_key(value(ms, "spec.template.spec", {})) == wanted
        and moment(ms["metadata"].get("creationTimestamp")) >= since
    }
    machines = staying(fact.machines)
    current = sum(1 for m in machines if owner_uids(m) & current_sets)
    return _deployment_arithmetic(before, after, len(machines), current, replicas)


def _deployment_arithmetic(
    before: JsonObject, after: JsonObject, live: int, current: int, replicas: int
) -> Impact:
    strategy = mapping(value(after, "spec.rollout.strategy") or value(after, "spec.strategy"))
    replaced, added, removed = scale(live, current, replicas)
    stale = strategy.get("type") == "OnDelete"
    notes = []
    if stale and replaced:
        notes.append(f"OnDelete: {replaced} outdated until somebody deletes them")
        replaced = 0
    if removed:
        order = value(after, "spec.deletion.order") or value(
            after, "spec.strategy.rollingUpdate.deletePolicy"
        )
        notes.append(victims_rule(str(order or "")))
    surge, unavailable = rolling_limits(replicas, strategy)
    rolls = replaced > 0
    return Impact(
        effect=Effect.ROLLS if rolls else Effect.SCALES if added or removed else Effect.IN_PLACE,
        replaced=replaced,
        added=added,
        removed=removed,
        live=live,
        total=replicas,
        peak=max(live, replicas + surge) if rolls else max(live, replicas),
        floor=max(0, replicas - unavailable) if rolls else min(live, replicas),
        because=_trigger(before, after) if rolls else "",
        note="; ".join(notes),
    )


def _trigger(before: JsonObject, after: JsonObject) -> str:
    """The field that makes machines outdated; of what was outdated already, what says so."""
    changed = changed_field(
        before, after, (*TEMPLATE_FIELDS, "spec.rollout.after", "spec.rolloutAfter")
    )
    return changed or "outdated already"


def default_replicas(after: JsonObject, before: int) -> int:
    """What replicas become when they are left out: 1, or within the autoscaler's range.

    Source: calculateMachineDeploymentReplicas, core/webhooks/admission/machinedeployment.go.
    """
    annotations = after["metadata"].get("annotations") or {}
    low, high = annotations.get(AUTOSCALER_MIN, ""), annotations.get(AUTOSCALER_MAX, "")
    if not (str(low).isdecimal() and str(high).isdecimal()):
        return 1
    return min(max(before, int(low)), int(high))


def victims_rule(order: str) -> str:
    """Which machines a scale-down takes, by `deletion.order`; the default is Random."""
    return f"{order.lower()} first" if order not in ("", "Random") else "any of them"


def made_by_topology(kind: GroupKind, labels: Mapping[str, str]) -> bool:
    """An object that a topology controller made and keeps writing.

    The Cluster carries the label too, and is nobody's but the user's (desiredstate computeCluster).
    """
    return TOPOLOGY_OWNED in labels and kind != CLUSTER


def is_control_plane(machine: JsonObject) -> bool:
    """A machine of a control plane, by the label that its controller gives it."""
    return CONTROL_PLANE in (machine["metadata"].get("labels") or {})


NO_NUMBER = Impact(effect=Effect.UNKNOWN, because="spec.replicas is not a number of machines")


def wanted_machines(body: JsonObject) -> int | None:
    """`spec.replicas`, 1 where it is left out; None where it is no number of machines."""
    return count(value(body, "spec.replicas"), 1)


def made(replicas: int) -> Impact:
    """A new owner of so many machines."""
    return Impact(effect=Effect.SCALES, added=replicas, total=replicas, peak=replicas)


def staying(machines: Iterable[JsonObject]) -> list[JsonObject]:
    """Machines that are not on their way out."""
    return [m for m in machines if not m["metadata"].get("deletionTimestamp")]


def changed_field(before: JsonObject, after: JsonObject, paths: Iterable[str]) -> str:
    """The first of `paths` whose value differs, or `""`."""
    return next((p for p in paths if value(before, p) != value(after, p)), "")


def owner_uids(body: JsonObject) -> set[str]:
    """The uids of an object's owners."""
    return {ref.get("uid", "") for ref in body["metadata"].get("ownerReferences") or ()}
