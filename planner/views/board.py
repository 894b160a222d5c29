"""Where a run stands, in lines: what a live display repaints, and one line for each event."""

from __future__ import annotations

from collections.abc import Iterator

from planner import events
from planner.views.clean import clean, plural, shortened
from planner.views.report import clock
from planner.views.waits import milestone_words
from providers.base import Milestone

_STOPPING = "Ctrl-C stops after the writes in flight; what runs in the clusters goes on there."


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
            case events.Noted(message=message):
                self.failures.append(clean(message))
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
        case events.Noted(message=message):
            return f"! {clean(message)}"
        case events.Interrupted():
            return "stopping: nothing new starts, writes in flight are finished"
        case events.LockLost():
            return "the lock is lost: nothing more is written"
        case _:
            return ""
