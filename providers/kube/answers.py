"""What an answer that is no success means: one class of error, and the message without values.

Source: docs/server-side-apply.md, "Error bodies" (recorded from kube-apiserver 1.36).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from providers.kube.api import Response
from state.errors import ClusterformError
from state.resource import JsonObject


class ApiError(ClusterformError):
    """An answer that is no success. `code` is the class that decides what happens next.

    `api-conflict` another manager owns a field · `api-stale` uid or resourceVersion moved ·
    `api-exists` a create met an object · `api-not-found` · `api-no-kind` the server does not serve
    it · `api-invalid` refused for good · `api-forbidden` · `api-unauthorized` ·
    `api-unavailable` worth trying again · `api-ambiguous` sent, no answer: read back first.
    """

    def __init__(self, code: str, brief: str, *, status: int = 0, causes: Any = ()) -> None:
        super().__init__(code, brief)
        self.status = status
        self.causes: tuple[JsonObject, ...] = tuple(causes)
        self.retry_after = 0.0

    @property
    def conflicts(self) -> tuple[tuple[str, str], ...]:
        """(manager, field as the server writes it) of an apply conflict."""
        pattern = re.compile(r'conflict with "([^"]*)"')
        return tuple(
            (found.group(1), str(cause.get("field", "")))
            for cause in self.causes
            if (found := pattern.match(str(cause.get("message", ""))))
        )


def error_of(answer: Response, *, create_only: bool = False, writes: bool = False) -> ApiError:
    """Classify an error answer.

    `create_only`: the request could only create. `writes`: it may have been carried out although
    the answer is an error; such an answer is ambiguous.
    """
    status = _status(answer)
    reason = str(status.get("reason") or "")
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    causes = [c for c in details.get("causes") or () if isinstance(c, dict)]
    code = _CODES.get(answer.status, "api-invalid")
    if answer.status == 409:
        code = _conflict_code(reason, causes, create_only)
    elif answer.status == 404 and not status:
        code = "api-no-kind"
    elif answer.status == 422 and any(c.get("field") == "metadata.uid" for c in causes):
        code = "api-stale"
    elif answer.status == 500 and reason not in ("InternalError", "ServerTimeout", "Timeout"):
        code = "api-invalid"  # typing errors of server-side apply: a 500 that is permanent
    elif writes and answer.status in (500, 502, 503, 504) and not _before_the_write(status):
        code = "api-ambiguous"  # a store or proxy that gave up waiting: it may have happened
    error = ApiError(code, readable(answer, status), status=answer.status, causes=causes)
    wait = details.get("retryAfterSeconds") or answer.headers.get("retry-after") or 0
    error.retry_after = min(30.0, float(wait)) if str(wait).replace(".", "", 1).isdigit() else 0.0
    return error


_CODES = {
    401: "api-unauthorized",
    403: "api-forbidden",
    404: "api-not-found",
    410: "api-expired",
    429: "api-unavailable",
    500: "api-unavailable",
    502: "api-unavailable",
    503: "api-unavailable",
    504: "api-unavailable",
}


def _before_the_write(status: JsonObject) -> bool:
    """The API server itself refused it, or it failed in admission: nothing was stored."""
    message = str(status.get("message") or "")
    if status.get("reason") in ("ServiceUnavailable", "TooManyRequests"):
        return True
    return "failed calling webhook" in message or "conversion webhook" in message


def _conflict_code(reason: str, causes: Any, create_only: bool) -> str:
    if reason == "AlreadyExists" or create_only:
        return "api-exists"  # of a create, a conflict over fields says that, too
    if any(c.get("reason") == "FieldManagerConflict" for c in causes):
        return "api-conflict"
    return "api-stale"


def _status(answer: Response) -> JsonObject:
    try:
        decoded = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return {}
    return decoded if isinstance(decoded, dict) and decoded.get("kind") == "Status" else {}


_VALUE = re.compile(
    r'(Invalid|Duplicate|Unsupported) value: (?:"(?:[^"\\]|\\.)*"|\{.*\}|\[.*\]|[^:]*)(?=: |$)',
    re.DOTALL,
)
_GOT = re.compile(r", got .*", re.DOTALL)
"""A typing error of server-side apply quotes what it got, a whole map at times."""
_GO_VALUE = re.compile(r"(value: )(?:map\[|&|struct|\[\]).*", re.DOTALL)
"""A value as Go prints it has no end that could be told: nothing after it is kept."""


def readable(answer: Response, status: JsonObject) -> str:
    """The server's message, bounded and without the values it quotes: they may be secrets."""
    message = str(status.get("message") or answer.body.decode("utf-8", "replace")).strip()
    message = _GO_VALUE.sub(r"\1(left out)", _GOT.sub(", got another", message))
    message = _VALUE.sub(r"\1 value", message).partition(" Diff: ")[0]
    first = " ".join(message.split())
    return first[:500] + ("…" if len(first) > 500 else "") or f"HTTP {answer.status}"
