"""The sandbox's servers: the management API server and one for every workload cluster.

A request is one transaction of the file: first the simulated controllers catch up with the clock,
then the request is answered, then it is logged. So several processes share one simulation and
nothing needs a thread.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from providers.kube.api import Request, Response, Transport, TransportError, WatchRefused
from providers.kube.sandbox import capi_admission, capi_defaults, faults
from providers.kube.sandbox.access import refused
from providers.kube.sandbox.clock import Clock
from providers.kube.sandbox.faults import Fault
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.reads import Watching
from providers.kube.sandbox.routing import handle, route
from providers.kube.sandbox.session import Engine, Session
from providers.kube.sandbox.simulation import SessionWorld, establish, run_due
from providers.kube.sandbox.statuses import Refused, page_not_found, unauthorized
from providers.kube.sandbox.store import Store
from providers.kube.sandbox.world import Admissions, Reconcilers
from state.resource import JsonObject, split_api_version

MANAGEMENT = ""
"""The id of the management server; a workload server's is `namespace/name`."""

ADMISSIONS = Admissions(capi_defaults.DEFAULTS, capi_admission.REFUSALS)
"""What Cluster API's webhooks do."""

_POLL = 0.1


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that reached a server. Never bodies: they may hold secrets."""

    seq: int = 0
    server: str
    time: float
    user: str
    method: str
    path: str
    dry_run: bool
    field_manager: str
    status: int
    uid: str
    created: bool
    """It created an object (a dry run does not)."""


class _Uid(msgspec.Struct, gc=False):
    uid: str = ""


class _Answered(msgspec.Struct, gc=False):
    metadata: _Uid = msgspec.field(default_factory=_Uid)


class Sandbox:
    """A `Transport` to one server of the file, as one user."""

    def __init__(
        self,
        file: SandboxFile,
        server: str,
        *,
        user: str = "admin",
        verbs: frozenset[str] | None = None,
        known: bool = True,
    ) -> None:
        self._file = file
        self._server = server
        self._user = user
        self._verbs = verbs
        self._known = known

    def identity(self, user: str, verbs: frozenset[str]) -> Transport:
        """The same server for a user with these verbs only; others are answered 403."""
        return Sandbox(self._file, self._server, user=user, verbs=verbs, known=self._known)

    def request(self, request: Request) -> Response:
        """Answer a request, faults permitting."""
        response: Response | None = None
        with self._file.session(self._server) as session:
            met = faults.hits(session.data, request, self._server)
            if not any(map(_early, met)):
                response = self._perform(session, request, met)
        if response is None:
            self._suffer(met)
            with self._file.session(self._server) as session:
                response = self._perform(session, request, met)
        for fault in met:
            if fault.kind == "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault.kind == "drop-after":
                raise TransportError(fault.message or "connection reset by peer", sent=True)
        return response

    def _suffer(self, met: list[Fault]) -> None:
        """What happens before the server sees the request."""
        for fault in met:
            if fault.kind == "delay":
                self._file.clock.sleep(fault.seconds)
            elif fault.kind == "drop-before":
                raise TransportError(fault.message or "connection refused", sent=False)
            elif fault.kind == "crash" and not fault.after:
                os.kill(os.getpid(), signal.SIGKILL)

    def _perform(self, session: Session, request: Request, met: list[Fault]) -> Response:
        refusals = [response for fault in met if (response := faults.refusal(fault))]
        response = refusals[0] if refusals else self._answer(session, request)
        session.data.log(self._entry(session, request, response))
        return response

    def _answer(self, session: Session, request: Request) -> Response:
        try:
            if not self._known:
                raise unauthorized()
            response = handle(session, request, self._user, self._verbs)
        except Refused as error:
            response = error.response
        if session.warnings:
            quoted = [
                warning.replace("\\", "\\\\").replace('"', '\\"') for warning in session.warnings
            ]
            told = ", ".join(f'299 - "{warning}"' for warning in quoted)
            headers = {**response.headers, "warning": told}
            response = msgspec.structs.replace(response, headers=headers)
        return response

    def _entry(self, session: Session, request: Request, response: Response) -> LoggedRequest:
        query = dict(request.query)
        wrote = request.method != "GET" and response.status < 400
        dry_run = query.get("dryRun") == "All"
        return LoggedRequest(
            server=self._server,
            time=session.now,
            user=self._user,
            method=request.method,
            path=request.path,
            dry_run=dry_run,
            field_manager=query.get("fieldManager", ""),
            status=response.status,
            uid=_ANSWERED(response.body).metadata.uid if wrote else "",
            created=response.status == 201 and not dry_run,
        )

    def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
        """Events as JSON lines. Refusals are raised here, not at the first event."""
        with self._file.session(self._server) as session:
            met = faults.hits(session.data, request, self._server)
        self._suffer(met)
        with self._file.session(self._server) as session:
            try:
                watching = self._begin_watch(session, request)
            except Refused as error:
                raise WatchRefused(error.response) from error
        for fault in met:
            if (response := faults.refusal(fault)) is not None:
                raise WatchRefused(response)
        asked = dict(request.query).get("timeoutSeconds", "")
        seconds = min(timeout, float(asked)) if asked.isdecimal() else timeout
        return self._events(watching, self._file.clock.now() + seconds)

    def _begin_watch(self, session: Session, request: Request) -> Watching:
        if not self._known:
            raise unauthorized()
        call = route(session, request)
        if call is None:
            raise page_not_found()
        if self._verbs is not None and "watch" not in self._verbs:
            raise refused(self._user, "watch", call)
        return Watching(session, call)

    def _events(self, watching: Watching, until: float) -> Iterator[bytes]:
        clock = self._file.clock
        while True:
            with self._file.session(self._server) as session:
                lines = watching.poll(session)
                ended = clock.now() >= until
                if ended and watching.bookmarks:
                    lines.append(watching.bookmark(session))
            yield from lines
            if ended:
                return
            clock.sleep(min(_POLL, max(0.0, until - clock.now())))

    def seed(self, obj: JsonObject) -> None:
        """Store a recorded object exactly as it is: uid, resourceVersion, managedFields, status.

        For tests. Admission, defaults and ownership do not look at it.
        """
        with self._file.session(self._server) as session:
            kind = _stored_kind(session, obj)
            session.seed(kind, obj)


_ANSWERED = msgspec.json.Decoder(_Answered).decode


def _early(fault: Fault) -> bool:
    """The fault strikes before the request is performed."""
    return fault.kind in ("delay", "drop-before") or (fault.kind == "crash" and not fault.after)


def _stored_kind(session: Session, obj: JsonObject) -> Kind:
    group, _ = split_api_version(obj["apiVersion"])
    kind = session.kind_of(group, obj["kind"])
    if kind is None:
        raise ValueError(f"not served: {obj['apiVersion']} {obj['kind']}")
    return kind


class SandboxFile:
    """The servers in one file. Open it from as many processes and threads as you like."""

    def __init__(self, path: Path, clock: Clock, engine: Engine) -> None:
        self.clock = clock
        self._engine = engine
        self._store = Store(path)
        with self.session(MANAGEMENT) as session:
            if session.data.add_server(MANAGEMENT, "https://management.sandbox.invalid:6443", ""):
                establish(session)

    @contextmanager
    def session(self, server: str) -> Iterator[Session]:
        """A transaction, with the controllers up to date."""
        now = self.clock.now()
        try:
            with self._store.transaction() as data:
                run_due(data, self._engine, now)
                yield Session(data, server, now, self._engine)
        except BaseException:
            self._engine.forget()
            raise

    def management(self) -> Sandbox:
        """The management API server."""
        return Sandbox(self, MANAGEMENT)

    def workload(self, server_url: str, token: str) -> Sandbox | None:
        """The server at a kubeconfig's URL; None if nobody listens there."""
        with self._store.transaction() as data:
            found = data.server_at(server_url.rstrip("/"))
        if found is None or found[0] == MANAGEMENT:
            return None
        return Sandbox(self, found[0], known=found[1] == token)

    def requests(self) -> list[LoggedRequest]:
        """Every request that was answered, in order."""
        with self._store.transaction() as data:
            return [
                msgspec.structs.replace(msgspec.json.decode(body, type=LoggedRequest), seq=seq)
                for seq, body in data.logged()
            ]

    def fault(self, fault: Fault) -> None:
        """Let something go wrong, for every process that uses the file."""
        with self._store.transaction() as data:
            faults.add(data, fault)

    def faults(self) -> list[Fault]:
        """The faults still to come."""
        with self._store.transaction() as data:
            return faults.stored(data)

    def clear_faults(self) -> None:
        """Let nothing more go wrong."""
        with self._store.transaction() as data:
            data.clear_faults()

    def compact(self) -> None:
        """Forget the past: watches and pages from before now are answered 410."""
        with self._store.transaction() as data:
            data.forget_events(data.counter("rv"))

    def close(self) -> None:
        """Close the file. Nobody may use it from this process any more."""
        self._store.close()


def open_sandbox(
    path: Path,
    *,
    clock: Clock,
    reconcilers: Reconcilers | None = None,
    admissions: Admissions = ADMISSIONS,
) -> SandboxFile:
    """Open or create the file. Without `reconcilers`, the simulated controllers that there are."""
    chosen = _default_reconcilers() if reconcilers is None else reconcilers
    return SandboxFile(path, clock, Engine(chosen, admissions, SessionWorld))


def _default_reconcilers() -> Reconcilers:
    """Loaded late: the controllers build on this package."""
    name = "providers.kube.sandbox.controllers"
    if importlib.util.find_spec(name) is None:
        return {}
    found: Reconcilers = importlib.import_module(name).RECONCILERS
    return found
