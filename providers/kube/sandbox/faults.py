"""Faults on cue: what goes wrong, for which requests, and how often."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from providers.kube.api import Request, Response
from providers.kube.sandbox.statuses import (
    MODIFIED,
    Refused,
    expired,
    failure,
    too_many_requests,
)
from providers.kube.sandbox.store import Data
from providers.kube.sandbox.world import Key

FaultKind = Literal[
    "status", "conflict", "delay", "drop-before", "drop-after", "truncate", "stuck", "crash"
]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `method` and `path` are regular expressions that must match completely."""

    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    """Of a `stuck` fault: matched against `group/Kind/namespace/name`."""
    status: int = 500
    reason: str = ""
    """Of a status fault the Status reason; of a stuck one what its conditions show."""
    message: str = ""
    seconds: float = 0.0
    count: int | None = 1
    """How many requests it hits; None for all."""
    skip: int = 0
    """Matching requests that pass before it hits."""
    after: bool = False
    """A crash happens after the request was performed, not before."""
    server: str | None = None
    """Only this server (`""` is management, else `namespace/name`); None for every one."""

    def matches(self, request: Request, server: str) -> bool:
        """The fault may hit this request."""
        if self.kind == "stuck" or self.server not in (None, server):
            return False
        if self.kind == "truncate" and not dict(request.query).get("continue"):
            return False
        if self.kind == "crash" and request.method == "GET":
            return False
        method = re.fullmatch(self.method, request.method)
        return bool(method and re.fullmatch(self.path, request.path))


def hits(data: Data, request: Request, server: str) -> list[Fault]:
    """The faults that this request meets; their counts go down."""
    found = []
    for number, body in data.faults():
        fault = msgspec.json.decode(body, type=Fault)
        if not fault.matches(request, server):
            continue
        if fault.skip:
            data.set_fault(number, _encode(msgspec.structs.replace(fault, skip=fault.skip - 1)))
            continue
        found.append(fault)
        if fault.count is not None:
            left = msgspec.structs.replace(fault, count=fault.count - 1)
            data.set_fault(number, _encode(left) if left.count else None)
    return found


def _encode(fault: Fault) -> bytes:
    return msgspec.json.encode(fault)


def add(data: Data, fault: Fault) -> None:
    """Remember a fault for every process."""
    data.add_fault(_encode(fault))


def stored(data: Data) -> list[Fault]:
    """The faults still to come."""
    return [msgspec.json.decode(body, type=Fault) for _, body in data.faults()]


def stuck_reason(faults: Iterable[Fault], key: Key) -> str | None:
    """Why an object never becomes ready, if a fault says so."""
    text = "/".join(key)
    for fault in faults:
        if fault.kind == "stuck" and re.fullmatch(fault.path, text):
            return fault.reason or "Stuck"
    return None


def refusal(fault: Fault) -> Response | None:
    """The answer that a fault gives in place of the server."""
    if fault.kind == "status":
        return _status(fault).response
    if fault.kind == "conflict":
        return failure(409, "Conflict", fault.message or MODIFIED).response
    if fault.kind == "truncate":
        return expired("The provided continue parameter is too old").response
    return None


def _status(fault: Fault) -> Refused:
    if fault.status == 429 and not fault.reason:
        return too_many_requests()
    message = fault.message or f"injected HTTP {fault.status}"
    retry = {"retryAfterSeconds": 1 if fault.status == 429 else ""}
    return failure(fault.status, fault.reason, message, details=retry)
