"""Where a field stands in a YAML file: a tree of marked nodes, made only when a line is asked for.

It is built from `yamldoc`'s events, so that this module needs no parser of its own, and without
recursion, so that depth is no danger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from providers.yamlscalar import NotJson, key_text, resolve
from state.resource import canonical

Mark = Any
"""`yaml.Mark` (line and column from 0); its stubs know two unrelated ones."""


class Node(msgspec.Struct):
    """A node of the document; `items` are pairs of key and value in a mapping."""

    mark: Mark
    kind: str
    """`scalar`, `list`, `mapping` or `alias`."""
    text: str = ""
    plain: bool = False
    items: list[Any] = []

    def value(self) -> Any:
        """Of a scalar, as `parse` would give it."""
        try:
            return resolve(self.text) if self.plain else self.text
        except NotJson:
            return None

    def key(self) -> str:
        """Of a scalar that is a key, as `parse` would give it."""
        try:
            return key_text(self.text) if self.plain and self.text else self.text
        except NotJson:
            return ""


def compose(next_event: Callable[[], Any], document: int) -> Node | None:
    """The root of a document, by index from 0; None where the file has fewer."""
    index = -1
    while (event := next_event()) is not None:
        index += type(event).__name__ == "DocumentStartEvent"
        if index == document:
            return _tree(next_event)
    return None


def descend(node: Node | None, element: str) -> tuple[Node | None, Mark | None]:
    """The node at one element of a field path, and the mark of its key or list item."""
    tag, rest = element[0], element[2:]
    if node is not None and node.kind == "mapping" and tag == "f":
        return _member(node, rest)
    if node is not None and node.kind == "list" and tag in "ikv":
        for index, item in enumerate(node.items):
            if index == int(rest) if tag == "i" else _is_item(item, tag, rest):
                return item, item.mark
    return None, None


def _tree(next_event: Callable[[], Any]) -> Node | None:
    root = Node(mark=None, kind="list", items=[])
    stack = [root]
    anchors: dict[str, Node] = {}
    while (event := next_event()) is not None:
        name = type(event).__name__
        if name == "DocumentEndEvent":
            break
        if name in ("MappingEndEvent", "SequenceEndEvent"):
            _pair(stack.pop())
            continue
        node = _node(name, event, anchors)
        stack[-1].items.append(node)
        if getattr(event, "anchor", None) and name != "AliasEvent":
            anchors[event.anchor] = node
        if name in ("MappingStartEvent", "SequenceStartEvent"):
            stack.append(node)
    return root.items[0] if root.items else None


def _node(name: str, event: Any, anchors: dict[str, Node]) -> Node:
    mark = event.start_mark
    if name == "ScalarEvent":
        return Node(mark=mark, kind="scalar", text=event.value, plain=event.implicit[0])
    if name == "AliasEvent":
        target = anchors.get(event.anchor)
        if target is None:
            return Node(mark=mark, kind="alias")
        return Node(
            mark=mark, kind=target.kind, text=target.text, plain=target.plain, items=target.items
        )
    return Node(mark=mark, kind="mapping" if name == "MappingStartEvent" else "list", items=[])


def _pair(node: Node) -> None:
    if node.kind == "mapping":
        # In place: an alias made inside shares the list.
        node.items[:] = list(zip(node.items[::2], node.items[1::2], strict=True))


def _member(node: Node, name: str) -> tuple[Node | None, Mark | None]:
    found: tuple[Node | None, Mark | None] = (None, None)
    for key, value in node.items:
        if key.plain and key.text == "<<":
            sources = value.items if value.kind == "list" else [value]
            merged = [_member(source, name) for source in sources if source.kind == "mapping"]
            found = next((pair for pair in merged if pair[0] is not None), found)
        elif key.key() == name:
            found = (value, key.mark)
    return found


def _is_item(node: Node, tag: str, wanted: str) -> bool:
    if tag == "v":
        return node.kind == "scalar" and canonical(node.value()).decode() == wanted
    keys = msgspec.json.decode(wanted)
    members = ((descend(node, f"f:{name}")[0], value) for name, value in keys.items())
    return all(found is not None and found.value() == v for found, v in members)
