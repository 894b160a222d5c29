"""What edits of managed topologies do: of one Cluster, or of a ClusterClass to all that use it.

Renders every topology as it is live and as this plan makes it (`providers.blueprint`). What cannot
be rendered is an upper bound that says why; it never counts as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from planner.facts import FactReader
from planner.units import cluster_unit
from providers.base import Effect, Impact
from providers.blueprint import Blueprint, NotKnown, blueprint
from providers.capi import CLUSTER_CLASS, class_reference
from providers.kube.answers import ApiError
from providers.pools import at_most, has_pools
from providers.readiness import told_to_pause
from providers.topologyimpact import new_impact, summed, topology_impact
from state.live import Present
from state.resource import JsonObject, ResourceId

LiveClusters = Callable[[str], Iterable[Present]]
"""Live Clusters of a management cluster."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What effects are computed from beside the object itself."""

    facts: FactReader
    clusters: LiveClusters
    planned: Callable[[ResourceId], JsonObject | None]
    """The body of an object that this plan writes, as it will be; None if it writes none."""


def cluster_impact(
    id_: ResourceId, live: Present | None, after: JsonObject, around: Surroundings
) -> Impact | None:
    """The machines that a change of a Cluster touches; None if it touches none by itself."""
    if live is None:
        return new_impact(after)
    unit = cluster_unit(id_.cluster, id_.namespace, id_.name)
    fact = around.facts.of_owner(id_, unit, pools=has_pools(live.body))
    if told_to_pause(live.body) and not told_to_pause(after):
        return at_most("the pause ends", fact, "whatever was held back begins")
    if not class_reference(after):
        return None
    if fact.unreadable:
        return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    look = _Look(around, id_.cluster)
    try:
        # Also where only a label of it changes: what its class does to it counts here.
        was, becomes = look.before(live.body), look.after(after)
        found = topology_impact(was, becomes, fact, look.between(live.body, after))
    except NotKnown as reason:
        return at_most("spec.topology", fact, str(reason))
    return found if found.parts else None


def class_impact(id_: ResourceId, live: Present, after: JsonObject, around: Surroundings) -> Impact:
    """The machines of all clusters of a class; those that this plan changes count there."""
    look = _Look(around, id_.cluster)
    parts: list[Impact] = []
    users = 0
    for cluster in users_of(id_, around.clusters(id_.cluster)):
        if around.planned(cluster.id) is not None:
            continue
        users += 1
        name = f"{cluster.id.namespace}/{cluster.id.name}"
        fact = around.facts.of_owner(
            cluster.id,
            cluster_unit(cluster.id.cluster, cluster.id.namespace, cluster.id.name),
            pools=has_pools(cluster.body),
        )
        if fact.unreadable:
            return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
        try:
            was, becomes = look.before(cluster.body, live.body), look.after(cluster.body, after)
            found = topology_impact(was, becomes, fact)
        except NotKnown as reason:
            found = at_most("spec", fact, str(reason))
        parts += [
            msgspec.structs.replace(p, owner=f"{name} {p.owner}".strip(), parts=())
            for p in found.parts or (found,)
        ]
    return summed(parts, note=f"used by {users} cluster{'s' * (users != 1)}" if users else "")


def users_of(class_id: ResourceId, clusters: Iterable[Present]) -> Iterable[Present]:
    """The Clusters that are made from a class."""
    wanted = (class_id.namespace, class_id.name)
    return [c for c in clusters if class_reference(c.body) == wanted]


class _Look:
    """Classes and templates, as they are and as the plan leaves them."""

    def __init__(self, around: Surroundings, cluster: str) -> None:
        self._around = around
        self._cluster = cluster

    def before(self, cluster: JsonObject, class_body: JsonObject | None = None) -> Blueprint:
        """The topology as it runs now."""
        found = class_body or self._class(cluster, self._live)
        return blueprint(cluster, found, self._template(self._live))

    def after(self, cluster: JsonObject, class_body: JsonObject | None = None) -> Blueprint:
        """The topology as the plan makes it."""
        found = class_body or self._class(cluster, self._later)
        return blueprint(cluster, found, self._template(self._later))

    def between(self, cluster: JsonObject, later: JsonObject) -> Blueprint:
        """The topology while one of the class and the Cluster is written and the other is not.

        A class is written first unless it drops what the Cluster uses. No owner where neither form
        can be rendered.
        """
        try:
            return self.after(cluster)
        except NotKnown:
            pass
        try:
            return self.before(later)
        except NotKnown:
            return Blueprint(owners={})

    def _class(
        self, cluster: JsonObject, look: Callable[[ResourceId], JsonObject | None]
    ) -> JsonObject:
        reference = class_reference(cluster)
        if reference is None:
            raise NotKnown("it has no topology now")
        id_ = ResourceId(self._cluster, CLUSTER_CLASS.group, CLUSTER_CLASS.kind, *reference)
        found = look(id_)
        if found is None:
            raise NotKnown(f"its class {'/'.join(reference)} does not exist")
        return found

    def _template(
        self, look: Callable[[ResourceId], JsonObject | None]
    ) -> Callable[[str, str, str, str], JsonObject | None]:
        return lambda group, kind, namespace, name: look(
            ResourceId(self._cluster, group, kind, namespace, name)
        )

    def _live(self, id_: ResourceId) -> JsonObject | None:
        try:
            return self._around.facts.object(id_)
        except ApiError as error:
            raise NotKnown(f"{id_.kind} {id_.name} could not be read: {error.brief}") from error

    def _later(self, id_: ResourceId) -> JsonObject | None:
        return self._around.planned(id_) or self._live(id_)
