"""Error answers, word for word as kube-apiserver 1.36 gives them (tests/data/error-bodies.json)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from providers.kube.api import Response
from state.resource import GroupKind, JsonObject

JSON_HEADERS = {"content-type": "application/json"}
_TEXT_HEADERS = {"content-type": "text/plain; charset=utf-8"}


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"HTTP {response.status}")
        self.response = response


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of `details.causes`."""

    message: str
    reason: str = ""
    field: str = ""

    @property
    def line(self) -> str:
        """As it stands in the message of a 422."""
        return f"{self.field}: {self.message}"


def answer(body: JsonObject | bytes, status: int = 200) -> Response:
    """A JSON answer."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(status=status, body=content, headers=JSON_HEADERS)


def failure(
    code: int,
    reason: str,
    message: str,
    *,
    name: str = "",
    group: str = "",
    kind: str = "",
    causes: Iterable[Cause] = (),
    details: Mapping[str, Any] = MappingProxyType({}),
) -> Refused:
    """A `Status` answer; empty parts are left out, as Go does."""
    empty = "details" in details
    found = {"name": name, "group": group, "kind": kind, **details}
    found.pop("details", None)
    found["causes"] = [msgspec.to_builtins(cause) for cause in causes]
    found = {key: value for key, value in found.items() if value not in ("", [])}
    body: JsonObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body["message"] = message
    if reason:
        body["reason"] = reason
    if found or empty:
        body["details"] = found
    return Refused(answer({**body, "code": code}, code))


def qualified(plural: str, group: str) -> str:
    """`widgets.t.cform.test`; the core group adds nothing."""
    return f"{plural}.{group}" if group else plural


def page_not_found() -> Refused:
    """A group, version or resource that is not served: text, not a Status."""
    body = b"404 page not found\n"
    return Refused(Response(status=404, body=body, headers=_TEXT_HEADERS))


def too_many_requests() -> Refused:
    """What max-inflight answers: text and a Retry-After header."""
    body = b"Too many requests, please try again later.\n"
    headers = {**_TEXT_HEADERS, "retry-after": "1"}
    return Refused(Response(status=429, body=body, headers=headers))


def not_found(plural: str, group: str, name: str) -> Refused:
    """The object does not exist."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return failure(404, "NotFound", message, name=name, group=group, kind=plural)


def already_exists(plural: str, group: str, name: str) -> Refused:
    """Create of what is there."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return failure(409, "AlreadyExists", message, name=name, group=group, kind=plural)


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(kind: str, group: str, name: str, why: str = MODIFIED) -> Refused:
    """A precondition did not hold. `kind` is the plural, or the Kind for delete preconditions."""
    message = f'Operation cannot be fulfilled on {qualified(kind, group)} "{name}": {why}'
    return failure(409, "Conflict", message, name=name, group=group, kind=kind)


def bad_request(message: str) -> Refused:
    """The request itself makes no sense."""
    return failure(400, "BadRequest", message)


def forbidden(
    plural: str, group: str, name: str, why: str, causes: Iterable[Cause] = ()
) -> Refused:
    """RBAC or admission says no."""
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    message = f"{subject} is forbidden: {why}"
    return failure(403, "Forbidden", message, name=name, group=group, kind=plural, causes=causes)


def invalid(of: GroupKind, name: str, causes: Iterable[Cause], prefix: str = "") -> Refused:
    """A 422; several causes are listed in brackets, equal ones once."""
    found = tuple(causes)
    lines = list(dict.fromkeys(cause.line for cause in found))
    told = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    message = f'{prefix}{of} "{name}" is invalid: {told}'
    return failure(422, "Invalid", message, name=name, group=of.group, kind=of.kind, causes=found)


def untyped(message: str) -> Refused:
    """A body that cannot be typed by the schema: 500 without a reason, and permanent."""
    return failure(500, "", message)


def not_carried(what: str) -> Refused:
    """The sandbox does not know; a guess would make plans wrong, so it says so."""
    message = f"the built-in management cluster does not know {what}"
    return failure(501, "NotImplemented", message)


def unauthorized() -> Refused:
    """No token, or one that this server does not know."""
    return failure(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> Refused:
    """A resourceVersion or continue token that is too old."""
    return failure(410, "Expired", message)


_NO_DETAILS = {"details": None}
"""`"details": {}`, which the server writes where an error of another layer was wrapped."""


def unsupported_media() -> Refused:
    """A patch format that this resource does not take."""
    message = "415: Unsupported Media Type"
    return failure(415, "UnsupportedMediaType", message, details=_NO_DETAILS)


def not_allowed() -> Refused:
    """A verb that this resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return failure(405, "MethodNotAllowed", message, details=_NO_DETAILS)


def no_resource() -> Refused:
    """A subresource that a built-in kind does not have."""
    message = "the server could not find the requested resource"
    return failure(404, "NotFound", message, details=_NO_DETAILS)


def rejected() -> Refused:
    """A JSON patch whose operations do not fit the object."""
    message = "the server rejected our request due to an error in our request"
    return failure(422, "Invalid", message, details=_NO_DETAILS)
