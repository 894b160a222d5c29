"""Asking the server what an apply would leave, without writing (docs/semantics.md 9, 10).

Forced, because what is taken and what conflicts is read off managedFields beforehand. A dry-run
needs the real write verbs; an identity without them gets `static` answers instead. Before a server
is asked, the kind's own schema is, and what this machine learned before; both give the same answer
as a dry-run that changes nothing, so that the digest of a plan is the same with and without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.compare import Denied, NoDryRun, same_owners
from planner.definitions import Definitions
from planner.noops import NoOps
from planner.prove import Proof, prove
from planner.render import Scopes
from planner.ssa import comparable, same
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.management import SECRET
from providers.secrets import sensitive_paths
from state.live import Present
from state.resource import GroupKind, JsonObject, Resource, canonical, digest


class DryRunner:
    """Dry-runs updates of objects. Remembers kinds that may not be asked; safe in threads."""

    def __init__(
        self,
        client: Callable[[str], KubeClient | None],
        scopes: Scopes,
        *,
        refresh: str = "fast",
        noops: NoOps | None = None,
    ) -> None:
        """`refresh`: `off` asks no server, `full` asks about everything."""
        self._client = client
        self._scopes = scopes
        self._refresh = refresh
        self._noops = noops or NoOps(None)
        self._definitions = Definitions(client, scopes)
        self._forbidden: dict[tuple[str, GroupKind, str], str] = {}

    @property
    def forbidden(self) -> set[tuple[str, GroupKind]]:
        """(cluster, kind) of everything that this identity may not dry-run."""
        return {(cluster, kind) for cluster, kind, _ in self._forbidden}

    def __call__(
        self, resource: Resource, full: JsonObject, live: Present
    ) -> Present | NoDryRun | Denied:
        """What a forced apply of `full` onto `live` would leave, or why that is not known."""
        if self._refresh != "full" and self._proven(resource, full, live):
            return live
        if resource.secrets or resource.id.group_kind == SECRET:
            return NoDryRun("Secrets are never dry-run", by_design=True)
        if self._refresh == "off":
            return NoDryRun("switched off", by_design=True)
        facts = self._facts(resource, full, live)
        if self._noops.knows(*facts):
            return live
        answer = self._ask(resource, full, live)
        if isinstance(answer, Present) and _nothing_changed(live, answer):
            self._noops.learn(*facts)
        return answer

    def _proven(self, resource: Resource, full: JsonObject, live: Present) -> bool:
        """The schema settles what the proof alone left open."""
        schema = self._definitions.of(resource).schemas.get(resource.version)
        if schema is None:
            return False
        proof = prove(full, live, manager=resource.writer.manager, schema=schema)
        return proof is Proof.UNCHANGED

    def _facts(self, resource: Resource, full: JsonObject, live: Present) -> tuple[str, ...]:
        """All that a dry-run's answer depends on; empty where something of it is not known.

        Nothing is kept of what is sensitive, not even in a hash.
        """
        id_ = resource.id
        if resource.secrets or sensitive_paths(id_.group, id_.kind, full):
            return ("",)
        return (
            self._definitions.cluster_uid(id_.cluster),
            live.uid,
            live.resource_version,
            resource.version,
            digest(canonical(full)),
            self._definitions.of(resource).edition,
        )

    def _ask(
        self, resource: Resource, full: JsonObject, live: Present
    ) -> Present | NoDryRun | Denied:
        id_ = resource.id
        known = self._forbidden.get((id_.cluster, id_.group_kind, id_.namespace))
        if known:
            return NoDryRun(known, by_design=True)
        client, served = self._client(id_.cluster), self._scopes.get(id_.cluster, id_.group_kind)
        if client is None or served is None:
            return NoDryRun("its cluster cannot be reached")
        metadata = {**full["metadata"], "uid": live.uid}
        body = {**full, "metadata": metadata}
        try:
            return client.apply(
                id_,
                resource.version,
                served,
                body,
                force=True,
                dry_run=True,
                manager=resource.writer.manager,
            )
        except ApiError as error:
            return self._explain(error, resource)

    def _explain(self, error: ApiError, resource: Resource) -> NoDryRun | Denied:
        id_ = resource.id
        if error.code == "api-forbidden" and "admission webhook" not in error.brief:
            self._forbidden[id_.cluster, id_.group_kind, id_.namespace] = error.brief
            return NoDryRun(error.brief, by_design=True)  # said once (planner.rights)
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


def _nothing_changed(live: Present, after: Present) -> bool:
    """Neither fields nor owners; status, times and metadata of the server aside."""
    return same(comparable(live.body), comparable(after.body)) and same_owners(live, after)
