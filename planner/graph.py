"""The action graph as a graph: total order, cycles, reachability. The only door to networkx."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from planner.changes import ActionId, Change, Edge, Graph
from state.errors import ClusterformError

Node = ActionId | str
"""An action, or the name of a gate."""


def node_key(node: Node) -> tuple[int, str, int]:
    """Sort key: actions by id, then gates by name."""
    if isinstance(node, str):
        return (1, node, 0)
    return (0, node.resource.text, node.step)


def check_acyclic(graph: Graph, changes: Iterable[Change]) -> None:
    """Raise 'cycle' with the exact path where the edges have one; networkx only tells which."""
    changes = list(changes)
    nodes: list[Node] = [*(c.action for c in changes), *(g.name for g in graph.gates)]
    missing = dict.fromkeys(nodes, 0)
    following: dict[Node, list[Node]] = {}
    for edge in graph.edges:
        missing[edge.after] = missing.get(edge.after, 0) + 1
        missing.setdefault(edge.before, 0)
        following.setdefault(edge.before, []).append(edge.after)
    ready = [node for node, count in missing.items() if not count]
    over = 0
    while ready:
        over += 1
        for after in following.get(ready.pop(), ()):
            missing[after] -= 1
            if not missing[after]:
                ready.append(after)
    if over < len(missing):
        order(graph, changes)


def order(graph: Graph, changes: Iterable[Change]) -> list[Node]:
    """All nodes, each after what it waits for; ties by id. Raises 'cycle' with the exact path."""
    changes = list(changes)
    if not changes:
        return []
    import networkx

    directed: Any = networkx.DiGraph()
    directed.add_nodes_from(change.action for change in changes)
    directed.add_nodes_from(gate.name for gate in graph.gates)
    directed.add_edges_from((edge.before, edge.after) for edge in graph.edges)
    try:
        return list(networkx.lexicographical_topological_sort(directed, key=node_key))
    except networkx.NetworkXUnfeasible:
        cycle = networkx.find_cycle(directed)
        pairs = [(before, after) for before, after, *_ in cycle]
        raise _cycle_error(graph, pairs, changes) from None


def _cycle_error(
    graph: Graph, cycle: list[tuple[Node, Node]], changes: Iterable[Change]
) -> ClusterformError:
    """The whole cycle once: each edge with its reason and the file that asks for it."""
    reasons = {(e.before, e.after): e.reason for e in graph.edges}
    origins: dict[Node, str] = {c.action: str(c.origin) for c in changes if c.origin}
    lines = []
    for before, after in cycle:
        origin = origins.get(after, "")
        lines.append(
            f"{after} waits for {before}: {reasons[before, after]}"
            + (f" ({origin})" if origin else "")
        )
    return ClusterformError(
        "cycle",
        f"{len(cycle)} steps wait for each other",
        detail="\n".join(lines),
        hint="remove one of these references or depends-on annotations",
    )


def ancestors(graph: Graph, nodes: Collection[Node]) -> set[Node]:
    """The nodes and everything that they wait for, directly or not."""
    return _closure(nodes, _adjacent(graph, lambda e: (e.after, e.before)))


def descendants(graph: Graph, nodes: Collection[Node]) -> set[Node]:
    """The nodes and everything that waits for them, directly or not."""
    return _closure(nodes, _adjacent(graph, lambda e: (e.before, e.after)))


def _adjacent(graph: Graph, ends: Callable[[Edge], tuple[Node, Node]]) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for edge in graph.edges:
        start, end = ends(edge)
        found.setdefault(start, []).append(end)
    return found


def _closure(nodes: Collection[Node], following: Mapping[Node, list[Node]]) -> set[Node]:
    seen, work = set(nodes), list(nodes)
    while work:
        for node in following.get(work.pop(), ()):
            if node not in seen:
                seen.add(node)
                work.append(node)
    return seen
