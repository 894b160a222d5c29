"""What tables know of schemas, in a line for each field, and what a body says against it.

    spec.location            string!      required wherever its parent is there
    spec.osDisk.osType       Linux|Windows
    spec.devices[*].network  string
    spec.tags                object       its content is not looked into

Types are those of OpenAPI, `any` for what is none of them. Only a part of each CRD: a field that
is not listed is not judged here. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from providers.base import Reference, references, values
from providers.descriptor import Kind
from providers.registry import provided, rules
from state.resource import JsonObject, ResourceId, split_api_version

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
}


class Field(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a table."""

    path: str
    type: str
    required: bool = False
    choices: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def fields(text: str) -> tuple[Field, ...]:
    """The lines of a table; a malformed one is a mistake in the table."""
    return tuple(_field(line) for line in text.splitlines() if line.strip())


def _field(line: str) -> Field:
    path, said = line.split()
    type_ = said.removesuffix("!")
    choices = tuple(type_.split("|")) if "|" in type_ else ()
    if not choices and type_ not in (*_TYPES, "any"):
        raise ValueError(f"{line.strip()}: no such type")
    return Field(
        path=path,
        type="string" if choices else type_,
        required=said.endswith("!"),
        choices=choices,
    )


def problems(body: JsonObject, kind: Kind) -> Iterator[str]:
    """What the table has against a body: `spec.location is required`."""
    body = {**body, "spec": body.get("spec") or {}}
    for field in fields(kind.fields):
        parent, _, name = field.path.rpartition(".")
        for path, holder in values(body, parent) if parent else ():
            if not isinstance(holder, dict):
                continue  # its own line says so
            where = _dotted(path)
            if name.removesuffix("[*]") not in holder:
                if field.required:
                    yield f"{where}.{name} is required"
                continue
            for below, found in values(holder, name):
                yield from _wrong(f"{where}.{_dotted(below)}", found, field)


def _wrong(where: str, found: Any, field: Field) -> Iterator[str]:
    types = _TYPES.get(field.type)
    number = isinstance(found, bool) and field.type == "integer"
    if types and (number or not isinstance(found, types)):
        yield f"{where} must be of type {field.type}"
    elif field.choices and found not in field.choices:
        yield f"{where} must be one of {', '.join(field.choices)}"


def _dotted(path: tuple[str, ...]) -> str:
    text = ""
    for element in path:
        text += f"[{element[2:]}]" if element[0] == "i" else f".{element[2:]}"
    return text.removeprefix(".")


def unserved(api_version: str, id_: ResourceId) -> str:
    """Why an API version is doubtful, or `""`: the table's release does not serve it."""
    known = provided(id_.group, id_.kind)
    if known is None:
        return ""
    provider, kind = known
    served = kind.versions or provider.versions
    version = split_api_version(api_version)[1]
    if version in served:
        return ""
    return f"{id_.kind} is served as {', '.join(served)} by {provider.source}, not as {version}"


def credentials(body: JsonObject, id_: ResourceId) -> Iterator[tuple[Reference, tuple[str, ...]]]:
    """The Secrets that a body takes credentials from, with the keys that they must have."""
    for reference in references(body, id_, rules(id_.group, id_.kind)):
        target = reference.target
        for known in reference.rule.targets:
            if known.kind == "Secret" == target.kind and known.keys and not target.group:
                yield reference, known.keys


def legacy(group: str, kind: str) -> str:
    """Why a kind is a dead end, with the way out, or `""`."""
    known = provided(group, kind)
    return (known[1].legacy or known[0].legacy) if known else ""
