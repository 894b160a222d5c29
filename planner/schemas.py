"""Declared objects against the CRDs at hand.

Those are the CRDs that Git has, component files of providers included, and behind them what
`sources lock` has noted of a management cluster (docs/sources.md). Only what is certain: versions
that are served, types, required and unknown fields, enums, and content where none is refused.
Formats, patterns and CEL rules are the server's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from planner.load import LoadedDocument
from planner.render import cluster_key
from providers.crds import Definition, Definitions, definition
from providers.management import CRD
from state.resource import (
    FieldPath,
    GroupKind,
    JsonObject,
    Resource,
    ResourceId,
    split_api_version,
)

_META = frozenset(("apiVersion", "kind", "metadata"))


class Mismatch(msgspec.Struct, frozen=True, gc=False):
    """One place where an object does not fit."""

    path: FieldPath
    problem: str
    empty: bool = False
    """It is empty where content is wanted (V24)."""


class Schemas(msgspec.Struct, frozen=True, kw_only=True):
    """The definitions at hand."""

    declared: Definitions = {}
    """From the CRDs among the documents."""
    locked: Definitions = {}
    """Of management clusters, as `sources lock` noted them."""
    anywhere: dict[GroupKind, Definition] = {}
    """From CRDs that Git has for any cluster: they stand in where nothing says more."""

    def of(self, id_: ResourceId) -> Definition | None:
        """What judges an object; None where nothing is at hand."""
        key = (id_.cluster, id_.group_kind)
        found = self.declared.get(key) or self.locked.get(key)
        return found or self.anywhere.get(id_.group_kind)

    def with_declared(self, documents: Iterable[LoadedDocument]) -> Schemas:
        """The same, and the CRDs among some documents before all others."""
        found: Definitions = {}
        for document in documents:
            if document.kind == CRD.kind and document.version.startswith(CRD.group):
                kind, versions = definition(msgspec.json.decode(document.body))
                found[cluster_key(document), kind] = versions
        if not found:
            return self
        anywhere = dict(self.anywhere)
        for (_, kind), versions in found.items():
            anywhere.setdefault(kind, versions)
        return msgspec.structs.replace(self, declared={**self.declared, **found}, anywhere=anywhere)


def schema_of(resource: Resource, known: Schemas) -> JsonObject:
    """The schema that judges a resource; `{}` where none is at hand."""
    versions = known.of(resource.id) or {}
    found = versions.get(split_api_version(resource.version)[1])
    return found.schema if found is not None else {}


def unserved(resource: Resource, known: Schemas) -> str:
    """Why no server with this CRD takes the object; `""` where it does or nothing is known."""
    versions = known.of(resource.id)
    if not versions or split_api_version(resource.version)[1] in versions:
        return ""
    served = ", ".join(sorted(versions))
    return f"{resource.version} is not served by the CRD at hand, which serves {served}"


def deprecated(resource: Resource, known: Schemas) -> str:
    """What the server would warn of; `""`: nothing."""
    versions = known.of(resource.id) or {}
    found = versions.get(split_api_version(resource.version)[1])
    return found.deprecated if found is not None else ""


def mismatches(resource: Resource, known: Schemas) -> Iterator[Mismatch]:
    """What of a resource its schema refuses; nothing where none is at hand."""
    schema = schema_of(resource, known)
    if not schema:
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
