"""What is held back: objects that nothing is planned for, and everything that waits for them.

The same edges that order a plan say what needs what, so a refused control-plane upgrade holds the
workers, an unreadable namespace its content, a blocked cluster its add-ons (semantics 5, 22).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner import edges
from planner.changes import ActionId, Finding
from planner.edges import World
from planner.graph import Node
from planner.planned import Planned
from state.resource import ResourceId


def spread(
    planned: list[Planned],
    phantoms: list[Planned],
    world: World,
    reasons: Mapping[ResourceId, str],
    unread: set[ResourceId],
) -> tuple[list[Planned], list[Finding]]:
    """What can still be planned, and a finding for each change that cannot.

    `phantoms` are the held objects as they would be planned; `reasons` says why each is held;
    `unread` are those that could not be read, and grows by what waits for them.
    """
    if not phantoms:
        return planned, []
    graph = edges.build([*planned, *phantoms], world)
    following: dict[Node, list[Node]] = {}
    for edge in graph.edges:
        following.setdefault(edge.before, []).append(edge.after)
    roots = {p.change.action for p in phantoms}
    cause = _causes(roots, following)
    kept = [p for p in planned if p.change.action not in cause]
    lost = [p for p in planned if p.change.action in cause]
    return kept, list(_findings(lost, cause, reasons, unread))


def _causes(roots: set[ActionId], following: Mapping[Node, list[Node]]) -> dict[Node, ActionId]:
    """Every node behind a root → the root; the first by id where there are several."""
    cause: dict[Node, ActionId] = {}
    for root in sorted(roots):
        work: list[Node] = [root]
        while work:
            for node in following.get(work.pop(), ()):
                if node not in cause and node not in roots:
                    cause[node] = root
                    work.append(node)
    return cause


def _findings(
    lost: Iterable[Planned],
    cause: Mapping[Node, ActionId],
    reasons: Mapping[ResourceId, str],
    unread: set[ResourceId],
) -> Iterable[Finding]:
    for item in lost:
        root = cause[item.change.action].resource
        if root in unread:
            unread.add(item.change.id)
        yield Finding(
            kind="unreadable" if root in unread else "blocked",
            summary=f"{item.change.id}: needs {root}: {reasons.get(root, 'held back')}",
            unit=item.change.unit,
        )
