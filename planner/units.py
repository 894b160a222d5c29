"""Units of work: the shared objects, each workload cluster, each cluster's add-ons (semantics 2).

Pure. Membership by the cluster-name label, by `clusterName`, else by reachability over references;
what two clusters reach is shared.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from providers.base import references, value
from providers.capi import CLUSTER, CLUSTER_NAME
from providers.registry import rules
from state.live import Present
from state.resource import JsonObject, Resource, ResourceId

ADDONS = ":addons"


def cluster_unit(management: str, namespace: str, name: str) -> str:
    """The key of a workload cluster's unit, which is also the cluster's own key."""
    return f"{management}/{namespace}/{name}"


def is_workload(cluster: str) -> bool:
    """A cluster key of the form `management/namespace/name`."""
    return "/" in cluster


def cluster_of_unit(unit: str) -> ResourceId | None:
    """The Cluster object behind a unit; None for a shared unit."""
    parts = unit.removesuffix(ADDONS).split("/")
    if len(parts) != 3:
        return None
    return ResourceId(parts[0], CLUSTER.group, CLUSTER.kind, parts[1], parts[2])


def direct_unit(id_: ResourceId, body: JsonObject) -> str:
    """The unit that an object names by itself, or `""`."""
    if is_workload(id_.cluster):
        return id_.cluster + ADDONS
    kind_rules = rules(id_.group, id_.kind)
    if kind_rules.always_shared:
        return id_.cluster
    if id_.group_kind == CLUSTER:
        return cluster_unit(id_.cluster, id_.namespace, id_.name)
    metadata = body.get("metadata") or {}
    name = (metadata.get("labels") or {}).get(CLUSTER_NAME)
    if not name and not kind_rules.named_elsewhere:
        name = value(body, "spec.clusterName")
    if not name:
        name = next(
            (o["name"] for o in metadata.get("ownerReferences") or () if o["kind"] == "Cluster"),
            "",
        )
    return cluster_unit(id_.cluster, id_.namespace, name) if name else ""


def assign(resources: Iterable[Resource], live: Iterable[Present] = ()) -> dict[ResourceId, str]:
    """The unit of every resource, and of every live object in `live` that Git does not have."""
    bodies = _Membership()
    for resource in resources:
        bodies.add(resource.id, msgspec.json.decode(resource.body))
    for present in live:
        bodies.add(present.id, present.body)
        present.release()
    return bodies.settle()


class _Membership:
    def __init__(self) -> None:
        self._unit: dict[ResourceId, str] = {}
        self._targets: dict[ResourceId, tuple[ResourceId, ...]] = {}

    def add(self, id_: ResourceId, body: JsonObject) -> None:
        """Note one body: desired and live forms of an object both count."""
        known = self._unit.get(id_)
        self._unit[id_] = known or direct_unit(id_, body)
        kind_rules = rules(id_.group, id_.kind)
        if kind_rules.references and not is_workload(id_.cluster):
            found = tuple(r.target for r in references(body, id_, kind_rules))
            self._targets[id_] = self._targets.get(id_, ()) + found

    def settle(self) -> dict[ResourceId, str]:
        """Follow references from what is placed to what is not; what two reach is shared."""
        reached: dict[ResourceId, set[str]] = {
            i: set() for i, unit in self._unit.items() if not unit
        }
        work = [(i, unit) for i, unit in self._unit.items() if unit and i.cluster != unit]
        while work:
            id_, unit = work.pop()
            for target in self._targets.get(id_, ()):
                if target in reached and unit not in reached[target]:
                    reached[target].add(unit)
                    work.append((target, unit))
        for id_, units in reached.items():
            self._unit[id_] = units.pop() if len(units) == 1 else id_.cluster
        return self._unit


Owners = dict[str, tuple[ResourceId, ...]]


def machine_owners(resources: Iterable[Resource]) -> tuple[Owners, Owners]:
    """By unit: what has machines and says when they are ready; and the control planes."""
    owners: Owners = {}
    planes: Owners = {}
    for resource in resources:
        kind_rules = rules(resource.id.group, resource.id.kind)
        if kind_rules.machines and kind_rules.ready is not None:
            owners[resource.unit] = (*owners.get(resource.unit, ()), resource.id)
        if kind_rules.control_plane:
            planes[resource.unit] = (*planes.get(resource.unit, ()), resource.id)
    return owners, planes
