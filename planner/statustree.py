"""The status of clusters as data: a tree for each Cluster. Views print it, nothing here reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

_URGENCY = ("failing", "blocked", "waiting", "deleting", "unknown")


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the tree. `state`: ready, waiting, failing, blocked, deleting or unknown."""

    kind: str
    name: str
    state: str
    text: str = ""
    """Where it stands, or the condition that keeps it."""
    since: str = ""
    """When that condition last changed (RFC 3339); `""` where no condition says it."""
    role: str = ""
    """infrastructure, controlPlane, workers, pool, machine, machines, healthChecks, resourceSets,
    charts, addOns or other; `""`: what belongs to the node above."""
    children: tuple[Node, ...] = ()


class Ratio(msgspec.Struct, frozen=True):
    """`ready` of `wanted`."""

    ready: int
    wanted: int


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster.

    `state`: READY, ROLLING, CREATING, WAITING, FAILING, PAUSED, HELD (a part of it is paused, or
    an upgrade deferred), DELETING or UNKNOWN (something could not be read).
    """

    management: str
    namespace: str
    name: str
    version: str
    state: str
    text: str = ""
    """The deepest failing condition, where it is not ready."""
    since: str = ""
    control_plane: Ratio
    workers: Ratio
    addons: Ratio | None = None
    children: tuple[Node, ...] = ()


class StatusTree(msgspec.Struct, frozen=True, kw_only=True):
    """All clusters that were asked for, and what could not be read at all."""

    clusters: tuple[ClusterStatus, ...]
    unreadable: tuple[str, ...] = ()
    detailed: bool = True
    """Shown with its parts; else a line for each cluster."""


def deepest_trouble(nodes: Iterable[Node]) -> Node | None:
    """The node that explains most: the deepest of a branch, and of branches the most urgent."""
    found = list(_deepest(nodes))
    return min(found, key=lambda node: _URGENCY.index(node.state), default=None)


def _deepest(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        below = deepest_trouble(node.children)
        if below is not None and (node.state == "ready" or _outranks(below, node)):
            yield below
        elif node.state != "ready":
            yield node


def _outranks(below: Node, above: Node) -> bool:
    return _URGENCY.index(below.state) <= _URGENCY.index(above.state)
