"""Records and runs as text, for `state list`, `state show` and `state history`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from planner.views.clean import clean
from planner.views.report import clock
from state.journal import Run
from state.live import Absent, Observation, Unreadable
from state.recorded import Recorded
from state.records import RunSummary
from state.resource import ResourceId

_RUN = 12
"""Characters of a run id in lists: enough for `apply --resume`, which takes a prefix."""

_WIDEST = 64
"""Characters of a column; what is longer pushes the rest of its line to the right."""


def list_text(records: Iterable[Recorded]) -> str:
    """One line an object: cluster, kind and name, commit, time and run of the last write."""
    rows = [
        (
            r.id.cluster,
            _kind_and_name(r.id),
            f"applied {r.commit[:7] or 'no commit'}" if r.run else "recorded",
            when(r.at),
            f"run {r.run[:_RUN]}" if r.run else "",
        )
        for r in records
    ]
    return table(rows) or "Nothing is recorded.\n"


def show_text(recorded: Recorded, live: Observation, needed_by: Sequence[ResourceId]) -> str:
    """Everything known of one object, one fact a line."""
    rows = [
        ("object", recorded.id.text),
        ("version", recorded.version),
        ("uid", recorded.uid or "not known yet"),
        ("unit", recorded.unit),
        ("in Git as", recorded.logical),
        ("from", recorded.origin),
        ("digest", recorded.digest),
        ("fields sent", str(len(recorded.leaves))),
        ("last written", _written(recorded)),
        ("live", _live(recorded, live)),
        ("depends on", str(len(recorded.depends_on))),
        *(("", str(id_)) for id_ in recorded.depends_on),
        ("needed by", str(len(needed_by))),
        *(("", str(id_)) for id_ in needed_by),
    ]
    return table([row for row in rows if row[1]])


def history_text(runs: Sequence[RunSummary], unfinished: Sequence[Run] = ()) -> str:
    """Unfinished runs of this machine with the way to finish them, then runs, newest first."""
    lines = [
        f"{r.run}  {when(r.started)}  {clean(r.who)}  not finished:"
        f" clusterform apply --resume {r.run}"
        for r in unfinished
    ]
    rows = [
        (
            r.run,
            when(r.started),
            r.outcome or "unknown",
            f"done {r.done}, failed {r.failed}, skipped {r.skipped}, not started {r.not_started}",
            clock(max(0.0, r.finished - r.started)),
            r.commit[:7] or "no commit",
            r.who,
        )
        for r in runs
    ]
    if not rows and not lines:
        return "Nothing has been applied yet.\n"
    return "".join(f"{line}\n" for line in lines) + table(rows)


def when(at: float) -> str:
    """A moment in UTC to the minute; the same on every machine."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}" if at else "time not known"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, within reason, two spaces apart."""
    cells = [tuple(clean(cell) for cell in row) for row in rows]
    columns = range(len(cells[0])) if cells else ()
    widths = [min(_WIDEST, max(len(row[n]) for row in cells)) for n in columns]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in cells
    )


def _kind_and_name(id_: ResourceId) -> str:
    kind = f"{id_.group}/{id_.kind}" if id_.group else id_.kind
    return f"{kind} {id_.qualified_name}"


def _written(recorded: Recorded) -> str:
    if not recorded.run:
        return "not known: the record was rebuilt from the live object"
    return f"{when(recorded.at)} by run {recorded.run} from {recorded.commit or 'no commit'}"


def _live(recorded: Recorded, live: Observation) -> str:
    if isinstance(live, Absent):
        return "not there"
    if isinstance(live, Unreadable):
        return f"could not be read: {live.reason}"
    if recorded.uid and live.uid != recorded.uid:
        return f"another object of the same name, uid {live.uid}"
    if live.deleting:
        return "is being deleted"
    return f"there, resourceVersion {live.resource_version}"
