"""What the changes do to machines, from rules of the kinds and facts of the clusters.

Used by plan, and by apply to see that the effect has not grown since (docs/semantics.md 25).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from planner.changes import Change, Verb
from planner.facts import FactReader
from planner.planned import Planned
from planner.topologies import LiveClusters, Surroundings, class_impact, cluster_impact, users_of
from planner.units import cluster_unit
from providers.base import Effect, Fact, Impact
from providers.capi import CLUSTER, CLUSTER_CLASS, DEPLOYMENT_TOPOLOGY, is_control_plane
from providers.conditions import name_of
from providers.holds import holds, noted
from providers.kube.answers import ApiError
from providers.pools import uncounted_machines
from providers.readiness import held_back, told_to_pause
from providers.registry import impact, rules, uncounted
from providers.selected import set_off
from state.live import Present
from state.resource import JsonObject, ResourceId


def with_impact(item: Planned, around: Surroundings) -> Change:
    """The change with its impact filled in."""
    change = item.change
    if change.deletes:
        return _removal(change, item.live, around.facts)
    if change.verb in (Verb.FORGET, Verb.ROTATE):
        return change
    found = impact_of(change.id, change.unit, item.live, item.after, around)
    if found is None:
        effect = Effect.NONE if change.ownership_only or item.live is None else Effect.IN_PLACE
        found = Impact(effect=effect)
    return msgspec.structs.replace(change, impact=found)


def read_before(planned: Iterable[Planned], clusters: LiveClusters) -> set[str]:
    """Units whose machines the effects of these changes are computed from."""
    units = set()
    for item in planned:
        id_ = item.change.id
        if item.live is None:
            continue
        if id_.group_kind == CLUSTER_CLASS:
            users = users_of(id_, clusters(id_.cluster))
            units |= {cluster_unit(u.id.cluster, u.id.namespace, u.id.name) for u in users}
        elif owns_machines(id_):
            units.add(item.change.unit)
    return units


def owns_machines(id_: ResourceId) -> bool:
    """A change of such an object may touch machines."""
    return id_.group_kind == CLUSTER or rules(id_.group, id_.kind).machines


def impact_of(
    id_: ResourceId, unit: str, live: Present | None, after: JsonObject | None, around: Surroundings
) -> Impact | None:
    """The machines that becoming `after` touches; None for kinds that own none."""
    kind_rules = rules(id_.group, id_.kind)
    uncountable = kind_rules.provider_defined and not kind_rules.machines
    if uncountable and after is not None and live is not None:
        return uncounted(id_.group_kind, live.body, after)
    if after is None or not owns_machines(id_):
        return None
    if id_.group_kind == CLUSTER:
        found = cluster_impact(id_, live, after, around)
    elif live is None:
        return impact(id_.group_kind, None, after, Fact())
    elif id_.group_kind == CLUSTER_CLASS:
        return class_impact(id_, live, after, around)
    else:
        fact = around.facts.of_owner(id_, unit)
        found = impact(id_.group_kind, live.body, after, fact)
        if found is not None:
            found = noted(found, holds(id_.group_kind, live.body, after, found, fact))
    if live is None:
        return found
    if id_.group_kind == CLUSTER:
        found = _labelled(id_, found, live, after, around)
    return _held(found, live.body, after)


def _labelled(
    id_: ResourceId, found: Impact | None, live: Present, after: JsonObject, around: Surroundings
) -> Impact | None:
    """Labels of a Cluster are read by others: a chart is uninstalled where its label goes."""
    labels = after["metadata"].get("labels") or {}
    if labels == live.labels:
        return found
    try:
        texts = tuple(set_off(live.labels, labels, around.facts.selecting(id_)))
    except ApiError as error:
        texts = (f"who acts on its labels could not be read: {error.brief}",)
    return noted(found or Impact(effect=Effect.IN_PLACE), texts)


def _held(found: Impact | None, before: JsonObject, after: JsonObject) -> Impact | None:
    """Said where the controllers will not act on it: paused, and not resumed by this change."""
    reason = held_back(after)
    resumed = told_to_pause(before) and not told_to_pause(after)
    if found is None or not reason or resumed:
        return found
    notes = (*filter(None, (found.note,)), f"paused ({reason}): nothing happens until resumed")
    return msgspec.structs.replace(found, note="; ".join(notes))


def _removal(change: Change, live: Present | None, facts: FactReader) -> Change:
    kind_rules = rules(change.id.group, change.id.kind)
    if change.id.group_kind == CLUSTER:
        return _cluster_removal(change, facts)
    if not kind_rules.machines or change.id.group_kind == CLUSTER_CLASS:
        return change
    body = live.body if live is not None else {}
    count, unreadable = facts.destroyed(change.id, change.unit, body)
    if unreadable:
        found = Impact(effect=Effect.UNKNOWN, because=unreadable)
    else:
        found = Impact(effect=Effect.DESTROYS, destroyed=count, live=count, peak=count)
    return msgspec.structs.replace(change, impact=found)


def _cluster_removal(change: Change, facts: FactReader) -> Change:
    """Only the Cluster is deleted; what goes with it and what stays behind is said."""
    survives = (
        "volumes with reclaim policy Retain and load balancers made by Services in the cluster",
    )
    fact = facts.of_owner(change.id, change.unit, pools=True)
    if fact.unreadable:
        unknown = Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
        return msgspec.structs.replace(change, impact=unknown, survives=survives)
    count = len(fact.machines) + uncounted_machines(fact.pools, fact.machines)
    return msgspec.structs.replace(
        change,
        impact=Impact(effect=Effect.DESTROYS, destroyed=count, live=count, peak=count),
        cascade=tuple(_cascade(fact)),
        survives=survives,
    )


def _cascade(fact: Fact) -> Iterable[str]:
    plane = sum(1 for m in fact.machines if is_control_plane(m))
    if plane:
        yield f"{plane} control-plane machine{'s' if plane > 1 else ''}"
    pools = Counter(_pool(m) for m in fact.machines if not is_control_plane(m))
    for body in fact.pools:
        if more := uncounted_machines([body], fact.machines):
            pools[name_of(body)] += more
    for pool, count in sorted(pools.items()):
        yield f"{count} worker machine{'s' if count > 1 else ''} of {pool}"


def _pool(machine: JsonObject) -> str:
    labels = machine["metadata"].get("labels") or {}
    return str(
        labels.get(DEPLOYMENT_TOPOLOGY)
        or labels.get("cluster.x-k8s.io/deployment-name")
        or labels.get("cluster.x-k8s.io/pool-name")
        or "no pool"
    )
