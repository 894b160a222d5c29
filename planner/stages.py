"""Versions that are two minors away: a step of the plan for each minor.

Kubernetes supports one minor at a time, and the webhooks of KubeadmControlPlane and Cluster refuse
more (Cluster API v1.14.0, controlplane/kubeadm/webhooks/admission/kubeadmcontrolplane.go and
core/webhooks/admission/cluster.go). A class that lists `spec.kubernetesVersions` lets the topology
controller take the steps by itself, so such a Cluster is written once. Workers follow at the end:
they may be three minors behind (Kubernetes version skew policy).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from planner.changes import ActionId, AfterAction, Change, FieldChange, Finding, Verb
from planner.planned import Planned
from providers.base import value
from providers.capi import CLUSTER, CLUSTER_CLASS, class_reference
from providers.controlplane import KUBEADM
from providers.versions import Step, parse, version_step
from state.fields import set_at
from state.live import Present
from state.resource import FieldPath, JsonObject, ResourceId, canonical

VIA = "clusterform.dev/upgrade-via"
"""Annotation on the control plane or Cluster: the version in between."""
_PATHS: dict[str, tuple[str, FieldPath]] = {
    KUBEADM.kind: ("spec.version", ("f:spec", "f:version")),
    CLUSTER.kind: ("spec.topology.version", ("f:spec", "f:topology", "f:version")),
}

Body = Callable[[ResourceId], JsonObject | None]
"""The body of an object as the plan leaves it, or as it is live."""


def split(planned: Iterable[Planned], body_of: Body) -> tuple[list[Planned], list[Finding]]:
    """Planned changes with upgrades over several minors taken apart, and what was chosen."""
    result: list[Planned] = []
    findings: list[Finding] = []
    for item in planned:
        between = _between(item, body_of)
        result += _steps(item, between) if between else [item]
        if between and between != _named(item):
            findings.append(_chosen(item, between))
    return result, findings


def skips(before: JsonObject, after: JsonObject) -> str:
    """Why a server cannot be asked about the whole way; "" if it is one step."""
    if after.get("kind") not in _PATHS:
        return ""
    path, _ = _PATHS[str(after.get("kind"))]
    several = version_step(value(before, path), value(after, path)) is Step.SKIPS
    return "several minors, a step for each" if several else ""


def _between(item: Planned, body_of: Body) -> str:
    """The version to pass through; "" for one step, and for more than V2 allows in one plan."""
    change = item.change
    if change.id.group_kind not in (KUBEADM, CLUSTER) or item.live is None or item.after is None:
        return ""
    if change.deletes or change.verb is Verb.FORGET or item.phantom:
        return ""
    path, _ = _PATHS[change.id.kind]
    texts = (str(value(item.live.body, path)), str(value(item.after, path)))
    before, after = map(parse, texts)
    if before is None or after is None or before.major != after.major:
        return ""
    if after.minor - before.minor != 2 or _class_steps_itself(item, body_of):
        return ""
    told = _named(item)
    named = parse(told)
    if named is not None and named.series == (before.major, before.minor + 1):
        return told
    # A distribution's own version: which one lies between, nobody can guess (V2 refuses).
    plain = all(_PLAIN.fullmatch(text) for text in texts)
    return f"v{before.major}.{before.minor + 1}.0" if plain and not told else ""


_PLAIN = re.compile(r"v?\d+\.\d+\.\d+")


def _named(item: Planned) -> str:
    """The version that the annotation names, as it is written there; "" without one."""
    annotations = (item.after or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(VIA, "")).strip()


def _class_steps_itself(item: Planned, body_of: Body) -> bool:
    if item.change.id.group_kind != CLUSTER or item.after is None:
        return False
    reference = class_reference(item.after)
    if reference is None:
        return False
    id_ = ResourceId(item.change.id.cluster, CLUSTER_CLASS.group, CLUSTER_CLASS.kind, *reference)
    found = body_of(id_)
    return bool(found and value(found, "spec.kubernetesVersions"))


def _steps(item: Planned, between: str) -> Iterator[Planned]:
    assert item.live is not None
    assert item.after is not None
    path, address = _PATHS[item.change.id.kind]
    wanted = str(value(item.after, path))
    first = item.change
    live = item.live
    for number, version in enumerate((between, wanted)):
        after: JsonObject = msgspec.json.decode(canonical(item.after))
        body: JsonObject = msgspec.json.decode(first.body)
        set_at(after, address, version)
        set_at(body, address, version)
        was = str(value(live.body, path))
        change = msgspec.structs.replace(
            first,
            action=ActionId(first.id, number),
            body=msgspec.Raw(canonical(body)),
            fields=_fields(first, address, was, version, number),
            steps=2,
        )
        if number:
            change = msgspec.structs.replace(
                change,
                verb=Verb.UPDATE,
                takes=(),
                releases=(),
                precondition=AfterAction(action=ActionId(first.id, number - 1)),
            )
        yield Planned(change=change, after=after, live=live)
        live = _as_left_by(live, after)


def _fields(
    change: Change, address: FieldPath, before: str, after: str, number: int
) -> tuple[FieldChange, ...]:
    """The first step carries whatever else changes; each shows its own version."""
    found = tuple(
        msgspec.structs.replace(f, before=before, after=after)
        for f in change.fields
        if f.path == address
    )
    others = () if number else tuple(f for f in change.fields if f.path != address)
    return (*found, *others)


def _as_left_by(live: Present, after: JsonObject) -> Present:
    return msgspec.structs.replace(live, raw=canonical(after))


def _chosen(item: Planned, between: str) -> Finding:
    return Finding(
        kind="warning",
        summary=f"{item.change.id} passes through {between}: one minor at a time",
        unit=item.change.unit,
        where=str(item.change.origin or ""),
        hint=f"machine images of that version must exist; the annotation {VIA} names another",
    )
