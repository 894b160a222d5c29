"""What a run tells while it goes, as data for views, the JSON log and tests.

The engine never prints.
"""

from __future__ import annotations

import msgspec


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, tag="run_started"):
    """The lock is held and the first write is near."""

    run: str
    fleet: str
    epoch: int
    actions: int
    resumed: bool = False


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """A write is on its way."""

    action: str
    verb: str


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """A write has happened, or was found to have happened already."""

    action: str
    verb: str
    note: str = ""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """A write did not happen, or a milestone was missed. `code` is an error code."""

    action: str
    code: str
    message: str


class Skipped(msgspec.Struct, frozen=True, kw_only=True, tag="skipped"):
    """Not tried, because of something that failed."""

    action: str
    because: str


class Waiting(msgspec.Struct, frozen=True, kw_only=True, tag="waiting"):
    """A milestone is awaited; `message` has the deepest failing condition. Repeated on change."""

    resource: str
    milestone: str
    message: str = ""


class Reached(msgspec.Struct, frozen=True, kw_only=True, tag="reached"):
    """An awaited milestone was reached."""

    resource: str
    milestone: str


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag="noted"):
    """Something about the run as a whole, said once: it goes on, but not as well as it could."""

    message: str


class Interrupted(msgspec.Struct, frozen=True, kw_only=True, tag="interrupted"):
    """Nothing new starts; writes in flight are finished and recorded."""


class LockLost(msgspec.Struct, frozen=True, kw_only=True, tag="lock_lost"):
    """The lease is gone; nothing more is written."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `outcome`: done, failed, skipped, not-started."""

    action: str
    verb: str
    outcome: str
    message: str = ""
    code: str = ""
    unit: str = ""


class RunFinished(msgspec.Struct, frozen=True, kw_only=True, tag="run_finished"):
    """The report: every action of the plan is in exactly one of the outcomes."""

    run: str
    seconds: float
    results: tuple[Result, ...]
    interrupted: bool = False
    stopped_by: str = ""
    """`signal`, `timeout` or `lock` when the run ended before its work."""
    unsettled: tuple[str, ...] = ()
    """Waits at the end that were not reached, in words."""

    def count(self, outcome: str) -> int:
        """How many actions ended like this."""
        return sum(1 for r in self.results if r.outcome == outcome)


Event = (
    RunStarted
    | Started
    | Done
    | Failed
    | Skipped
    | Waiting
    | Reached
    | Noted
    | Interrupted
    | LockLost
    | RunFinished
)
