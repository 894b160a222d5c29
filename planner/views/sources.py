"""What `sources lock` and `sources fetch` did, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from planner.views.clean import clean, plural
from providers.crds import FILE as SCHEMAS
from providers.locked import FILE

if TYPE_CHECKING:
    from planner.lockedcrds import Moved
    from planner.locking import Fetched, Report


def lock_text(report: Report) -> str:
    """What was resolved and what moved, old → new."""
    return "\n".join(_lock_lines(report)) + "\n"


def fetch_text(found: Fetched) -> str:
    """What came, and what was there."""
    lines = [f"  + {clean(s.wanted.text)}  {clean(s.resolved)}" for s in found.fetched]
    if lines:
        lines.append(f"Fetched {plural(len(lines), 'source')}; {found.present} were there already.")
    else:
        lines.append(f"Nothing to fetch: {plural(found.present, 'source')} in the cache.")
    if found.pruned:
        size = f"{found.freed / (1 << 20):.1f} MiB"
        lines.append(
            f"Removed {plural(found.pruned, 'archive')} that {FILE} does not name, {size}."
        )
    return "\n".join(lines) + "\n"


def _lock_lines(report: Report) -> Iterator[str]:
    for moved in report.moved:
        yield f"  {_symbol(moved)} {clean(moved.what)}  {_values(moved)}"
    yield from (f"  ! {clean(note)}" for note in report.notes)
    holds = (
        f"{plural(len(report.lock.sources), 'source')},"
        f" {plural(len(report.lock.clusters), 'management cluster')}"
    )
    schemas = f", and {SCHEMAS} beside it" if report.lock.schemas else ""
    if report.moved:
        written = f"{FILE} written{schemas}: {holds}."
        yield f"{written} Commit it; clusterform plan shows what it changes."
    else:
        yield f"{FILE} is up to date: {holds}."


def _symbol(moved: Moved) -> str:
    if not moved.before:
        return "+"
    return "~" if moved.after else "-"


def _values(moved: Moved) -> str:
    before, after = clean(moved.before), clean(moved.after)
    if not moved.before:
        return after
    return f"{before} → {after}" if moved.after else f"{before}, not used any more"
