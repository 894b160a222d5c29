"""sources lock, sources fetch: the only use cases that read sources over the network.

Locking expands the repository as a plan does, but what a plan would look up in `clusterform.lock`
is resolved when it is asked for. So sources that only a fetched Kustomization names are found as
well, and the lock is complete or is not written.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from planner.expand.charts import charts_of
from planner.expand.expander import needs_expanding
from planner.expand.expansion import Expansion
from planner.lockedcrds import Moved, Reading
from planner.workspace import Workspace, without_errors
from providers import crds, locked
from providers.archive import Store, digest_of, replace_file
from providers.fetch.fetcher import Fetcher
from providers.fetch.web import Limits
from providers.helm.dependencies import LOCKS
from providers.kube.client import KubeClient
from providers.locked import FILE, ClusterFacts, Lock, Locked, Wanted
from providers.secrets import private_folder
from state.errors import ClusterformError

Say = Callable[[str], None]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `sources lock`."""

    lock: Lock
    moved: tuple[Moved, ...]
    notes: tuple[str, ...]
    """What could not be learnt, and what was done instead."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `sources fetch`."""

    fetched: tuple[Locked, ...]
    present: int
    """Sources that were there already."""
    pruned: int = 0
    """Archives that the lock does not name, and that were removed."""
    freed: int = 0
    """Their bytes."""


def lock(
    workspace: Workspace, update: Iterable[str], say: Say, limits: Limits | None = None
) -> Report:
    """Resolve what is not locked yet or matches `update`, and write the lock.

    Raises ClusterformError('invalid-input' with the first source that cannot be resolved,
    'nothing-matches'); then nothing is written.
    """
    old = _read(workspace)
    clusters, notes = _clusters(workspace, old)
    pins = _Pins(old, tuple(update), _opened(workspace), say, limits)
    declared = workspace.declared
    loaded = declared
    expansion = workspace.expansion_with(Lock(clusters=clusters), pins)
    if needs_expanding(declared):
        loaded = without_errors(expansion.expand(declared))
    notes += _charts(workspace, expansion)
    pins.check_updates()
    reading = Reading(workspace, loaded)
    schemas = reading.content()
    new = Lock(
        sources=tuple(pins.found.values()),
        clusters=clusters,
        schemas=digest_of(schemas) if schemas else "",
    )
    content = locked.write(new)
    _put(workspace.root / crds.FILE, schemas)
    _put(workspace.root / FILE, content)
    return Report(
        lock=locked.read(content),
        moved=(*_moved(old, new), *reading.moved),
        notes=(*notes, *reading.notes),
    )


def _put(path: Path, content: bytes) -> None:
    """The file holds this; without content it is not there."""
    if not content:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != content:
        replace_file(path, content, 0o644)


def fetch(
    workspace: Workspace, say: Say, limits: Limits | None = None, *, prune: bool = False
) -> Fetched:
    """Fill the cache exactly as the lock says; a broken entry is made anew.

    `prune`: then remove the archives that the lock does not name.

    Raises ClusterformError('no-lock', 'digest-mismatch', 'unreachable', …).
    """
    if not workspace.tree.files(FILE):
        raise ClusterformError(
            "no-lock", f"there is no {FILE}", hint="clusterform sources lock writes it"
        )
    lock = _read(workspace)
    store = _opened(workspace)
    fetcher = Fetcher(store, limits)
    fetched: dict[str, Locked] = {}
    for source in lock.sources:
        if source.digest not in fetched and not store.has(source.digest):
            say(f"fetching {source.wanted.text}: {source.resolved}")
            fetcher.exactly(source)
            fetched[source.digest] = source
    present = len({source.digest for source in lock.sources}) - len(fetched)
    pruned, freed = store.prune({s.digest for s in lock.sources}) if prune else (0, 0)
    return Fetched(fetched=tuple(fetched.values()), present=present, pruned=pruned, freed=freed)


def _charts(workspace: Workspace, expansion: Expansion) -> Iterator[str]:
    """Pin what charts that no release uses depend on: `test` renders them. What cannot be is a note
    for each."""
    paths = [file.path for file in workspace.tree.files()]
    locks = {posixpath.dirname(path) or "." for path in paths if posixpath.basename(path) in LOCKS}
    for folder in sorted(locks.intersection(charts_of(paths))):
        try:
            expansion.read_chart(folder)
        except ClusterformError as error:
            yield f"chart {folder}, which no release uses: {error.brief}"


class _Pins:
    """Pins as an expansion asks for them (`expand.sources.Pinned`): old stay, new are made."""

    def __init__(
        self, old: Lock, update: tuple[str, ...], store: Store, say: Say, limits: Limits | None
    ) -> None:
        self._old = old
        self._update = update
        self._store = store
        self._say = say
        self._fetcher = Fetcher(store, limits)
        self._failed: dict[tuple[str, ...], ClusterformError] = {}
        self._fresh: set[tuple[str, ...]] = set()
        self._matched: set[str] = set()
        self._names: set[str] = set()
        self.found: dict[tuple[str, ...], Locked] = {}

    def __call__(self, wanted: Wanted, name: str) -> Locked:
        key = wanted.key
        if key in self._failed:  # one dead server costs its deadline once
            raise self._failed[key]
        names = locked.names(wanted, [name])
        self._names |= names
        hits = {p for p in self._update if any(fnmatch.fnmatchcase(n, p) for n in names)}
        self._matched |= hits
        if key not in self.found or (hits and key not in self._fresh):
            try:
                self.found[key] = self._pin(wanted, anew=bool(hits))
            except ClusterformError as error:
                self._failed[key] = error
                raise
        return self.found[key]

    def _pin(self, wanted: Wanted, *, anew: bool) -> Locked:
        old = self._old.find(wanted)
        if old is None or anew:
            self._say(f"resolving {wanted.text}")
            self._fresh.add(wanted.key)
            return self._fetcher.resolve(wanted)
        if not self._store.has(old.digest):
            self._say(f"fetching {wanted.text}: {old.resolved}")
            self._fetcher.exactly(old)
        return old

    def check_updates(self) -> None:
        """Every name that was to be updated is there."""
        missing = [pattern for pattern in self._update if pattern not in self._matched]
        if missing:
            known = ", ".join(sorted(self._names)) or "none"
            raise ClusterformError(
                "nothing-matches",
                f"no remote source is called {missing[0]}",
                detail=f"known: {known}",
                hint="name a source by its URL, its chart or its object; '*' stands for any text",
            )


def _read(workspace: Workspace) -> Lock:
    found = workspace.tree.files(FILE)
    return locked.read(workspace.tree.read([FILE])[FILE]) if found else Lock()


def _opened(workspace: Workspace) -> Store:
    folder = workspace.local / "cache" / "sources"
    private_folder(workspace.local)
    private_folder(folder)
    return Store(folder)


# ---------------------------------------------------------------------- clusters


def _clusters(workspace: Workspace, old: Lock) -> tuple[tuple[ClusterFacts, ...], list[str]]:
    """What every management cluster serves; of one that is not reached what was known."""
    found: list[ClusterFacts] = []
    notes: list[str] = []
    for spec in sorted(workspace.declared.fleet.management, key=lambda m: m.name):
        known = old.cluster(spec.name)
        try:
            found.append(_facts(spec.name, workspace.api(spec.name)))
        except ClusterformError as error:
            stays = "what the lock says of it stays" if known else "charts cannot ask for its APIs"
            notes.append(f"{spec.name}: {error.brief}; {stays}")
            found += [known] if known else []
    return tuple(found), notes


def _facts(name: str, client: KubeClient) -> ClusterFacts:
    version = client.server_version()
    if not version:
        raise ClusterformError("unreachable", "it does not say its version")
    kinds: dict[str, Literal["Namespaced", "Cluster"]] = {}
    for group_version in client.api_versions():
        for kind, served in client.served(group_version).items():
            scope: Literal["Namespaced", "Cluster"]
            scope = "Namespaced" if served.namespaced else "Cluster"
            kinds[f"{group_version}/{kind}"] = scope
    return ClusterFacts(name=name, kubernetes=version, kinds=kinds)


# ---------------------------------------------------------------------- what moved


def _moved(old: Lock, new: Lock) -> Iterable[Moved]:
    before = {s.wanted.key: s for s in old.sources}
    after = {s.wanted.key: s for s in new.sources}
    for key in sorted(before.keys() | after.keys()):
        then, now = before.get(key), after.get(key)
        if then == now:
            continue
        one = now or then
        assert one is not None
        said = [s.resolved if s else "" for s in (then, now)]
        if then and now and then.resolved == now.resolved:  # the same version, other content
            said = [f"{s.resolved} {s.digest}" for s in (then, now)]
        yield Moved(what=one.wanted.text, before=said[0], after=said[1])
    for name in sorted({c.name for c in (*old.clusters, *new.clusters)}):
        yield from _moved_cluster(name, old.cluster(name), new.cluster(name))


def _moved_cluster(
    name: str, then: ClusterFacts | None, now: ClusterFacts | None
) -> Iterable[Moved]:
    if then == now:
        return
    said = [f"Kubernetes {c.kubernetes}, {len(c.kinds)} kinds" if c else "" for c in (then, now)]
    if then and now and said[0] == said[1]:
        gone = ", ".join(sorted(then.kinds.keys() - now.kinds.keys()))
        come = ", ".join(sorted(now.kinds.keys() - then.kinds.keys()))
        said = [gone or "another scope", come or "another scope"]
    yield Moved(what=f"cluster {name}", before=said[0], after=said[1])
