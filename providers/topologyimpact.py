"""Managed topologies: what an edit of a Cluster or its class does to the machines.

The blueprint (`providers.blueprint`) is rendered as it is and as it will be, and compared. An
effect that hangs on what only a controller can compute is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from providers.base import Effect, Fact, Impact, count, due, mapping, moment, value
from providers.blueprint import CONTROL_PLANE_OWNER, Blueprint, Owner
from providers.capi import (
    DEPLOYMENT_TOPOLOGY,
    POOL_TOPOLOGY,
    is_control_plane,
    owner_uids,
    rolling_limits,
    scale,
    staying,
    victims_rule,
)
from providers.classpatches import without_open
from providers.controlplane import reconfigured, rollout_due, says_outdated
from providers.pools import pool_change, topology_pool_machines
from state.resource import JsonObject, canonical


def new_impact(after: JsonObject) -> Impact | None:
    """The machines of a Cluster that is made; None without a topology."""
    topology = mapping(value(after, "spec.topology"))
    if not topology:
        return None
    lists = (value(topology, f"workers.{name}") for name in ("machineDeployments", "machinePools"))
    listed = [mapping(entry) for entries in lists if isinstance(entries, list) for entry in entries]
    parts = (mapping(topology.get("controlPlane")), *listed)
    counts = [count(part.get("replicas"), 1) for part in parts]
    if None in counts:
        return Impact(effect=Effect.UNKNOWN, because="replicas that are not a number of machines")
    added = sum(n for n in counts if n is not None)
    return Impact(effect=Effect.SCALES, added=added, total=added, peak=added)


def topology_impact(
    before: Blueprint, after: Blueprint, fact: Fact, between: Blueprint | None = None
) -> Impact:
    """What becoming `after` does to the machines of one Cluster, with a part for each owner.

    `between`: how the topology renders between the write of its class and its own; None where
    there is one write, of which each owner makes one rollout, whatever changes (Cluster API
    v1.14.0, core/reconcilers/topology/cluster/reconcile_state.go: what waits for its version waits
    with all else).
    """
    machines = staying(fact.machines)
    parts = []
    for name in dict.fromkeys((*before.owners, *after.owners)):
        mine = [m for m in machines if owner_name(m) == name]
        was, becomes = before.owners.get(name), after.owners.get(name)
        found = _owner_impact(name, was, becomes, mine, fact)
        if between is not None and was is not None and becomes is not None:
            found = _rolled_again(found, was, between.owners.get(name), becomes)
        parts.append(found)
    staged = any(
        o.version != before.owners[n].version for n, o in after.owners.items() if n in before.owners
    )
    return summed(parts, staged=after.concurrency if staged else 0)


def owner_name(machine: JsonObject) -> str:
    """The name of the owner of a topology's machine, as in `Owner.name`."""
    labels = machine["metadata"].get("labels") or {}
    if is_control_plane(machine):
        return CONTROL_PLANE_OWNER
    if DEPLOYMENT_TOPOLOGY in labels:
        return f"MachineDeployment {labels[DEPLOYMENT_TOPOLOGY]}"
    return f"{_POOL}{labels.get(POOL_TOPOLOGY, '')}"


_POOL = "MachinePool "


def _owner_impact(
    name: str, before: Owner | None, after: Owner | None, machines: list[JsonObject], fact: Fact
) -> Impact:
    live = len(machines)
    if name.startswith(_POOL):
        live = topology_pool_machines(name.removeprefix(_POOL), machines, fact)
    if after is None:
        return Impact(
            effect=Effect.DESTROYS,
            owner=name,
            destroyed=live,
            live=live,
            peak=live,
            because="left out",
        )
    replicas = live if after.replicas is None else after.replicas
    if before is None:
        count = 1 if after.replicas is None else after.replicas
        return Impact(effect=Effect.SCALES, owner=name, added=count, total=count, peak=count)
    if name.startswith(_POOL):
        return _pool_impact(before, after, live, replicas)
    because, certain = _difference(before, after)
    notes = []
    if after.version != before.version:
        if after.held:
            notes.append(f"stays on {before.version}: {after.held}")
            because = ""  # everything else waits with it
        else:
            because, certain = "spec.topology.version", True
    if because:
        outdated = live
        certain = certain and after.kubeadm
    else:
        anew = [m for m in machines if reconfigured(before.config, after.config, m, fact)]
        over = [m for m in machines if _falls_due(name, m, after, fact)]
        outdated = sum(1 for m in machines if m in anew or m in over or says_outdated(m))
        because = "spec.kubeadmConfigSpec" if anew else "rollout.after or before" if over else ""
    replaced, added, removed = scale(live, live - outdated, replicas)
    if after.strategy.get("type") == "OnDelete" and replaced:
        notes.append(f"OnDelete: {replaced} outdated until somebody deletes them")
        replaced = 0
    if removed:
        notes.append(victims_rule(after.order))
    surge, unavailable = _limits(name, replicas, after.strategy)
    rolls = replaced > 0
    if rolls and name == CONTROL_PLANE_OWNER:
        notes.append("one at a time")
    effect = Effect.ROLLS if certain else Effect.PROVIDER_DEFINED
    if not rolls:
        effect = Effect.SCALES if added or removed else Effect.NONE
    elif not certain:
        why = "a template of the class decides that only its controller renders"
        notes.append(f"at most: {why if after.kubeadm else 'its control plane provider decides'}")
    return Impact(
        effect=effect,
        owner=name,
        replaced=replaced,
        added=added,
        removed=removed,
        live=live,
        total=replicas,
        peak=max(live, replicas + surge) if rolls else max(live, replicas),
        floor=max(0, min(live, replicas) - unavailable) if rolls else min(live, replicas),
        because=because if rolls else "",
        note="; ".join(notes),
    )


def _rolled_again(found: Impact, before: Owner, between: Owner | None, after: Owner) -> Impact:
    """An upper bound where two writes each begin a rollout: the second may not find the first done.

    Where it is not known what lies between, a new version counts as the second.
    """
    if between is None:
        twice = before.version != after.version and bool(_difference(before, after)[0])
    else:
        twice = _moves(before, between) and _moves(between, after)
    if not twice or not found.replaced:
        return found
    note = "at most: its class changes in a write of its own, so some may be replaced twice"
    return msgspec.structs.replace(
        found,
        effect=Effect.PROVIDER_DEFINED,
        replaced=2 * found.replaced,
        note="; ".join(filter(None, (found.note, note))),
    )


def _moves(before: Owner, after: Owner) -> bool:
    return (
        before.version != after.version
        or before.config != after.config
        or bool(_difference(before, after)[0])
    )


def _pool_impact(before: Owner, after: Owner, live: int, replicas: int) -> Impact:
    because, _ = _difference(before, after)
    notes = []
    if before.version != after.version:
        if after.held:
            notes.append(f"stays on {before.version}: {after.held}")
        because = "" if after.held else because or "spec.topology.version"
    if before.replicas == after.replicas:
        replicas = live  # whoever scaled it: nothing here does
    decided = "its infrastructure provider decides which"
    found = pool_change(because, live, replicas, decided)
    note = "; ".join(filter(None, (found.note, *notes)))
    return msgspec.structs.replace(found, owner=after.name, note=note)


def _difference(before: Owner, after: Owner) -> tuple[str, bool]:
    """(the first thing whose content differs, whether that is certain)."""
    for field, wanted in after.content.items():
        was = before.content.get(field)
        if canonical({"": without_open(was)}) != canonical({"": without_open(wanted)}):
            return field, True
    if before.open != after.open:
        return "a variable that a template of the class uses", False
    return "", True


def _falls_due(name: str, machine: JsonObject, after: Owner, fact: Fact) -> bool:
    """The topology controller hands `rollout` on; what it does there, it does here."""
    if name == CONTROL_PLANE_OWNER:
        return rollout_due(machine, {"spec": {"rollout": after.rollout}}, fact)
    since = due(after.rollout.get("after"), fact)
    owners = owner_uids(machine)
    sets = (ms["metadata"] for ms in fact.machine_sets if ms["metadata"].get("uid") in owners)
    return any(moment(ms.get("creationTimestamp")) < since for ms in sets)


def _limits(name: str, replicas: int, strategy: JsonObject) -> tuple[int, int]:
    if name != CONTROL_PLANE_OWNER:
        return rolling_limits(replicas, strategy)
    surge = str(value(strategy, "rollingUpdate.maxSurge", 1)) != "0"
    return (1, 1) if surge else (0, 2)  # as in providers.controlplane


_ORDER = (Effect.NONE, Effect.IN_PLACE, Effect.SCALES, Effect.PROVIDER_DEFINED, Effect.ROLLS)


def summed(parts: Iterable[Impact], *, staged: int = 0, note: str = "") -> Impact:
    """One impact for all owners. `staged`: so many workers at a time, after the control plane.

    Without stages everything rolls at once, so peaks add up (measured: docs/cluster-api.md).
    """
    known = sorted(parts, key=lambda p: p.owner)
    touched = tuple(p for p in known if p.effect is not Effect.NONE or p.note)
    live = sum(p.live for p in known)
    total = sum(p.total for p in known)
    extra = sorted((p.peak - max(p.live, p.total) for p in known if p.replaced), reverse=True)
    lack = sorted((min(p.live, p.total) - p.floor for p in known if p.replaced), reverse=True)
    at_once = slice(0, max(1, staged) if staged else None)
    unknown = next((p for p in known if p.effect is Effect.UNKNOWN), None)
    if unknown is not None:
        return Impact(effect=Effect.UNKNOWN, because=unknown.because, parts=touched)
    rolls = any(p.effect is Effect.ROLLS for p in touched)
    effect = max((p.effect for p in touched), key=_rank, default=Effect.NONE)
    return Impact(
        effect=Effect.ROLLS if rolls else effect,
        replaced=sum(p.replaced for p in known),
        added=sum(p.added for p in known),
        removed=sum(p.removed for p in known),
        destroyed=sum(p.destroyed for p in known),
        live=live,
        total=total,
        peak=sum(max(p.live, p.total) for p in known) + sum(extra[at_once]),
        floor=max(0, sum(min(p.live, p.total) for p in known) - sum(lack[at_once])),
        because=next((p.because for p in touched if p.because), ""),
        note=note,
        parts=touched,
    )


def _rank(effect: Effect) -> int:
    return _ORDER.index(effect) if effect in _ORDER else len(_ORDER)
