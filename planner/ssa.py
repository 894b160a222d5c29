"""What server-side apply does, computed here: merging, conflicts, whether an object says a body.

Shared by plan and apply; none of it decides anything. Source: docs/server-side-apply.md (recorded
answers of kube-apiserver 1.36), sigs.k8s.io/structured-merge-diff merge/update.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from planner.changes import Take
from planner.shape import Shape
from providers import base
from providers.capi import default_replicas
from state.fields import (
    MISSING,
    Trie,
    delete_at,
    leaves,
    list_keys,
    own_entry,
    owned_as,
    owns_below,
    sent_paths,
    set_at,
    trie,
    value_at,
)
from state.live import Present
from state.resource import FieldPath, JsonObject, canonical
from state.writer import MANAGER

_OF_SERVER = frozenset(
    (
        "managedFields",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "uid",
        "selfLink",
    )
)
_PEOPLES_TOOLS = (
    "kubectl",
    "k9s",
    "Lens",
    "OpenLens",
    "node-fetch",
    "curl",
    "python-requests",
    "before-first-apply",
    "Mozilla",
    "HTTPie",
    "clusterctl",
)
"""Manager names of tools in people's hands. What they change is taken back (semantics 11);
`before-first-apply` is what the server calls an object made before any apply."""


def same(a: Any, b: Any) -> bool:
    """Deep equality as the server sees it: 1 equals 1.0, but true never equals 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(k in b and same(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def covers(desired: object, live: object) -> bool:
    """`live` says everything that `desired` says; it may say more (defaults)."""
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(
            key in live and covers(value, live[key]) for key, value in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(live, list)
            and len(live) == len(desired)
            and all(covers(d, held) for d, held in zip(desired, live, strict=True))
        )
    return same(desired, live)


def says(body: JsonObject, live: Present) -> bool:
    """The live object holds every value of `body`, and we own an entry in it."""
    return own_entry(live) is not None and all(
        same(value_at(body, path), value_at(live.body, path)) for path in sent_paths(body, live)
    )


def comparable(body: JsonObject) -> JsonObject:
    """The object without status and without what the server writes into metadata."""
    kept = {k: v for k, v in body.items() if k != "status"}
    kept["metadata"] = {k: v for k, v in body["metadata"].items() if k not in _OF_SERVER}
    return kept


def merged(live: Present, desired: JsonObject, manager: str = MANAGER) -> JsonObject:
    """What an apply of `desired` would leave, computed here: for kinds that must not be dry-run.

    Fields that we own and no longer send go, unless somebody else owns them too; what we send wins;
    associative lists are merged by key. Defaults that the server adds are not known here.
    """
    after: JsonObject = msgspec.json.decode(canonical(comparable(live.body)))
    entry = own_entry(live, manager)
    if entry is not None:
        others = [trie(e) for e in live.managers if e is not entry]
        for path in sorted(leaves(trie(entry)), reverse=True):
            if value_at(desired, path) is not MISSING:
                continue
            if all(owned_as(live, fields, path) is None for fields in others):
                delete_at(after, _gone_with(path, desired, others))
    _overlay(after, comparable(desired), live, ())
    return after


def _gone_with(path: FieldPath, desired: JsonObject, others: list[Trie]) -> FieldPath:
    """The item of a keyed list that goes with its last field, or the field itself.

    Field by field an item would lose its key first, and what is left of it be found no more.
    """
    for length, element in enumerate(path, start=1):
        item = path[:length]
        if element[:2] == "k:" and value_at(desired, item) is MISSING:
            return path if any(owns_below(fields, item) for fields in others) else item
    return path


def with_defaults(after: JsonObject, before: JsonObject, kind_rules: base.KindRules) -> JsonObject:
    """Put the kind's known defaults where a field of the live object would be gone.

    Whoever computes an effect from `merged` needs it: the server fills these in at once.
    """
    for path, default in kind_rules.defaults:
        held = base.value(before, path)
        if base.value(after, path) is None and held is not None:
            if path == "spec.replicas":
                default = default_replicas(after, held)
            set_at(after, tuple(f"f:{part}" for part in path.split(".")), default)
    return after


def _overlay(after: Any, desired: JsonObject, live: Present, path: FieldPath) -> None:
    for key, value in desired.items():
        here = (*path, f"f:{key}")
        found = after.get(key)
        if isinstance(value, dict) and isinstance(found, dict):
            _overlay(found, value, live, here)
        elif isinstance(value, list) and isinstance(found, list):
            after[key] = _merged_list(found, value, live, here)
        else:
            after[key] = value


def _merged_list(found: list[Any], value: list[Any], live: Present, path: FieldPath) -> list[Any]:
    keys = list_keys(live, path)
    if keys is None:
        return value
    if not keys:
        return [*(v for v in found if v not in value), *value]
    items = {item_element(item, keys): item for item in found if isinstance(item, dict)}
    for item in value:
        known = items.get(item_element(item, keys))
        if known is None:
            items[item_element(item, keys)] = item
        else:
            _overlay(known, item, live, (*path, item_element(item, keys)))
    return list(items.values())


def item_element(item: JsonObject, keys: Iterable[str]) -> str:
    """The path element of an item of an associative list."""
    return "k:" + canonical({k: item[k] for k in keys if k in item}).decode()


class Conflict(msgspec.Struct, frozen=True):
    """A field of another controller: left to it, and said (semantics 11)."""

    path: FieldPath
    manager: str


def peoples_tool(manager: str) -> bool:
    """Whether a manager name is a tool in people's hands, or ourselves by another verb."""
    return manager == MANAGER or manager.startswith(_PEOPLES_TOOLS)


def split_conflicts(
    full: JsonObject,
    live: Present,
    ours: Callable[[str], bool] = peoples_tool,
    manager: str = MANAGER,
) -> tuple[tuple[Take, ...], tuple[Conflict, ...]]:
    """Fields that others own with another value than ours: (taken back, left to them).

    `ours` says of which managers fields are taken: people's tools, at an adoption more.
    """
    takes: dict[FieldPath, Take] = {}
    conflicts: dict[FieldPath, Conflict] = {}
    for entry in live.managers:
        if entry.manager == manager and entry.operation == "Apply" and not entry.subresource:
            continue
        if entry.subresource == "status":
            continue
        for path in leaves(trie(entry)):
            wanted = value_at(full, path)
            held = value_at(live.body, path)
            if wanted is MISSING or same(wanted, held):
                continue
            if type(wanted) is type(held) and _merged(live, path, wanted):
                continue  # they own that it is there, not what is in it; where it is not, it counts
            if ours(entry.manager):
                takes[path] = Take(path=path, manager=entry.manager)
            else:
                conflicts[path] = Conflict(path, entry.manager)
    return (
        tuple(takes[p] for p in sorted(takes) if p not in conflicts),
        tuple(conflicts[p] for p in sorted(conflicts)),
    )


def _merged(live: Present, path: FieldPath, wanted: object) -> bool:
    """The map or list at `path` is merged, as somebody's entry or the kind's shape says."""
    if any(owns_below(trie(e), path) for e in live.managers):
        return True
    return isinstance(wanted, dict) and Shape(live.id.group_kind).atomic(path) is False
