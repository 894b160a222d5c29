"""Sets of field paths, as `FieldsV1` holds them, and the set of a value.

A set is a trie of path elements (`f:name`, `k:{…}`, `v:…`); the key `.` marks a path that is
itself a member. Only the wire form drops the `.` of a leaf, see `parse` and `render`.
Rules: structured-merge-diff `fieldpath/{set,serialize}.go`, `typed/tofieldset.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from providers.kube.sandbox.schema import ANY, Schema, granular_list, granular_map
from state.resource import FieldPath, JsonObject, canonical, path_text

FieldSet = dict[str, Any]

MEMBER: FieldSet = {".": {}}
"""The set that holds just the path it stands at. Never changed in place."""

_decode = msgspec.json.decode


_ESCAPED = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def _go_json(value: object) -> str:
    """JSON as Go's encoder writes it: `<`, `>` and `&` escaped (recorded ClusterClass entries)."""
    return canonical(value).decode().translate(_ESCAPED)


@lru_cache(maxsize=65536)
def _spelled(element: str) -> str:
    """The server's spelling of an element: canonical JSON after `k:` and `v:`."""
    if element[:2] in ("k:", "v:"):
        return element[:2] + _go_json(_decode(element[2:]))
    return element


def server_text(path: FieldPath) -> str:
    """A path in the server's messages: `.metadata.labels.a.b/c`, whatever a name looks like."""
    return "".join(
        f".{element[2:]}" if element.startswith("f:") else path_text((element,)) for element in path
    )


def parse(wire: JsonObject) -> FieldSet:
    """The set in a `fieldsV1` value."""
    return {_spelled(e): _parse(child) for e, child in wire.items() if e[:2] in _TAGS}


_TAGS = ("f:", "k:", "v:", "i:")


def _parse(wire: JsonObject) -> FieldSet:
    if not wire:
        return MEMBER
    found: FieldSet = {".": {}} if "." in wire else {}
    found.update(parse(wire))
    return found


def render(fields: FieldSet) -> JsonObject:
    """The `fieldsV1` value of a set."""
    return {e: _render(child) for e, child in sorted(fields.items()) if e != "."}


def _render(fields: FieldSet) -> JsonObject:
    if len(fields) == 1 and "." in fields:
        return {}
    return {e: {} if e == "." else _render(child) for e, child in sorted(fields.items())}


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths in either."""
    if not left or not right:
        return left or right
    merged = dict(left)
    for element, child in right.items():
        mine = merged.get(element)
        merged[element] = child if mine is None or element == "." else union(mine, child)
    return merged


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of `left` that are not in `right`; paths below them stay."""
    if not right:
        return left
    kept: FieldSet = {}
    for element, child in left.items():
        other = right.get(element)
        if other is None:
            kept[element] = child
        elif element != "." and (rest := difference(child, other)):
            kept[element] = rest
    return kept


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths in both."""
    kept: FieldSet = {}
    for element in left.keys() & right.keys():
        if element == ".":
            kept["."] = {}
        elif shared := intersection(left[element], right[element]):
            kept[element] = shared
    return kept


def without(fields: FieldSet, top: frozenset[str]) -> FieldSet:
    """`fields` less everything at and below the top-level fields named in `top`."""
    return {e: child for e, child in fields.items() if e[2:] not in top}


def paths(fields: FieldSet, at: FieldPath = ()) -> Iterator[FieldPath]:
    """Member paths in the server's order: the members of a level, then what is below them."""
    below = sorted(e for e in fields if e != ".")
    yield from ((*at, e) for e in below if "." in fields[e])
    for element in below:
        yield from paths(fields[element], (*at, element))


def with_named(schema: Schema, fields: FieldSet) -> FieldSet:
    """`fields` and the declared struct fields above them.

    An Apply entry does not mention `spec` itself; pruning must treat it as owned all the same
    (structured-merge-diff `EnsureNamedFieldsAreMembers`).
    """
    named: FieldSet = {}
    for element, child in fields.items():
        if element == ".":
            named["."] = {}
            continue
        deeper = with_named(below(schema, element), child)
        if element[0] == "f" and len(deeper) and element[2:] in schema.fields:
            deeper = {**deeper, ".": {}}
        named[element] = deeper
    return named


def below(schema: Schema, element: str) -> Schema:
    """The schema one path element further."""
    if element[0] == "f":
        return schema.child(element[2:]) or ANY
    return schema.item


def item_element(schema: Schema, item: object) -> str:
    """The path element of a set's or associative list's item."""
    if schema.listing == "set":
        return "v:" + _go_json(item)
    if not isinstance(item, dict):
        return "v:" + _go_json(item)
    keys = {key: _key(schema, key, item) for key in schema.keys}
    return "k:" + _go_json({k: v for k, v in keys.items() if v is not msgspec.UNSET})


def _key(schema: Schema, key: str, item: JsonObject) -> Any:
    """A missing key field counts with its default (Service ports without `protocol`)."""
    if key in item:
        return item[key]
    declared = schema.item.fields.get(key)
    return msgspec.UNSET if declared is None else declared.default


def of_value(schema: Schema, value: object) -> FieldSet:
    """The paths that an Apply of `value` owns."""
    if granular_map(schema, value):
        assert isinstance(value, dict)
        return _of_map(schema, value)
    if granular_list(schema, value):
        assert isinstance(value, list)
        return _of_list(schema, value)
    if value is None and schema.type == "array" and schema.listing != "atomic":
        return {}
    return MEMBER


def _of_map(schema: Schema, value: JsonObject) -> FieldSet:
    owned: FieldSet = {}
    for name, inner in value.items():
        child = of_value(schema.child(name) or ANY, inner)
        if inner is None or inner == {} or name not in schema.fields:
            child = {**child, ".": {}}
        if child:
            owned["f:" + name] = child
    return owned


def _of_list(schema: Schema, value: list[object]) -> FieldSet:
    """Items that occur twice are owned as items only, without their fields."""
    owned: FieldSet = {}
    for item in value:
        element = item_element(schema, item)
        child = MEMBER if element in owned else {**of_value(schema.item, item), ".": {}}
        owned[element] = child
    return owned
