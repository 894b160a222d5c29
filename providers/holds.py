"""What others have set on live objects and Git does not mention, where it changes what happens.

Annotations and marks that Cluster API's controllers obey: pauses, skipped checks, held upgrades,
hooks, machines picked for deletion, the autoscaler's bounds. A plan that says nothing of them
promises what will not happen. Source: Cluster API v1.14.0, api/core/v1beta2/common_types.go,
machine_types.go; api/controlplane/kubeadm/v1beta2; the book, "Labels and annotations".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from providers.base import Effect, Fact, Impact, value
from providers.capi import (
    AUTOSCALER_MAX,
    AUTOSCALER_MIN,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
    MACHINE_SET,
    staying,
)
from providers.conditions import conditions
from providers.controlplane import KUBEADM
from state.resource import GroupKind, JsonObject

DELETE_MACHINE = "cluster.x-k8s.io/delete-machine"
PAUSED = "cluster.x-k8s.io/paused"
SKIP_PREFLIGHT = "machineset.cluster.x-k8s.io/skip-preflight-checks"
EXTERNAL_REPLICAS = "cluster.x-k8s.io/replicas-managed-by"
_HOOKS = ("pre-drain.delete.hook.machine.", "pre-terminate.delete.hook.machine.")
_SKIPPED_AT_UPGRADES = {
    "controlplane.cluster.x-k8s.io/skip-coredns": "CoreDNS is not upgraded",
    "controlplane.cluster.x-k8s.io/skip-kube-proxy": "kube-proxy is not upgraded",
}
_PREFLIGHT = "preflight"


def holds(
    kind: GroupKind, before: JsonObject, after: JsonObject, impact: Impact, fact: Fact
) -> tuple[str, ...]:
    """What changes the course of `impact` on an owner of machines, in words; sorted by weight."""
    machines = staying(fact.machines)
    return tuple(
        dict.fromkeys(
            (
                *_replicas(kind, after),
                *_versions(kind, before, after),
                *_victims(impact, machines),
                *(_leaving(machines) if impact.touched else ()),
                *(_preflight(after, fact) if impact.replaced or impact.added else ()),
            )
        )
    )


def _annotations(body: JsonObject) -> JsonObject:
    found: JsonObject = body["metadata"].get("annotations") or {}
    return found


def _replicas(kind: GroupKind, after: JsonObject) -> Iterator[str]:
    """Who decides how many there are, where Git does not."""
    annotations = _annotations(after)
    if (
        kind in (MACHINE_DEPLOYMENT, MACHINE_SET)
        and AUTOSCALER_MIN in annotations
        and AUTOSCALER_MAX in annotations
    ):
        low, high = annotations[AUTOSCALER_MIN], annotations[AUTOSCALER_MAX]
        yield f"autoscaled between {low} and {high}"
    if kind == MACHINE_POOL and EXTERNAL_REPLICAS in annotations:
        yield f"replicas managed by {annotations[EXTERNAL_REPLICAS] or 'somebody else'}"


def _versions(kind: GroupKind, before: JsonObject, after: JsonObject) -> Iterator[str]:
    if kind != KUBEADM or value(before, "spec.version") == value(after, "spec.version"):
        return
    for name, meaning in _SKIPPED_AT_UPGRADES.items():
        if name in _annotations(after):
            yield f"{meaning} ({name})"


def _victims(impact: Impact, machines: Iterable[JsonObject]) -> Iterator[str]:
    """Marked machines are the first to go, whatever the deletion order says."""
    marked = sorted(m["metadata"]["name"] for m in machines if DELETE_MACHINE in _annotations(m))
    if marked and impact.touched:
        yield f"marked by delete-machine, so first: {', '.join(marked)}"


def _leaving(machines: Iterable[JsonObject]) -> Iterator[str]:
    """What stops a machine on its way out, or keeps it from being looked at."""
    found: Counter[str] = Counter()
    for machine in machines:
        for name in _annotations(machine):
            if name.startswith(_HOOKS):
                found[f"wait for {name}"] += 1
            elif name == PAUSED:
                found["are paused"] += 1
    for text, count in sorted(found.items()):
        yield f"{count} machine{'s' if count > 1 else ''} {text}"


def _preflight(after: JsonObject, fact: Fact) -> Iterator[str]:
    """A MachineSet that refuses to make machines says so in its conditions, and nowhere else."""
    skipped = _annotations(after).get(SKIP_PREFLIGHT)
    if skipped:
        yield f"preflight checks skipped: {skipped}"
    for body in fact.machine_sets:
        for found in conditions(body).values():
            if found.status == "True" and _PREFLIGHT in found.message:
                yield f"held now: {found.message.strip().splitlines()[-1].lstrip('* ')}"


def noted(impact: Impact, notes: Iterable[str]) -> Impact:
    """The impact with more to say. Nothing is added to one that has no effect of its own."""
    more = [n for n in notes if n]
    if not more or impact.effect is Effect.NONE:
        return impact
    return msgspec.structs.replace(impact, note="; ".join(filter(None, (impact.note, *more))))
