"""Releases, Kustomizations and profiles that come after others: `dependsOn` and `after` as edges.

One gate for each that is waited for, not edges between all objects of both. What an add-on provider
applies is awaited by what that says of it, not by its write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from planner.changes import Change, Verb
from planner.expansions import Order, release_key
from planner.units import is_workload
from providers.base import APPLIED, Milestone
from providers.registry import rules
from providers.selected import RESOURCE_SET
from state.recorded import Records
from state.resource import ResourceId

AddGate = Callable[[str, tuple[tuple[ResourceId, Milestone], ...], str], str]


def order_releases(
    orders: Iterable[Order],
    writes: Mapping[ResourceId, list[Change]],
    empty: Collection[str],
    gate: AddGate,
    edge: Callable[..., None],
) -> None:
    """Add a gate and edges for every order whose two sides are written by the plan.

    `gate(name, awaits, unit)` notes a gate, `edge(before, after, reason, until)` an edge. A side
    without a change is as it was: nothing waits for it, but in a cluster that has no API yet
    (`empty`) for what an add-on provider will apply there.
    """
    members: dict[str, list[Change]] = {}
    for id_, changes in writes.items():
        release = changes[-1].release
        if release is not None and changes[-1].recorded:
            # `dependsOn` names a release, wherever its objects go; profiles are of one cluster.
            management = id_.cluster.partition("/")[0]
            for key in {release_key(id_.cluster, release), release_key(management, release)}:
                members.setdefault(key, []).extend(changes)
    for order in orders:
        earlier, later = members.get(order.before, []), members.get(order.after, [])
        if not later or not (earlier or (order.awaits and later[0].id.cluster in empty)):
            continue
        if order.awaits is not None:
            handed = _applied(order.awaits, order.before, later[0], gate)
            for change in earlier:
                edge(change.action, handed, order.reason, APPLIED)
            for change in later:
                edge(handed, change.action, order.reason, APPLIED)
            continue
        ready = gate(f"{order.before} ready", (), earlier[0].unit)
        for change in earlier:
            until = rules(change.id.group, change.id.kind).ready or APPLIED
            edge(change.action, ready, order.reason, until)
        for change in later:
            edge(ready, change.action, order.reason, APPLIED)


def order_suspensions(
    writes: Mapping[ResourceId, list[Change]],
    removals: Iterable[Change],
    records: Records,
    edge: Callable[..., None],
) -> None:
    """What runs a release is suspended before any object of it is written or deleted."""
    suspended = {
        release_key(c.id.cluster, c.release): c
        for changes in writes.values()
        for c in changes
        if c.verb is Verb.SUSPEND and c.release is not None
    }
    if not suspended:
        return
    for changes in writes.values():
        for change in changes:
            if change.release is None or change.verb is Verb.SUSPEND:
                continue
            management = change.id.cluster.partition("/")[0]
            first = suspended.get(release_key(management, change.release))
            if first is not None:
                edge(first.action, change.action, "its release is suspended first", APPLIED)
    for change in removals:
        recorded = records.get(change.id)
        if recorded is None or recorded.release is None:
            continue
        management = change.id.cluster.partition("/")[0]
        first = suspended.get(release_key(management, recorded.release))
        if first is not None:
            edge(first.action, change.action, "its release is suspended first", APPLIED)


def order_sets(
    sets: Mapping[ResourceId, tuple[ResourceId, ...]],
    writes: Mapping[ResourceId, list[Change]],
    gate: AddGate,
    edge: Callable[..., None],
) -> None:
    """A run ends when clusters have what a ClusterResourceSet holds, though only that was written.

    `sets`: ConfigMap or Secret → the sets that name it.
    """
    for id_, changes in sorted(writes.items()):
        for holder in sets.get(id_, ()):
            milestone = rules(holder.group, holder.kind).ready
            if holder in writes or milestone is None:
                continue
            name = f"{holder.cluster} {holder.kind} {holder.qualified_name} applied"
            last = changes[-1]
            edge(last.action, gate(name, ((holder, milestone),), last.unit), "clusters get it")


def _applied(handed: ResourceId, before: str, later: Change, gate: AddGate) -> str:
    """The gate for what an add-on provider applies: in the cluster that waits for it, or in all."""
    milestone = rules(handed.group, handed.kind).ready or APPLIED
    name = f"{before} ready"
    if handed.group_kind == RESOURCE_SET and is_workload(later.id.cluster):
        cluster = later.id.cluster.rpartition("/")[2]
        milestone = msgspec.structs.replace(milestone, cluster=cluster)
        name += f" in {cluster}"
    return gate(name, ((handed, milestone),), later.unit)
