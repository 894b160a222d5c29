"""The use cases behind the commands: plan, apply, resume. They return data; views print it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from planner import events, planfile
from planner.apply import Run, Settings, action_key
from planner.approval import check as check_approval
from planner.changes import ActionId, Change, MustBe, Plan
from planner.facts import FactReader
from planner.holder import fleet_lock, lease_seconds
from planner.plan import Inputs, Options, make_plan
from planner.planfile import Envelope
from planner.runrecords import RunRecords
from planner.topologies import Surroundings
from planner.version import VERSION
from planner.waits import Waiter
from planner.workspace import Workspace
from planner.write import Writer, Written
from providers.builtin import KINDS, Served
from providers.capi import CLUSTER
from providers.kube.client import KubeClient
from state.errors import ClusterformError
from state.fields import set_at
from state.journal import Run as JournalRun
from state.live import Present
from state.lock import FleetLock
from state.records import RunSummary
from state.resource import JsonObject, ResourceId, SecretRef

TOOL = f"clusterform {VERSION}"


def plan(workspace: Workspace, options: Options | None = None) -> Plan:
    """What would be done now. Writes nothing."""
    with _without_collector():
        loaded = workspace.checked()
        _, records = workspace.records()
        return make_plan(
            Inputs(
                loaded=loaded,
                kube=workspace.kube,
                records=records,
                reveal=workspace.reveal,
                line_of=workspace.line_of,
                tool=TOOL,
                options=options or Options(),
                cache=workspace.cache,
                trace=workspace.traced,
                now=workspace.ids.wall(),
            )
        )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cyclic collector out of bulk work: it walks every live dict, up to 5 times slower.

    What planning builds has no cycles, so nothing is lost by not looking for them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def save(workspace: Workspace, made: Plan, path: Path) -> None:
    """Write a plan file, whole or not at all."""
    content = planfile.encode(
        made, created=workspace.ids.wall(), tool=TOOL, host=workspace.ids.host
    )
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ClusterformError("cannot-write", f"cannot write {path}: {error.strerror}") from None


class ApplyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to apply."""

    parallel: int = 10
    wait: bool = True
    timeout: float = 0.0
    lock_timeout: float = 0.0
    expect_digest: str = ""
    poll: float = 0.2


Emit = Callable[[events.Event], None]
Interrupts = Callable[[Callable[[], None]], None]
"""Told once how to interrupt the run: `cli` connects it to the signals."""


def apply(
    workspace: Workspace,
    made: Plan,
    envelope: Envelope | None,
    options: ApplyOptions,
    emit: Emit,
    interrupts: Interrupts,
) -> events.RunFinished:
    """Perform a plan. Raises before anything is written when it must not be performed."""
    _check_usable(workspace, made, envelope)
    check_approval(made, options.expect_digest)
    run = workspace.ids.run_id()
    return _Application(workspace, made, run, options, emit, interrupts).start(envelope)


def resume(
    workspace: Workspace,
    run: str,
    options: ApplyOptions,
    emit: Emit,
    interrupts: Interrupts,
) -> events.RunFinished:
    """Finish an interrupted run: what landed is not sent again, the rest is."""
    found = workspace.journal.run(run)
    made, envelope = planfile.decode(found.plan, f"run {found.run}")
    _check_usable(workspace, made, envelope, resuming=True)
    application = _Application(workspace, made, found.run, options, emit, interrupts)
    return application.resume()


def _check_usable(
    workspace: Workspace, made: Plan, envelope: Envelope | None, *, resuming: bool = False
) -> None:
    """The plan is fresh, allowed, and about these very clusters."""
    if envelope is not None and not resuming and workspace.ids.wall() > envelope.expires:
        raise ClusterformError(
            "stale",
            "this plan has expired",
            detail="plans are good for 24 hours",
            hint="make a new one: clusterform plan -o plan.json",
        )
    if made.refusals:
        first = made.refusals[0]
        raise ClusterformError("refused", first.summary, hint=first.override)
    for identity in made.basis.clusters:
        uid = workspace.api(identity.cluster).uid()
        if identity.uid and not uid:
            raise ClusterformError(
                "unreachable",
                f"{identity.cluster} does not say which cluster it is: its kube-system namespace"
                " cannot be read",
                hint="try again once it answers; nothing was written",
            )
        if identity.uid and uid != identity.uid:
            raise ClusterformError(
                "stale",
                f"{identity.cluster} is another cluster than the plan was made from",
                detail=f"kube-system has uid {uid or 'unknown'}, the plan says {identity.uid}",
                hint="make a new plan: clusterform plan -o plan.json",
            )


class _Application:
    """One apply: everything that stands around the run itself."""

    def __init__(
        self,
        workspace: Workspace,
        made: Plan,
        run: str,
        options: ApplyOptions,
        emit: Emit,
        interrupts: Interrupts,
    ) -> None:
        self.workspace = workspace
        self.plan = made
        self.run = run
        self.options = options
        self.emit = emit
        self.interrupts = interrupts
        self.results: dict[ActionId, Written] = {}
        self._last_writes: dict[ResourceId, Change] | None = None
        self._kinds = {
            (c.id.cluster, c.id.group_kind): (c.version, Served(c.plural, c.namespaced))
            for c in made.changes
            if c.plural
        }

    def start(self, envelope: Envelope | None) -> events.RunFinished:
        """A new run."""
        secrets = self._secrets()
        lock = self._acquire()
        try:
            content = planfile.encode(
                self.plan,
                created=envelope.created if envelope else self.workspace.ids.wall(),
                tool=TOOL,
                host=self.workspace.ids.host,
            )
            self.workspace.journal.begin(
                JournalRun(
                    run=self.run,
                    fleet=self.plan.basis.fleet,
                    started=self.workspace.ids.wall(),
                    who=self.workspace.ids.who,
                    digest=self.plan.digest,
                    plan=content,
                )
            )
            return self._execute(lock, secrets, {}, frozenset())
        finally:
            self._release(lock)

    def resume(self) -> events.RunFinished:
        """Go on with what the journal says."""
        secrets = self._secrets()
        lock = self._acquire()
        try:
            before, open_intents = self._journalled()
            return self._execute(lock, secrets, before, open_intents)
        finally:
            self._release(lock)

    def _journalled(self) -> tuple[dict[ActionId, Written], frozenset[ActionId]]:
        by_key = {action_key(c.action): c.action for c in self.plan.writes}
        done: dict[ActionId, Written] = {}
        intents: set[ActionId] = set()
        for entry in self.workspace.journal.entries(self.run):
            action = by_key.get(entry.action)
            if action is None:
                continue
            if entry.phase == "intent":
                intents.add(action)
            elif entry.phase == "done":
                done[action] = msgspec.convert(entry.detail, Written)
            else:
                intents.discard(action)
        return done, frozenset(intents - done.keys())

    # ------------------------------------------------------------------ around the run

    def _release(self, lock: FleetLock) -> None:
        for problem in lock.release():
            way_out = f"once it is over, clusterform state unlock {self.run}"
            self.emit(events.Noted(message=f"{problem}; {way_out}"))

    def _secrets(self) -> dict[SecretRef, str]:
        """Every secret value, resolved before the first write (semantics 29)."""
        refs = {ref for c in self.plan.writes for _, ref in c.secrets}
        return self.workspace.values(refs)

    def _acquire(self) -> FleetLock:
        """The lock of the fleet, on all of its management clusters."""
        lock = fleet_lock(self.workspace, self.run, f"pid {os.getpid()}", seconds=lease_seconds())
        lock.acquire(wait=self.options.lock_timeout, sleep=self.workspace.ids.sleep)
        self.workspace.kube.guard(lock.holds)
        return lock

    def _execute(
        self,
        lock: FleetLock,
        secrets: dict[SecretRef, str],
        before: dict[ActionId, Written],
        open_intents: frozenset[ActionId],
    ) -> events.RunFinished:
        ids = self.workspace.ids
        started = ids.wall()
        keeping = RunRecords(self.workspace, self.plan, self.run, self.results, lock)
        records = keeping.claim()
        run = Run(
            run=self.run,
            plan=self.plan,
            settings=Settings(
                parallel=self.options.parallel,
                wait=self.options.wait,
                poll=self.options.poll,
                timeout=self.options.timeout,
            ),
            writer=self._writer(secrets, lock),
            waiter=Waiter(
                self.workspace.kube.api,
                self.workspace.kube.glance,
                self._lookup,
                ids.steady,
                self._removed(),
                self.workspace.kube.refused_watches,
            ),
            journal=self.workspace.journal,
            lock=lock,
            emit=self.emit,
            wall=ids.wall,
            steady=ids.steady,
            sleep=ids.sleep,
            before=before,
            open_intents=open_intents,
            results=self.results,
        )
        self.interrupts(run.interrupt)
        try:
            finished = run.execute()
        finally:
            self.workspace.kube.end_watches()
        outcome = _outcome(finished)
        summary = RunSummary(
            run=self.run,
            started=started,
            finished=ids.wall(),
            who=ids.who,
            commit=self.plan.basis.commit,
            digest=self.plan.digest,
            outcome=outcome,
            done=finished.count("done"),
            failed=finished.count("failed"),
            skipped=finished.count("skipped"),
            not_started=finished.count("not-started"),
        )
        if lock.holds():
            keeping.finish(records, finished, summary)
        self.workspace.journal.finish(self.run, ids.wall(), outcome)
        return finished

    def _removed(self) -> dict[ResourceId, str]:
        return {
            c.id: c.precondition.uid
            for c in self.plan.writes
            if c.deletes and isinstance(c.precondition, MustBe)
        }

    def _writer(self, secrets: dict[SecretRef, str], lock: FleetLock) -> Writer:
        following = {
            ActionId(c.id, c.action.step - 1): c for c in self.plan.writes if c.action.step
        }
        return Writer(
            client=self.workspace.api,
            secrets=secrets,
            around=Surroundings(
                facts=FactReader(self._management, self.workspace.ids.wall),
                clusters=self._live_clusters,
                planned=lambda id_: self._planned_body(id_, secrets),
            ),
            results=self.results.get,
            next_step=following.get,
            may_write=lock.holds,
            pause=self.workspace.ids.sleep,
        )

    def _planned_body(self, id_: ResourceId, secrets: Mapping[SecretRef, str]) -> JsonObject | None:
        """The body that the last step of this plan sends for an object; None if it sends none."""
        if self._last_writes is None:
            self._last_writes = {c.id: c for c in self.plan.writes if not c.deletes}
        change = self._last_writes.get(id_)
        if change is None:
            return None
        body: JsonObject = msgspec.json.decode(change.body)
        for path, ref in change.secrets:
            if ref in secrets:  # in memory only, to compare what a class renders to
                set_at(body, path, secrets[ref])
        return body

    def _management(self, cluster: str) -> KubeClient | None:
        found = self.workspace.kube.api(cluster)
        return found if isinstance(found, KubeClient) else None

    def _live_clusters(self, management: str) -> list[Present]:
        example = ResourceId(management, CLUSTER.group, CLUSTER.kind, "", "")
        how = self._lookup(example)
        if how is None:
            return []
        return list(self.workspace.api(management).objects(how[0], CLUSTER.kind, how[1]))

    def _lookup(self, id_: ResourceId) -> tuple[str, Served] | None:
        """How to read an object that may be in no change: by the plan, else by discovery."""
        known = self._kinds.get((id_.cluster, id_.group_kind))
        if known is not None:
            return known
        builtin = KINDS.get(id_.group_kind)
        if builtin is not None and not id_.group:
            return "v1", builtin
        return self.workspace.api(id_.cluster).find(id_.group_kind)


def _outcome(finished: events.RunFinished) -> str:
    if finished.interrupted:
        return "interrupted"
    if finished.count("failed") or finished.count("skipped") or finished.unsettled:
        return "partial" if finished.count("done") else "failed"
    return "done"
