"""What came of a run: counts, everything that is not done and why, how to go on."""

from __future__ import annotations

from collections.abc import Iterator

from planner.events import Result, RunFinished
from planner.views.clean import clean

_LISTED = 20
"""Lines of skipped and of not started actions; failures are always all listed."""


def report_text(finished: RunFinished) -> str:
    """The report for stdout, ending in a line end."""
    return "\n".join(_lines(finished)) + "\n"


def clock(seconds: float) -> str:
    """`14:03`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _lines(finished: RunFinished) -> Iterator[str]:
    count = finished.count
    yield (
        f"Done {count('done'):,} · failed {count('failed'):,} · skipped {count('skipped'):,}"
        f" · not started {count('not-started'):,} in {clock(finished.seconds)}"
    )
    if finished.interrupted:
        yield "Stopped before the end: what runs in the clusters goes on there."
    for result in _of(finished, "failed"):
        code = f" [{clean(result.code)}]" if result.code else ""
        yield f" ✖ {_name(result)}: {clean(result.message)}{code}"
    for text in finished.unsettled:
        yield f" ⋯ {clean(text)}"
    yield from _some(finished, "skipped", "↷", "skipped, ")
    yield from _some(finished, "not-started", "·", "not started")
    if left(finished):
        yield f"Resume with: clusterform apply --resume {clean(finished.run)}"


def left(finished: RunFinished) -> bool:
    """Something of the plan is still to be done or to be waited for."""
    return finished.count("done") < len(finished.results) or bool(finished.unsettled)


def _of(finished: RunFinished, outcome: str) -> list[Result]:
    return [r for r in finished.results if r.outcome == outcome]


def _some(finished: RunFinished, outcome: str, symbol: str, word: str) -> Iterator[str]:
    found = _of(finished, outcome)
    for result in found[:_LISTED]:
        yield f" {symbol} {_name(result)}: {word}{clean(result.message)}"
    if len(found) > _LISTED:
        yield f" {symbol} and {len(found) - _LISTED:,} more"


def _name(result: Result) -> str:
    """The action; an add-on with the cluster that it lives in."""
    unit, mark, _ = result.unit.partition(":addons")
    where = f" in {unit.partition('/')[2]}" if mark else ""
    return clean(result.action + where)
