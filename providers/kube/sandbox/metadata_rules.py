"""Names and labels that the server refuses (apimachinery `pkg/{api,util}/validation`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.statuses import Cause
from state.resource import JsonObject, canonical

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

_NAME = re.compile(_SUBDOMAIN)
_LABEL_NAME = re.compile(_LABEL)
_LABEL_VALUE = re.compile(_VALUE)

_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{_SUBDOMAIN}')"
)
_LABEL_NAME_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex"
    f" used for validation is '{_LABEL}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',"
    f"  or '12345', regex used for validation is '{_VALUE}')"
)


def metadata_causes(kind: Kind, metadata: JsonObject) -> Iterator[Cause]:
    """What is wrong with an object's name and labels."""
    name = metadata["name"]
    longest = 63 if kind.plural in _LABEL_NAMED else 253
    if kind.group == "rbac.authorization.k8s.io":
        if "/" in name or "%" in name:
            yield _invalid("metadata.name", name, "may not contain '/'")
    elif kind.plural in _LABEL_NAMED and not _LABEL_NAME.fullmatch(name):
        dotted = _NAME.fullmatch(name)
        yield _invalid("metadata.name", name, _DOTS if dotted else _LABEL_NAME_RULE)
    elif not _NAME.fullmatch(name):
        yield _invalid("metadata.name", name, _NAME_RULE)
    elif len(name) > longest:
        yield _invalid("metadata.name", name, f"must be no more than {longest} characters")
    for key, value in (metadata.get("labels") or {}).items():
        yield from _keys("metadata.labels", key)
        if isinstance(value, str) and not _LABEL_VALUE.fullmatch(value):
            yield _invalid("metadata.labels", value, _VALUE_RULE)
        elif isinstance(value, str) and len(value) > 63:
            yield _invalid("metadata.labels", value, "must be no more than 63 bytes")
    for key in metadata.get("annotations") or {}:
        yield from _keys("metadata.annotations", key.lower())
    yield from _controllers(metadata.get("ownerReferences") or [])
    if not kind.custom:
        for index, finalizer in enumerate(metadata.get("finalizers") or ()):
            if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
                told = "name is neither a standard finalizer name nor is it fully qualified"
                yield _invalid(f"metadata.finalizers[{index}]", finalizer, told)


_LABEL_NAMED = ("namespaces", "services")
_DOTS = "must not contain dots"
_KEY_PART = re.compile("([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_PART_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{_KEY_PART.pattern}')"
)
_KEY_RULE = (
    f"a valid label key {_PART_RULE} with an optional DNS subdomain prefix and '/' (e.g."
    " 'example.com/MyName')"
)
_STANDARD_FINALIZERS = ("foregroundDeletion", "orphan", "kubernetes")


def _keys(field: str, key: str) -> Iterator[Cause]:
    """A key of labels or annotations (`IsQualifiedName`)."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        yield _invalid(field, key, _KEY_RULE)
        return
    if slash and not prefix:
        yield _invalid(field, key, "prefix part must be non-empty")
    elif slash and not _NAME.fullmatch(prefix):
        yield _invalid(field, key, f"prefix part {_NAME_RULE}")
    if not name:
        yield _invalid(field, key, "name part must be non-empty")
    elif len(name) > 63:
        yield _invalid(field, key, "name part must be no more than 63 bytes")
    if not _KEY_PART.fullmatch(name):
        yield _invalid(field, key, f"name part {_PART_RULE}")


_REFERENCE_ORDER = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")


def _controllers(references: list[JsonObject]) -> Iterator[Cause]:
    """At most one owner is the controller."""
    found = [owner for owner in references if owner.get("controller")]
    if len(found) < 2:
        return
    first, second = (f"{owner['kind']}/{owner['name']}" for owner in found[:2])
    listed = [{n: o[n] for n in _REFERENCE_ORDER if n in o} for o in references]
    shown = msgspec.json.encode(listed).decode()
    told = (
        f"Invalid value: {shown}: Only one reference can have Controller set to true. Found"
        f' "true" in references for {first} and {second}'
    )
    yield Cause(told, "FieldValueInvalid", "metadata.ownerReferences")


def finalizer_warnings(kind: Kind, metadata: JsonObject, old: JsonObject | None) -> list[str]:
    """New finalizers of custom resources without a path (customresource/validator.go)."""
    if not kind.custom:
        return []
    known = ((old or {}).get("metadata") or {}).get("finalizers") or ()
    told = "to avoid accidental conflicts with other finalizer writers"
    return [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name'
        f"{' including a path (/)' if '.' in name else ''} {told}"
        for name in sorted({*(metadata.get("finalizers") or ())} - {*known})
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def _invalid(field: str, value: str, rule: str) -> Cause:
    told = f"Invalid value: {canonical(value).decode()}: {rule}"
    return Cause(told, "FieldValueInvalid", field)
