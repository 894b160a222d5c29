"""The status tree as text and as JSON. What time it is, is handed in: ages are told, not dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from planner.statustree import ClusterStatus, Node, Ratio, StatusTree
from planner.views.clean import clean

_MARKS = {
    "ready": "",
    "waiting": "⋯ ",
    "failing": "✖ ",
    "blocked": "‖ ",
    "deleting": "- ",
    "unknown": "? ",
}
_COLORS = {"READY": "32", "ROLLING": "33", "CREATING": "36", "WAITING": "33"}
_COLUMN = 56


def status_text(tree: StatusTree, *, color: bool, now: float = 0.0) -> str:
    """A line for each cluster, in a detailed tree with its parts below; ends in a line end.

    `now`: seconds since the epoch; 0 leaves ages out.
    """
    lines = [f"! {clean(text)} (could not be read)" for text in tree.unreadable]
    if not tree.clusters:
        lines.append(
            "There are no clusters." if not tree.unreadable else "No cluster could be read."
        )
    width = max((len(_name(c, tree)) for c in tree.clusters), default=0)
    for number, cluster in enumerate(tree.clusters):
        if tree.detailed and number:
            lines.append("")
        lines.append(_head(cluster, tree, width, color, now))
        if cluster.text:
            lines.append(f"  {_aged(cluster.text, cluster.since, now)}")
        if tree.detailed:
            rows = list(_children(cluster.children, "", now))
            width_left = min(_COLUMN, max((len(left) for left, _ in rows), default=0))
            lines += [f"{left.ljust(width_left)}  {text}".rstrip() for left, text in rows]
    return "\n".join(lines) + "\n"


def status_json(tree: StatusTree) -> str:
    """The tree as it is (docs/status.md); keys sorted, ends in a line end."""
    content = msgspec.json.encode(tree, order="sorted")
    return msgspec.json.format(content, indent=2).decode() + "\n"


def age(since: str, now: float) -> str:
    """`45 s`, `12 m`, `5 h`, `41 d` from a moment to `now`; `""` where either is not known."""
    if not since or not now:
        return ""
    try:
        began = datetime.fromisoformat(since)
    except ValueError:
        return ""
    if began.tzinfo is None:
        began = began.replace(tzinfo=UTC)
    seconds = max(0, int(now - began.timestamp()))
    for unit, size, most in (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48)):
        if seconds < size * most:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86400:,} d"


def _aged(text: str, since: str, now: float) -> str:
    told = age(since, now)
    return f"{clean(text)} · {told}" if told and text else clean(text) or told


def _name(cluster: ClusterStatus, tree: StatusTree) -> str:
    name = f"{cluster.namespace}/{cluster.name}"
    several = len({c.management for c in tree.clusters}) > 1
    return clean(f"{cluster.management}/{name}" if several else name)


def _head(cluster: ClusterStatus, tree: StatusTree, width: int, color: bool, now: float) -> str:
    parts = [
        _name(cluster, tree).ljust(width),
        clean(cluster.version or "version unknown"),
        _painted(cluster.state, color),
        f"control plane {_ratio(cluster.control_plane)}",
        f"workers {_ratio(cluster.workers)}",
    ]
    if cluster.addons is not None:
        parts.append(f"add-ons {_ratio(cluster.addons)}")
    if cluster.state == "READY" and (told := age(cluster.since, now)):
        parts.append(told)
    return "   ".join(parts)


def _painted(state: str, color: bool) -> str:
    return f"\x1b[{_COLORS.get(state, '31')}m{state}\x1b[0m" if color else state


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.ready}/{ratio.wanted}"


def _children(nodes: tuple[Node, ...], indent: str, now: float) -> Iterator[tuple[str, str]]:
    """(branch with the name, what is said of it), depth first."""
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        left = f"{indent}{'└─' if last else '├─'} {_MARKS.get(node.state, '? ')}{_title(node)}"
        mark = " ✔" if node.state == "ready" and node.name == "add-ons" else ""
        yield left, f"{_aged(node.text, node.since, now)}{mark}"
        yield from _children(node.children, indent + ("   " if last else "│  "), now)


def _title(node: Node) -> str:
    return clean(f"{node.kind} {node.name}".strip())
