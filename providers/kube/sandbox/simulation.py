"""Simulated time: the `World` of controllers and admission, and running what is due."""

from __future__ import annotations

from collections.abc import Mapping

from providers.kube.sandbox import deletion, faults, ownership, writes
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.ownership import Writer
from providers.kube.sandbox.session import Engine, Session
from providers.kube.sandbox.statuses import already_exists, bad_request, not_found, page_not_found
from providers.kube.sandbox.store import Data
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject, split_api_version

_SETTLING_LIMIT = 200_000
"""Reconciles in one request. More means two controllers undo each other for ever."""


def run_due(data: Data, engine: Engine, until: float) -> None:
    """Reconcile everything due up to `until`, in time order, each at its own time."""
    for _ in range(_SETTLING_LIMIT):
        taken = data.take_due(until)
        if taken is None:
            return
        at, server, key = taken
        reconciler = engine.reconcilers.get(key[:2])
        if reconciler is not None:
            reconciler(SessionWorld(Session(data, server, at, engine)), key)
    raise RuntimeError(f"the simulated controllers do not settle: {_SETTLING_LIMIT} reconciles")


class SessionWorld:
    """A `World` inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def now(self) -> float:
        """The moment of the session."""
        return self._session.now

    def get(self, group: str, kind: str, namespace: str, name: str) -> JsonObject | None:
        """An object, or None; also None for a kind that is not served."""
        found = self._session.kind_of(group, kind)
        return self._session.get(found, namespace, name) if found else None

    def list(
        self,
        group: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[JsonObject]:
        """Objects of a kind that carry all the labels."""
        found = self._session.kind_of(group, kind)
        if found is None:
            return []
        data, server = self._session.data, self._session.server
        rows = data.rows_of(server, group, found.plural, namespace)
        values = [self._session.shown(found, row) for row in rows]
        wanted = (labels or {}).items()
        return [v for v in values if wanted <= (v["metadata"].get("labels") or {}).items()]

    def create(self, obj: JsonObject, *, manager: str) -> JsonObject:
        """Create as `manager`."""
        kind, name = self._kind(obj), obj["metadata"]["name"]
        if kind.namespaced and not obj["metadata"].get("namespace"):
            raise bad_request("an empty namespace may not be set during creation")
        if self._session.get(kind, obj["metadata"].get("namespace", ""), name) is not None:
            raise already_exists(kind.plural, kind.group, name)
        writer = self._writer(kind, manager)
        owners = ownership.update(
            kind.schema, kind.versions, writes.identity(obj), writes.bare(obj), {}, writer
        )
        draft = writes.Draft(
            kind=kind, value=writes.detached(obj), owners=owners, dry_run=False, judged=False
        )
        return writes.create(self._session, draft)

    def update(self, obj: JsonObject, *, manager: str) -> JsonObject:
        """Replace all but status as `manager`."""
        return self._replace(obj, manager, status=False)

    def update_status(self, obj: JsonObject, *, manager: str) -> JsonObject:
        """Replace the status as `manager`."""
        return self._replace(obj, manager, status=True)

    def _replace(self, obj: JsonObject, manager: str, *, status: bool) -> JsonObject:
        kind, name = self._kind(obj), obj["metadata"]["name"]
        old = self._session.get(kind, obj["metadata"].get("namespace", ""), name)
        if old is None:
            raise not_found(kind.plural, kind.group, name)
        value = writes.only_status(old, obj) if status else writes.detached(obj)
        writer = self._writer(kind, manager, "status" if status else "")
        draft = writes.updated(kind, old, value, writer)
        draft.judged = False
        return writes.replace(self._session, draft, status=status)

    def delete(self, group: str, kind: str, namespace: str, name: str) -> None:
        """Delete in the background."""
        found = self._session.kind_of(group, kind)
        value = self._session.get(found, namespace, name) if found else None
        if found and value:
            deletion.delete(self._session, found, value)

    def wake(self, key: Key, after: float) -> None:
        """Reconcile `key` again after a while."""
        self._session.due(key, self.now + after)

    def stuck(self, key: Key) -> str | None:
        """The reason of a `stuck` fault on the object."""
        return faults.stuck_reason(faults.stored(self._session.data), key)

    def workload(self, namespace: str, name: str, token: str) -> World:
        """The workload API server of a cluster."""
        server = f"{namespace}/{name}"
        url = f"https://{namespace}-{name}.sandbox.invalid:6443"
        session = Session(self._session.data, server, self.now, self._session.engine)
        if session.data.add_server(server, url, token):
            establish(session)
        return SessionWorld(session)

    def forget_workload(self, namespace: str, name: str) -> None:
        """The workload API server goes with its cluster."""
        self._session.data.remove_server(f"{namespace}/{name}")

    def _kind(self, obj: JsonObject) -> Kind:
        group, _ = split_api_version(obj["apiVersion"])
        found = self._session.kind_of(group, obj["kind"])
        if found is None:
            raise page_not_found()
        return found

    def _writer(self, kind: Kind, manager: str, subresource: str = "") -> Writer:
        return writes.writer(self._session, kind, manager, subresource)


def establish(session: Session) -> None:
    """A new API server has its four namespaces."""
    world = SessionWorld(session)
    for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        world.create(namespace, manager="kube-apiserver")
