"""Which fields differ, for people: (path, before, after) of one object. The only door to deepdiff.

Lists are keyed by their merge keys first (deepdiff compares by position), equal subtrees are cut
away before it runs (it costs milliseconds an object), and sensitive values are replaced by a word
before anything is compared, so that no result can hold one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from planner.ssa import item_element
from state.fields import (
    MISSING,
    list_keys,
    value_at,
)
from state.live import Present
from state.resource import FieldPath, JsonObject, canonical

SENSITIVE = "(sensitive)"
SENSITIVE_CHANGED = "(sensitive, changed)"
_ATOMIC = "\x00"
"""Marks a list that is compared as one value: the JSON text follows."""

Difference = tuple[FieldPath, Any, Any]
"""Path, before, after; `msgspec.UNSET` where there is nothing."""


def masked(before: JsonObject, after: JsonObject, sensitive: Iterable[FieldPath]) -> None:
    """Put words in place of the values at `sensitive` paths, in both: the same one if equal."""
    for path in sensitive:
        old, new = value_at(before, path), value_at(after, path)
        if old is not MISSING:
            _put(before, path, SENSITIVE)
        if new is not MISSING:
            changed = old is not MISSING and old != new
            _put(after, path, SENSITIVE_CHANGED if changed else SENSITIVE)


def _put(body: JsonObject, path: FieldPath, word: str) -> None:
    holder = value_at(body, path[:-1])
    if isinstance(holder, dict):
        holder[path[-1][2:]] = word


def differences(before: JsonObject, after: JsonObject, live: Present | None) -> list[Difference]:
    """Every field that differs, sorted by path. Neither side may hold a secret (see `masked`)."""
    old, new = _pruned(_keyed(before, live, ()), _keyed(after, live, ()))
    if old is new is MISSING:
        return []
    return sorted(_deep(old, new), key=lambda d: d[0])


def _deep(old: Any, new: Any) -> Iterator[Difference]:
    from deepdiff import DeepDiff

    tree = DeepDiff(old, new, view="tree", threshold_to_diff_deeper=0)
    for items in tree.values():
        for item in items:
            yield tuple(item.path(output_format="list")), _plain(item.t1), _plain(item.t2)


def _keyed(value: Any, live: Present | None, path: FieldPath) -> Any:
    """Maps with path elements as keys; associative lists become maps; atomic lists stay."""
    if isinstance(value, dict):
        return {f"f:{k}": _keyed(v, live, (*path, f"f:{k}")) for k, v in value.items()}
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        return _ATOMIC + canonical(value).decode() if isinstance(value, list) else value
    keys = (live and list_keys(live, path)) or (("name",) if _named(value) else None)
    if not keys:
        return {f"i:{n}": _keyed(v, live, (*path, f"i:{n}")) for n, v in enumerate(value)}
    return {
        element: _keyed(item, live, (*path, element))
        for item in value
        for element in (item_element(item, keys),)
    }


def _named(items: list[Any]) -> bool:
    names = [item.get("name") for item in items]
    return all(isinstance(n, str) for n in names) and len(set(names)) == len(names)


def _pruned(old: Any, new: Any) -> tuple[Any, Any]:
    """Both sides without what is equal; `MISSING` twice when all of it is."""
    if isinstance(old, dict) and isinstance(new, dict):
        left: dict[str, Any] = {}
        right: dict[str, Any] = {}
        for key in old.keys() | new.keys():
            a, b = _pruned(old.get(key, MISSING), new.get(key, MISSING))
            if a is not MISSING:
                left[key] = a
            if b is not MISSING:
                right[key] = b
        return (left, right) if left or right else (MISSING, MISSING)
    equal = type(old) is type(new) and old == new
    return (MISSING, MISSING) if equal else (old, new)


def _plain(value: Any) -> Any:
    """Back from keyed maps to JSON; what is not there becomes `UNSET`."""
    if isinstance(value, dict):
        if value and all(key[0] in "ki" for key in value):
            return [_plain(v) for v in value.values()]
        return {key[2:]: _plain(v) for key, v in value.items()}
    if isinstance(value, str) and value.startswith(_ATOMIC):
        return msgspec.json.decode(value[1:])
    return msgspec.UNSET if type(value).__name__ == "NotPresent" else value
