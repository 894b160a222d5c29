"""One server inside one transaction: finding kinds, reading objects, storing and removing them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import cached_property

from providers.kube.sandbox.clock import rfc3339
from providers.kube.sandbox.kinds import UNLISTED_GROUPS, Kind, builtin_kinds, custom_kinds
from providers.kube.sandbox.rows import Row, Where
from providers.kube.sandbox.statuses import not_carried, page_not_found
from providers.kube.sandbox.store import Data
from providers.kube.sandbox.world import Admissions, Key, Reconcilers, World
from state.resource import JsonObject, split_api_version

CRD_GROUP, CRDS = "apiextensions.k8s.io", "customresourcedefinitions"

_UIDS = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


class Definition:
    """An applied CRD; its schemas are compiled when the kind is first used."""

    def __init__(self, body: JsonObject) -> None:
        self.body = body
        self.name: str = body["metadata"]["name"]
        spec = body["spec"]
        self.group: str = spec["group"]
        self.kind: str = spec["names"]["kind"]
        self.plural: str = spec["names"]["plural"]

    @cached_property
    def kinds(self) -> list[Kind]:
        """The served versions."""
        return custom_kinds(self.body)

    def version(self, version: str) -> Kind | None:
        """A served version, or the stored one for `""`."""
        for kind in self.kinds:
            if version in (kind.version, "") and (version or kind.api_version == kind.storage):
                return kind
        return self.kinds[0] if not version and self.kinds else None


Registry = dict[tuple[str, str], Definition]


class Engine:
    """What all requests of a process share: rules, controllers, compiled CRDs."""

    def __init__(
        self,
        reconcilers: Reconcilers,
        admissions: Admissions,
        world: Callable[[Session], World],
    ) -> None:
        self.reconcilers = reconcilers
        self.admissions = admissions
        self.world = world
        self._registries: dict[str, tuple[int, Registry]] = {}
        self._compiled: dict[bytes, Definition] = {}

    def registry(self, server: str, data: Data) -> Registry:
        """The CRDs of a server by (group, plural), read again when one was written."""
        state = data.counter(f"definitions {server}")
        found = self._registries.get(server)
        if found is None or found[0] != state:
            rows = data.rows_of(server, CRD_GROUP, CRDS)
            found = (state, {(d.group, d.plural): d for d in map(self._definition, rows)})
            self._registries[server] = found
        return found[1]

    def _definition(self, row: Row) -> Definition:
        if row.body not in self._compiled:
            self._compiled[row.body] = Definition(row.value)
        return self._compiled[row.body]

    def forget(self) -> None:
        """After a rollback the counters may return to numbers already seen."""
        self._registries.clear()


class Session:
    """A server in a transaction at a moment."""

    def __init__(self, data: Data, server: str, now: float, engine: Engine) -> None:
        self.data = data
        self.server = server
        self.now = now
        self.engine = engine
        self.warnings: list[str] = []

    @property
    def time(self) -> str:
        """Now, as objects show it."""
        return rfc3339(self.now)

    # Kinds

    @property
    def definitions(self) -> Registry:
        """The CRDs of this server."""
        return self.engine.registry(self.server, self.data)

    def kind(self, group: str, version: str, plural: str) -> Kind:
        """The kind served at a path. Raises 404 text, or 501 for a real kind we lack."""
        found = builtin_kinds().get((group, plural))
        if found is not None and found.version == version:
            return found
        definition = self.definitions.get((group, plural))
        kind = definition.version(version) if definition and version else None
        if kind is None:
            if definition is None and group in UNLISTED_GROUPS:
                raise not_carried(f"the resource {plural} of {group or 'core'}/{version}")
            raise page_not_found()
        if kind.strategy != "None" and kind.api_version != kind.storage:
            raise not_carried(f"{kind.text}: conversion by webhook; only {kind.storage} is served")
        return kind

    def kind_of(self, group: str, kind: str) -> Kind | None:
        """A kind by name, in its stored version."""
        for found in builtin_kinds().values():
            if found.kind == kind and found.group == group:
                return found
        for definition in self.definitions.values():
            if definition.kind == kind and definition.group == group:
                return definition.version("")
        return None

    def at(self, where: Where) -> Kind | None:
        """The kind of a stored object."""
        found = builtin_kinds().get(where[:2])
        definition = None if found else self.definitions.get(where[:2])
        return definition.version("") if definition else found

    # Objects

    def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:
        """An object, written in the version of `kind`."""
        row = self.data.get(self.server, (kind.group, kind.plural, namespace, name))
        return self.shown(kind, row) if row else None

    def shown(self, kind: Kind, row: Row) -> JsonObject:
        """A stored row as an object in the version of `kind`."""
        return {"apiVersion": kind.api_version, "kind": kind.kind, **row.value}

    def stale(self, kind: Kind, value: JsonObject) -> bool:
        """The object must be rewritten though it looks the same (schema or storage changed)."""
        row = self.data.get(self.server, where(kind, value))
        return bool(row and row.stale)

    def uid(self) -> str:
        """A new uid: the same sequence of writes gives the same uids."""
        return str(uuid.uuid5(_UIDS, f"{self.server}/{self.data.count('uid')}"))

    def store(self, kind: Kind, value: JsonObject, old: JsonObject | None) -> JsonObject:
        """Write `value` under a new resourceVersion and let everything follow from it."""
        metadata = value["metadata"]
        metadata["resourceVersion"] = str(self.data.count("rv"))
        place = where(kind, value)
        self.data.put(self.server, place, value, "MODIFIED" if old else "ADDED", old)
        self.touched(kind, value)
        if kind.plural == CRDS and kind.group == CRD_GROUP:
            self.data.count(f"definitions {self.server}")
        return value

    def seed(self, kind: Kind, value: JsonObject) -> None:
        """Store an object exactly as it is, its resourceVersion included."""
        rv = int(value["metadata"]["resourceVersion"])
        self.data.raise_counter("rv", rv)
        self.data.put(self.server, where(kind, value), value, "ADDED", None)
        self.touched(kind, value)
        if kind.plural == CRDS:
            self.data.count(f"definitions {self.server}")

    def touched(self, kind: Kind, value: JsonObject) -> None:
        """Controllers of the object and of its owners look at it now."""
        metadata = value["metadata"]
        namespace = metadata.get("namespace", "")
        self.due((kind.group, kind.kind, namespace, metadata["name"]), self.now)
        for owner in metadata.get("ownerReferences") or ():
            group = split_api_version(owner["apiVersion"])[0]
            self.due((group, owner["kind"], namespace, owner["name"]), self.now)

    def due(self, key: Key, at: float) -> None:
        """Reconcile `key` at `at`, if any controller is there for it."""
        if key[:2] in self.engine.reconcilers:
            self.data.schedule(self.server, key, at)

    def erase(self, kind: Kind, value: JsonObject) -> None:
        """Remove the object for good and let everything follow from it."""
        place = where(kind, value)
        self.data.drop(self.server, place, value, self.data.count("rv"))
        self.touched(kind, value)
        if kind.plural == CRDS and kind.group == CRD_GROUP:
            self.data.count(f"definitions {self.server}")


def where(kind: Kind, value: JsonObject) -> Where:
    """Where an object is stored."""
    metadata = value["metadata"]
    return kind.group, kind.plural, metadata.get("namespace", ""), metadata["name"]
