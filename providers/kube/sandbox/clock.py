"""Time as the sandbox sees it: the wall, or a clock that a test moves."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the sandbox takes the time from and how it waits."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class WallClock:
    """Real time: for the demo, where several processes share one simulation."""

    def now(self) -> float:
        """Seconds since 1970, as the machine says."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait for real."""
        time.sleep(max(0.0, seconds))


class ManualClock:
    """Time that passes only when somebody sleeps: deterministic, and no test waits."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """The start plus everything slept so far, by any thread."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance at once."""
        with self._lock:
            self._now += max(0.0, seconds)


def rfc3339(seconds: float) -> str:
    """Whole seconds in UTC, as `metav1.Time` is written."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
