"""What is approved: a digest for each unit, and one of them all (docs/semantics.md 21 to 23).

A unit's digest covers every candidate, whether or not a dry-run then cleared it, so that identities
with different write rights but equal sight get the same one. It does not cover cause, lines, values
before, uids, confidence, commit, time or machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.changes import ActionId, Change, Cleared, Graph, Unit, Verb
from planner.outcome import cleared as as_candidate
from state.resource import canonical, digest


def units(
    changes: Iterable[Change],
    cleared: Iterable[tuple[str, Cleared]],
    graph: Graph,
    incomplete: Mapping[str, tuple[str, ...]],
) -> tuple[Unit, ...]:
    """One unit for every key that has a change, a cleared candidate or something unreadable."""
    listed = tuple(changes)
    candidates: dict[str, list[Cleared]] = {}
    kept: dict[str, list[Cleared]] = {}
    machines: dict[str, dict[str, int]] = {}
    for change in listed:
        owners = machines.setdefault(change.unit, {})
        if change.impact.touched:
            owners[change.id.text] = change.impact.touched
        if change.verb is not Verb.FORGET:
            candidates.setdefault(change.unit, []).append(as_candidate(change))
    for unit, candidate in cleared:
        candidates.setdefault(unit, []).append(candidate)
        kept.setdefault(unit, []).append(candidate)
    waits = _waits(listed, graph)
    keys = sorted({*candidates, *incomplete, *machines})
    return tuple(
        Unit(
            key=key,
            digest=_unit_digest(candidates.get(key, []), waits.get(key, [])),
            machines=dict(sorted(machines.get(key, {}).items())),
            complete=key not in incomplete,
            why_not=incomplete.get(key, ()),
            cleared=tuple(sorted(kept.get(key, []), key=lambda c: c.action)),
        )
        for key in keys
    )


def plan_digest(of: Iterable[Unit]) -> str:
    """The hash of the unit digests."""
    return digest(*(canonical([u.key, u.digest]) for u in sorted(of, key=lambda u: u.key)))


def short(full: str) -> str:
    """The form for eyes: `8c1d-42f7`. Never accepted as an approval."""
    return f"{full[:4]}-{full[4:8]}"


def _unit_digest(candidates: list[Cleared], waits: list[list[str]]) -> str:
    rows = sorted(
        [c.action.resource.text, c.action.step, c.verb.value, c.body_digest] for c in candidates
    )
    return digest(canonical(rows), canonical(sorted(waits)))


def _waits(changes: Iterable[Change], graph: Graph) -> dict[str, list[list[str]]]:
    unit_of: dict[ActionId | str, str] = {c.action: c.unit for c in changes}
    found: dict[str, list[list[str]]] = {}
    for edge in graph.edges:
        unit = unit_of.get(edge.before)
        if unit is not None and unit == unit_of.get(edge.after):
            found.setdefault(unit, []).append(
                [_name(edge.before), _name(edge.after), edge.until.name]
            )
    return found


def _name(node: ActionId | str) -> str:
    return node if isinstance(node, str) else f"{node.resource.text}#{node.step}"
