"""HTTP GET within limits: sizes, times, redirects. Credentials are added here and go no further.

They come from where other tools of the user keep them: `~/.netrc` for chart repositories,
`~/.docker/config.json` for registries. A redirect never carries them on, and never leads from https
to http or to another scheme.
"""

from __future__ import annotations

import base64
import http.client
import json
import netrc
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers.archive import BYTES, too_large
from state.errors import ClusterformError


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much."""

    silence: float = 20
    """Seconds without an answer or a byte."""
    total: float = 300
    """Seconds for one source."""
    bytes: int = BYTES


class Answer(msgspec.Struct, frozen=True):
    """An answer that was read whole."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class Web:
    """Asks servers; remembers nothing."""

    def __init__(self, limits: Limits, home: Path | None = None) -> None:
        self._limits = limits
        self._home = home or Path(os.path.expanduser("~"))
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(),
        ):
            self._opener.add_handler(handler)

    def get(
        self, url: str, *, accept: str = "*/*", authorization: str = "", limit: int = 0
    ) -> Answer:
        """The answer to a GET, whatever its status.

        Raises ClusterformError('unreachable', 'bad-archive') after the limits.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise ClusterformError("bad-url", f"{shown(url)} is neither http nor https")
        request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": _AGENT})
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        try:
            with self._opener.open(request, timeout=self._limits.silence) as found:
                return self._answer(found, url, limit or self._limits.bytes)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _headers(error.headers), b"")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise unreachable(url, error) from None

    def found(self, url: str, what: str, **options: Any) -> bytes:
        """The body of an answer that must be 200. Raises ClusterformError('not-served')."""
        answer = self.get(url, **options)
        if answer.status != 200:
            raise not_served(url, what, answer.status)
        return answer.body

    def netrc(self, url: str) -> str:
        """An `Authorization` for a host from `~/.netrc`, or `""`."""
        try:
            path = os.environ.get("NETRC") or str(self._home / ".netrc")
            entry = netrc.netrc(path).authenticators(urlsplit(url).hostname or "")
        except (OSError, netrc.NetrcParseError):
            return ""
        return basic(entry[0], entry[2] or "") if entry else ""

    def docker(self, host: str) -> str:
        """An `Authorization` for a registry from the file that `docker login` writes, or `""`."""
        folder = os.environ.get("DOCKER_CONFIG")
        path = Path(folder) if folder else self._home / ".docker"
        try:
            auths = json.loads((path / "config.json").read_bytes()).get("auths") or {}
            known = auths.get(host) or auths.get(f"https://{host}") or {}
            return f"Basic {known['auth']}" if known.get("auth") else ""
        except (OSError, ValueError, AttributeError):
            return ""

    def _answer(self, found: Any, url: str, limit: int) -> Answer:
        """The body, read in pieces: a server may send forever, or a byte a minute."""
        end = time.monotonic() + self._limits.total
        parts: list[bytes] = []
        size = 0
        while part := found.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_large(shown(url), limit)
            if time.monotonic() > end:
                raise TimeoutError
        announced = found.headers.get("Content-Length")
        if announced and announced.isdecimal() and size < int(announced):
            raise http.client.IncompleteRead(b"")
        return Answer(found.status, _headers(found.headers), b"".join(parts))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Followed, but not to less safety: urllib would go from https to http and to ftp."""

    max_redirections = 5

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        target = urlsplit(newurl).scheme
        if target not in ("http", "https") or (req.type == "https" and target == "http"):
            fp.close()
            raise urllib.error.URLError(f"it redirects to {target}, which is refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_AGENT = "clusterform"


def basic(user: str, password: str) -> str:
    """An `Authorization` of user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def shown(url: str) -> str:
    """A URL for messages: no credentials, no query (signed URLs of object stores)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def unreachable(url: str, error: Exception) -> ClusterformError:
    """No answer: what the network said, without anything of ours in it."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    text = str(reason) if isinstance(reason, OSError | str) else type(error).__name__
    if isinstance(reason, TimeoutError):
        text = "no answer in time"
    return ClusterformError(
        "unreachable",
        f"{shown(url)} cannot be read: {text or type(error).__name__}",
        hint="try again, or name a local folder in clusterform.yaml, spec.sources",
    )


def not_served(url: str, what: str, status: int) -> ClusterformError:
    """An answer that is none."""
    hint = {
        401: "log in first: clusterform uses ~/.netrc for chart repositories and what "
        "`docker login` writes for registries",
        403: "the credentials at hand may not read it",
    }.get(status, "")
    return ClusterformError(
        "not-served", f"{shown(url)} does not serve {what}: HTTP {status}", hint=hint
    )


def _headers(found: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in found.items()}
