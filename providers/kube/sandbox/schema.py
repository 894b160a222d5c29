"""What a kind's fields are: types, list types, defaults, rules; compiled from a CRD.

Built-in kinds come from `builtin_kinds` in the same form, so that merging, ownership, defaulting
and validation know one kind of schema. Rules: KEP-1693 structural schemas and
kube-openapi `schemaconv/smd.go` (lists without `x-kubernetes-list-type` are atomic, maps granular
unless `x-kubernetes-map-type: atomic`; inside `preserve-unknown-fields` lists are atomic).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from state.resource import JsonObject

Listing = Literal["atomic", "set", "map"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Value rules of an OpenAPI schema that the sandbox enforces."""

    enum: tuple[Any, ...] = ()
    pattern: re.Pattern[str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    shortest: int | None = None
    """`minLength`, `minItems` or `minProperties`, by the field's type."""
    longest: int | None = None
    moment: bool = False
    """`format: date-time`; other formats are not checked."""


NO_RULES = Rules()


class Schema(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """The schema of one value. `type` is `""` where any value may stand."""

    type: Literal["", "object", "array", "string", "integer", "number", "boolean"] = ""
    fields: dict[str, Schema] = {}
    extra: Schema | None = None
    """Of the values of a free-form map (`additionalProperties`)."""
    open: bool = False
    """Undeclared fields are kept and typed by their value."""
    atomic: bool = False
    listing: Listing = "atomic"
    keys: tuple[str, ...] = ()
    items: Schema | None = None
    default: Any = msgspec.UNSET
    nullable: bool = False
    scalar: Literal["", "quantity", "int-or-string"] = ""
    required: tuple[str, ...] = ()
    rules: Rules = NO_RULES
    dropped: bool = False
    """Built-in kinds: Go leaves the field out when it is zero (`omitempty` without a pointer)."""
    partial: bool = False
    """Built-in kinds: our table lists only some fields; an unlisted one is answered 501."""

    def child(self, name: str) -> Schema | None:
        """The schema of a field or map value; None when it is not declared."""
        found = self.fields.get(name)
        if found is not None:
            return found
        return ANY if self.open else self.extra

    @property
    def item(self) -> Schema:
        """The schema of a list's items."""
        return ANY if self.items is None else self.items

    @cached_property
    def defaulting(self) -> bool:
        """A default exists here or below: where not, the defaulting walk can turn back."""
        below = [*self.fields.values(), *filter(None, (self.extra, self.items))]
        return any(s.default is not msgspec.UNSET or s.defaulting for s in below)


ANY = Schema(open=True)


def granular_map(schema: Schema, value: object) -> bool:
    """`value` is a map whose entries are owned one by one."""
    return isinstance(value, dict) and not schema.atomic and schema.type in ("object", "")


def granular_list(schema: Schema, value: object) -> bool:
    """`value` is a set or an associative list, whose items are owned one by one."""
    return isinstance(value, list) and schema.type == "array" and schema.listing != "atomic"


def compile_openapi(source: JsonObject) -> Schema:
    """The schema of a CRD version, from its `openAPIV3Schema`."""
    extra = source.get("additionalProperties")
    keeps = bool(source.get("x-kubernetes-preserve-unknown-fields"))
    either = bool(source.get("x-kubernetes-int-or-string"))
    items = source.get("items")
    return Schema(
        type="" if either else source.get("type", ""),
        fields={name: compile_openapi(s) for name, s in (source.get("properties") or {}).items()},
        extra=_extra(extra),
        open=keeps or _shapeless(source),
        atomic=source.get("x-kubernetes-map-type") == "atomic",
        listing=source.get("x-kubernetes-list-type", "atomic"),
        keys=tuple(source.get("x-kubernetes-list-map-keys", ())),
        items=compile_openapi(items) if isinstance(items, dict) else None,
        default=source.get("default", msgspec.UNSET),
        nullable=bool(source.get("nullable")),
        scalar="int-or-string" if either else "",
        required=tuple(source.get("required", ())),
        rules=_rules(source),
    )


def _extra(source: object) -> Schema | None:
    if isinstance(source, dict):
        return compile_openapi(source)
    return ANY if source is True else None


def _shapeless(source: Mapping[str, object]) -> bool:
    """`x-kubernetes-embedded-resource` and empty schemas say nothing of what is inside."""
    embedded = bool(source.get("x-kubernetes-embedded-resource"))
    return embedded or not any(
        key in source for key in ("type", "properties", "x-kubernetes-int-or-string")
    )


def _rules(source: JsonObject) -> Rules:
    if not source.keys() & _RULE_KEYS:
        return NO_RULES
    size = {"array": "Items", "object": "Properties"}.get(source.get("type", ""), "Length")
    pattern = source.get("pattern")
    return Rules(
        enum=tuple(source.get("enum") or ()),
        pattern=_go_pattern(pattern) if pattern else None,
        minimum=source.get("minimum"),
        maximum=source.get("maximum"),
        shortest=source.get(f"min{size}"),
        longest=source.get(f"max{size}"),
        moment=source.get("format") == "date-time",
    )


_RULE_KEYS = {
    *("enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "format"),
    *("minItems", "maxItems", "minProperties", "maxProperties"),
}


def _go_pattern(text: str) -> re.Pattern[str] | None:
    """RE2 is nearly a subset of Python's dialect; what is outside it is not enforced."""
    try:
        return re.compile(text)
    except re.error:
        return None
