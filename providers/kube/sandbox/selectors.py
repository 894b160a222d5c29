"""Label and field selectors (apimachinery `pkg/labels/selector.go`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.statuses import Refused, bad_request, not_carried

Match = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^(?P<key>[^\s!=(),]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s!=(),]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=(),]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s!=(),]+)$")


class _Labels(msgspec.Struct, gc=False):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct, gc=False):
    metadata: _Labels


_decode = msgspec.json.Decoder(_Labelled).decode


def labels_of(body: bytes) -> Mapping[str, str]:
    """The labels in a stored body."""
    return _decode(b"{" + body).metadata.labels or {}


def label_selector(text: str) -> Match:
    """A predicate over labels. Raises 400 for what is no selector."""
    requirements = [_requirement(part.strip()) for part in _split(text)]
    return lambda labels: all(fits(labels) for fits in requirements)


def _split(text: str) -> list[str]:
    """At commas outside parentheses."""
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _requirement(text: str) -> Match:
    if found := _SET.match(text):
        values = {value.strip() for value in found["values"].split(",")}
        return _in(found["key"], values, wanted=found["op"] == "in")
    if found := _EQUAL.match(text):
        return _in(found["key"], {found["value"]}, wanted=found["op"] != "!=")
    if found := _EXISTS.match(text):
        return _has(found["key"], wanted=not found["not"])
    raise bad_request(f'unable to parse requirement: found "{text}", expected: a label selector')


def _in(key: str, values: set[str], *, wanted: bool) -> Match:
    return lambda labels: (labels.get(key) in values) == wanted


def _has(key: str, *, wanted: bool) -> Match:
    return lambda labels: (key in labels) == wanted


_FIELD = re.compile(r"^(?P<key>[^=!]*)(?P<op>==|=|!=)(?P<value>.*)$")
_SELECTABLE = ("metadata.name", "metadata.namespace")
_MORE_SELECTABLE = frozenset(
    (
        *("Event", "Namespace", "Node", "Pod", "Secret", "Service", "ReplicaSet", "Job"),
        *("PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition"),
    )
)
"""Kinds with fields of their own to select by (`AddFieldLabelConversionFunc`): not known here."""


def field_selector(kind: Kind, text: str) -> Match:
    """A predicate over name and namespace, the fields that every kind can be selected by."""
    wanted: list[Match] = []
    for part in _split(text):
        found = _FIELD.match(part)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        key = found["key"]
        if key not in _SELECTABLE:
            raise _unselectable(kind, key)
        wanted.append(_in(key, {found["value"]}, wanted=found["op"] != "!="))
    return lambda fields: all(fits(fields) for fits in wanted)


def _unselectable(kind: Kind, key: str) -> Refused:
    if kind.custom:
        return bad_request(f"field label not supported: {key}")
    if kind.kind in _MORE_SELECTABLE:
        return not_carried(f"selecting {kind.plural} by {key}")
    known = ", ".join(f'"{name}"' for name in _SELECTABLE)
    return bad_request(f'"{key}" is not a known field selector: only {known}')
