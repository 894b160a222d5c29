"""Managed topologies: what the machines of a Cluster are made from, and what an edit replaces.

The topology controller gives machines new templates where the *rendered content* differs, never
because a name does (Cluster API v1.14.0, core/reconcilers/topology/cluster/structuredmerge and
exp/topology/desiredstate; docs/cluster-api.md). So the blueprint is rendered as it is and as it
will be, and compared. What only a controller can compute stays open (`providers.classpatches`): an
effect that hangs on it alone is an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from providers.base import Effect, Fact, Impact, count, due, mapping, moment, value
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
from providers.classpatches import NotApplicable, Part, patched, variables, without_open
from providers.controlplane import KUBEADM, reconfigured, rollout_due, says_outdated
from providers.pools import pool_change, topology_pool_machines
from state.resource import JsonObject, canonical, split_api_version

CONTROL_PLANE_OWNER = "control plane"
UPGRADE_CONCURRENCY = "topology.cluster.x-k8s.io/upgrade-concurrency"
DEFER_UPGRADE = "topology.cluster.x-k8s.io/defer-upgrade"
HOLD_UPGRADE = "topology.cluster.x-k8s.io/hold-upgrade-sequence"

Template = Callable[[str, str, str, str], JsonObject | None]
"""(group, kind, namespace, name) → the template; None if it does not exist. May raise NotKnown."""


class NotKnown(Exception):
    """What a topology is made from cannot be told; the message says why."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The control plane, a MachineDeployment or a MachinePool of a topology."""

    name: str
    """`control plane`, `MachineDeployment md-0`, `MachinePool mp-0`."""
    version: str
    replicas: int | None
    """None: whoever scales it decides."""
    content: dict[str, Any]
    """What decides whether machines are replaced, by the field that says so."""
    open: bytes
    """Canonical JSON of what only a controller can compute."""
    config: JsonObject = {}
    """Of the control plane: its kubeadmConfigSpec, which not every machine sees all of."""
    kubeadm: bool = True
    """Of the control plane: False, another provider decides what an edit does."""
    rollout: JsonObject = {}
    """`after` and `before`: what falls due without any other change."""
    strategy: JsonObject = {}
    order: str = ""
    held: str = ""
    """Why a new version does not reach it yet; "" if nothing holds it."""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """A Cluster's topology, rendered."""

    owners: dict[str, Owner]
    concurrency: int = 1
    """MachineDeployments that take up a new version at a time."""


def blueprint(cluster: JsonObject, class_body: JsonObject, template: Template) -> Blueprint:
    """The topology of `cluster` as its class renders it. Raises: NotKnown."""
    try:
        return _checked(_Renderer(cluster, class_body, template).run())
    except NotApplicable as error:
        raise NotKnown(str(error)) from error
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise NotKnown(f"its class or topology is not of the expected form ({error})") from error


def _checked(found: Blueprint) -> Blueprint:
    """Owners whose fields can be computed with; whoever reads Git may have written anything."""
    for owner in found.owners.values():
        if owner.replicas is not None and count(owner.replicas) is None:
            raise NotKnown(f"replicas of {owner.name} are not a number of machines")
        if not isinstance(owner.strategy, dict) or not isinstance(owner.config, dict):
            raise NotKnown(f"the rollout of {owner.name} is not of the expected form")
    return found


class _Renderer:
    def __init__(self, cluster: JsonObject, class_body: JsonObject, template: Template) -> None:
        self.cluster = cluster
        self.topology: JsonObject = cluster["spec"]["topology"]
        self.spec: JsonObject = class_body["spec"]
        self.namespace = str(class_body["metadata"].get("namespace"))
        self.version = str(self.topology.get("version"))
        self.template = template

    def run(self) -> Blueprint:
        owners = {CONTROL_PLANE_OWNER: self._control_plane()}
        workers = self.topology.get("workers") or {}
        held = ""
        for entry in workers.get("machineDeployments") or ():
            held = held or _annotation(entry, HOLD_UPGRADE)
            deferred = held or _annotation(entry, DEFER_UPGRADE)
            owner = self._worker(entry, "machineDeployment", deferred)
            owners[owner.name] = owner
        for entry in workers.get("machinePools") or ():
            owner = self._worker(entry, "machinePool", _annotation(entry, DEFER_UPGRADE))
            owners[owner.name] = owner
        annotations = self.cluster["metadata"].get("annotations") or {}
        told = str(annotations.get(UPGRADE_CONCURRENCY, "1"))
        return Blueprint(owners=owners, concurrency=int(told) if told.isdigit() else 1)

    def _control_plane(self) -> Owner:
        of_class = self.spec["controlPlane"]
        of_cluster = self.topology.get("controlPlane") or {}
        part = Part("controlPlane")
        source, open_ = self._rendered(of_class, part, of_cluster, self._builtin(of_cluster))
        inner = value(source, "spec.template.spec", {}) or {}
        kubeadm = source.get("kind") == KUBEADM.kind + "Template"
        content: dict[str, Any] = (
            {} if kubeadm else {"its control plane template": _content(source)}
        )
        machines = of_class.get("machineInfrastructure")
        if machines:
            infra, more = self._rendered(machines, part, of_cluster, self._builtin(of_cluster))
            content["its machine template"] = _content(infra)
            open_ += more
        replicas = of_cluster.get("replicas")
        strategy = value(inner, "rollout.strategy") or value(inner, "rolloutStrategy") or {}
        return Owner(
            name=CONTROL_PLANE_OWNER,
            version=self.version,
            replicas=1 if replicas is None else replicas,
            content=content,
            open=canonical({"": open_}),
            strategy=strategy,
            config=(value(inner, "kubeadmConfigSpec", {}) or {}) if kubeadm else {},
            kubeadm=kubeadm,
            rollout={
                **(inner.get("rollout") or {}),
                **(of_cluster.get("rollout") or {}),
                **({"after": inner["rolloutAfter"]} if "rolloutAfter" in inner else {}),
            },
        )

    def _worker(self, entry: JsonObject, role: str, held: str) -> Owner:
        kind = "MachineDeployment" if role == "machineDeployment" else "MachinePool"
        listed = (self.spec.get("workers") or {}).get(f"{role}s") or ()
        of_class = next((c for c in listed if c.get("class") == entry.get("class")), None)
        if of_class is None:
            raise NotKnown(f"its class has no {kind} class {entry.get('class')}")
        part = Part(role, str(entry.get("name")), str(entry.get("class")))
        parts = of_class.get("template") or of_class  # v1beta1 has one level more
        builtin = self._builtin(entry)
        config, open_ = self._rendered(parts["bootstrap"], part, entry, builtin)
        infra, more = self._rendered(parts["infrastructure"], part, entry, builtin)
        return Owner(
            name=f"{kind} {entry.get('name')}",
            version=self.version,
            replicas=entry.get("replicas"),
            content={
                "its bootstrap template": _content(config),
                "its machine template": _content(infra),
                "spec.template.spec.failureDomain": entry.get("failureDomain")
                or of_class.get("failureDomain"),
            },
            open=canonical({"": [*open_, *more]}),
            strategy=value(entry, "rollout.strategy")
            or value(of_class, "rollout.strategy")
            or entry.get("strategy")
            or of_class.get("strategy")
            or {},
            order=str(value(entry, "deletion.order") or value(of_class, "deletion.order") or ""),
            rollout=entry.get("rollout") or {},
            held=held,
        )

    def _builtin(self, entry: JsonObject) -> JsonObject:
        """Builtin variables of one part. Names that controllers give are left out: they stay."""
        return {
            "version": self.version,
            "replicas": entry.get("replicas"),
            "class": entry.get("class"),
            "topologyName": entry.get("name"),
            "metadata": entry.get("metadata") or {},
        }

    def _rendered(
        self, of_class: JsonObject, part: Part, entry: JsonObject, builtin: JsonObject
    ) -> tuple[JsonObject, list[JsonObject]]:
        reference = of_class.get("templateRef") or of_class.get("ref") or {}
        group = reference.get("apiGroup") or split_api_version(str(reference.get("apiVersion")))[0]
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        found = self.template(str(group), kind, self.namespace, name)
        if found is None:
            raise NotKnown(f"{kind} {self.namespace}/{name} of its class does not exist")
        known = variables(self.spec, self.cluster, entry.get("variables"))
        known["builtin"][part.role] = builtin
        if part.role != "controlPlane":
            plane = self.topology.get("controlPlane") or {}
            known["builtin"]["controlPlane"] = self._builtin(plane)
        rendered = patched(found, self.spec, known, part)
        return rendered.body, list(rendered.open)


def _content(template: JsonObject) -> Any:
    """What makes the controller rotate a template: its kind, and anything in its spec."""
    group = split_api_version(str(template.get("apiVersion")))[0]
    return {"kind": f"{template.get('kind')}.{group}", "spec": template.get("spec") or {}}


def _annotation(entry: JsonObject, name: str) -> str:
    return name if name in (value(entry, "metadata.annotations") or {}) else ""


# What an edit does


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
