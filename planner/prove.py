"""Is a server-side apply of this body a no-op? Decided from managedFields, without a request.

The walk and its evidence: docs/server-side-apply.md (134 recorded answers of a real server are the
table in tests/unit/planner/test_prove.py). Desired body, our own Apply entry and the live object
are walked together. `UNCHANGED` is a proof while schema and admission stay what they were;
`UNKNOWN` asks for a dry-run; a false `UNCHANGED` must be impossible, a false `UNKNOWN` is cheap.
"""

from __future__ import annotations

import enum
from typing import Any

from planner.ssa import same
from state.fields import MANAGER, MISSING, Trie, item_key, key_matches, own_entry, owns, trie
from state.live import Present
from state.resource import FieldPath, JsonObject

_METADATA_OF_SERVER = frozenset(
    ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
)
_NEVER_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences")
_SET_BY_API = frozenset(("apiVersion", "kind", "metadata", "status"))


class Proof(enum.IntEnum):
    """Ordered by how much it settles: the greater of two wins when parts are combined."""

    UNCHANGED = 0
    UNKNOWN = 1
    """The walk cannot tell; only a dry-run can."""
    DIFFERENT = 2
    """A value or its ownership differs in plain sight."""


def prove(
    desired: JsonObject, live: Present, *, manager: str = MANAGER, builtin: bool | None = None
) -> Proof:
    """Whether applying `desired` (secrets filled in) as `manager` would write `live`.

    `builtin` says that the kind is compiled into the server, which drops zero values and
    canonicalises quantities; by default it is read off the group.
    """
    entry = own_entry(live, manager)
    if live.deleting:
        return Proof.UNKNOWN
    if entry is None:
        return Proof.UNCHANGED if _identity_only(desired) else Proof.DIFFERENT
    if not desired.get("apiVersion") == entry.api_version == live.version:
        return Proof.DIFFERENT
    walk = _Walk(live, manager, is_builtin(live.id.group) if builtin is None else builtin)
    return walk.object(desired, trie(entry))


def spec_unchanged(desired: JsonObject, live: Present) -> bool:
    """The same proof for `spec` alone: labels and annotations may differ."""
    entry = own_entry(live)
    if entry is None or live.deleting or "spec" not in desired:
        return False
    fields = trie(entry).get("f:spec") or {}
    walk = _Walk(live, MANAGER, is_builtin(live.id.group))
    return walk.map(desired["spec"], fields, live.body.get("spec"), ("f:spec",)) is Proof.UNCHANGED


def is_builtin(group: str) -> bool:
    """Groups compiled into kube-apiserver: no dot, or below k8s.io but not a CRD project's."""
    return "." not in group or (group.endswith(".k8s.io") and not group.endswith(".x-k8s.io"))


def _identity_only(desired: JsonObject) -> bool:
    metadata = desired.get("metadata", {})
    return set(desired) <= {"apiVersion", "kind", "metadata"} and set(metadata) <= {
        "name",
        "namespace",
    }


class _Walk:
    """One comparison. Holds what every step needs; `managers` are looked at only when in doubt."""

    __slots__ = ("_builtin", "_live", "_manager")

    def __init__(self, live: Present, manager: str, builtin: bool) -> None:
        self._live = live
        self._manager = manager
        self._builtin = builtin

    def object(self, desired: JsonObject, fields: Trie) -> Proof:
        """The whole object, with what the server strips taken out first."""
        metadata = desired.get("metadata", {})
        for preset in ("uid", "resourceVersion"):
            if preset in metadata and metadata[preset] != self._live.body["metadata"].get(preset):
                return Proof.DIFFERENT
        if any(key in metadata and not metadata[key] for key in _NEVER_EMPTY):
            return Proof.UNKNOWN  # empty maps on custom resources write at every apply
        body: JsonObject = {k: v for k, v in desired.items() if k not in _SET_BY_API}
        written = {k: v for k, v in metadata.items() if k not in _METADATA_OF_SERVER}
        if written:
            body["metadata"] = written
        if "stringData" in body:
            return Proof.UNKNOWN
        verdict = Proof.UNKNOWN if "status" in desired else Proof.UNCHANGED
        return max(verdict, self.map(body, fields, self._live.body, ()))

    def map(self, desired: JsonObject, fields: Trie, live: Any, path: FieldPath) -> Proof:
        """One map against what we own of it and what is live."""
        if not isinstance(live, dict):
            return Proof.DIFFERENT
        verdict = Proof.UNCHANGED
        owned = len(fields) - ("." in fields)
        for key, value in desired.items():
            element = "f:" + key
            below = fields.get(element)
            if below is None:
                if value == [] or value is None:
                    owned += 1
                    verdict = Proof.UNKNOWN  # a granular empty list owns nothing
                    continue
                return Proof.DIFFERENT
            found = live.get(key, MISSING)
            if type(value) is str and value == found and not below:
                continue
            step = self._value(value, below, found, path, element)
            if step is Proof.DIFFERENT:
                return step
            verdict = max(verdict, step)
        if owned != len(desired):
            return Proof.DIFFERENT  # we own more than we send: the rest would be pruned
        return verdict

    def _value(self, value: Any, below: Trie, live: Any, path: FieldPath, element: str) -> Proof:
        if value is None:
            return Proof.UNKNOWN
        children = len(below) - ("." in below)
        if not children:
            return self._leaf(value, live, (*path, element))
        if isinstance(value, dict):
            return self.map(value, below, live, (*path, element))
        if not isinstance(value, list):
            return Proof.DIFFERENT
        if not isinstance(live, list):
            return Proof.DIFFERENT
        kinds = {key[0] for key in below if key != "."}
        if kinds == {"k"}:
            return self._items(value, below, live, (*path, element))
        if kinds == {"v"}:
            return self._set(value, below, live)
        return Proof.UNKNOWN

    def _items(self, desired: list[Any], fields: Trie, live: list[Any], path: FieldPath) -> Proof:
        """Associative list: each desired item is one owned item and one live item, in order."""
        elements = [key for key in fields if key != "."]
        if len(elements) != len(desired):
            return Proof.DIFFERENT
        verdict, position = Proof.UNCHANGED, -1
        for item in desired:
            matching = [e for e in elements if _is_item(item, item_key(e), fields[e])]
            if len(matching) != 1:
                return Proof.DIFFERENT if not matching else Proof.UNKNOWN
            element = matching[0]
            places = [i for i, held in enumerate(live) if key_matches(held, item_key(element))]
            if len(places) != 1 or not isinstance(item, dict):
                return Proof.DIFFERENT if not places else Proof.UNKNOWN
            if places[0] < position:
                return Proof.DIFFERENT  # the configuration's order wins: a reorder is a write
            position = places[0]
            if not any(key != "." for key in fields[element]):
                return Proof.UNKNOWN  # duplicates own their item and nothing in it
            step = self.map(item, fields[element], live[position], (*path, element))
            if step is Proof.DIFFERENT:
                return step
            verdict = max(verdict, step)
        return verdict

    def _set(self, desired: list[Any], fields: Trie, live: list[Any]) -> Proof:
        owned = [item_key(key) for key in fields if key != "."]
        if len(owned) != len(desired):
            return Proof.DIFFERENT
        position = -1
        for value in desired:
            if not any(same(value, held) for held in owned):
                return Proof.DIFFERENT
            places = [i for i, held in enumerate(live) if same(value, held)]
            if len(places) != 1 or places[0] < position:
                return Proof.DIFFERENT
            position = places[0]
        return Proof.UNCHANGED

    def _leaf(self, value: Any, live: Any, path: FieldPath) -> Proof:
        if value == {} and isinstance(live, dict):
            return Proof.UNCHANGED
        if live is MISSING:
            zero = self._builtin and (value in ("", 0, False) or value == {})
            return Proof.UNCHANGED if zero else Proof.DIFFERENT
        if same(value, live):
            return self._atomic(path) if isinstance(value, dict) else Proof.UNCHANGED
        return Proof.UNKNOWN if _maybe_equal(value, live, self._builtin) else Proof.DIFFERENT

    def _atomic(self, path: FieldPath) -> Proof:
        """A non-empty map owned as a leaf: atomic, or a granular one once applied as `{}`.

        Without a schema the two are told apart by whether anybody else owns something inside.
        """
        others = (
            trie(e)
            for e in self._live.managers
            if not (e.manager == self._manager and e.operation == "Apply" and not e.subresource)
        )
        return Proof.UNKNOWN if any(owns(other, path) for other in others) else Proof.UNCHANGED


def _is_item(item: Any, keys: dict[str, Any], owned: Trie) -> bool:
    """An absent key field matches if we do not own it: the server filled it from its default."""
    return isinstance(item, dict) and all(
        same(item[name], value) if name in item else f"f:{name}" not in owned
        for name, value in keys.items()
    )


def _maybe_equal(value: Any, live: Any, builtin: bool) -> bool:
    """Defaults inside atomic values, and quantities of built-in kinds, may hide equality."""
    if isinstance(value, list) and isinstance(live, list):
        return len(value) == len(live) and all(
            same(v, held) or _maybe_equal(v, held, builtin)
            for v, held in zip(value, live, strict=True)
        )
    if isinstance(value, dict) and isinstance(live, dict):
        return set(value) <= set(live) and all(
            same(v, live[k]) or _maybe_equal(v, live[k], builtin) for k, v in value.items()
        )
    spelled = isinstance(value, str) or isinstance(live, str)
    return builtin and spelled and _quantity_like(value) and _quantity_like(live)


def _quantity_like(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and value[:1].isdigit())
