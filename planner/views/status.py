"""The status tree as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from planner.status import ClusterStatus, Node, Ratio, StatusTree
from planner.views.clean import clean

_MARKS = {"ready": "", "waiting": "⋯ ", "blocked": "✖ ", "deleting": "- ", "unknown": "? "}
_COLORS = {"READY": "32", "ROLLING": "33", "CREATING": "36", "WAITING": "33"}
_COLUMN = 56


def status_text(tree: StatusTree, *, color: bool) -> str:
    """A line for each cluster with its parts below; ends in a line end."""
    lines = [f"! {clean(text)} (could not be read)" for text in tree.unreadable]
    if not tree.clusters:
        lines.append(
            "There are no clusters." if not tree.unreadable else "No cluster could be read."
        )
    width = max((len(_name(c, tree)) for c in tree.clusters), default=0)
    for number, cluster in enumerate(tree.clusters):
        if tree.detailed and number:
            lines.append("")
        lines.append(_head(cluster, tree, width, color))
        if cluster.text:
            lines.append(f"  {clean(cluster.text)}")
        if tree.detailed:
            rows = list(_children(cluster.children, ""))
            width_left = min(_COLUMN, max((len(left) for left, _ in rows), default=0))
            lines += [f"{left.ljust(width_left)}  {text}".rstrip() for left, text in rows]
    return "\n".join(lines) + "\n"


def status_json(tree: StatusTree) -> str:
    """The tree as it is: `clusters`, `unreadable`; keys sorted, ends in a line end."""
    content = msgspec.json.encode(tree, order="sorted")
    return msgspec.json.format(content, indent=2).decode() + "\n"


def _name(cluster: ClusterStatus, tree: StatusTree) -> str:
    name = f"{cluster.namespace}/{cluster.name}"
    several = len({c.management for c in tree.clusters}) > 1
    return clean(f"{cluster.management}/{name}" if several else name)


def _head(cluster: ClusterStatus, tree: StatusTree, width: int, color: bool) -> str:
    parts = [
        _name(cluster, tree).ljust(width),
        clean(cluster.version or "version unknown"),
        _painted(cluster.state, color),
        f"control plane {_ratio(cluster.control_plane)}",
        f"workers {_ratio(cluster.workers)}",
    ]
    if cluster.addons is not None:
        parts.append(f"add-ons {_ratio(cluster.addons)}")
    return "   ".join(parts)


def _painted(state: str, color: bool) -> str:
    return f"\x1b[{_COLORS.get(state, '31')}m{state}\x1b[0m" if color else state


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.ready}/{ratio.wanted}"


def _children(nodes: tuple[Node, ...], indent: str) -> Iterator[tuple[str, str]]:
    """(branch with the name, what is said of it), depth first."""
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        left = f"{indent}{'└─' if last else '├─'} {_MARKS.get(node.state, '? ')}{_title(node)}"
        mark = " ✔" if node.state == "ready" and node.name == "add-ons" else ""
        yield left, f"{clean(node.text)}{mark}"
        yield from _children(node.children, indent + ("   " if last else "│  "))


def _title(node: Node) -> str:
    return clean(f"{node.kind} {node.name}".strip())
