"""Identical changes over many clusters, found once: linear in the number of changes, pure.

Identical: same kind, same name with the cluster's name taken out, same verb, paths, values, causes
and effect. Changes that agree but for the values are outliers of the same family.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import msgspec

from planner.changes import Cause, Change, FieldChange, Verb
from planner.units import ADDONS
from planner.views.counts import destroys_cluster
from planner.views.names import cluster_name, is_shared, pattern_name, without_cluster
from state.resource import canonical


class Family(msgspec.Struct, frozen=True):
    """One change in several clusters. `outliers`: the same fields with other values."""

    alike: tuple[Change, ...]
    outliers: tuple[tuple[Change, ...], ...] = ()

    @property
    def all(self) -> tuple[Change, ...]:
        """Every change in it."""
        return (*self.alike, *(c for variant in self.outliers for c in variant))


def group(changes: Iterable[Change]) -> tuple[list[Change], list[Family]]:
    """(changes that stand alone, families), both in the order of their first change.

    Shared objects and whole clusters that go always stand alone.
    """
    listed = tuple(changes)
    candidates: dict[Hashable, list[Change]] = {}
    for change in listed:
        if not is_shared(change.unit) and not destroys_cluster(change):
            candidates.setdefault(_family(change), []).append(change)
    found = [f for members in candidates.values() if len(members) > 1 and (f := _settle(members))]
    grouped = {c.action for family in found for c in family.all}
    return [c for c in listed if c.action not in grouped], found


def _settle(members: list[Change]) -> Family | None:
    """A family needs identical changes in two clusters; the most frequent ones are its face."""
    variants: dict[bytes, list[Change]] = {}
    for change in members:
        variants.setdefault(_variant(change), []).append(change)
    ordered = sorted(variants.values(), key=len, reverse=True)
    if len({c.unit for c in ordered[0]}) < 2:
        return None
    return Family(tuple(ordered[0]), tuple(tuple(v) for v in ordered[1:]))


def _family(change: Change) -> Hashable:
    return (
        change.id.group,
        change.id.kind,
        change.unit.endswith(ADDONS),
        pattern_name(change),
        change.verb,
        change.action.step,
        change.steps,
        change.confidence,
        change.ownership_only,
        change.releases,
        change.reason,
        change.impact,
        tuple((f.path, f.cause) for f in change.fields),
    )


def _variant(change: Change) -> bytes:
    cluster = cluster_name(change.unit)
    return canonical([_field(f, cluster, change.verb) for f in change.fields])


def _field(field: FieldChange, cluster: str, verb: Verb) -> Sequence[Any]:
    """What makes a field equal: hashed names that a rotation brings count by their template."""
    by = without_cluster(field.by.partition(" ")[2], cluster)
    if field.cause is Cause.TRIGGERED and verb is not Verb.ROTATE:
        return [by]
    before = [] if field.before is msgspec.UNSET else [field.before]
    after = [] if field.after is msgspec.UNSET else [field.after]
    return [by or field.by, before, after, field.sensitive, field.known]
