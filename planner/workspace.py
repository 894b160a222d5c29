"""What every command works with: the checkout, its clusters, its records. The composition root.

The only place that opens files, clusters, clocks and ids; everything else gets them handed in.
"""

from __future__ import annotations

import getpass
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from planner.changes import Change
from planner.expand.edits import Alone, Edit, Variant
from planner.expand.expander import needs_expanding
from planner.expand.expansion import Expansion, open_expansion
from planner.expand.origins import Origins
from planner.expand.sources import Pinned
from planner.load import LOCAL_FOLDER, Loaded, load
from providers import git, yamldoc
from providers.builtin import Served
from providers.kube.api import Transport
from providers.kube.client import KubeClient
from providers.kube.fleet import Door, Fleet
from providers.kube.records import KubeStore
from providers.kube.sandbox.clock import Clock as SandboxClock
from providers.kube.sandbox.clock import WallClock
from providers.kube.sandbox.server import Sandbox, SandboxFile, open_sandbox
from providers.locked import Lock
from providers.secrets import Resolver, private_folder
from state.desired import ManagementSpec
from state.errors import ClusterformError
from state.journal import Journal
from state.live import Observation, Unreadable
from state.lock import Clock
from state.recorded import Records
from state.records import Head, RecordStore
from state.resource import (
    FieldPath,
    GitBlob,
    RenderedRelease,
    Resource,
    ResourceId,
    SecretRef,
)
from state.store import ObjectStore


class Ids(msgspec.Struct, frozen=True):
    """Where time, names and randomness come from; tests hand in their own."""

    wall: Callable[[], float]
    steady: Callable[[], float]
    sleep: Callable[[float], None]
    run_id: Callable[[], str]
    who: str
    host: str


def _steady() -> float:
    """Seconds that go on through suspend where the system counts them."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def _run_id() -> str:
    """A UUIDv7-like id: sorts by time, 48 bits of milliseconds before random bits."""
    milliseconds = int(time.time() * 1000) & (1 << 48) - 1
    return f"{milliseconds:012x}{uuid.uuid4().hex[:12]}"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def real_ids() -> Ids:
    """The machine's own clocks, names and randomness."""
    host = socket.gethostname()
    return Ids(
        wall=time.time,
        steady=_steady,
        sleep=time.sleep,
        run_id=_run_id,
        who=f"{_who()}@{host}",
        host=host,
    )


class Workspace:
    """One checkout at one revision. Everything is opened on first use."""

    def __init__(
        self,
        root: Path,
        *,
        fleet_file: str | None = None,
        ref: str | None = None,
        ids: Ids | None = None,
        clock: SandboxClock | None = None,
        cache: bool = True,
        controllers: bool = True,
        verbs: frozenset[str] | None = None,
        offline: bool = False,
    ) -> None:
        """`ref`: a revision instead of the working tree. `offline`: values that releases take from
        a cluster stay unknown. The other arguments are for tests:
        `cache` off, a sandbox without simulated `controllers`, an identity with few `verbs`."""
        if not root.is_dir():
            raise ClusterformError("no-folder", "there is no such folder", where=str(root))
        self.root = root
        self.ids = ids or real_ids()
        self._fleet_file = fleet_file
        self._ref = ref
        self._clock = clock or WallClock()
        self._cache = cache
        self._controllers = controllers
        self._verbs = verbs
        self._offline = offline
        self._sandboxes: dict[str, SandboxFile] = {}
        self._expanded: Expansion | None = None

    @property
    def local(self) -> Path:
        """What belongs to this machine alone: journal, caches, sandbox, key; ignored by Git."""
        return self.root / LOCAL_FOLDER

    @property
    def cache(self) -> Path | None:
        """Where this machine keeps what it can learn again; None: nowhere."""
        return self.local / "cache" if self._cache else None

    @cached_property
    def tree(self) -> git.SourceTree:
        """The files at the chosen revision."""
        return git.open_tree(self.root, self._ref)

    @cached_property
    def declared(self) -> Loaded:
        """What they declare as it is written: nothing is expanded."""
        return load(self.tree, fleet_file=self._fleet_file, cache=self.cache, key_dir=self.local)

    @cached_property
    def loaded(self) -> Loaded:
        """What they declare, releases and Kustomizations expanded, findings included."""
        found = self.declared
        if not needs_expanding(found):
            return found
        return self._expansion(found).expand(found)

    def variants(self, wanted: Iterable[Edit | Alone]) -> list[Variant]:
        """What releases and charts come to with other values than the repository's."""
        found = self.expansion or self._expansion(self.declared)
        return found.variants(wanted)

    def expansion_with(self, lock: Lock, pinned: Pinned) -> Expansion:
        """One with what a lock would say: for who makes it (`planner.locking`)."""
        return self._expansion(self.declared, lock, pinned)

    def _expansion(
        self, found: Loaded, lock: Lock | None = None, pinned: Pinned | None = None
    ) -> Expansion:
        self._expanded = open_expansion(
            found,
            self.tree,
            cache=self.cache,
            key_dir=self.local,
            reveal=self.reveal,
            look=None if self._offline or pinned is not None else self._look,
            lock=lock,
            pinned=pinned,
        )
        return self._expanded

    def _look(self, id_: ResourceId, served: Served) -> Observation:
        try:
            return self.api(id_.cluster).get(id_, "v1", served)
        except ClusterformError as error:
            return Unreadable(id_, error.brief, str(id_))

    @property
    def expansion(self) -> Expansion | None:
        """How releases were expanded; None where there is none in the repository."""
        _ = self.loaded
        return self._expanded

    def _rendered(self, source: RenderedRelease) -> Expansion:
        """What knows how a release renders now."""
        if self._expanded is None:  # else it may be asked for by the expansion that is running
            _ = self.loaded
        if self._expanded is None:
            raise ClusterformError("secret-moved", f"there is no {source.release} any more")
        return self._expanded

    def checked(self) -> Loaded:
        """The same, or an error that names the first finding and counts the others."""
        return without_errors(self.loaded)

    @property
    def fleet_name(self) -> str:
        """The fleet's name."""
        return self.declared.fleet.name

    # ------------------------------------------------------------------ clusters

    def sandbox(self, management: str) -> SandboxFile:
        """The built-in cluster behind a management entry."""
        found = self._sandboxes.get(management)
        if found is None:
            private_folder(self.local)
            path = self.sandbox_path(management)
            found = self._sandboxes[management] = open_sandbox(
                path, clock=self._clock, reconcilers=None if self._controllers else {}
            )
        return found

    def sandbox_path(self, management: str) -> Path:
        """The one file of a built-in cluster: the only place where secret values may lie."""
        return self.local / f"sandbox-{management}.db"

    def remove_sandbox(self, management: str) -> None:
        """Throw a built-in cluster away."""
        found = self._sandboxes.pop(management, None)
        if found is not None:
            found.close()
        for path in self.local.glob(f"sandbox-{management}.db*"):
            path.unlink(missing_ok=True)

    @cached_property
    def kube(self) -> Fleet:
        """The way to all clusters of the fleet."""
        return Fleet(
            {m.name: self._door(m) for m in self.declared.fleet.management}, self.ids.sleep
        )

    def _door(self, spec: ManagementSpec) -> Door:
        if spec.sandbox:
            file = self.sandbox(spec.name)
            return Door(
                transport=self._as_user(file.management()),
                dial=lambda access: file.workload(access.server, access.token),
                read_secret=spec.read_secret,
            )
        from providers.kube import http  # real servers: the sandbox needs none of it

        return Door(
            transport=http.in_cluster() if spec.in_cluster else http.from_context(spec.context),
            dial=http.from_access,
            watches=True,
            read_secret=spec.read_secret,
        )

    def _as_user(self, server: Sandbox) -> Transport:
        return server if self._verbs is None else server.identity("limited", self._verbs)

    def api(self, cluster: str) -> KubeClient:
        """A cluster's client; raises 'unreachable' with the reason where there is none."""
        found = self.kube.api(cluster)
        if isinstance(found, KubeClient):
            return found
        raise ClusterformError("unreachable", f"{cluster} cannot be reached: {found.reason}")

    def sandboxes(self) -> Iterator[str]:
        """Names of the built-in management clusters, sorted."""
        yield from sorted(m.name for m in self.declared.fleet.management if m.sandbox)

    def managements(self) -> Iterator[str]:
        """Names of the management clusters, sorted."""
        yield from sorted(m.name for m in self.declared.fleet.management)

    # ------------------------------------------------------------------ state

    def store(self, management: str) -> ObjectStore:
        """clusterform's own objects in a management cluster."""
        return KubeStore(self.api(management))

    def record_store(
        self, management: str, may_write: Callable[[], bool] = lambda: True
    ) -> RecordStore:
        """The fleet's records in a management cluster; `may_write`: while a lock holds."""
        return RecordStore(self.store(management), self.fleet_name, may_write)

    def records(self) -> tuple[dict[str, Head], Records]:
        """Heads by management cluster, and all records."""
        heads: dict[str, Head] = {}
        records: Records = {}
        for management in self.managements():
            heads[management], found = self.record_store(management).read()
            records.update(found)
        return heads, records

    @cached_property
    def journal(self) -> Journal:
        """The journal of this machine."""
        private_folder(self.local)
        return Journal(self.local / "journal.db")

    def lock_clock(self) -> Clock:
        """The clocks that leases count by."""
        return Clock(self.ids.wall, self.ids.steady)

    # ------------------------------------------------------------------ secrets, lines

    @cached_property
    def secrets(self) -> Resolver:
        """Reads sensitive values back from where they stand."""
        return Resolver(self.root, self.local, self._rendered)

    def reveal(self, ref: SecretRef, held: object = None, /) -> str:
        """The value behind a reference, in memory; `held` where it is known to be the same."""
        known = self._expanded
        if isinstance(held, str) and known is not None and known.is_value(ref, held):
            return held
        return self.secrets.resolve(ref)

    def values(self, refs: Collection[SecretRef]) -> dict[SecretRef, str]:
        """All of them for who is about to write them: what SOPS encrypted is decrypted."""
        return self.secrets.resolve_all(refs)

    def line_of(self, resource: Resource, path: FieldPath) -> str:
        """`file:line` of a field, or of the nearest thing around it that stands in the file."""
        origin = resource.origin
        if origin.via:
            return str(origin)  # the field itself stands in a template or is patched
        content = self.content(origin.path, origin.blob)
        if content is None:
            return str(origin)
        field = _indexed(resource, path)
        while field:
            line = yamldoc.line_of(content, origin.document, field, origin.item)
            if line is not None:
                return f"{origin.path}:{line}"
            field = field[:-1]
        return str(origin)

    @cached_property
    def traced(self) -> Callable[[Change], Change]:
        """Fills in where the fields of rendered objects come from."""
        if self.expansion is None:
            return lambda change: change
        return Origins(self.expansion, self.loaded.documents, self.content).traced

    def content(self, path: str, blob: str) -> bytes | None:
        """A file of the tree; None where it is in no commit and not there."""
        try:
            return self.tree.read([path])[path]
        except (ClusterformError, KeyError):
            return None if not blob else git.read_blob(self.root, GitBlob(blob, path).blob)


def without_errors(loaded: Loaded) -> Loaded:
    """The same. Raises ClusterformError('invalid-input') that names the first error."""
    if loaded.errors:
        first, *others = loaded.errors
        raise ClusterformError(
            "invalid-input",
            first.summary,
            where=first.where,
            detail="\n".join(
                [first.detail] * bool(first.detail)
                + [f"{o.where}: {o.summary}" for o in others[:9]]
                + [f"and {len(others) - 9} more"] * (len(others) > 9)
            ),
            hint=first.hint or "clusterform validate lists all findings",
        )
    return loaded


def _indexed(resource: Resource, path: FieldPath) -> FieldPath:
    """The path with list items by position, as the file has them."""
    value: object = msgspec.json.decode(resource.body)
    result: list[str] = []
    for element in path:
        if isinstance(value, dict) and element.startswith("f:"):
            value = value.get(element[2:])
        elif isinstance(value, list):
            keys = msgspec.json.decode(element[2:])
            index = _position(value, element[0], keys)
            if index is None:
                break
            value, element = value[index], f"i:{index}"
        result.append(element)
    return tuple(result)


def _position(items: list[object], tag: str, keys: object) -> int | None:
    if tag == "i" and isinstance(keys, int):
        return keys if keys < len(items) else None
    for index, item in enumerate(items):
        matches = (
            isinstance(item, dict)
            and isinstance(keys, dict)
            and all(item.get(k) == v for k, v in keys.items())
        )
        if matches or item == keys:
            return index
    return None
