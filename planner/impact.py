"""What the changes do to machines, from rules of the kinds and facts of the clusters.

Used by plan, and by apply to see that the effect has not grown since (docs/semantics.md 25).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from planner.changes import Change, Verb
from planner.facts import Around, FactReader
from planner.planned import Planned
from providers.base import Effect, Fact, Impact
from providers.capi import CLUSTER, CLUSTER_CLASS
from providers.readiness import held_back
from providers.registry import impact, rules, uncounted
from state.live import Present
from state.resource import JsonObject, ResourceId

LiveClusters = Callable[[str], Iterable[Present]]
"""Live Clusters of a management cluster."""


def with_impact(item: Planned, facts: FactReader, clusters: LiveClusters) -> Change:
    """The change with its impact filled in."""
    change = item.change
    if change.deletes:
        return _removal(change, facts)
    if change.verb in (Verb.FORGET, Verb.ROTATE):
        return change
    found = impact_of(change.id, change.unit, item.live, item.after, facts, clusters)
    if found is None:
        effect = Effect.NONE if change.ownership_only or item.live is None else Effect.IN_PLACE
        found = Impact(effect=effect)
    return msgspec.structs.replace(change, impact=found)


def read_before(planned: Iterable[Planned]) -> set[str]:
    """Units whose machines the effects of these changes are computed from."""
    return {
        item.change.unit
        for item in planned
        if item.live is not None
        and item.change.id.group_kind != CLUSTER_CLASS
        and rules(item.change.id.group, item.change.id.kind).machines
    }


def impact_of(
    id_: ResourceId,
    unit: str,
    live: Present | None,
    after: JsonObject | None,
    facts: FactReader,
    clusters: LiveClusters,
) -> Impact | None:
    """The machines that becoming `after` touches; None for kinds that own none."""
    kind_rules = rules(id_.group, id_.kind)
    if (
        after is not None
        and live is not None
        and kind_rules.provider_defined
        and not kind_rules.machines
    ):
        return uncounted(id_.group_kind, live.body, after)
    if after is None or not (kind_rules.machines or id_.group_kind == CLUSTER):
        return None
    if live is None:
        return impact(id_.group_kind, None, after, Fact())
    if id_.group_kind == CLUSTER_CLASS:
        of_class = facts.of_class(id_, clusters(id_.cluster))
        return impact(id_.group_kind, live.body, after, of_class)
    found = impact(id_.group_kind, live.body, after, facts.of_owner(id_, unit))
    return found if id_.group_kind == CLUSTER else _held(found, live.body, after)


def _held(found: Impact | None, before: JsonObject, after: JsonObject) -> Impact | None:
    """Said where the controllers will not act on it: paused, and not resumed by this change."""
    reason = held_back(after)
    resumed = held_back({**before, "status": {}}) and not held_back({**after, "status": {}})
    if found is None or not reason or resumed:
        return found
    notes = (*filter(None, (found.note,)), f"paused ({reason}): nothing happens until resumed")
    return msgspec.structs.replace(found, note="; ".join(notes))


def _removal(change: Change, facts: FactReader) -> Change:
    kind_rules = rules(change.id.group, change.id.kind)
    if change.id.group_kind == CLUSTER:
        return _cluster_removal(change, facts.around(change.unit))
    if not kind_rules.machines or change.id.group_kind == CLUSTER_CLASS:
        return change
    fact = facts.of_owner(change.id, change.unit)
    if fact.unreadable:
        found = Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    else:
        count = len(fact.machines)
        found = Impact(effect=Effect.DESTROYS, destroyed=count, live=count)
    return msgspec.structs.replace(change, impact=found)


def _cluster_removal(change: Change, around: Around) -> Change:
    """Only the Cluster is deleted; what goes with it and what stays behind is said."""
    survives = (
        "volumes with reclaim policy Retain and load balancers made by Services in the cluster",
    )
    if around.unreadable:
        unknown = Impact(effect=Effect.UNKNOWN, because=around.unreadable)
        return msgspec.structs.replace(change, impact=unknown, survives=survives)
    count = len(around.machines)
    return msgspec.structs.replace(
        change,
        impact=Impact(effect=Effect.DESTROYS, destroyed=count, live=count),
        cascade=tuple(_cascade(around)),
        survives=survives,
    )


def _cascade(around: Around) -> Iterable[str]:
    plane = sum(1 for m in around.machines if _is_control_plane(m))
    if plane:
        yield f"{plane} control-plane machine{'s' if plane > 1 else ''}"
    pools = Counter(_pool(m) for m in around.machines if not _is_control_plane(m))
    for pool, count in sorted(pools.items()):
        yield f"{count} worker machine{'s' if count > 1 else ''} of {pool}"


def _is_control_plane(machine: JsonObject) -> bool:
    return "cluster.x-k8s.io/control-plane" in (machine["metadata"].get("labels") or {})


def _pool(machine: JsonObject) -> str:
    labels = machine["metadata"].get("labels") or {}
    return str(
        labels.get("cluster.x-k8s.io/deployment-name")
        or labels.get("cluster.x-k8s.io/pool-name")
        or "no pool"
    )
