"""Where an object stands: towards us, and with the cluster that it belongs to.

Ours means the fleet's label *and* our Apply entry (docs/semantics.md 3); the fate of a cluster is
decided once and holds for everything in its unit (docs/semantics.md 8, 32).
"""

from __future__ import annotations

from collections.abc import Collection

from planner.decide import Fate, Nature, Seen
from planner.resolve import FLEET_LABEL, Observe, belongs
from planner.units import cluster_of_unit
from providers.base import KindRules
from providers.capi import CLUSTER
from state.fields import own_entry, trie
from state.live import Observation, Present, Unreadable
from state.resource import ResourceId

ALLOW_DESTROY = "clusterform.dev/allow-destroy"


class Fates:
    """What happens to the Cluster behind each unit, computed once, on demand."""

    def __init__(
        self,
        *,
        fleet: str,
        observe: Observe,
        desired: Collection[ResourceId],
        named: Collection[ResourceId],
        destroy_clusters: str,
    ) -> None:
        self._fleet = fleet
        self._observe = observe
        self._desired = desired
        self._named = named
        self._destroy_clusters = destroy_clusters
        self._fates: dict[str, Fate] = {}

    def of_unit(self, unit: str) -> Fate:
        """The fate of a unit's Cluster; shared units have none and stay."""
        found = self._fates.get(unit)
        if found is None:
            found = self._fates[unit] = self._fate(unit)
        return found

    def _fate(self, unit: str) -> Fate:
        cluster = cluster_of_unit(unit)
        if cluster is None or cluster in self._desired:
            return Fate.STAYS
        live = self._observe(cluster)
        if isinstance(live, Unreadable):
            return Fate.UNKNOWN
        if not isinstance(live, Present):
            return Fate.STAYS
        standing = seen(live, self._fleet)
        if standing is Seen.DELETING:
            return Fate.GOES
        if standing is not Seen.OURS:
            return Fate.STAYS
        return Fate.GOES if self.permitted(cluster, live) else Fate.REFUSED

    def permitted(self, id_: ResourceId, live: Observation) -> bool:
        """Removing a protected object is allowed: live, on the command line, or by the guards."""
        if id_ in self._named:
            return True
        if id_.group_kind != CLUSTER:
            return False
        allowed = isinstance(live, Present) and live.annotations.get(ALLOW_DESTROY) == "true"
        return allowed or self._destroy_clusters == "allow"


def seen(live: Observation, fleet: str) -> Seen:
    """Where a live object stands towards us. Ours is label *and* entry; labels get copied."""
    if isinstance(live, Unreadable):
        return Seen.UNREADABLE
    if not isinstance(live, Present):
        return Seen.ABSENT
    if live.deleting:
        return Seen.DELETING
    label = live.labels.get(FLEET_LABEL)
    entry = own_entry(live)
    if label is not None and not belongs(live, fleet):
        return Seen.OTHER_FLEET
    has_entry = entry is not None and any(key != "." for key in trie(entry))
    if label == fleet:
        return Seen.OURS if has_entry else Seen.LABEL_ONLY
    return Seen.ENTRY_ONLY if has_entry else Seen.FOREIGN


def nature(kind_rules: KindRules) -> Nature:
    """The removal side of a kind's rules."""
    if kind_rules.protected:
        return Nature.VITAL if kind_rules.cascaded else Nature.PROTECTED
    if kind_rules.template:
        return Nature.TEMPLATE
    if kind_rules.cascaded:
        return Nature.CASCADED
    return Nature.REPLACEABLE if kind_rules.replaceable else Nature.PLAIN
