"""V7, V8, V10, V13: how many machines there are, and by which limits they are replaced.

Sources: Cluster API v1.14.0, controlplane/kubeadm/webhooks/admission/kubeadmcontrolplane.go,
core/webhooks/admission/{machinedeployment,machinehealthcheck}.go, mdutil (resolveFenceposts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from planner.rules.subject import (
    Objects,
    Problem,
    Subject,
    cluster_of,
    control_plane_of,
    either,
    field,
    is_empty,
    labels_at,
    list_at,
    map_at,
    number_at,
    text_at,
)
from providers.base import value
from providers.capi import (
    AUTOSCALER_MAX,
    AUTOSCALER_MIN,
    CLUSTER,
    CLUSTER_NAME,
    CONTROL_PLANE,
    DEPLOYMENT_NAME,
    GROUP,
    MACHINE_DEPLOYMENT,
)
from providers.controlplane import KUBEADM
from providers.selected import selects
from state.resource import FieldPath, GroupKind, JsonObject

HEALTH_CHECK = GroupKind(GROUP, "MachineHealthCheck")
_ROLLOUT = ("spec.rollout.strategy", "spec.rolloutStrategy")
_STRATEGY = ("spec.rollout.strategy", "spec.strategy")
_NAMING = ("spec.machineNaming.template", "spec.machineNamingStrategy.template")
_RANDOM = "{{ .random }}"
_SHORTEST_START = 30


def control_plane_size(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V7: a control plane has machines, an odd number of them while it keeps etcd itself."""
    kind = subject.id.group_kind
    path = {KUBEADM: "spec.replicas", CLUSTER: "spec.topology.controlPlane.replicas"}.get(kind)
    if path is None:
        return
    replicas = number_at(subject.body, path)
    etcd = "spec.kubeadmConfigSpec.clusterConfiguration.etcd.external"
    stacked = not map_at(subject.body, etcd)

    def problem(severity: Any, reason: str, hint: str, *, advice: bool = False) -> Problem:
        return Problem(
            rule="V7",
            severity=severity,
            id=subject.id,
            field=field(path),
            reason=reason,
            hint=hint,
            advice=advice,
        )

    if replicas is not None and replicas <= 0:
        hint = "delete the Cluster if it is to go"
        yield problem("error", f"{path} is {replicas}: a control plane cannot be scaled away", hint)
    elif replicas is not None and kind == KUBEADM and stacked and replicas % 2 == 0:
        hint = f"{replicas - 1} survives as much as {replicas}; {replicas + 1} survives more"
        yield problem("error", f"{path} is {replicas}: etcd needs an odd number to vote", hint)
    elif replicas == 1 or (replicas is None and kind == KUBEADM):
        yield problem(
            "warning",
            "has one control-plane machine: no high availability",
            "three survive the loss of one; accept it with the annotation"
            " clusterform.dev/accepts: V7",
            advice=True,
        )


def control_plane_rollout(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V8: RollingUpdate with a surge of 0 or 1; without surge only from three machines on."""
    if subject.id.group_kind != KUBEADM:
        return
    path, strategy = either(subject.body, *_ROLLOUT)
    if not isinstance(strategy, dict):
        return
    kind = strategy.get("type")
    if isinstance(kind, str) and kind not in ("", "RollingUpdate"):
        yield _v8(subject, f"{path}.type", f"{kind}: only RollingUpdate is there", "leave it out")
    surge = value(strategy, "rollingUpdate.maxSurge")
    at = f"{path}.rollingUpdate.maxSurge"
    if surge is None:
        return
    if isinstance(surge, bool) or surge not in (0, 1, "0", "1"):
        yield _v8(subject, at, f"{surge!r} is neither 0 nor 1", "a control plane rolls one by one")
    elif surge in (0, "0") and (number_at(subject.body, "spec.replicas") or 1) < 3:
        hint = "with fewer than 3 machines quorum would be lost; use maxSurge: 1"
        yield _v8(subject, at, "0 needs at least 3 replicas", hint)


def _v8(subject: Subject, path: str, reason: str, hint: str) -> Problem:
    return Problem(
        rule="V8",
        severity="error",
        id=subject.id,
        field=field(path),
        reason=f"{path}: {reason}",
        hint=hint,
    )


def workers(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V10: selector, rollout limits, names and size of a MachineDeployment."""
    kind = subject.id.group_kind
    if kind in (MACHINE_DEPLOYMENT, KUBEADM):
        yield from _names(subject)
    if kind != MACHINE_DEPLOYMENT:
        return
    yield from _selector(subject)
    yield from _limits(subject)
    annotations = map_at(subject.body, "metadata.annotations")
    both = AUTOSCALER_MIN in annotations and AUTOSCALER_MAX in annotations
    if both and number_at(subject.body, "spec.replicas") is not None:
        yield Problem(
            rule="V10",
            severity="warning",
            id=subject.id,
            field=field("spec.replicas"),
            reason="spec.replicas stands beside the autoscaler's annotations: two would decide it",
            hint="leave spec.replicas out, or ignore it (docs/fleet-file.md, ignore)",
        )


def _selector(subject: Subject) -> Iterator[Problem]:
    labels = labels_at(subject.body, "spec.template.metadata.labels")
    filled = {
        CLUSTER_NAME: text_at(subject.body, "spec.clusterName"),
        DEPLOYMENT_NAME: subject.id.name,
    }
    selector = map_at(subject.body, "spec.selector")
    wanted = map_at(selector, "matchLabels")
    mine = {k: v for k, v in wanted.items() if k not in filled}  # the webhook sets those itself
    if not selects({**selector, "matchLabels": mine}, {**labels, **filled}):
        yield Problem(
            rule="V10",
            severity="error",
            id=subject.id,
            field=field("spec.selector"),
            reason="spec.selector does not match spec.template.metadata.labels",
            hint="give the template the labels that the selector asks for, or write selector: {}",
        )


def _limits(subject: Subject) -> Iterator[Problem]:
    path, strategy = either(subject.body, *_STRATEGY)
    limits = map_at(strategy, "rollingUpdate") if isinstance(strategy, dict) else {}
    for name in ("maxSurge", "maxUnavailable"):
        found = limits.get(name)
        if found is not None and not _is_limit(found):
            yield Problem(
                rule="V10",
                severity="error",
                id=subject.id,
                field=field(f"{path}.rollingUpdate.{name}"),
                reason=f"{name} {found!r} is neither a number nor a percentage",
                hint='write 1 or "25%"',
            )
    if {_zero(limits.get("maxSurge")), _zero(limits.get("maxUnavailable"))} == {True}:
        yield Problem(
            rule="V10",
            severity="warning",
            id=subject.id,
            field=field(f"{path}.rollingUpdate"),
            reason="maxSurge and maxUnavailable are both 0: one machine at a time goes anyway",
            hint="say which: maxUnavailable: 1, or maxSurge: 1",
        )


def _is_limit(found: object) -> bool:
    if isinstance(found, str):
        return re.fullmatch(r"[0-9]{1,6}%", found) is not None
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def _zero(found: object) -> bool:
    return found in ("0%", 0) and not isinstance(found, bool)


def _names(subject: Subject) -> Iterator[Problem]:
    path, template = either(subject.body, *_NAMING)
    if isinstance(template, str) and template and _RANDOM not in template:
        yield Problem(
            rule="V10",
            severity="error",
            id=subject.id,
            field=field(path),
            reason=f"{path} lacks {_RANDOM}: two machines would get one name",
            hint="end it with -{{ .random }}, written exactly like this",
        )


def health_check(subject: Subject, objects: Objects) -> Iterator[Problem]:
    """V13: a health check selects something, and waits long enough for a node to start."""
    if subject.id.group_kind != HEALTH_CHECK:
        return
    selector = map_at(subject.body, "spec.selector")
    if is_empty(selector):
        hint = "select by label, for one pool cluster.x-k8s.io/deployment-name"
        yield _v13(subject, "error", "spec.selector", "spec.selector is empty", hint)
    elif (named := labels_at(selector, "matchLabels").get(CLUSTER_NAME)) not in (
        None,
        text_at(subject.body, "spec.clusterName"),
    ):
        reason = f"spec.selector is about cluster {named}, spec.clusterName about another"
        yield _v13(subject, "error", "spec.selector", reason, "a health check has one cluster")
    else:
        yield from _selected(subject, selector, objects)
    seconds, path = _start(subject.body)
    if seconds is not None and seconds != 0 and seconds < _SHORTEST_START:
        reason = f"{path} is shorter than {_SHORTEST_START} s"
        yield _v13(subject, "error", path, reason, "write at least 30 s, or 0 to switch it off")


def _selected(subject: Subject, selector: JsonObject, objects: Objects) -> Iterator[Problem]:
    cluster = cluster_of(subject)
    body = objects.get(cluster) if cluster is not None else None
    if cluster is None or body is None or map_at(body, "spec.topology"):
        return  # a topology makes pools that Git does not name
    plane = control_plane_of(cluster, objects)
    known = [s for s in objects.of_cluster(cluster) if s.id.group_kind != HEALTH_CHECK]
    hits = [s for s in known if selects(selector, _machine_labels(s, cluster.name))]
    on_plane = plane is not None and selects(selector, _plane_labels(plane[1], cluster.name))
    if not hits and not on_plane and known and plane is not None:
        reason = "spec.selector matches no machine that Git declares for its cluster"
        yield _v13(subject, "warning", "spec.selector", reason, "compare it with the pools' labels")
    if on_plane and plane is not None and (number_at(plane[1], "spec.replicas") or 1) == 1:
        reason = "also selects the only control-plane machine, which cannot be replaced"
        hint = "leave the control plane out of the selector, or give it 3 machines"
        yield _v13(subject, "warning", "spec.selector", reason, hint)


def _machine_labels(subject: Subject, cluster: str) -> dict[str, str]:
    made = {CLUSTER_NAME: cluster}
    if subject.id.group_kind == MACHINE_DEPLOYMENT:
        made[DEPLOYMENT_NAME] = subject.id.name
    own = "metadata.labels" if subject.id.kind == "Machine" else "spec.template.metadata.labels"
    return {**labels_at(subject.body, own), **made}


def _plane_labels(body: JsonObject, cluster: str) -> dict[str, str]:
    labels = labels_at(body, "spec.machineTemplate.metadata.labels")
    name = text_at(body, "metadata.name")
    return {
        **labels,
        CLUSTER_NAME: cluster,
        CONTROL_PLANE: "",
        "cluster.x-k8s.io/control-plane-name": name,
    }


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _start(body: JsonObject) -> tuple[float | None, str]:
    """(seconds, path) of nodeStartupTimeout: a number in v1beta2, a Go duration in v1beta1."""
    seconds = number_at(body, "spec.checks.nodeStartupTimeoutSeconds")
    if seconds is not None:
        return float(seconds), "spec.checks.nodeStartupTimeoutSeconds"
    path = "spec.nodeStartupTimeout"
    text = text_at(body, path)[:64]
    if not text or _DURATION.sub("", text):
        return None, path
    return sum(float(n) * _UNITS[unit] for n, unit in _DURATION.findall(text)), path


def _v13(subject: Subject, severity: Any, path: str, reason: str, hint: str) -> Problem:
    at: FieldPath = field(path)
    return Problem(rule="V13", severity=severity, id=subject.id, field=at, reason=reason, hint=hint)


def resources_of(body: JsonObject) -> list[JsonObject]:
    """The entries of a ClusterResourceSet."""
    return [r for r in list_at(body, "spec.resources") if isinstance(r, dict)]
