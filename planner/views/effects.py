"""What a change does to machines, in words."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from planner.changes import Change, Confidence, Verb
from planner.views.clean import clean, plural
from providers.base import Effect, Impact
from providers.capi import CLUSTER


def effect_text(impact: Impact) -> str:
    """`rolls 3 of 3, one at a time, peak 4`, `scales 2 → 4`, `in place`; `""` for no effect."""
    match impact.effect:
        case Effect.NONE:
            return ""
        case Effect.ROLLS | Effect.RECREATES:
            return _rolls(impact)
        case Effect.SCALES:
            return _scales(impact)
        case Effect.DESTROYS:
            return f"destroys {plural(impact.destroyed, 'machine')}" if impact.destroyed else ""
        case Effect.PROVIDER_DEFINED:
            return _join(
                f"provider-defined: {_at_most(impact)}",
                f"scales {impact.live} → {impact.total}" if impact.added or impact.removed else "",
                clean(impact.note.removeprefix("at most; ")),
            )
        case Effect.UNKNOWN:
            return _join("effect on machines unknown", clean(impact.because))
        case _:
            return _join(clean(impact.effect.value), clean(impact.note))


def part_lines(impact: Impact, limit: int = 12) -> list[str]:
    """One line for each owner behind a sum; owners that fare alike in several clusters share it."""
    alike: dict[tuple[str, str], list[str]] = {}
    for part in impact.parts:
        cluster, _, owner = part.owner.partition(" ") if "/" in part.owner else ("", "", part.owner)
        text = effect_text(part) or clean(part.note)
        if part.because and part.effect is not Effect.UNKNOWN:
            text = f"{text}: {clean(part.because)}"
        alike.setdefault((clean(owner), text), []).append(clean(cluster))
    lines = []
    for (owner, text), clusters in alike.items():
        where = f" of {plural(len(clusters), 'cluster')}, each" if len(clusters) > 1 else ""
        one = f"{clusters[0]} " if clusters[0] and len(clusters) == 1 else ""
        lines.append(f"{one}{owner}{where}: {text}")
    if len(lines) > limit:
        return [*lines[:limit], f"{len(lines) - limit} more owners: -v lists them"]
    return lines


def _rolls(impact: Impact) -> str:
    victims, others = _notes(impact)
    return _join(
        f"{impact.effect.value} {impact.replaced} of {impact.live}"
        if impact.replaced <= impact.live
        else _at_most(impact),
        f"removes {impact.removed}{victims}" if impact.removed else "",
        f"adds {impact.added}" if impact.added else "",
        *others,
        f"peak {impact.peak}" if impact.peak > impact.live else "",
        f"floor {impact.floor}" if impact.floor < impact.live else "",
    )


def _at_most(impact: Impact) -> str:
    """`up to 2 of 3 machines`; where some may go twice, `up to 6 replacements of 3 machines`."""
    times = " replacements" if impact.replaced > impact.live else ""
    return f"up to {impact.replaced}{times} of {plural(impact.live, 'machine')}"


def _scales(impact: Impact) -> str:
    victims, others = _notes(impact)
    if not impact.live and not impact.removed:
        return _join(plural(impact.added, "machine") if impact.added else "", *others)
    return _join(
        f"scales {impact.live} → {impact.total}",
        f"removes {impact.removed}{victims}" if impact.removed else "",
        *others,
    )


def _notes(impact: Impact) -> tuple[str, list[str]]:
    """(which machines go, in parentheses; what else is noted)."""
    notes = [clean(note) for note in impact.note.split("; ") if note]
    victims = [n for n in notes if n.endswith(" first") or n == "any of them"]
    return (f" ({victims[0]})" if victims else ""), [n for n in notes if n not in victims]


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def how(change: Change) -> str:
    """Everything on a change's first line behind its name: effect, reason, confidence."""
    if change.verb is Verb.PRUNE:
        return "pruned once nothing uses it"
    whole_cluster = change.deletes and change.id.group_kind == CLUSTER
    known = not (whole_cluster and change.impact.effect is Effect.DESTROYS)
    effect = effect_text(change.impact) if known else ""
    if change.ownership_only:
        effect = "only who owns its fields changes"
    parts = [effect]
    if change.confidence is Confidence.UNPROVEN:
        parts.append("unproven: not written by this plan")
    elif change.confidence is Confidence.STATIC and change.verb in (Verb.UPDATE, Verb.ADOPT):
        parts.append("static")
    if change.reason and not whole_cluster:
        parts.append(clean(change.reason))
    if change.releases:
        parts.append(f"taken over from {', '.join(map(clean, change.releases))}")
    return " · ".join(part for part in parts if part)


class Machines(msgspec.Struct, frozen=True, kw_only=True):
    """Machines over several changes."""

    replaced: int = 0
    added: int = 0
    removed: int = 0
    destroyed: int = 0
    live: int = 0
    """Of the owners whose machines are touched."""
    total: int = 0
    unknown: int = 0
    """Changes whose effect could not be computed."""
    at_most: bool = False
    """Some numbers are upper bounds: a controller decides."""

    def words(self) -> str:
        """`8 replaced, 4 new, 2 removed, 7 destroyed`; `""` where no machine is touched."""
        counts = [
            (self.replaced, "replaced"),
            (self.added, "new"),
            (self.removed, "removed"),
            (self.destroyed, "destroyed"),
            (self.unknown, "changes with unknown effect"),
        ]
        text = ", ".join(f"{count:,} {word}" for count, word in counts if count)
        return f"at most {text}" if text and self.at_most else text

    @property
    def touched(self) -> bool:
        """A machine goes, or may go."""
        return bool(self.replaced or self.removed or self.destroyed or self.unknown)


def machines(changes: Iterable[Change]) -> Machines:
    """The sum over changes that are written."""
    replaced = added = removed = destroyed = live = total = unknown = 0
    at_most = False
    for change in changes:
        impact = change.impact
        if impact.effect is Effect.NONE or change.confidence is Confidence.UNPROVEN:
            continue
        replaced += impact.replaced
        added += impact.added
        removed += impact.removed
        destroyed += impact.destroyed
        unknown += impact.effect is Effect.UNKNOWN
        at_most = at_most or any(
            part.effect is Effect.PROVIDER_DEFINED and part.replaced
            for part in (impact, *impact.parts)
        )
        if impact.touched or impact.added:
            live += impact.live
            total += impact.total
    return Machines(
        replaced=replaced,
        added=added,
        removed=removed,
        destroyed=destroyed,
        live=live,
        total=total,
        unknown=unknown,
        at_most=at_most,
    )
