"""Performing a plan: lock, journal, threads. What may start is decided by `planner.schedule`.

One scheduler thread owns schedule, journal and waits; worker threads send requests. An intent is on
disk before its request; results of many actions share a commit. Nothing here plans: of planning,
only impact and facts may be imported (tests/architecture proves it).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping

import msgspec

from planner import events
from planner.changes import ActionId, Change, Plan
from planner.schedule import Await, Finished, Instruction, Perform, Schedule, Skip, Wait
from planner.waits import Waiter
from planner.write import Writer, Written
from providers.base import Health
from state.errors import ClusterformError
from state.journal import Journal
from state.lock import FleetLock
from state.resource import JsonObject

RENEWALS = 6
"""Renewals in the life of a lease."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a run behaves."""

    parallel: int = 10
    wait: bool = True
    poll: float = 0.2
    """Seconds between two looks at what is awaited."""
    timeout: float = 0.0
    """Seconds for the whole run; 0: no limit."""


class Done(msgspec.Struct, frozen=True):
    """A worker's message: the write happened."""

    action: ActionId
    written: Written


class Refused(msgspec.Struct, frozen=True):
    """A worker's message: it did not."""

    action: ActionId
    error: ClusterformError


class Run:
    """One run of one plan, from the first intent to the report."""

    def __init__(
        self,
        *,
        run: str,
        plan: Plan,
        settings: Settings,
        writer: Writer,
        waiter: Waiter,
        journal: Journal,
        lock: FleetLock,
        emit: Callable[[events.Event], None],
        wall: Callable[[], float],
        steady: Callable[[], float],
        sleep: Callable[[float], None],
        before: Mapping[ActionId, Written],
        open_intents: frozenset[ActionId] = frozenset(),
        results: dict[ActionId, Written],
    ) -> None:
        self._run = run
        self._plan = plan
        self._changes: dict[ActionId, Change] = {c.action: c for c in plan.writes}
        self._settings = settings
        self._writer = writer
        self._waiter = waiter
        self._journal = journal
        self._lock = lock
        self._emit = emit
        self._wall = wall
        self._steady = steady
        self._sleep = sleep
        self._open_intents = open_intents
        self.results = results
        self.results.update(before)
        self._errors: dict[ActionId, ClusterformError] = {}
        self._schedule = Schedule(
            plan.writes,
            plan.graph,
            parallel=settings.parallel,
            done=frozenset(before),
            wait=settings.wait,
        )
        self._inbox: queue.SimpleQueue[Done | Refused] = queue.SimpleQueue()
        self._tasks: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._interrupted = threading.Event()
        self._over = False
        self._in_flight = 0
        self._unsettled: list[str] = []
        self._stopped = False
        self._renewed = 0.0
        self._stopped_by = ""

    def interrupt(self) -> None:
        """Stop starting; safe to call from a signal handler and from other threads."""
        self._interrupted.set()

    def execute(self) -> events.RunFinished:
        """Run to the end and report. Raises only when the journal cannot be written."""
        started = self._steady()
        self._emit(
            events.RunStarted(
                run=self._run,
                fleet=self._plan.basis.fleet,
                epoch=self._lock.highest_epoch,
                actions=len(self._changes),
                resumed=bool(self.results) or bool(self._open_intents),
            )
        )
        threads = self._start_workers()
        try:
            self._loop(started)
        finally:
            for _ in threads:
                self._tasks.put(None)
            for thread in threads:
                thread.join()
        self._note()
        return self._report(self._steady() - started)

    # ------------------------------------------------------------------ the loop

    def _loop(self, started: float) -> None:
        self._follow(self._schedule.start())
        polled = self._renewed = self._steady()
        while not self._over:
            now = self._steady()
            if self._interrupted.is_set() and not self._stopped:
                self._stop(events.Interrupted(), "signal")
                continue
            if self._settings.timeout and now - started > self._settings.timeout:
                self._unsettled.append(f"the run's time of {self._settings.timeout:.0f} s is over")
                self._settings = msgspec.structs.replace(self._settings, timeout=0.0)
                self._stop(events.Interrupted(), "timeout")
                continue
            self._renew()
            if not self._take_results() and self._in_flight == 0:
                self._idle()
            if len(self._waiter) and self._steady() - polled >= self._settings.poll:
                polled = self._steady()
                self._poll()

    def _idle(self) -> None:
        """Nothing in flight: sleep until the next look (a simulated clock moves here)."""
        if not self._over:
            self._sleep(self._settings.poll)

    def _take_results(self) -> bool:
        """Everything that workers have reported and what may start now, under one commit."""
        messages = self._drain()
        if not messages:
            return False
        self._in_flight -= len(messages)
        instructions = [i for message in messages for i in self._settle(message)]
        self._record([_line(message) for message in messages], instructions)
        for message in messages:
            self._emit(self._outcome(message))
        if self._lock_was_lost(messages):
            self._stop(events.LockLost(), "lock")
        self._carry_out(instructions)
        return True

    def _drain(self) -> list[Done | Refused]:
        messages: list[Done | Refused] = []
        wait = self._in_flight > 0
        try:
            messages.append(self._inbox.get(timeout=0.05) if wait else self._inbox.get_nowait())
            while True:
                messages.append(self._inbox.get_nowait())
        except queue.Empty:
            return messages

    def _settle(self, message: Done | Refused) -> list[Instruction]:
        """Tell the schedule how a write ended; what it says is carried out after the commit."""
        if isinstance(message, Done):
            self.results[message.action] = message.written
            return self._schedule.performed(message.action)
        self._errors[message.action] = message.error
        return self._schedule.refused(message.action, _text(message.error))

    def _outcome(self, message: Done | Refused) -> events.Event:
        action = str(message.action)
        if isinstance(message, Done):
            verb = self._changes[message.action].verb.value
            return events.Done(action=action, verb=verb, note=message.written.note)
        return events.Failed(action=action, code=message.error.code, message=_text(message.error))

    def _lock_was_lost(self, messages: list[Done | Refused]) -> bool:
        return not self._stopped and any(
            isinstance(m, Refused) and m.error.code == "lock-lost" for m in messages
        )

    def _follow(self, instructions: list[Instruction]) -> None:
        """Carry out instructions, the intents of all new writes on disk before them."""
        self._record([], instructions)
        self._carry_out(instructions)

    def _record(
        self, lines: list[tuple[str, str, JsonObject]], instructions: list[Instruction]
    ) -> None:
        intents: list[tuple[str, str, JsonObject]] = [
            (action_key(i.action), "intent", {}) for i in instructions if isinstance(i, Perform)
        ]
        if lines or intents:
            self._journal.append(self._run, self._wall(), [*lines, *intents])

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Perform(action):
                    change = self._changes[action]
                    self._emit(events.Started(action=str(action), verb=change.verb.value))
                    self._in_flight += 1
                    self._tasks.put(change)
                case Await(wait):
                    self._waiter.add(wait)
                case Skip(action, because):
                    self._emit(events.Skipped(action=str(action), because=because))
                case Finished():
                    self._over = True

    def _poll(self) -> None:
        for wait, state, over in self._waiter.poll(self._renew):
            resource, milestone = wait
            if not over:
                self._emit(
                    events.Waiting(
                        resource=str(resource), milestone=milestone.text, message=state.message
                    )
                )
            elif state.health is Health.REACHED:
                self._emit(events.Reached(resource=str(resource), milestone=milestone.text))
                if state.message:  # not awaited, and why: another tool's, or somebody's to finish
                    self._emit(events.Noted(message=f"{resource}: {state.message}"))
                self._follow(self._schedule.reached(wait))
            else:
                self._miss(wait, state.message)
        self._note()

    def _note(self) -> None:
        for message in self._waiter.notes():
            self._emit(events.Noted(message=message))

    def _miss(self, wait: Wait, message: str) -> None:
        resource, milestone = wait
        self._unsettled.append(f"{resource} did not reach {milestone.text}: {message}")
        self._emit(events.Failed(action=str(resource), code="not-reached", message=message))
        self._follow(self._schedule.missed(wait, message))

    def _stop(self, event: events.Event, by: str) -> None:
        self._stopped = True
        self._stopped_by = self._stopped_by or by
        self._emit(event)
        self._waiter.clear()
        self._follow(self._schedule.interrupt())

    def _renew(self) -> None:
        """Renew when it is time; also between two looks, which may be slow.

        A lost lease ends the run; a failed request is tried again while there is time.
        """
        now = self._steady()
        if self._stopped or now - self._renewed <= self._lock.seconds / RENEWALS:
            return
        self._renewed = now
        try:
            held = self._lock.renew()
        except ClusterformError:
            held = self._lock.holds()
        if not held:
            self._stop(events.LockLost(), "lock")

    # ------------------------------------------------------------------ workers

    def _start_workers(self) -> list[threading.Thread]:
        count = max(1, min(self._settings.parallel, len(self._changes)))
        threads = [
            threading.Thread(target=self._work, name=f"clusterform-{n}") for n in range(count)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _work(self) -> None:
        while (change := self._tasks.get()) is not None:
            try:
                self._inbox.put(Done(change.action, self._perform(change)))
            except ClusterformError as error:
                self._inbox.put(Refused(change.action, error))
            except Exception as error:  # noqa: BLE001 - a worker must report, whatever it was
                bug = ClusterformError("bug", f"{type(error).__name__} while writing {change.id}")
                self._inbox.put(Refused(change.action, bug))

    def _perform(self, change: Change) -> Written:
        if change.action in self._open_intents:
            landed = self._writer.landed(change)
            if landed is not None:
                return landed
        return self._writer.perform(change)

    # ------------------------------------------------------------------ the report

    def _report(self, seconds: float) -> events.RunFinished:
        schedule = self._schedule
        gates = [message for node, message in schedule.failed.items() if isinstance(node, str)]
        finished = events.RunFinished(
            run=self._run,
            seconds=seconds,
            results=tuple(self._result(c) for c in self._plan.writes),
            interrupted=self._stopped,
            stopped_by=self._stopped_by,
            unsettled=tuple(dict.fromkeys([*self._unsettled, *gates])),
        )
        self._emit(finished)
        return finished

    def _result(self, change: Change) -> events.Result:
        action, schedule = change.action, self._schedule
        outcome, message, code = "not-started", "", ""
        if action in schedule.done:
            outcome = "done"
        elif action in schedule.failed:
            outcome, message = "failed", schedule.failed[action]
            code = self._errors[action].code
        elif action in schedule.skipped:
            outcome, message = "skipped", schedule.skipped[action]
        return events.Result(
            action=str(action),
            verb=change.verb.value,
            outcome=outcome,
            message=message,
            code=code,
            unit=change.unit,
        )


def _text(error: ClusterformError) -> str:
    """An error in one line."""
    return error.brief + (f": {' '.join(error.detail.split())}" if error.detail else "")


def action_key(action: ActionId) -> str:
    """How the journal names an action."""
    return f"{action.resource.text}#{action.step}"


def _line(message: Done | Refused) -> tuple[str, str, JsonObject]:
    if isinstance(message, Done):
        return action_key(message.action), "done", msgspec.to_builtins(message.written)
    error = message.error
    return action_key(message.action), "failed", {"code": error.code, "message": error.brief}
