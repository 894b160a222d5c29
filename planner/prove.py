"""Is a server-side apply of this body a no-op? Decided from managedFields, without a request.

The walk and its evidence: docs/server-side-apply.md (recorded answers of a real server are the
tables in tests/unit/planner/test_prove.py). Desired body, our own Apply entry and the live object
are walked together; a `Shape` settles what the entry leaves open. `UNCHANGED` is a proof while
schema and admission stay what they were; `UNKNOWN` asks for a dry-run; a false `UNCHANGED` must be
impossible, a false `UNKNOWN` is cheap.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

from planner.shape import FREE_FORM, Shape
from planner.ssa import same
from state.fields import MISSING, Trie, item_key, key_matches, own_entry, owns, owns_below, trie
from state.live import ManagerEntry, Present
from state.resource import FieldPath, JsonObject
from state.writer import MANAGER

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
    desired: JsonObject, live: Present, *, manager: str = MANAGER, schema: JsonObject | None = None
) -> Proof:
    """Whether applying `desired` (secrets filled in) as `manager` would write `live`.

    `schema` is the OpenAPI v3 schema of a custom kind in this version, where it was read.
    """
    entry = own_entry(live, manager)
    if live.deleting:
        return Proof.UNKNOWN
    if entry is None:
        return Proof.UNCHANGED if _identity_only(desired) else Proof.DIFFERENT
    if not desired.get("apiVersion") == entry.api_version == live.version:
        return Proof.DIFFERENT
    walk = _Walk(live, manager, Shape(live.id.group_kind, schema))
    verdict = walk.object(desired, trie(entry))
    return Proof.UNKNOWN if verdict is Proof.UNCHANGED and _doubled(live) else verdict


def spec_unchanged(desired: JsonObject, live: Present, *, manager: str = MANAGER) -> bool:
    """The same proof for `spec` alone: labels and annotations may differ."""
    entry = own_entry(live, manager)
    if entry is None or live.deleting or "spec" not in desired:
        return False
    fields = trie(entry).get("f:spec") or {}
    walk = _Walk(live, manager, Shape(live.id.group_kind))
    return walk.map(desired["spec"], fields, live.body.get("spec"), ("f:spec",)) is Proof.UNCHANGED


def _doubled(live: Present) -> bool:
    """Two entries have one identity; the next write, ours as well, keeps only one of them.

    `/scale` leaves such a pair where the creator owned the replicas (measured; the identity is
    apimachinery's BuildManagerIdentifier: without time, for applied ones without apiVersion).
    """
    if len(live.managers) < 2:
        return False
    identities = {
        (e.manager, e.operation, e.subresource, "" if e.operation == "Apply" else e.api_version)
        for e in live.managers
    }
    return len(identities) < len(live.managers)


def _identity_only(desired: JsonObject) -> bool:
    metadata = desired.get("metadata", {})
    return set(desired) <= {"apiVersion", "kind", "metadata"} and set(metadata) <= {
        "name",
        "namespace",
    }


class _Walk:
    """One comparison. Holds what every step needs; `managers` are looked at only when in doubt."""

    __slots__ = ("_live", "_manager", "_shape")

    def __init__(self, live: Present, manager: str, shape: Shape) -> None:
        self._live = live
        self._manager = manager
        self._shape = shape

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
        verdict = Proof.UNCHANGED if self._by_apply(fields, path) else Proof.UNKNOWN
        owned = len(fields) - ("." in fields)
        for key, value in desired.items():
            element = "f:" + key
            below = fields.get(element)
            found = live.get(key, MISSING)
            if below is None:
                if value == [] or value is None:
                    owned += 1
                    verdict = max(verdict, self._owns_nothing(value, found, (*path, element)))
                    continue
                return Proof.DIFFERENT
            if type(value) is str and value == found and not below:
                continue
            step = self._value(value, below, found, path, element)
            if step is Proof.DIFFERENT:
                return step
            verdict = max(verdict, step)
        if owned != len(desired):
            return Proof.DIFFERENT  # we own more than we send: the rest would be pruned
        return verdict

    def _by_apply(self, fields: Trie, path: FieldPath) -> bool:
        """The set looks as an apply makes it: list items own themselves, other containers do not.

        One that does was turned from an older Update entry, and is rewritten by the next apply.
        """
        item = bool(path) and path[-1][0] == "k"
        if item or "." not in fields:
            return item == ("." in fields)
        return bool(path) and self._shape.owns_itself(path) is not False

    def _owns_nothing(self, value: Any, live: Any, path: FieldPath) -> Proof:
        """An empty list that is merged by item adds nothing, where there is a list already."""
        merged = value == [] and isinstance(live, list) and self._shape.granular_list(path)
        return Proof.UNCHANGED if merged else Proof.UNKNOWN

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
        if live is MISSING:
            if value == {} and path[-1] not in FREE_FORM:
                return Proof.UNKNOWN
            zero = self._shape.builtin and (value in ("", 0, False) or value == {})
            if zero and any(owns(trie(e), path) for e in self._others()):
                return Proof.UNKNOWN  # owners of what is dropped are dropped at the next write
            return Proof.UNCHANGED if zero else Proof.DIFFERENT
        if isinstance(value, dict) and isinstance(live, dict):
            return self._whole_map(value, live, path)
        if same(value, live) or self._says_filled(path, value, live):
            inside = isinstance(value, list) and self._others_inside(path)
            return Proof.UNKNOWN if inside else Proof.UNCHANGED
        maybe = _maybe_equal(value, live, self._shape.builtin)
        return Proof.UNKNOWN if maybe else Proof.DIFFERENT

    def _whole_map(self, value: JsonObject, live: JsonObject, path: FieldPath) -> Proof:
        """A map that we own as a leaf: an atomic one, or one that is merged and was sent as `{}`.

        The entry does not tell them apart, and the difference counts: `{}` empties an atomic map
        (a NetworkPolicy's `podSelector`) and leaves the other as it is; stating what a default put
        into a merged map makes us its owner. Both were false proofs before the shape was asked.
        """
        inside = self._others_inside(path)
        atomic = False if inside else self._shape.atomic(path)
        if not value and (not live or atomic is False):
            return Proof.UNCHANGED
        if atomic and (same(value, live) or self._says_filled(path, value, live)):
            return Proof.UNCHANGED
        equal = same(value, live) or not value
        maybe = equal or _maybe_equal(value, live, self._shape.builtin)
        return Proof.UNKNOWN if maybe else Proof.DIFFERENT

    def _says_filled(self, path: FieldPath, value: Any, live: Any) -> bool:
        """Equal once the server has put its defaults in, and nobody else owns it.

        Owners are compared before defaults: from another who owns the same value it would be taken,
        which is a conflict, or forced a change of owners (measured).
        """
        if not same(self._shape.filled(path, value, self._live.body), live):
            return False
        return not any(owns(trie(e), path) for e in self._others())

    def _others(self) -> Iterator[ManagerEntry]:
        for entry in self._live.managers:
            ours = entry.manager == self._manager and entry.operation == "Apply"
            if not ours or entry.subresource:
                yield entry

    def _others_inside(self, path: FieldPath) -> bool:
        """Somebody else owns something strictly below `path`: it is merged, not atomic."""
        return any(owns_below(trie(e), path) for e in self._others())


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
