"""GET, LIST with pages and selectors, and WATCH."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from providers.kube.api import Response
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.rows import Event, prefix, stored
from providers.kube.sandbox.selectors import Match, field_selector, label_selector, labels_of
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import (
    Cause,
    Refused,
    answer,
    bad_request,
    expired,
    failure,
    invalid,
    not_found,
)
from providers.kube.sandbox.verbs import Call
from state.resource import GroupKind, JsonObject

_NAMED = msgspec.json.Decoder(
    msgspec.defstruct(
        "_Named",
        [("metadata", msgspec.defstruct("_Name", [("name", str), ("namespace", str, "")]))],
    )
).decode


class _Token(msgspec.Struct):
    """Where a paged LIST goes on, and which state its first page saw."""

    rv: int
    namespace: str
    name: str


def get(session: Session, call: Call) -> Response:
    """One object."""
    kind = call.kind
    row = session.data.get(session.server, (kind.group, kind.plural, call.namespace, call.name))
    if row is None:
        raise not_found(kind.plural, kind.group, call.name)
    return answer(prefix(kind) + row.body)


def list_objects(session: Session, call: Call) -> Response:
    """A collection. A consistent read, whatever resourceVersion was asked for.

    `resourceVersion=0` ignores `limit`, as a server with a warm watch cache does.
    """
    kind, query = call.kind, call.query
    limit = 0 if query.get("resourceVersion") == "0" else _number(query.get("limit", "0"))
    token = _token(session, query) if query.get("continue") else None
    namespace = call.namespace or None
    if token:
        bodies = _then(session, kind, namespace, token.rv)
    else:
        bodies = session.data.bodies(session.server, kind.group, kind.plural, namespace)
    bodies = _selected(kind, bodies, query)
    rv = token.rv if token else session.data.counter("rv")
    metadata: JsonObject = {"resourceVersion": str(rv)}
    if token or limit:
        bodies, metadata = _page(bodies, token, limit, rv, counted=_uncounted(query))
    if kind.custom:
        metadata.setdefault("continue", "")  # an unstructured list writes it always
    return answer(listed(kind, bodies, metadata))


def _then(session: Session, kind: Kind, namespace: str | None, rv: int) -> list[bytes]:
    """The bodies at an earlier resourceVersion: pages are of one state (etcd3/store.go)."""
    data, of = session.data, (session.server, kind.group, kind.plural)
    now = {_place(body): body for body in data.bodies(*of, namespace)}
    for place, first in data.changed(*of, namespace, rv).items():
        before = data.last_event(*of, *place, rv)
        if before is None and first != "ADDED":
            raise _expired_token()
        if before is None or before.type == "DELETED":
            now.pop(place, None)
        else:
            now[place] = before.body
    return [now[place] for place in sorted(now)]


def listed(kind: Kind, bodies: list[bytes], metadata: JsonObject) -> bytes:
    """Items of built-in kinds carry no apiVersion and kind, those of custom resources do."""
    before = prefix(kind) if kind.custom else b"{"
    items = before + (b"," + before).join(bodies) if bodies else b""
    head = b'{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[' % (
        kind.kind.encode(),
        kind.api_version.encode(),
        msgspec.json.encode(metadata),
    )
    return head + items + b"]}"


def _number(text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _version(text: str) -> int:
    """A resourceVersion that is no number is answered 500 (recorded)."""
    if not text.isdecimal():
        told = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise failure(500, "", f'resourceVersion: Invalid value: "{text}": {told}')
    return int(text)


def _selected(kind: Kind, bodies: list[bytes], query: dict[str, str]) -> list[bytes]:
    if query.get("labelSelector"):
        matches = label_selector(query["labelSelector"])
        bodies = [body for body in bodies if matches(labels_of(body))]
    if query.get("fieldSelector"):
        matches = field_selector(kind, query["fieldSelector"])
        bodies = [body for body in bodies if matches(_fields(body))]
    return bodies


def _fields(body: bytes) -> dict[str, str]:
    metadata = _NAMED(b"{" + body).metadata  # type: ignore[attr-defined]
    return {"metadata.name": metadata.name, "metadata.namespace": metadata.namespace}


def _uncounted(query: dict[str, str]) -> bool:
    """With a selector the server does not say how many items remain."""
    return not (query.get("labelSelector") or query.get("fieldSelector"))


def _page(
    bodies: list[bytes], token: _Token | None, limit: int, rv: int, *, counted: bool
) -> tuple[list[bytes], JsonObject]:
    metadata: JsonObject = {"resourceVersion": str(rv)}
    if token:
        last = (token.namespace, token.name)
        bodies = [body for body in bodies if _place(body) > last]
    if not limit or len(bodies) <= limit:
        return bodies, metadata
    page = bodies[:limit]
    place = _place(page[-1])
    following = msgspec.json.encode(_Token(rv, *place))
    metadata["continue"] = base64.urlsafe_b64encode(following).decode()
    if counted:
        metadata["remainingItemCount"] = len(bodies) - limit
    return page, metadata


def _place(body: bytes) -> tuple[str, str]:
    metadata: Any = _NAMED(b"{" + body).metadata  # type: ignore[attr-defined]
    return metadata.namespace, metadata.name


def _token(session: Session, query: dict[str, str]) -> _Token:
    if query.get("resourceVersion", "") not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(query["continue"]), type=_Token)
    except ValueError as error:
        raise bad_request("invalid continue token: continue key is not valid") from error
    if token.rv < session.data.oldest:
        raise _expired_token()
    return token


def _expired_token() -> Refused:
    return expired(
        "The provided continue parameter is too old to display a consistent list result. You"
        " can start a new list without the continue parameter."
    )


class Watching:
    """The state of one watch between polls."""

    def __init__(self, session: Session, call: Call) -> None:
        query = call.query
        self._call = call
        self._matches: Match | None = None
        if query.get("labelSelector"):
            self._matches = label_selector(query["labelSelector"])
        self._fields: Match | None = None
        if query.get("fieldSelector"):
            self._fields = field_selector(call.kind, query["fieldSelector"])
        self.bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        given = query.get("resourceVersion", "")
        self._initial = query.get("sendInitialEvents") == "true"
        if self._initial and query.get("resourceVersionMatch") != "NotOlderThan":
            told = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            cause = Cause(f"Forbidden: {told}", "FieldValueForbidden", "resourceVersionMatch")
            raise invalid(GroupKind("meta.k8s.io", "ListOptions"), "", [cause])
        self._first = given in ("", "0") or self._initial
        self._after = _version(given or "0")
        if not self._first and self._after < session.data.oldest:
            raise expired(f"too old resource version: {given} ({session.data.oldest})")

    def poll(self, session: Session) -> list[bytes]:
        """Lines of what happened since the last poll."""
        if self._first:
            self._first = False
            return self._begin(session)
        call = self._call
        kind, namespace = call.kind, call.namespace or None
        found = session.data.events(session.server, kind.group, kind.plural, namespace, self._after)
        if found:
            self._after = found[-1].rv
        return [line for event in found for line in self._lines(event)]

    def _begin(self, session: Session) -> list[bytes]:
        """The objects there are, as additions; then, if wanted, the end of them."""
        call = self._call
        kind, namespace = call.kind, call.namespace or None
        self._after = session.data.counter("rv")
        bodies = session.data.bodies(session.server, kind.group, kind.plural, namespace)
        lines = [self._line("ADDED", body) for body in _selected(kind, bodies, call.query)]
        if self._initial and self.bookmarks:
            ended = {"annotations": {"k8s.io/initial-events-end": "true"}}
            lines.append(self.bookmark(session, **ended))
        return lines

    def bookmark(self, session: Session, **metadata: Any) -> bytes:
        """How far this watch has come."""
        self._after = max(self._after, session.data.counter("rv"))
        found = {"resourceVersion": str(self._after), **metadata}
        body = msgspec.json.encode({"metadata": found})[1:]
        return self._line("BOOKMARK", body)

    def _line(self, event: str, body: bytes) -> bytes:
        return b'{"type":"%s","object":%s%s}' % (event.encode(), prefix(self._call.kind), body)

    def _lines(self, event: Event) -> Iterator[bytes]:
        """An object that leaves or enters the selection is deleted or added for this watcher.

        One that leaves it is shown as it was, at the version of the change (watch_cache.go).
        """
        if self._fields is not None and not self._fields(_fields(event.body)):
            return
        kind, body = event.type, event.body
        if self._matches is not None:
            before = event.before
            now = self._matches(labels_of(event.body)) and kind != "DELETED"
            was = before is not None and self._matches(labels_of(before))
            if not now and not was:
                return
            if was and not now and kind != "DELETED" and before is not None:
                body = _at_version(before, event.rv)
            kind = "DELETED" if not now else "MODIFIED" if was else "ADDED"
        yield self._line(kind, body)


def _at_version(body: bytes, rv: int) -> bytes:
    value = msgspec.json.decode(b"{" + body)
    value["metadata"]["resourceVersion"] = str(rv)
    return stored(value)


def chosen(session: Session, call: Call) -> list[tuple[str, str]]:
    """Namespace and name of the objects that a collection request selects."""
    kind, namespace = call.kind, call.namespace or None
    bodies = session.data.bodies(session.server, kind.group, kind.plural, namespace)
    return [_place(body) for body in _selected(kind, bodies, call.query)]
