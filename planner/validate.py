"""Checking a repository without a cluster: parse findings, CRD schemas at hand, references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from planner.load import Loaded, LoadedDocument
from planner.provided import against_tables
from planner.render import Scopes, declared_kinds, render
from providers.base import value
from providers.management import CRD
from providers.registry import needed
from providers.yamldoc import Finding
from state.resource import GroupKind, JsonObject, Resource, ResourceId, split_api_version

Schemas = dict[tuple[GroupKind, str], JsonObject]
"""OpenAPI schemas by kind and version, from the CRDs among the documents."""
_META = frozenset(("apiVersion", "kind", "metadata"))


def all_findings(loaded: Loaded) -> list[Finding]:
    """Everything that is wrong or doubtful, sorted by place."""
    scopes = Scopes()
    declared_kinds(loaded.documents, scopes)
    rendered = render(loaded.documents, scopes)
    found = [*loaded.findings]
    found += [_from_plan(f.kind, f.summary, f.where, f.hint) for f in rendered.findings]
    schemas = _schemas(loaded.documents)
    known = {r.id for r in rendered.resources}
    for resource in rendered.resources:
        found += _against_schema(resource, schemas)
        found += _dangling(resource, known)
    for said in against_tables(rendered.resources, schemas):
        at = said.resource.origin
        found.append(_finding(said.severity, said.code, said.summary, at.path, at.line, said.hint))
    return sorted(found, key=lambda f: (f.path, f.line, f.summary))


def _from_plan(kind: str, summary: str, where: str, hint: str) -> Finding:
    path, _, line = where.partition(":")
    number = int(line) if line.isdigit() else 0
    severity = "error" if kind == "error" else "warning"
    return _finding(severity, "identity", summary, path, number, hint)


def _finding(
    severity: str, code: str, summary: str, path: str, line: int, hint: str = ""
) -> Finding:
    return Finding(
        severity=severity,  # type: ignore[arg-type]  # one of the two words
        code=code,
        summary=summary,
        detail="",
        path=path,
        line=line,
        column=0,
        hint=hint,
    )


def _schemas(documents: Iterable[LoadedDocument]) -> Schemas:
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


def _against_schema(resource: Resource, schemas: Schemas) -> Iterator[Finding]:
    _, version = split_api_version(resource.version)
    schema = schemas.get((resource.id.group_kind, version))
    if schema is None:
        return
    body = {k: v for k, v in resource.decoded().items() if k not in _META}
    properties = {k: v for k, v in (schema.get("properties") or {}).items() if k not in _META}
    trimmed = {**schema, "properties": properties, "required": []}
    secret = {path for path, _ in resource.secrets}
    for path, problem in _problems(body, trimmed, ""):
        if not any(_dotted(p).startswith(path) for p in secret):
            yield _finding(
                "error",
                "schema",
                f"{resource.id}: {path or 'the object'} {problem}",
                resource.origin.path,
                resource.origin.line,
            )


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(element[2:] for element in path if element[0] == "f")


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def _problems(body: Any, schema: JsonObject, path: str) -> Iterator[tuple[str, str]]:
    if schema.get("x-kubernetes-int-or-string"):
        return
    kind = schema.get("type")
    expected = _TYPES.get(str(kind))
    if expected and (not isinstance(body, expected) or _bool_as_number(body, str(kind))):
        yield path, f"must be of type {kind}"
    elif isinstance(body, dict):
        yield from _map_problems(body, schema, path)
    elif isinstance(body, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(body):
            yield from _problems(item, schema["items"], f"{path}[{index}]")
    if "enum" in schema and body not in schema["enum"]:
        yield path, f"must be one of {', '.join(map(str, schema['enum']))}"


def _bool_as_number(body: Any, kind: str) -> bool:
    return isinstance(body, bool) and kind in ("integer", "number")


def _map_problems(body: JsonObject, schema: JsonObject, path: str) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for name in schema.get("required") or ():
        if name not in body:
            yield f"{path}.{name}".lstrip("."), "is required"
    for name, found in body.items():
        here = f"{path}.{name}".lstrip(".")
        if name in properties:
            yield from _problems(found, properties[name], here)
        elif isinstance(extra, dict):
            yield from _problems(found, extra, here)
        elif extra is not True and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield here, "is not a field of this kind"


def _dangling(resource: Resource, known: set[ResourceId]) -> Iterator[Finding]:
    """References to objects that Git does not have: they may be live, so this is a warning."""
    for target in needed(resource.decoded(), resource.id):
        if target not in known:
            yield _finding(
                "warning",
                "reference",
                f"{resource.id} refers to {target}, which is not in Git",
                resource.origin.path,
                resource.origin.line,
            )
