"""What the file holds: objects as stored bytes, and changes of them.

An object is stored as its canonical JSON from `"metadata":` on, without apiVersion and kind: a
LIST in any version is then a join of stored bytes.
"""

from __future__ import annotations

import msgspec

from providers.kube.sandbox.kinds import Kind
from state.resource import JsonObject, canonical

Where = tuple[str, str, str, str]
"""group, plural, namespace, name"""


class Row(msgspec.Struct, frozen=True):
    """An object as it is stored."""

    group: str
    plural: str
    namespace: str
    name: str
    body: bytes
    stale: bool = False

    @property
    def value(self) -> JsonObject:
        """The decoded object, without apiVersion and kind."""
        decoded: JsonObject = msgspec.json.decode(b"{" + self.body)
        return decoded


class Event(msgspec.Struct, frozen=True):
    """A change, for watches and for lists of the past."""

    rv: int
    type: str
    namespace: str
    name: str
    body: bytes
    before: bytes | None = None
    """A stored body with the labels from before the change, whole if they changed; None: added."""


def prefix(kind: Kind) -> bytes:
    """The JSON that goes before a stored body."""
    return b'{"apiVersion":"%s","kind":"%s",' % (kind.api_version.encode(), kind.kind.encode())


def stored(value: JsonObject) -> bytes:
    """The bytes to store for an object."""
    rest = {key: v for key, v in value.items() if key not in ("apiVersion", "kind")}
    return canonical(rest)[1:]


def before_of(old: JsonObject, new: JsonObject) -> bytes:
    """What a watcher with a selector needs of the state before a change."""
    labels = old["metadata"].get("labels") or {}
    if labels == (new["metadata"].get("labels") or {}):
        return canonical({"metadata": {"labels": labels}})[1:]
    return stored(old)


def read_event(
    rv: int, kind: str, namespace: str, name: str, body: bytes, before: bytes | None
) -> Event:
    """A row of the events table."""
    if before is not None and before.startswith(b"{"):  # bare labels, in older files
        before = b'"metadata":{"labels":' + before + b"}}"
    return Event(rv, kind, namespace, name, body, before)
