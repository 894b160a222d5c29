"""Progress of a run on stderr: a live board on a terminal, plain lines elsewhere, JSON on request.

`Board` is what is known of the run and how it is laid out, without any I/O; `planner.views.live`
draws it with rich and is the only module that knows that library.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO

import msgspec

from planner import events
from planner.views.clean import clean, plural, shortened
from planner.views.report import clock
from planner.views.waits import milestone_words
from providers.base import Milestone

_STOPPING = "Ctrl-C stops after the writes in flight; what runs in the clusters goes on there."


class Progress(Protocol):
    """Somebody who is told what a run does; callable from every thread."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop showing; the terminal is left as it was."""
        ...

    def emit(self, event: events.Event) -> None:
        """Show one event."""
        ...


def open_progress(
    *, form: str, quiet: bool, color: str, stream: TextIO | None = None
) -> AbstractContextManager[Progress]:
    """The progress for these options: `form` is text or json, `color` auto, always or never."""
    out = stream or sys.stderr
    if form == "json":
        return JsonLines(out)
    if quiet:
        return Silent()
    if out.isatty() and os.environ.get("TERM") != "dumb":
        from planner.views.live import Live

        return Live(out, color=color != "never")
    return PlainLines(out)


class Board:
    """The state of a run as its events tell it. Not thread-safe by itself."""

    def __init__(self) -> None:
        self.header = ""
        self.total = 0
        self.done = self.failed = self.skipped = 0
        self.running: dict[str, str] = {}
        """Action → verb."""
        self.waiting: dict[tuple[str, str], str] = {}
        """(object, milestone) → what holds it up."""
        self.failures: list[str] = []
        self.stopping = ""

    def note(self, event: events.Event) -> None:
        """Take in one event."""
        match event:
            case events.RunStarted():
                self.header, self.total = started_text(event), event.actions
            case events.Started(action=action, verb=verb):
                self.running[action] = verb
            case events.Done(action=action):
                self.running.pop(action, None)
                self.done += 1
            case events.Failed(action=action, message=message):
                self.failed += self.running.pop(action, None) is not None
                self.failures.append(clean(f"{action}: {message}"))
                for wait in [w for w in self.waiting if w[0] == action]:
                    del self.waiting[wait]
            case events.Skipped():
                self.skipped += 1
            case events.Waiting(resource=resource, milestone=milestone, message=message):
                self.waiting[resource, milestone] = message
            case events.Reached(resource=resource, milestone=milestone):
                self.waiting.pop((resource, milestone), None)
            case events.Interrupted():
                self.stopping = "Stopping: the writes in flight are finished. Ctrl-C again leaves."
            case events.LockLost():
                self.stopping = "The lock is lost: nothing more is written."
            case events.RunFinished():
                self.running.clear()
                self.waiting.clear()

    def lines(self, elapsed: float, width: int, height: int) -> list[str]:
        """The board in at most `height` lines of at most `width` characters."""
        left = max(0, self.total - self.done - self.failed - self.skipped - len(self.running))
        running = len(self.running) + len(self.waiting)
        counts = (
            f" ✔ {self.done:,} done   ▶ {running:,} running   ⋯ {left:,} waiting"
            f"   ✖ {self.failed:,}   ↷ {self.skipped:,}   ⏱ {clock(elapsed)}"
        )
        activity = [f" ✖ {failure}" for failure in self.failures[-3:]]
        activity += [f" ▶ {clean(action)}  {verb}" for action, verb in self.running.items()]
        activity += [f" ▶ {wait}" for wait in self._waits()]
        room = max(1, height - 3)
        if len(activity) > room:
            hidden = len(activity) - room + 1
            activity = [*activity[: room - 1], f" … {hidden:,} more"]
        return [
            shortened(line, width)
            for line in (self.header, counts, *activity, self.stopping or _STOPPING)
        ]

    def _waits(self) -> Iterator[str]:
        for (resource, milestone), message in self.waiting.items():
            yield clean(f"{resource}  {message or 'waiting for ' + milestone}")


def started_text(event: events.RunStarted) -> str:
    """`lock acme epoch 41 · run 0192f… · 371 actions`."""
    actions = plural(event.actions, "action") + (" · resumed" if event.resumed else "")
    return clean(f"lock {event.fleet} epoch {event.epoch} · run {event.run} · {actions}")


def event_text(event: events.Event) -> str:
    """One line for an event, `""` for those that change nothing a reader would act on."""
    match event:
        case events.RunStarted():
            return started_text(event)
        case events.Done(action=action, verb=verb, note=note):
            return f"✔ {verb} {clean(action)}" + (f" ({clean(note)})" if note else "")
        case events.Failed(action=action, code=code, message=message):
            return f"✖ {clean(action)}: {clean(message)} [{clean(code)}]"
        case events.Skipped(action=action, because=because):
            return f"↷ {clean(action)}: skipped, {clean(because)}"
        case events.Waiting(resource=resource, milestone=milestone, message=message):
            return f"⋯ {clean(resource)}: {clean(message or 'waiting for ' + milestone)}"
        case events.Reached(resource=resource, milestone=milestone):
            return f"✔ {clean(resource)}: {milestone_words(Milestone(name=milestone))}"
        case events.Interrupted():
            return "stopping: nothing new starts, writes in flight are finished"
        case events.LockLost():
            return "the lock is lost: nothing more is written"
        case _:
            return ""


class _Shown:
    """What the forms have in common: a stream, a lock, elapsed time."""

    def __init__(self, stream: TextIO, steady: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._steady = steady
        self._began = steady()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stream.flush()

    def elapsed(self) -> float:
        """Seconds since the run began to be shown."""
        return self._steady() - self._began

    def write(self, line: str) -> None:
        """One whole line, whoever else writes."""
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


class PlainLines(_Shown):
    """One line for each state change, with the time since the start: for logs and pipes."""

    def emit(self, event: events.Event) -> None:
        """Write the event's line, if it has one."""
        text = event_text(event)
        if text:
            self.write(f"{clock(self.elapsed())} {text}")


class JsonLines(_Shown):
    """Every event as one JSON object: `type`, `elapsed` seconds, and the event's own fields."""

    def emit(self, event: events.Event) -> None:
        """Write the event."""
        fields = {"elapsed": round(self.elapsed(), 3), **msgspec.to_builtins(event)}
        self.write(msgspec.json.encode(fields).decode())


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        return

    def emit(self, event: events.Event) -> None:
        """Nothing is shown."""
