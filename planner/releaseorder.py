"""Releases, Kustomizations and profiles that come after others: `dependsOn` and `after` as edges.

One gate for each that is waited for, not edges between all objects of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from planner.changes import Change, Verb
from planner.expansions import Order, release_key
from providers.base import APPLIED
from providers.registry import rules
from state.resource import ResourceId


def order_releases(
    orders: Iterable[Order],
    writes: Mapping[ResourceId, list[Change]],
    gate: Callable[[str, tuple[()], str], str],
    edge: Callable[..., None],
) -> None:
    """Add a gate and edges for every order whose two sides are written by the plan.

    `gate(name, awaits, unit)` notes a gate, `edge(before, after, reason, until)` an edge. A side
    without a change is as it was: nothing waits for it.
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
        earlier, later = members.get(order.before, ()), members.get(order.after, ())
        if not (earlier and later):
            continue
        ready = gate(f"{order.before} ready", (), earlier[0].unit)
        for change in earlier:
            until = rules(change.id.group, change.id.kind).ready or APPLIED
            edge(change.action, ready, order.reason, until)
        for change in later:
            edge(ready, change.action, order.reason, APPLIED)


def order_suspensions(writes: Mapping[ResourceId, list[Change]], edge: Callable[..., None]) -> None:
    """What runs a release is suspended before any object of the release is written."""
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
