"""One port for every kind of source: what is meant now, and exactly what a lock says."""

from __future__ import annotations

from typing import Protocol

from providers.archive import Store, digest_of, unpack, unpack_commit
from providers.fetch import charts, registry, repositories
from providers.fetch.found import Found
from providers.fetch.web import Limits, Web
from providers.locked import Locked, Wanted
from state.errors import ClusterformError


class _Way(Protocol):
    """How one kind of source is read."""

    def resolve(self, wanted: Wanted) -> Found:
        """What is meant now."""

    def exactly(self, wanted: Wanted, version: str, /) -> Found:
        """What a lock says."""


class Fetcher:
    """Reads sources over the network into a store."""

    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        self._store = store
        limits = limits or Limits()
        web = Web(limits)
        self._limits = limits
        self._ways: dict[str, _Way] = {
            "git": repositories.Repositories(limits),
            "helm": charts.Repositories(web),
            "oci": registry.Registries(web),
        }

    def resolve(self, wanted: Wanted) -> Locked:
        """Ask what is meant now, and keep it. Raises ClusterformError."""
        return self._kept(wanted, self._way(wanted).resolve(wanted))

    def exactly(self, locked: Locked) -> None:
        """Get what a lock says, and nothing else.

        Raises ClusterformError('digest-mismatch') naming both digests.
        """
        wanted = locked.wanted
        way = self._way(wanted)
        pinned = locked.resolved if locked.kind == "git" else locked.pinned
        found = way.exactly(wanted, pinned)
        digest = digest_of(found.content)
        if digest != locked.digest:
            raise ClusterformError(
                "digest-mismatch",
                f"{wanted.text} at {locked.resolved} is {digest}, and the lock says"
                f" {locked.digest}",
                hint="the same version holds something else now: find out why before you run"
                f" clusterform sources lock --update {locked.chart or locked.url}",
            )
        self._kept(wanted, found)

    def _way(self, wanted: Wanted) -> _Way:
        way = self._ways.get(wanted.kind)
        if way is None:
            raise ClusterformError(
                "not-fetched",
                f"{wanted.url or 'this source'} is of a kind that is not fetched",
                hint="copy it beside the repository and name the folder in clusterform.yaml, "
                f'spec.sources: {{"{wanted.url}": FOLDER}}',
            )
        return way

    def _kept(self, wanted: Wanted, found: Found) -> Locked:
        check = unpack_commit if wanted.kind == "git" else unpack
        check(found.content, wanted.text, limit=self._limits.bytes)  # refused before it is kept
        return Locked(
            kind=wanted.kind,
            url=wanted.url,
            chart=wanted.chart,
            layer=wanted.layer,
            submodules=wanted.submodules,
            asked=wanted.asked,
            resolved=found.resolved,
            digest=self._store.write(found.content),
            form=found.form,
        )
