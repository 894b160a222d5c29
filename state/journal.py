"""What a run is about to do and what came of it, durably, on the machine that applies.

SQLite with a rollback journal and synchronous=FULL (WAL loses data in SQLite ≤ 3.51.2 with several
writers). An intent is on disk before its request is sent; many entries share one commit. The
journal never changes what is planned: a machine without it plans again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from state.errors import ClusterformError
from state.resource import JsonObject

_SCHEMA = """
create table if not exists runs (
    run text primary key, fleet text not null, started real not null, who text not null,
    digest text not null, plan blob not null, finished real, outcome text);
create table if not exists entries (
    run text not null, seq integer not null, at real not null, action text not null,
    phase text not null, detail blob not null, primary key (run, seq));
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run. `phase`: `intent`, `done`, `failed`, `skipped` or `note`."""

    run: str
    seq: int
    at: float
    action: str
    phase: str
    detail: JsonObject = {}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run and the plan that it performs, as saved."""

    run: str
    fleet: str
    started: float
    who: str
    digest: str
    plan: bytes
    finished: float | None = None
    outcome: str = ""


class Journal:
    """The journal of one checkout. One connection; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("pragma journal_mode=delete")
            self._db.execute("pragma synchronous=full")
            self._db.execute("pragma busy_timeout=10000")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise _broken(path, error) from None
        path.chmod(0o600)
        self._path = path
        self._seq: dict[str, int] = {}

    def begin(self, run: Run) -> None:
        """Remember a run with its plan before it does anything."""
        self._execute(
            "insert into runs (run, fleet, started, who, digest, plan) values (?, ?, ?, ?, ?, ?)",
            [(run.run, run.fleet, run.started, run.who, run.digest, run.plan)],
        )

    def append(self, run: str, at: float, lines: Iterable[tuple[str, str, JsonObject]]) -> None:
        """(action, phase, detail) lines, on disk when this returns: one commit for all."""
        with self._lock:
            seq = self._next(run)
            rows = [
                (run, seq + n, at, action, phase, msgspec.json.encode(detail))
                for n, (action, phase, detail) in enumerate(lines)
            ]
            self._seq[run] = seq + len(rows)
            self._many("insert into entries values (?, ?, ?, ?, ?, ?)", rows)

    def finish(self, run: str, at: float, outcome: str) -> None:
        """The run came to its end by itself."""
        self._execute(
            "update runs set finished = ?, outcome = ? where run = ?", [(at, outcome, run)]
        )

    def entries(self, run: str) -> list[Entry]:
        """All lines of a run in order."""
        rows = self._db.execute(
            "select run, seq, at, action, phase, detail from entries where run = ? order by seq",
            (run,),
        )
        return [
            Entry(run=r, seq=s, at=at, action=a, phase=p, detail=msgspec.json.decode(d))
            for r, s, at, a, p, d in rows
        ]

    def run(self, run: str) -> Run:
        """A run by its id or an unambiguous beginning of it; raises 'no-run'."""
        runs = self.runs()
        found = [r for r in runs if r.run == run] or [r for r in runs if r.run.startswith(run)]
        if len(found) != 1:
            what = "there is no run" if not found else "several runs begin with"
            raise ClusterformError(
                "no-run",
                f"{what} {run}",
                hint="clusterform state history lists the runs of this machine",
            )
        return found[0]

    def runs(self, fleet: str = "") -> list[Run]:
        """All runs of this machine, newest first."""
        rows = self._db.execute(
            "select run, fleet, started, who, digest, plan, finished, outcome from runs"
            " where ? in ('', fleet) order by started desc, run desc",
            (fleet,),
        )
        return [
            Run(run=r, fleet=f, started=s, who=w, digest=d, plan=p, finished=e, outcome=o or "")
            for r, f, s, w, d, p, e, o in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _next(self, run: str) -> int:
        known = self._seq.get(run)
        if known is not None:
            return known
        row = self._db.execute("select max(seq) from entries where run = ?", (run,)).fetchone()
        return (row[0] or 0) + 1

    def _execute(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._lock:
            self._many(sql, rows)

    def _many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            self._db.execute("begin immediate")
            self._db.executemany(sql, rows)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise _broken(self._path, error) from None


def _broken(path: Path, error: sqlite3.Error) -> ClusterformError:
    return ClusterformError(
        "journal",
        "the journal cannot be written, so nothing more is sent",
        detail=str(error),
        hint="free space or fix the file; apply --resume continues from what is recorded",
        where=str(path),
    )
