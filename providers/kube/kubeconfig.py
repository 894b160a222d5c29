"""The kubeconfig in a `<cluster>-kubeconfig` Secret: five facts, and nothing that runs.

Loading such a file with a general client executes what it says (exec plugins, auth providers) and
reads files it names. Only server, CA, client certificate, client key and token are taken; anything
else refuses the file. Source: docs/security.md; Cluster API book, "kubeconfig Secret".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers import yamldoc
from state.resource import JsonObject


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a workload cluster. Holds credentials: in memory only, never shown."""

    server: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Access(server={self.server!r})"

    __str__ = __repr__


class Unusable(Exception):
    """A kubeconfig that is refused; the message never quotes it."""


_CLUSTER = frozenset(("server", "certificate-authority-data"))
_USER = frozenset(("client-certificate-data", "client-key-data", "token"))


def parse(content: bytes) -> Access:
    """The access that a kubeconfig's current context gives; raises `Unusable`."""
    documents, findings = yamldoc.parse(content, "kubeconfig")
    if any(f.severity == "error" for f in findings) or len(documents) != 1:
        raise Unusable("it cannot be parsed")
    body = documents[0].body
    context = _named(body, "contexts", body.get("current-context")).get("context")
    if not isinstance(context, dict):
        raise Unusable("its current context is missing")
    cluster = _part(body, "clusters", context.get("cluster"), "cluster", _CLUSTER)
    user = _part(body, "users", context.get("user"), "user", _USER)
    server = cluster.get("server", "")
    if not _address(server):
        raise Unusable("its server is not an https address")
    return Access(
        server=server,
        ca=cluster.get("certificate-authority-data", ""),
        certificate=user.get("client-certificate-data", ""),
        key=user.get("client-key-data", ""),
        token=user.get("token", ""),
    )


def _address(server: str) -> bool:
    """`https://host[:port][/path]` and nothing else: no user, no query."""
    try:
        parts = urlsplit(server)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    plain = "@" not in parts.netloc and not parts.query and not parts.fragment
    return parts.scheme == "https" and known and plain


def _named(body: JsonObject, group: str, name: Any) -> JsonObject:
    entries = body.get(group)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    return {}


def _part(
    body: JsonObject, group: str, name: Any, field: str, allowed: frozenset[str]
) -> dict[str, str]:
    part = _named(body, group, name).get(field)
    if not isinstance(part, dict):
        raise Unusable(f"its {field} is missing")
    for key, value in part.items():
        if key not in allowed:
            raise Unusable(f"it sets {field}.{key}, which is not accepted")
        if not isinstance(value, str):
            raise Unusable(f"{field}.{key} is no text")
    return part
