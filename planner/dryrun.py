"""Asking the server what an apply would leave, without writing (docs/semantics.md 9, 10).

Forced, because what is taken and what conflicts is read off managedFields beforehand. A dry-run
needs the real write verbs; an identity without them gets `static` answers instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.compare import Denied, NoDryRun
from planner.render import Scopes
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from state.live import Present
from state.resource import GroupKind, JsonObject, Resource


class DryRunner:
    """Dry-runs updates of objects. Remembers kinds that may not be asked; safe in threads."""

    def __init__(
        self, client: Callable[[str], KubeClient | None], scopes: Scopes, *, enabled: bool = True
    ) -> None:
        self._client = client
        self._scopes = scopes
        self._enabled = enabled
        self._forbidden: dict[tuple[str, GroupKind, str], str] = {}

    @property
    def forbidden(self) -> set[tuple[str, GroupKind]]:
        """(cluster, kind) of everything that this identity may not dry-run."""
        return {(cluster, kind) for cluster, kind, _ in self._forbidden}

    def __call__(
        self, resource: Resource, full: JsonObject, live: Present
    ) -> Present | NoDryRun | Denied:
        """What a forced apply of `full` onto `live` would leave, or why that is not known."""
        id_ = resource.id
        if not self._enabled:
            return NoDryRun("switched off")
        known = self._forbidden.get((id_.cluster, id_.group_kind, id_.namespace))
        if known:
            return NoDryRun(known)
        client, served = self._client(id_.cluster), self._scopes.get(id_.cluster, id_.group_kind)
        if client is None or served is None:
            return NoDryRun("its cluster cannot be reached")
        metadata = {**full["metadata"], "uid": live.uid}
        body = {**full, "metadata": metadata}
        try:
            return client.apply(id_, resource.version, served, body, force=True, dry_run=True)
        except ApiError as error:
            return self._explain(error, resource)

    def _explain(self, error: ApiError, resource: Resource) -> NoDryRun | Denied:
        id_ = resource.id
        if error.code == "api-forbidden" and "admission webhook" not in error.brief:
            self._forbidden[id_.cluster, id_.group_kind, id_.namespace] = error.brief
            return NoDryRun(error.brief)
        if error.code in ("api-invalid", "api-forbidden"):
            if "does not support dry run" in error.brief:
                return NoDryRun(error.brief)
            return Denied(error.brief, immutable=_immutable(error))
        return NoDryRun(error.brief)


def _immutable(error: ApiError) -> bool:
    """The server says that a field must not change, and nothing else is wrong."""
    return bool(error.causes) and all(_says_immutable(c) for c in error.causes)


def _says_immutable(cause: dict[str, Any]) -> bool:
    return "immutable" in str(cause.get("message", ""))
