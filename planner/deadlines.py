"""How long the waits of a cluster may take: by the provider of its infrastructure.

A machine of metal takes an hour where a virtual one takes minutes. The provider is that of the
kind which a Cluster refers to, or the templates of its class; without a table, Cluster API's
defaults stay (docs/semantics.md 19).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from planner.planned import Planned
from planner.units import cluster_unit
from providers.base import Milestone, references, value
from providers.capi import CLUSTER, CLUSTER_CLASS
from providers.registry import provided, rules
from state.live import Present
from state.resource import JsonObject, Resource, ResourceId, split_api_version

Deadlines = Mapping[str, Mapping[str, int]]
"""Unit → milestone → seconds."""
BodyOf = Callable[[ResourceId], JsonObject | None]


def of_plan(
    wanted: Iterable[Resource], live: Mapping[ResourceId, Present], planned: Iterable[Planned]
) -> Deadlines:
    """The deadlines of every Cluster that stays or goes and whose infrastructure has a table."""
    declared = {r.id: r for r in wanted if r.id.group_kind in (CLUSTER, CLUSTER_CLASS)}

    def body_of(id_: ResourceId) -> JsonObject | None:
        if id_ in declared:
            return declared[id_].decoded()
        return live[id_].body if id_ in live else None

    found: dict[str, dict[str, int]] = {}
    gone = (p.change.id for p in planned if p.change.deletes)
    for id_ in (i for i in (*gone, *declared) if i.group_kind == CLUSTER):
        body = body_of(id_) or {}
        unit = cluster_unit(id_.cluster, id_.namespace, id_.name)
        reference = value(body, "spec.infrastructureRef") or _of_class(id_, body, body_of)
        known = provided(*_kind(reference)) if isinstance(reference, dict) else None
        if known is not None and known[0].durations is not None:
            found[unit] = known[0].durations.deadlines()
    return found


def _of_class(id_: ResourceId, cluster: JsonObject, body_of: BodyOf) -> JsonObject | None:
    for reference in references(cluster, id_, rules(CLUSTER.group, CLUSTER.kind)):
        if reference.target.group_kind == CLUSTER_CLASS:
            body = body_of(reference.target) or {}
            infrastructure = value(body, "spec.infrastructure", {})
            found = infrastructure.get("templateRef") or infrastructure.get("ref")
            return found if isinstance(found, dict) else None
    return None


def _kind(reference: JsonObject) -> tuple[str, str]:
    group = reference.get("apiGroup") or split_api_version(str(reference.get("apiVersion", "")))[0]
    return str(group), str(reference.get("kind", "")).removesuffix("Template")


def within(milestone: Milestone, unit: str, deadlines: Deadlines) -> Milestone:
    """The milestone with the deadline of the unit's provider."""
    seconds = deadlines.get(unit, {}).get(milestone.name)
    return msgspec.structs.replace(milestone, deadline=seconds) if seconds else milestone
