"""Releases, Kustomizations and profiles that come after others: `dependsOn` and `after` as edges.

One gate for each that is waited for, not edges between all objects of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from planner.changes import Change
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
        if release is not None:
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
