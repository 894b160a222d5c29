"""Whether a body fits its schema: structural typing (500) and value rules (422).

Pure. Messages: structured-merge-diff `typed/validate.go` and kube-openapi
`validation/errors`; the recorded ones are in tests/data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from providers.kube.sandbox.fieldset import item_element, server_text
from providers.kube.sandbox.schema import NO_RULES, Rules, Schema
from providers.kube.sandbox.statuses import Cause
from state.resource import FieldPath, JsonObject, canonical

_GO_TYPES = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    type(None): "nil",
}

_LEAVES = {
    "string": (str, "expected string"),
    "integer": (int | float, "expected numeric (int or float)"),
    "number": (int | float, "expected numeric (int or float)"),
    "boolean": (bool, "expected boolean"),
}


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class NotCarried(Exception):
    """The body uses a field that our table of built-in kinds does not describe."""


def misfits(schema: Schema, value: object, at: FieldPath = ()) -> Iterator[str]:
    """Every place where `value` cannot be typed, as the server words it."""
    if value is None:
        return
    match schema.type:
        case "object" if isinstance(value, dict):
            yield from _map_misfits(schema, value, at)
        case "array" if isinstance(value, list):
            yield from _list_misfits(schema, value, at)
        case "object" | "array":
            kind = "map" if schema.type == "object" else "list"
            yield f"{server_text(at)}: expected {kind}, got &{{{_told(value)}}}"
        case "":
            if isinstance(value, dict) and schema.fields:
                yield from _map_misfits(schema, value, at)
        case _:
            yield from _leaf_misfits(schema, value, at)


def _leaf_misfits(schema: Schema, value: object, at: FieldPath) -> Iterator[str]:
    wanted, told = _LEAVES[schema.type]
    fits = isinstance(value, wanted) and (schema.type == "boolean" or not isinstance(value, bool))
    if schema.scalar == "quantity" and isinstance(value, str | int | float):
        return
    if not fits:
        yield f"{server_text(at)}: {told}, got {_got(schema, value)}"


def _got(schema: Schema, value: object) -> str:
    """`%T`, `%#v` or `%v` of the value, as each message happens to print it."""
    match schema.type:
        case "string":
            return f"&value.valueUnstructured{{Value:{_told(value)}}}"
        case "boolean":
            return f"&{{{_told(value)}}}"
        case _:
            return _GO_TYPES[type(value)]


def _map_misfits(schema: Schema, value: JsonObject, at: FieldPath) -> Iterator[str]:
    for name, inner in sorted(value.items()):
        child = schema.child(name)
        path = (*at, "f:" + name)
        if child is None and schema.partial:
            raise NotCarried(server_text(path))
        if child is None:
            yield f"{server_text(path)}: field not declared in schema"
        else:
            yield from misfits(child, inner, path)


def _list_misfits(schema: Schema, value: list[object], at: FieldPath) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(value):
        path = (*at, f"i:{index}")
        if schema.listing == "map" and isinstance(item, dict) and _keyless(schema, item):
            names = " ".join(canonical(name).decode() for name in schema.keys)
            told = "associative list with keys has an element that omits all key fields"
            more = "(and doesn't have default values for any key fields)"
            yield f"{server_text(at)}: element {index}: {told} [{names}] {more}"
            continue
        if schema.listing != "atomic":
            element = item_element(schema, item)
            path = (*at, element)
            if element in seen:
                yield f"{server_text(at)}: duplicate entries for key {server_text((element,))}"
                continue
            seen.add(element)
        yield from misfits(schema.item, item, path)


def _keyless(schema: Schema, item: JsonObject) -> bool:
    defaulted = (schema.item.fields.get(name) for name in schema.keys)
    given = any(name in item for name in schema.keys)
    return not given and all(s is None or s.default is msgspec.UNSET for s in defaulted)


def _told(value: object) -> str:
    """As Go prints it by `%v`."""
    if isinstance(value, list):
        return f"[{' '.join(map(_told, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_told(v)}' for name, v in sorted(value.items()))}]"
    return value if isinstance(value, str) else canonical(value).decode()


def violations(schema: Schema, value: object, at: str = "") -> Iterator[Cause]:
    """Every value rule of a CRD's schema that `value` breaks."""
    if value is None:
        if schema.type and not schema.nullable:
            yield _mistyped(at, schema.type, "null")
        return
    if not _typed(schema, value):
        yield _mistyped(at, schema.type, _openapi_type(value))
        return
    if schema.rules is not NO_RULES:
        yield from _broken(schema.rules, value, at)
    if isinstance(value, dict):
        yield from _map_violations(schema, value, at)
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield from violations(schema.items, item, f"{at}[{index}]")
        yield from _duplicates(schema, value, at)


def _duplicates(schema: Schema, value: list[object], at: str) -> Iterator[Cause]:
    """Items of a set or an associative list that stand there twice (`listtype/validation.go`)."""
    if schema.listing == "atomic":
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        shown = item
        if schema.listing == "map" and isinstance(item, dict):
            shown = {name: item[name] for name in schema.keys if name in item}
        told = canonical(shown).decode()
        if told in seen:
            yield Cause(f"Duplicate value: {told}", "FieldValueDuplicate", f"{at}[{index}]")
        seen.add(told)


def _map_violations(schema: Schema, value: JsonObject, at: str) -> Iterator[Cause]:
    for name in schema.required:
        if name not in value:
            yield Cause("Required value", "FieldValueRequired", _join(at, name))
    for name, inner in value.items():
        child = schema.child(name)
        if child is not None and not (child.open and not child.fields):
            yield from violations(child, inner, _join(at, name))


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _typed(schema: Schema, value: object) -> bool:
    if schema.scalar == "int-or-string":
        return isinstance(value, str | int) and not isinstance(value, bool)
    match schema.type:
        case "":
            return True
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case other:
            return _openapi_type(value) == other


def _openapi_type(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    return names.get(type(value), "number")


def _mistyped(at: str, wanted: str, got: str) -> Cause:
    message = f'Invalid value: "{got}": {at} in body must be of type {wanted}: "{got}"'
    return Cause(message, "FieldValueTypeInvalid", at)


def _broken(rules: Rules, value: object, at: str) -> Iterator[Cause]:
    if rules.enum and value not in rules.enum:
        supported = ", ".join(canonical(v).decode() for v in rules.enum)
        told = f"Unsupported value: {canonical(value).decode()}: supported values: {supported}"
        yield Cause(told, "FieldValueNotSupported", at)
    if rules.pattern is not None and isinstance(value, str) and not rules.pattern.search(value):
        yield _out(value, at, f"should match '{rules.pattern.pattern}'")
    if rules.moment and isinstance(value, str) and not _MOMENT.fullmatch(value):
        told = f'Invalid value: "{value}": {at} in body must be of type date-time: "{value}"'
        yield Cause(told, "FieldValueTypeInvalid", at)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if rules.minimum is not None and value < rules.minimum:
            yield _out(value, at, f"should be greater than or equal to {_number(rules.minimum)}")
        if rules.maximum is not None and value > rules.maximum:
            yield _out(value, at, f"should be less than or equal to {_number(rules.maximum)}")
    if isinstance(value, str | list | dict):
        yield from _wrong_size(rules, value, at)


def _wrong_size(rules: Rules, value: str | list[object] | JsonObject, at: str) -> Iterator[Cause]:
    unit = {str: "chars long", list: "items", dict: "properties"}[type(value)]
    verb = "be at least" if isinstance(value, str) else "have at least"
    if rules.shortest is not None and len(value) < rules.shortest:
        shown: object = value if isinstance(value, str) else len(value)
        yield _out(shown, at, f"should {verb} {rules.shortest} {unit}")
    if rules.longest is not None and len(value) > rules.longest:
        size = "bytes" if isinstance(value, str) else "items"
        told = f"may not be more than {rules.longest} {size}"
        if isinstance(value, str):
            yield Cause(f"Too long: {told}", "FieldValueTooLong", at)
        else:
            many = f"Too many: {len(value)}: must have at most {rules.longest} {unit}"
            yield Cause(many, "FieldValueTooMany", at)


def _out(value: object, at: str, rule: str) -> Cause:
    shown = canonical(value).decode()
    return Cause(f"Invalid value: {shown}: {at} in body {rule}", "FieldValueInvalid", at)


def _number(value: float) -> str:
    return msgspec.json.encode(int(value) if value == int(value) else value).decode()
