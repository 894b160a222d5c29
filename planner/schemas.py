"""Declared objects against the schemas of the CRDs that Git has beside them.

Only what is certain: types, required and unknown fields, enums, and content where none is refused.
Formats, patterns and CEL rules are the server's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from planner.load import LoadedDocument
from providers.base import value
from providers.management import CRD
from state.resource import (
    FieldPath,
    GroupKind,
    JsonObject,
    Resource,
    split_api_version,
)

Schemas = dict[tuple[GroupKind, str], JsonObject]
"""OpenAPI schemas by kind and version, from the CRDs among the documents."""
_META = frozenset(("apiVersion", "kind", "metadata"))


class Mismatch(msgspec.Struct, frozen=True, gc=False):
    """One place where an object does not fit."""

    path: FieldPath
    problem: str
    empty: bool = False
    """It is empty where content is wanted (V24)."""


def schemas(documents: Iterable[LoadedDocument]) -> Schemas:
    """The schemas of all CRDs among the documents."""
    found: Schemas = {}
    for document in documents:
        if document.kind != CRD.kind or not document.version.startswith(CRD.group):
            continue
        spec = msgspec.json.decode(document.body).get("spec") or {}
        kind = GroupKind(str(spec.get("group")), str(value(spec, "names.kind")))
        for version in spec.get("versions") or ():
            schema = value(version, "schema.openAPIV3Schema")
            if isinstance(schema, dict):
                found[kind, str(version.get("name"))] = schema
    return found


def mismatches(resource: Resource, known: Schemas) -> Iterator[Mismatch]:
    """What of a resource its schema refuses; nothing where no CRD is at hand."""
    _, version = split_api_version(resource.version)
    schema = known.get((resource.id.group_kind, version))
    if schema is None:
        return
    body = {k: v for k, v in resource.decoded().items() if k not in _META}
    properties = {k: v for k, v in (schema.get("properties") or {}).items() if k not in _META}
    trimmed = {**schema, "properties": properties, "required": []}
    secret = [path for path, _ in resource.secrets]
    for found in _problems(body, trimmed, ()):
        if not any(path[: len(found.path)] == found.path for path in secret):
            yield found


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_LEAST = {"object": "minProperties", "array": "minItems", "string": "minLength"}


def _problems(body: Any, schema: JsonObject, path: FieldPath) -> Iterator[Mismatch]:
    if schema.get("x-kubernetes-int-or-string"):
        return
    kind = str(schema.get("type"))
    expected = _TYPES.get(kind)
    if expected and (not isinstance(body, expected) or _bool_as_number(body, kind)):
        yield Mismatch(path, f"must be of type {kind}")
    elif kind in _LEAST and not body and schema.get(_LEAST[kind]):
        yield Mismatch(path, "must not be empty", empty=True)
    elif isinstance(body, dict):
        yield from _map_problems(body, schema, path)
    elif isinstance(body, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(body):
            yield from _problems(item, schema["items"], (*path, f"i:{index}"))
    if "enum" in schema and body not in schema["enum"]:
        yield Mismatch(path, f"must be one of {', '.join(map(str, schema['enum']))}")


def _bool_as_number(body: Any, kind: str) -> bool:
    return isinstance(body, bool) and kind in ("integer", "number")


def _map_problems(body: JsonObject, schema: JsonObject, path: FieldPath) -> Iterator[Mismatch]:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for name in schema.get("required") or ():
        if name not in body:
            yield Mismatch((*path, f"f:{name}"), "is required")
    for name, found in body.items():
        here = (*path, f"f:{name}")
        if name in properties:
            yield from _problems(found, properties[name], here)
        elif isinstance(extra, dict):
            yield from _problems(found, extra, here)
        elif extra is not True and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield Mismatch(here, "is not a field of this kind")
