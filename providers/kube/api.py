"""The port to a Kubernetes API server: HTTP-shaped requests, so that every server looks the same.

The built-in sandbox and a real kube-apiserver both sit behind `Transport`. Everything that knows
what a response means (preconditions, conflicts, retries) is in `providers.kube.client` on top of
it and is therefore the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

APPLY_PATCH = "application/apply-patch+yaml"
"""Content type of server-side apply. A JSON body is YAML; `apply-patch+json` is answered 415."""
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What to accept where only the metadata of a list is wanted: of Secrets, their data stays away."""
JSON_PATCH = "application/json-patch+json"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `path` starts with `/`; `query` holds decoded names and values."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = JSON
    accept: str = JSON


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer. Header names are lower case."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


class TransportError(Exception):
    """No answer: refused, timed out, cut. `sent` is False only if the server cannot have seen it.

    A write whose error says `sent` may have happened: read the object back before anything else.
    `late`: it was waited for as long as is ever waited; asking again would take as long again.
    """

    def __init__(self, message: str, *, sent: bool, late: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.late = late


class Transport(Protocol):
    """A way to reach one API server. Safe to use from several threads."""

    def request(self, request: Request) -> Response:
        """Send and wait for the whole answer; raises `TransportError` when there is none."""
        ...

    def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
        """Events of a watch as JSON lines, until `timeout` seconds passed or the server ended it.

        An error answer (410, 403, …) is raised as `WatchRefused`.
        """
        ...


class WatchRefused(Exception):
    """A watch was answered with an error status instead of events."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"watch refused: HTTP {response.status}")
        self.response = response
