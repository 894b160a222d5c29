"""Merging, comparing and pruning values under a schema: the arithmetic of server-side apply.

Pure. Rules: structured-merge-diff `typed/{merge,compare,remove,reconcile_schema}.go`.
Values are JSON with integral floats already turned into ints, so that equal numbers are equal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.kube.sandbox.fieldset import MEMBER, FieldSet, below, item_element, union
from providers.kube.sandbox.schema import ANY, Schema, granular_list, granular_map
from state.resource import JsonObject, canonical

ABSENT: Any = msgspec.UNSET


class Comparison(msgspec.Struct, frozen=True):
    """Which paths came, went, or have another value."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet

    @property
    def touched(self) -> FieldSet:
        """Paths whose new value is new."""
        return union(self.modified, self.added)


def same(left: object, right: object) -> bool:
    """Equal as JSON: `1` is not `true`, and the order of lists counts."""
    if type(left) is type(right) and not isinstance(left, dict | list):
        return left == right
    return canonical(left) == canonical(right)


def merge(schema: Schema, live: object, config: object) -> Any:
    """`live` with `config` on top: what an apply asks for, before pruning."""
    if config is ABSENT:
        return live
    if granular_map(schema, config) or (config is None and granular_map(schema, live)):
        return _merge_maps(schema, live if isinstance(live, dict) else {}, config or {})
    if granular_list(schema, config) or (config is None and granular_list(schema, live)):
        wanted = config if isinstance(config, list) else []
        return _merge_lists(schema, live if isinstance(live, list) else [], wanted)
    return config


def _merge_maps(schema: Schema, live: JsonObject, config: Any) -> JsonObject:
    merged = dict(live)
    for name, value in config.items():
        merged[name] = merge(schema.child(name) or ANY, live.get(name, ABSENT), value)
    return merged


def _merge_lists(schema: Schema, live: list[Any], config: list[Any]) -> list[Any]:
    """The config's items keep the config's order; items of others stay between them.

    A live item that the config has too is emitted where the config's order wants it.
    """
    wanted = [item_element(schema, item) for item in config]
    existing = [item_element(schema, item) for item in live]
    by_element: dict[str, Any] = {}
    for element, item in zip(existing, live, strict=True):
        # Of a duplicated live item none can be the one to merge with.
        by_element[element] = ABSENT if element in by_element else item
    order = _interleave(wanted, existing)
    configured = dict(zip(wanted, config, strict=True))
    return [
        live[at]
        if at is not None
        else merge(schema.item, by_element.get(element, ABSENT), configured[element])
        for element, at in order
    ]


def _interleave(wanted: list[str], existing: list[str]) -> list[tuple[str, int | None]]:
    """The merged order: elements of the config, and live-only items with their index."""
    mine, theirs = set(wanted), set(existing)
    shared = iter([e for e in wanted if e in theirs])
    expected = next(shared, None)
    done: set[str] = set()
    order: list[tuple[str, int | None]] = []
    left = right = 0
    while left < len(existing) or right < len(wanted):
        if left < len(existing):
            element = existing[left]
            if right < len(wanted) and element == wanted[right]:
                order.append((element, None))
                done.add(element)
                left, right, expected = left + 1, right + 1, next(shared, None)
                continue
            if right < len(wanted) and element in mine and expected not in (None, element):
                left += 1
                continue
            if element not in mine:
                order.append((element, left))
                left += 1
                continue
            if element in done:
                left += 1
        if right < len(wanted):
            element = wanted[right]
            order.append((element, None))
            done.add(element)
            right += 1
            if element == expected:
                expected = next(shared, None)
    return order


def compare(schema: Schema, old: object, new: object) -> Comparison:
    """Which paths differ. The order of sets and associative lists is no difference."""
    if same(old, new):
        return Comparison({}, {}, {})
    return Comparison(*_compare(schema, old, new))


_Sets = tuple[FieldSet, FieldSet, FieldSet]
_NONE: _Sets = ({}, {}, {})


def _compare(schema: Schema, old: object, new: object) -> _Sets:
    pair = _children(schema, old, new)
    if pair is None:
        return _leaf(old, new)
    sets: _Sets = ({}, {}, {})
    before, after, named = pair
    for element in {**before, **after}:
        mine, other = before.get(element, ABSENT), after.get(element, ABSENT)
        if mine is not ABSENT and other is not ABSENT and same(mine, other):
            continue
        inner = below(schema, element) if named else schema.item
        for target, found in zip(sets, _compare(inner, mine, other), strict=True):
            if found:
                target[element] = found
    if old is ABSENT:
        sets[2]["."] = {}
    elif new is ABSENT:
        sets[0]["."] = {}
    return sets


def _leaf(old: object, new: object) -> _Sets:
    if old is ABSENT:
        return {}, {}, MEMBER
    if new is ABSENT:
        return MEMBER, {}, {}
    return _NONE if same(old, new) else ({}, MEMBER, {})


def _children(
    schema: Schema, old: object, new: object
) -> tuple[dict[str, Any], dict[str, Any], bool] | None:
    """Both sides' entries by path element, or None where the value is compared as a whole."""
    if not old and not new:
        return None
    shape = new if new is not ABSENT and new is not None else old
    if granular_map(schema, shape):
        return _entries(old), _entries(new), True
    if granular_list(schema, shape):
        before, after = _items(schema, old), _items(schema, new)
        return None if before is None or after is None else (before, after, False)
    return None


def _entries(value: object) -> dict[str, Any]:
    return {"f:" + name: v for name, v in value.items()} if isinstance(value, dict) else {}


def _items(schema: Schema, value: object) -> dict[str, Any] | None:
    """None for duplicates: such a list is compared as a whole."""
    if not isinstance(value, list):
        return {}
    found = {item_element(schema, item): item for item in value}
    return found if len(found) == len(value) else None


def remove(schema: Schema, value: object, gone: FieldSet) -> Any:
    """`value` without the paths in `gone`. A map or list that runs empty becomes null.

    The null is what a real server produces (recorded case 79: `mapG {a} then {}` is answered 422).
    """
    if granular_map(schema, value):
        assert isinstance(value, dict)
        kept = _kept({"f:" + name: v for name, v in value.items()}, schema, gone, named=True)
        return {element[2:]: v for element, v in kept} or None
    if granular_list(schema, value):
        assert isinstance(value, list)
        pairs = [(item_element(schema, item), item) for item in value]
        return [v for _, v in _kept_pairs(pairs, schema, gone, named=False)] or None
    return value


def _kept(
    entries: dict[str, Any], schema: Schema, gone: FieldSet, *, named: bool
) -> list[tuple[str, Any]]:
    return _kept_pairs(list(entries.items()), schema, gone, named=named)


def _kept_pairs(
    pairs: list[tuple[str, Any]], schema: Schema, gone: FieldSet, *, named: bool
) -> list[tuple[str, Any]]:
    kept = []
    for element, value in pairs:
        marked = gone.get(element)
        if marked is None:
            kept.append((element, value))
        elif "." not in marked:
            inner = below(schema, element) if named else schema.item
            kept.append((element, remove(inner, value, marked)))
    return kept


def reconcile(schema: Schema, owned: FieldSet) -> FieldSet:
    """`owned` where fields have become atomic since: the owner of a part owns the whole.

    The other direction is left alone, as the server does (recorded cases 133 and 134).
    """
    if schema.atomic or (schema.type == "array" and schema.listing == "atomic"):
        return MEMBER
    changed: FieldSet = {}
    for element, child in owned.items():
        deeper = len(child) > 1 or (child and "." not in child)
        changed[element] = reconcile(below(schema, element), child) if deeper else child
    return changed
