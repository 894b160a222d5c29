"""Cutting a plan with `--target` and `--exclude`: what is meant, and what that needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from planner.changes import Change, Cleared, Gate, Graph, Verb
from planner.graph import Node, ancestors, descendants
from planner.select import Selector, nothing_matches
from state.resource import JsonObject, Resource, ResourceId

Candidates = list[tuple[str, Cleared]]


def cut(
    changes: tuple[Change, ...],
    graph: Graph,
    cleared: Candidates,
    resources: Iterable[Resource],
    targets: tuple[Selector, ...],
    excludes: tuple[Selector, ...],
) -> tuple[tuple[Change, ...], Graph, Candidates]:
    """Changes, graph and cleared candidates that remain.

    A target keeps what it needs; an exclusion drops what needs it. A selector that matches neither
    a change nor a declared object is an error: a typo must not widen a plan.
    """
    if not targets and not excludes:
        return changes, graph, cleared
    known = {r.id: (r.unit, r.decoded()) for r in resources}
    for change in changes:
        known.setdefault(change.id, (change.unit, {}))
    kept: set[Node] = {c.action for c in changes} | {g.name for g in graph.gates}
    if targets:
        meant = _matching(known, targets)
        kept = ancestors(graph, {c.action for c in changes if c.id in meant})
    if excludes:
        dropped = _matching(known, excludes)
        gone = descendants(graph, {c.action for c in changes if c.id in dropped})
        kept -= gone
    kept |= _last_waits(graph, kept)
    remaining = tuple(c for c in changes if c.action in kept)
    left = [(unit, c) for unit, c in cleared if _keeps(c, unit, known, targets, excludes)]
    return remaining, _subgraph(graph, kept), left


def only(
    changes: tuple[Change, ...], graph: Graph, asked: Collection[ResourceId]
) -> tuple[tuple[Change, ...], Graph]:
    """Removals of the named objects and nothing else: what `destroy` may do."""
    kept = tuple(c for c in changes if c.id in asked and (c.deletes or c.verb is Verb.FORGET))
    nodes: set[Node] = {c.action for c in kept} | {g.name for g in graph.gates}
    return kept, _subgraph(graph, nodes)


def without_idle(changes: tuple[Change, ...], graph: Graph) -> tuple[tuple[Change, ...], Graph]:
    """Without suspensions that nothing is left behind of: nobody would run the release then."""
    before = {e.before for e in graph.edges if not isinstance(e.after, str)}
    kept = tuple(c for c in changes if c.verb is not Verb.SUSPEND or c.action in before)
    if len(kept) == len(changes):
        return changes, graph
    return kept, _subgraph(graph, {*(c.action for c in kept), *(g.name for g in graph.gates)})


def _matching(
    known: dict[ResourceId, tuple[str, JsonObject]], selectors: tuple[Selector, ...]
) -> set[ResourceId]:
    found: set[ResourceId] = set()
    for selector in selectors:
        mine = {
            id_ for id_, (unit, body) in known.items() if selector.matches(id_, unit, _labels(body))
        }
        if not mine:
            raise nothing_matches((selector,), "clusterform state list shows what there is")
        found |= mine
    return found


def _labels(body: JsonObject) -> dict[str, str]:
    return (body.get("metadata") or {}).get("labels") or {}


def _keeps(
    candidate: Cleared,
    unit: str,
    known: dict[ResourceId, tuple[str, JsonObject]],
    targets: tuple[Selector, ...],
    excludes: tuple[Selector, ...],
) -> bool:
    id_ = candidate.action.resource
    labels = _labels(known.get(id_, (unit, {}))[1])
    if targets and not any(s.matches(id_, unit, labels) for s in targets):
        return False
    return not any(s.matches(id_, unit, labels) for s in excludes)


def _subgraph(graph: Graph, kept: set[Node]) -> Graph:
    """Edges between kept nodes; gates that nothing leads to or from any more are dropped."""
    edges = tuple(e for e in graph.edges if e.before in kept and e.after in kept)
    used = {n for e in edges for n in (e.before, e.after)}
    written = {n.resource for n in kept if not isinstance(n, str)}
    last = _last_gates(graph)
    gates = tuple(
        _narrowed(g, written) if g.name in last else g for g in graph.gates if g.name in used
    )
    return Graph(gates=gates, edges=edges)


def _last_gates(graph: Graph) -> set[str]:
    """Gates that nothing waits for: what a run settles on at its end."""
    waited_for = {e.before for e in graph.edges if isinstance(e.before, str)}
    return {g.name for g in graph.gates} - waited_for


def _last_waits(graph: Graph, kept: Collection[Node]) -> set[Node]:
    """The last gates behind what is kept: a cut plan waits for its own rollouts, too."""
    last = _last_gates(graph)
    return {e.after for e in graph.edges if e.before in kept and e.after in last}


def _narrowed(gate: Gate, written: Collection[ResourceId]) -> Gate:
    """Only what this plan writes has to settle."""
    awaits = tuple(wait for wait in gate.awaits if wait[0] in written)
    return msgspec.structs.replace(gate, awaits=awaits)
