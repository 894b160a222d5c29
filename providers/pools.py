"""MachineSets that stand alone, MachinePools, and machines that nobody but a provider counts.

A MachinePool of most providers (EKS, AKS, GKE, scale sets) has no Machine objects: there its
status counts. Sources: Cluster API v1.14.0, core/reconcilers/machineset (scales, never replaces;
machineset_deletion_order.go), core/reconcilers/machinepool (status.replicas from the
infrastructure's providerIDList; Machines only where it has an `infrastructureMachineKind`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from providers.base import Effect, Fact, Impact, count, value
from providers.capi import (
    MACHINE,
    MACHINE_POOL,
    MACHINE_SET,
    NO_NUMBER,
    POOL_NAME,
    POOL_TOPOLOGY,
    SET_NAME,
    TEMPLATE_FIELDS,
    changed_field,
    made,
    scale,
    staying,
    victims_rule,
    wanted_machines,
)
from providers.conditions import labels_of, name_of
from state.resource import GroupKind, JsonObject

_NAME_LABELS = {MACHINE_SET: SET_NAME, MACHINE_POOL: POOL_NAME}


def owned_by(kind: GroupKind, name: str) -> Callable[[JsonObject], bool]:
    """Whether a Machine belongs to this MachineSet or MachinePool, by its owner or its label.

    The label is a hash where the name is longer than a label may be (format.MustFormatValue).
    """

    def owned(machine: JsonObject) -> bool:
        if labels_of(machine).get(_NAME_LABELS[kind]) == name:
            return True
        owners = machine["metadata"].get("ownerReferences") or ()
        return any((o.get("kind"), o.get("name")) == (kind.kind, name) for o in owners)

    return owned


# How many there are


def live_machines(kind: GroupKind, owner: JsonObject, fact: Fact) -> int:
    """Machines that `owner` has now; of a MachinePool those that only its status counts, too."""
    if kind == MACHINE_POOL:
        return _of_pool(owner, len(staying(fact.machines)))
    return len(fact.machines)


def _of_pool(pool: JsonObject, machines: int) -> int:
    told = count(value(pool, "status.replicas"))
    if told is None and not machines:
        told = count(value(pool, "spec.replicas"), 1)
    return max(machines, told or 0)


def uncounted_machines(pools: Iterable[JsonObject], machines: Iterable[JsonObject]) -> int:
    """Machines of these pools that no Machine object stands for."""
    known = list(machines)
    total = 0
    for pool in pools:
        mine = sum(1 for m in known if owned_by(MACHINE_POOL, name_of(pool))(m))
        total += _of_pool(pool, mine) - mine
    return total


def has_pools(cluster: JsonObject) -> bool:
    """Whether a Cluster's topology has MachinePools."""
    return bool(value(cluster, "spec.topology.workers.machinePools"))


def topology_pools(fact: Fact) -> dict[str, JsonObject]:
    """The live MachinePools of a topology, by the name that the topology gives them."""
    named = ((labels_of(pool).get(POOL_TOPOLOGY), pool) for pool in fact.pools)
    return {str(name): pool for name, pool in named if name}


def topology_pool_machines(name: str, labelled: list[JsonObject], fact: Fact) -> int:
    """Machines of a topology's MachinePool; `labelled` are those that carry its label."""
    pool = topology_pools(fact).get(name)
    if pool is None:
        return len(labelled)
    owned = owned_by(MACHINE_POOL, name_of(pool))
    mine = [m for m in staying(fact.machines) if m in labelled or owned(m)]
    return _of_pool(pool, len(mine))


# What a change does


def machine_set_impact(before: JsonObject | None, after: JsonObject, fact: Fact) -> Impact:
    """A MachineSet makes machines and takes them away; those that it has are never replaced."""
    replicas = wanted_machines(after)
    if replicas is None:
        return NO_NUMBER
    if before is None:
        return made(replicas)
    if fact.unreadable:
        return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    live = len(staying(fact.machines))
    _, added, removed = scale(live, live, replicas)
    notes = []
    if removed:
        order = value(after, "spec.deletion.order") or value(after, "spec.deletePolicy")
        notes.append(victims_rule(str(order or "")))
    if live and changed_field(before, after, TEMPLATE_FIELDS):
        notes.append("its machines stay as they are: only new ones see the new template")
    return Impact(
        effect=Effect.SCALES if added or removed else Effect.IN_PLACE,
        added=added,
        removed=removed,
        live=live,
        total=replicas,
        peak=max(live, replicas),
        floor=min(live, replicas),
        note="; ".join(notes),
    )


def machine_pool_impact(before: JsonObject | None, after: JsonObject, fact: Fact) -> Impact | None:
    """A MachinePool: its infrastructure provider decides how a new template reaches machines."""
    replicas = wanted_machines(after)
    if replicas is None:
        return NO_NUMBER
    if before is None:
        return made(replicas) if replicas else None
    because = changed_field(before, after, TEMPLATE_FIELDS)
    rescaled = wanted_machines(before) != replicas
    if not because and not rescaled:
        return None
    if fact.unreadable:
        return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    live = live_machines(MACHINE_POOL, before, fact)
    return pool_change(
        because, live, replicas if rescaled else live, "its controller decides which"
    )


def pool_change(because: str, live: int, replicas: int, note: str) -> Impact:
    """A pool of `live` machines that is to have `replicas`; `because`: what may replace them."""
    replaced, added, removed = scale(live, 0 if because else live, replicas)
    scales = Effect.SCALES if added or removed else Effect.NONE
    return Impact(
        effect=Effect.PROVIDER_DEFINED if because else scales,
        replaced=replaced,
        added=added,
        removed=removed,
        live=live,
        total=replicas,
        peak=max(live, replicas),
        floor=0 if because else min(live, replicas),
        because=because,
        note=f"at most; {note}" if because else "",
    )


def machine_impact(before: JsonObject | None, after: JsonObject, fact: Fact) -> Impact | None:
    """A Machine of its own: whoever is behind it decides whether it is made anew."""
    if before is None:
        return made(1)
    changed = changed_field(before, after, ("spec",))
    return at_most(changed, fact) if changed else None


def at_most(because: str, fact: Fact, note: str = "its controller decides which") -> Impact:
    """Every machine may be replaced; how many, a controller decides."""
    if fact.unreadable:
        return Impact(effect=Effect.UNKNOWN, because=fact.unreadable)
    live = len(fact.machines) + uncounted_machines(fact.pools, fact.machines)
    return Impact(
        effect=Effect.PROVIDER_DEFINED,
        replaced=live,
        live=live,
        total=live,
        because=because,
        note=f"at most; {note}",
    )


def impact_of(
    kind: GroupKind, before: JsonObject | None, after: JsonObject, fact: Fact
) -> Impact | None:
    """What a change of one of these kinds does to machines."""
    if kind == MACHINE_SET:
        return machine_set_impact(before, after, fact)
    if kind == MACHINE_POOL:
        return machine_pool_impact(before, after, fact)
    return machine_impact(before, after, fact) if kind == MACHINE else None
