"""A plan laid out for reading: sections by cluster, each with its entries, in the order of danger.

Text and Markdown are two renderings of this. Pure and linear in the number of changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from planner.changes import Change, Plan, Verb
from planner.units import ADDONS
from planner.views.clean import clean, plural
from planner.views.counts import destroys_cluster, is_second_half
from planner.views.effects import Machines, machines
from planner.views.grouping import Family, group
from planner.views.names import Names, is_shared, object_name, pattern_name, step_text
from planner.views.releases import releases_text
from planner.views.values import change_text
from planner.views.waits import waits_by_unit
from providers.base import Effect
from providers.capi import CLUSTER, MACHINE_DEPLOYMENT, MACHINE_POOL, MACHINE_SET
from state.resource import ResourceId

SYMBOLS = {
    Verb.CREATE: "+",
    Verb.UPDATE: "~",
    Verb.REPLACE: "-/+",
    Verb.ROTATE: "±",
    Verb.ADOPT: ">",
    Verb.SUSPEND: "~",
    Verb.DELETE: "-",
    Verb.PRUNE: "-",
    Verb.FORGET: ".",
}
FOLD_CREATES = 8
"""Creates in one section that are listed; more are counted by kind."""
_DANGER, _NEW, _OTHER = range(3)


class Entry(msgspec.Struct, frozen=True):
    """One change as shown: alone, or the face of a family."""

    change: Change
    family: Family | None = None
    removal: Change | None = None
    """Of a replacement: the delete, which carries the effect."""

    @property
    def face(self) -> Change:
        """The change that says what happens to machines."""
        return self.removal or self.change


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one unit, to several new clusters alike, or to all units of a family."""

    units: tuple[str, ...]
    machines: Machines
    entries: tuple[Entry, ...] = ()
    new: bool = False
    """These clusters are made by this plan."""
    destroyed: bool = False
    folded: tuple[Change, ...] = ()
    """Creates that are counted, not listed."""
    changes: tuple[Change, ...] = ()
    """Every change that the section stands for."""
    order: str = ""
    """What waits for what, in one line."""

    @property
    def folded_addons(self) -> tuple[Change, ...]:
        """Those of the folded creates that live inside the clusters."""
        return tuple(c for c in self.folded if c.unit.endswith(ADDONS))

    @property
    def rendered_from(self) -> str:
        """The releases behind it, with their charts; `""` for plain manifests."""
        return releases_text(self.changes)

    @property
    def dangerous(self) -> bool:
        """Something in it is lost, or may be."""
        return _rank(self) == _DANGER


def sections(plan: Plan, *, verbose: bool = False) -> list[Section]:
    """All sections, those with danger first, then new clusters, then the rest."""
    waits = waits_by_unit(plan)
    new = {c.unit for c in plan.changes if c.id.group_kind == CLUSTER and c.verb is Verb.CREATE}
    made: dict[str, list[Change]] = {}
    others: list[Change] = []
    for change in plan.changes:
        unit = change.unit.removesuffix(ADDONS)
        if unit in new:
            made.setdefault(unit, []).append(change)
        else:
            others.append(change)
    removals = {c.id: c for c in others if c.verb is Verb.REPLACE and c.action.step == 0}
    paired = {c.id for c in others if is_second_half(c)}
    alone, families = group(
        c for c in others if c.id not in paired or c.action.step or c.verb is not Verb.REPLACE
    )
    found = _alone(alone, removals, waits, verbose=verbose)
    found += _of_families(families, removals)
    found += _new(made, waits, verbose=verbose)
    return sorted(found, key=lambda s: (_rank(s), len(s.units) > 1, s.units[0]))


def _alone(
    changes: list[Change],
    removals: dict[ResourceId, Change],
    waits: dict[str, str],
    *,
    verbose: bool,
) -> list[Section]:
    by_unit: dict[str, list[Change]] = {}
    for change in changes:
        by_unit.setdefault(change.unit, []).append(change)
    found = []
    for unit, members in by_unit.items():
        created = [c for c in members if c.verb is Verb.CREATE]
        fold = tuple(created) if len(created) > FOLD_CREATES and not verbose else ()
        shown = [c for c in members if not fold or c.verb is not Verb.CREATE]
        entries = [Entry(c, None, removals.get(c.id)) for c in shown]
        found.append(
            Section(
                units=(unit,),
                machines=machines([*members, *(e.removal for e in entries if e.removal)]),
                changes=tuple(members),
                entries=tuple(sorted(entries, key=_entry_key)),
                destroyed=any(destroys_cluster(c) for c in members),
                folded=fold,
                order=waits.get(unit, ""),
            )
        )
    return found


def _of_families(families: list[Family], removals: dict[ResourceId, Change]) -> list[Section]:
    """Families over the very same clusters share a section."""
    by_units: dict[frozenset[str], list[Entry]] = {}
    for family in families:
        units = frozenset(c.unit.removesuffix(ADDONS) for c in family.all)
        face = family.alike[0]
        by_units.setdefault(units, []).append(Entry(face, family, removals.get(face.id)))
    found = []
    for units, entries in by_units.items():
        members = [c for e in entries if e.family for c in e.family.all]
        members += [removals[c.id] for c in members if is_second_half(c) and c.id in removals]
        found.append(
            Section(
                units=tuple(sorted(units)),
                machines=machines(members),
                entries=tuple(sorted(entries, key=_entry_key)),
                changes=tuple(members),
            )
        )
    return found


def _new(made: dict[str, list[Change]], waits: dict[str, str], *, verbose: bool) -> list[Section]:
    """New clusters; those of the same size and shape are one section."""
    alike: dict[object, list[str]] = {}
    for unit, changes in made.items():
        kinds = Counter((c.id.kind, c.unit.endswith(ADDONS), c.verb) for c in changes)
        shape = (frozenset(kinds.items()), machines(changes), unit if verbose else "")
        alike.setdefault(shape, []).append(unit)
    found = []
    for units in alike.values():
        members = made[units[0]]
        fold = () if verbose else tuple(c for c in members if c.verb is Verb.CREATE)
        entries = [Entry(c) for c in members if verbose or c.verb is not Verb.CREATE]
        found.append(
            Section(
                units=tuple(sorted(units)),
                machines=machines(members),
                entries=tuple(sorted(entries, key=_entry_key)),
                changes=tuple(c for unit in units for c in made[unit]),
                new=True,
                folded=fold,
                order=waits.get(units[0], "") if verbose else "",
            )
        )
    return found


def _rank(section: Section) -> int:
    if section.machines.touched or any(_dangerous(e.face) for e in section.entries):
        return _DANGER
    return _NEW if section.new else _OTHER


def _dangerous(change: Change) -> bool:
    return is_loss(change) or change.impact.effect in (
        Effect.UNKNOWN,
        Effect.PROVIDER_DEFINED,
    )


_WORKERS = (MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE_POOL)
_LAST = {Verb.SUSPEND: 4, Verb.ADOPT: 5, Verb.CREATE: 6, Verb.PRUNE: 7, Verb.FORGET: 8}


def _entry_key(entry: Entry) -> tuple[int, bool]:
    """Losses, control planes that roll, new templates, workers that roll, then all others.

    Sorting by it is stable, and changes come sorted by object.
    """
    face = entry.face
    if is_loss(face):
        rank = 0
    elif face.impact.touched:
        rank = 3 if face.id.group_kind in _WORKERS else 1
    elif face.verb is Verb.ROTATE:
        rank = 2
    else:
        rank = _LAST.get(face.verb, 4)
    return rank, face.id.kind != CLUSTER.kind


def verdict(section: Section) -> str:
    """The section in a few words: `8 machines replaced, 2 removed (10 live → 8)`."""
    found = section.machines
    if section.destroyed:
        return (
            f"destroyed: {plural(found.destroyed, 'machine')}" if found.destroyed else "destroyed"
        )
    if section.new:
        each = " each" if len(section.units) > 1 else ""
        return f"new: {plural(found.added, 'machine')}{each}" if found.added else f"new{each}"
    words = found.words()
    if not words:
        if all(is_shared(u) or u.endswith(ADDONS) for u in section.units):
            return ""
        quiet = all(e.face.impact.effect in (Effect.NONE, Effect.IN_PLACE) for e in section.entries)
        return "no machine touched" if quiet else ""
    bound = "at most " if found.at_most else ""
    first, _, rest = words.removeprefix(bound).partition(" ")
    noun = "machine" if first == "1" else "machines"
    scale = f" ({found.live} live → {found.total})" if found.live != found.total else ""
    return f"{bound}{first} {noun} {rest}{scale if not found.destroyed else ''}"


def title(section: Section, names: Names) -> str:
    """`team-a/shop-prod`, `311 clusters`, `40 new clusters`."""
    if len(section.units) == 1:
        return names.unit(section.units[0])
    return plural(len(section.units), "cluster")


def kinds_text(changes: Iterable[Change], limit: int = 6) -> str:
    """`ConfigMap 30, Deployment 12, 3 other kinds`."""
    found = Counter(c.id.kind for c in changes)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{kind} {count:,}" for kind, count in ordered[:limit]]
    if len(ordered) > limit:
        texts.append(plural(len(ordered) - limit, "other kind"))
    return ", ".join(texts)


def symbol(change: Change) -> str:
    """The sign of a change's verb."""
    return SYMBOLS.get(change.verb, "?")


def is_loss(change: Change) -> bool:
    """Something is taken away that no rollout brings back: never cut or folded to a pattern."""
    return change.verb in (Verb.DELETE, Verb.REPLACE)


def entry_name(entry: Entry) -> str:
    """Name and step; of a family with `*` for the cluster; of a rotation `old → new`."""
    return _name(entry) + step_text(entry.change)


def _name(entry: Entry) -> str:
    change = entry.change
    if entry.family is not None:
        namespace, name = pattern_name(change)
        shown = clean(f"{namespace}/{name}" if namespace else name)
        return f"{shown} (a new generation)" if change.verb is Verb.ROTATE else shown
    name = object_name(change.id, change.unit)
    if change.verb is Verb.ROTATE and change.predecessor:
        return f"{clean(change.predecessor)} → {name}"
    return name


def outlier_text(variant: Change, face: Change) -> str:
    """The fields in which an outlier has other values, as `before → after`."""
    return ", ".join(
        change_text(field)
        for field, other in zip(variant.fields, face.fields, strict=True)
        if (field.before, field.after, field.by, field.known)
        != (other.before, other.after, other.by, other.known)
    )
