"""Turning a body into what the server stores: defaults, unknown fields, Go's zero values.

Pure. Custom resources follow apiextensions `structural/{defaulting,pruning}`; built-in kinds
what their Go types do on a round trip (`omitempty`, canonical quantities).
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from providers.kube.sandbox.schema import Schema
from providers.quantity import canonical_quantity
from state.resource import JsonObject


def fill(schema: Schema, value: Any) -> Any:
    """`value` with the schema's defaults; a null where a non-nullable default stands is replaced.

    Changes `value` in place, which the caller owns.
    """
    if isinstance(value, dict):
        for name, child in schema.fields.items():
            _fill_field(child, value, name)
        if schema.extra is not None and schema.extra.defaulting:
            for name in value.keys() - schema.fields.keys():
                fill(schema.extra, value[name])
    elif isinstance(value, list) and schema.items is not None and schema.items.defaulting:
        for item in value:
            fill(schema.items, item)
    return value


def _fill_field(schema: Schema, value: JsonObject, name: str) -> None:
    present = name in value and (value[name] is not None or schema.nullable)
    if present and schema.dropped and schema.default is not msgspec.UNSET:
        present = not _zero(value[name])
    if not present and schema.default is not msgspec.UNSET:
        value[name] = copy.deepcopy(schema.default)
    if schema.defaulting and value.get(name) is not None:
        fill(schema, value[name])


def prune(schema: Schema, value: Any) -> Any:
    """`value` without undeclared fields: what happens to them outside server-side apply."""
    if isinstance(value, dict) and schema.type == "object":
        declared = {n: s for n in value if (s := schema.child(n)) is not None}
        return {name: prune(child, value[name]) for name, child in declared.items()}
    if isinstance(value, list) and schema.items is not None:
        return [prune(schema.items, item) for item in value]
    return value


def round_trip(schema: Schema, value: Any) -> Any:
    """A built-in object as Go writes it: no nulls, no omitted zeros, canonical quantities."""
    if schema.scalar == "quantity" and isinstance(value, str | int | float):
        return canonical_quantity(value)
    if isinstance(value, dict) and not (schema.open and not schema.fields):
        return _round_trip_map(schema, value)
    if isinstance(value, list) and schema.items is not None:
        return [round_trip(schema.items, item) for item in value]
    return value


def _round_trip_map(schema: Schema, value: JsonObject) -> JsonObject:
    kept: JsonObject = {}
    for name, inner in value.items():
        child = schema.child(name)
        if inner is None and child is schema.extra and child is not None:
            inner = "" if child.type == "string" and not child.scalar else None
        if child is None or inner is None:
            continue
        written = round_trip(child, inner)
        if child.dropped and _zero(written):
            continue
        kept[name] = written
    for name, child in schema.fields.items():
        if child.type == "array" and not child.dropped and not kept.get(name):
            kept[name] = None  # a list without omitempty: empty and missing are both null
    return kept


def _zero(value: object) -> bool:
    return value in ("", [], {}) or value is False or (value == 0 and not isinstance(value, bool))


def integral(value: Any) -> Any:
    """Floats without a fraction as ints: `1.0` and `1` are one number, written `1`."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, float | dict | list):
                value[name] = integral(inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, float | dict | list):
                value[index] = integral(inner)
    return value


_METADATA_MAPS = ("labels", "annotations")
_METADATA_LISTS = ("finalizers", "ownerReferences")


def tidy_metadata(metadata: JsonObject) -> bool:
    """Drop empty maps and lists and nulls, as `ObjectMeta` does on its way to storage.

    True if anything went: for a custom resource the server then writes even when nothing changed
    (recorded cases 66 and 67), because it compares before this step.
    """
    odd = False
    for name in _METADATA_MAPS:
        found = metadata.get(name)
        if found and None in found.values():
            metadata[name] = {k: "" if v is None else v for k, v in found.items()}
            odd = True
    for name in (*_METADATA_MAPS, *_METADATA_LISTS):
        if name in metadata and not metadata[name]:
            del metadata[name]
            odd = True
    return odd
