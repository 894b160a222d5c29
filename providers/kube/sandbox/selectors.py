"""Label and field selectors (apimachinery `pkg/labels/selector.go`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from providers.kube.sandbox.statuses import bad_request

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


def field_selector(text: str) -> dict[str, str]:
    """`metadata.name` and `metadata.namespace`, the fields that every kind can be selected by."""
    wanted = {}
    for part in _split(text):
        key, _, value = part.replace("==", "=").partition("=")
        if key not in ("metadata.name", "metadata.namespace"):
            raise bad_request(f'field label not supported: "{key}"')
        wanted[key] = value
    return wanted
