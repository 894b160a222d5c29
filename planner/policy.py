"""Guards: limits that refuse a plan, and the way to allow it (docs/semantics.md 7, 32).

A guard that refuses does not hide the plan: it is shown whole, and apply will not start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from planner.changes import Change, Refusal, Verb
from planner.units import ADDONS, cluster_of_unit
from providers.base import Effect
from state.desired import Guards
from state.resource import ResourceId

_FREE_DELETES = 10
"""Deletes that no percentage refuses: small fleets and small steps."""


def refusals(
    changes: Iterable[Change], guards: Guards, *, recorded: int, named: Collection[ResourceId]
) -> tuple[Refusal, ...]:
    """What the guards say to these changes; `recorded` counts the managed objects."""
    listed = tuple(changes)
    found = (
        _clusters(listed, guards.max_clusters_changed),
        _machines(listed, guards.max_machines_replaced),
        _deletes(listed, guards.max_deletes_percent, recorded, named),
    )
    return tuple(refusal for refusal in found if refusal is not None)


def clusters(change: Change) -> set[str]:
    """Units of the clusters that a change touches: its own, or those that a class makes over."""
    if cluster_of_unit(change.unit) is not None:
        return {change.unit.removesuffix(ADDONS)}
    parts = (p for p in change.impact.parts if p.effect is not Effect.NONE)
    return {f"{change.unit}/{p.cluster}" for p in parts if p.cluster}


def _clusters(changes: tuple[Change, ...], limit: int | None) -> Refusal | None:
    """Counts clusters that exist and change; new ones disturb nobody."""
    found = (clusters(c) for c in changes if c.verb not in (Verb.CREATE, Verb.FORGET))
    units = set[str]().union(*found)
    if limit is None or len(units) <= limit:
        return None
    return Refusal(
        code="max-clusters-changed",
        summary=f"changes {len(units)} existing clusters, {limit} are allowed",
        units=tuple(sorted(units)),
        override="raise guards.maxClustersChanged, or cut the plan with --target",
    )


def _machines(changes: tuple[Change, ...], limit: int | None) -> Refusal | None:
    if limit is None:
        return None
    unknown = [c for c in changes if c.impact.effect is Effect.UNKNOWN]
    if unknown:
        return Refusal(
            code="machines-unknown",
            summary=f"what happens to the machines of {unknown[0].id} is not known:"
            f" {unknown[0].impact.because}",
            units=tuple(sorted({c.unit for c in unknown})),
            override="make it readable, or set guards.maxMachinesReplaced: null",
        )
    total = sum(c.impact.touched for c in changes)
    if total <= limit:
        return None
    return Refusal(
        code="max-machines-replaced",
        summary=f"replaces, removes or destroys {total} machines, {limit} are allowed",
        units=tuple(sorted({c.unit for c in changes if c.impact.touched})),
        override="raise guards.maxMachinesReplaced, or cut the plan with --target",
    )


def _deletes(
    changes: tuple[Change, ...],
    limit: int | None,
    recorded: int,
    named: Collection[ResourceId],
) -> Refusal | None:
    """Counts what Git dropped, not what was named, replaced or rotated out."""
    gone = [c for c in changes if c.verb is Verb.DELETE and not _named(c, named)]
    if limit is None or len(gone) <= _FREE_DELETES or not recorded:
        return None
    percent = 100 * len(gone) / recorded
    if percent <= limit:
        return None
    return Refusal(
        code="max-deletes-percent",
        summary=f"deletes {len(gone)} of {recorded} managed objects ({percent:.0f} %),"
        f" {limit} % are allowed",
        units=tuple(sorted({c.unit for c in gone})),
        override="raise guards.maxDeletesPercent, or name what goes with destroy --target",
    )


def _named(change: Change, named: Collection[ResourceId]) -> bool:
    return change.id in named or cluster_of_unit(change.unit) in named
