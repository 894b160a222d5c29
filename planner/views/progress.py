"""Progress of a run on stderr: a live board on a terminal, plain lines elsewhere, JSON on request.

`Board` is what is known of the run and how it is laid out, without any I/O; `planner.views.live`
draws it with rich and is the only module that knows that library.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO

import msgspec

from planner import events
from planner.views.board import event_text
from planner.views.report import clock


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
