"""The one SQLite file: objects, events, the request log, due reconciles, faults, servers.

Several processes share it: every request is one `BEGIN IMMEDIATE` transaction. Rollback journal,
not WAL, which is unsafe in SQLite up to 3.51.2 (ARCHITECTURE.md, Speed); durability
against power failure is not wanted here, so `synchronous=OFF`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from providers.kube.sandbox.rows import Event, Row, Where, before_of, read_event, stored
from state.resource import JsonObject

_TABLES = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS servers (id TEXT PRIMARY KEY, url TEXT NOT NULL, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    server TEXT, grp TEXT, plural TEXT, namespace TEXT, name TEXT,
    uid TEXT NOT NULL, rv INTEGER NOT NULL, stale INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL,
    PRIMARY KEY (server, grp, plural, namespace, name)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS objects_uid ON objects (server, uid);
CREATE INDEX IF NOT EXISTS objects_in ON objects (server, namespace);
CREATE TABLE IF NOT EXISTS owners (
    server TEXT, owner TEXT, grp TEXT, plural TEXT, namespace TEXT, name TEXT,
    PRIMARY KEY (server, owner, grp, plural, namespace, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_of ON owners (server, grp, plural, namespace, name);
CREATE TABLE IF NOT EXISTS events (
    rv INTEGER PRIMARY KEY, server TEXT, grp TEXT, plural TEXT, namespace TEXT, name TEXT,
    type TEXT, body BLOB, labels BLOB);
CREATE TABLE IF NOT EXISTS due (
    server TEXT, grp TEXT, kind TEXT, namespace TEXT, name TEXT, at REAL, seq INTEGER,
    PRIMARY KEY (server, grp, kind, namespace, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due_order ON due (at, seq);
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""

_EVENTS_KEPT = 20_000
"""Older events are forgotten, and a watch from before them is answered 410."""


class Store:
    """Connections to the file, one a thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        with self._connection() as connection:
            connection.executescript(_TABLES)

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            # Each thread owns its connection; only close() reaches over, when all work is done.
            found = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            found.execute("PRAGMA busy_timeout=30000")
            found.execute("PRAGMA journal_mode=PERSIST")
            found.execute("PRAGMA synchronous=OFF")
            found.execute("PRAGMA cache_size=-8192")
            self._local.connection = found
            self._opened.append(found)
        return found

    @contextmanager
    def transaction(self) -> Iterator[Data]:
        """All or nothing, alone with the file."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Data(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def close(self) -> None:
        """Close every thread's connection."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()


class Data:
    """What can be read and written inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute

    def count(self, name: str) -> int:
        """The next value of a counter, from 1."""
        row = self._run(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            " RETURNING value",
            (name,),
        ).fetchone()
        return int(row[0])

    def counter(self, name: str) -> int:
        """A counter's value, without counting."""
        row = self._run("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def raise_counter(self, name: str, value: int) -> None:
        """Let a counter go on from `value`, if it is not beyond that."""
        self._run(
            "INSERT INTO counters VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (name, value),
        )

    def get(self, server: str, where: Where) -> Row | None:
        """One object."""
        row = self._run(
            "SELECT body, stale FROM objects WHERE server = ? AND grp = ? AND plural = ?"
            " AND namespace = ? AND name = ?",
            (server, *where),
        ).fetchone()
        return Row(*where, row[0], bool(row[1])) if row else None

    def bodies(self, server: str, group: str, plural: str, namespace: str | None) -> list[bytes]:
        """Stored bodies of a kind, ordered by namespace and name."""
        tail, values = ("", ()) if namespace is None else (" AND namespace = ?", (namespace,))
        cursor = self._run(
            f"SELECT body FROM objects WHERE server = ? AND grp = ? AND plural = ?{tail}"  # noqa: S608
            " ORDER BY namespace, name",
            (server, group, plural, *values),
        )
        return [row[0] for row in cursor]

    def rows(self, server: str, namespace: str | None = None) -> list[Row]:
        """Every object of a server, or of one of its namespaces."""
        tail, values = ("", ()) if namespace is None else (" AND namespace = ?", (namespace,))
        cursor = self._run(
            "SELECT grp, plural, namespace, name, body FROM objects"  # noqa: S608
            f" WHERE server = ?{tail} ORDER BY grp, plural, namespace, name",
            (server, *values),
        )
        return [Row(*row) for row in cursor]

    def rows_of(
        self, server: str, group: str, plural: str, namespace: str | None = None
    ) -> list[Row]:
        """Every object of a kind, or those in a namespace."""
        tail, values = ("", ()) if namespace is None else (" AND namespace = ?", (namespace,))
        cursor = self._run(
            "SELECT grp, plural, namespace, name, body FROM objects"  # noqa: S608
            f" WHERE server = ? AND grp = ? AND plural = ?{tail} ORDER BY namespace, name",
            (server, group, plural, *values),
        )
        return [Row(*row) for row in cursor]

    def empty(self, server: str, namespace: str) -> bool:
        """Nothing is in a namespace."""
        found = self._run(
            "SELECT 1 FROM objects WHERE server = ? AND namespace = ? LIMIT 1", (server, namespace)
        )
        return found.fetchone() is None

    def put(
        self, server: str, where: Where, value: JsonObject, kind: str, old: JsonObject | None
    ) -> None:
        """Store an object under its own resourceVersion; `kind` is the event's type."""
        metadata, body = value["metadata"], stored(value)
        rv = int(metadata["resourceVersion"])
        self._run(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)"
            " ON CONFLICT (server, grp, plural, namespace, name)"
            " DO UPDATE SET uid = excluded.uid, rv = excluded.rv, stale = 0, body = excluded.body",
            (server, *where, metadata["uid"], rv, body),
        )
        before = old["metadata"].get("ownerReferences") if old else None
        after = metadata.get("ownerReferences")
        if before != after:
            self._own(server, where, after or [])
        self._event(server, where, kind, body, value, old)

    def _own(self, server: str, where: Where, owners: Sequence[JsonObject]) -> None:
        self._run(
            "DELETE FROM owners WHERE server = ? AND grp = ? AND plural = ? AND namespace = ?"
            " AND name = ?",
            (server, *where),
        )
        for owner in owners:
            self._run(
                "INSERT OR IGNORE INTO owners VALUES (?, ?, ?, ?, ?, ?)",
                (server, owner.get("uid", ""), *where),
            )

    def drop(self, server: str, where: Where, value: JsonObject, rv: int) -> None:
        """Remove an object; watchers see its last state at `rv`."""
        self._run(
            "DELETE FROM objects WHERE server = ? AND grp = ? AND plural = ? AND namespace = ?"
            " AND name = ?",
            (server, *where),
        )
        self._own(server, where, [])
        last = {**value, "metadata": {**value["metadata"], "resourceVersion": str(rv)}}
        self._event(server, where, "DELETED", stored(last), last, value)

    def _event(
        self,
        server: str,
        where: Where,
        kind: str,
        body: bytes,
        value: JsonObject,
        old: JsonObject | None,
    ) -> None:
        rv = int(value["metadata"]["resourceVersion"])
        before = None if old is None else before_of(old, value)
        self._run(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (rv, server, *where, kind, body, before),
        )
        if rv % 1024 == 0:
            self._run("DELETE FROM events WHERE rv <= ?", (rv - _EVENTS_KEPT,))

    def forget_events(self, until: int) -> None:
        """Compact: a watch from `until` or before is answered 410 from now on."""
        self._run("DELETE FROM events WHERE rv <= ?", (until,))
        self._run("INSERT OR REPLACE INTO counters VALUES ('compacted', ?)", (until,))

    @property
    def oldest(self) -> int:
        """The newest resourceVersion that watches cannot start from any more."""
        return max(self.counter("compacted"), self.counter("rv") // 1024 * 1024 - _EVENTS_KEPT)

    def events(
        self, server: str, group: str, plural: str, namespace: str | None, after: int
    ) -> list[Event]:
        """Changes of a kind after a resourceVersion, in order."""
        tail, values = ("", ()) if namespace is None else (" AND namespace = ?", (namespace,))
        cursor = self._run(
            "SELECT rv, type, namespace, name, body, labels FROM events"  # noqa: S608
            f" WHERE rv > ? AND server = ? AND grp = ? AND plural = ?{tail} ORDER BY rv",
            (after, server, group, plural, *values),
        )
        return [read_event(*row) for row in cursor]

    def changed(
        self, server: str, group: str, plural: str, namespace: str | None, after: int
    ) -> dict[tuple[str, str], str]:
        """Objects of a kind that changed after a resourceVersion, with how they did first."""
        found: dict[tuple[str, str], str] = {}
        for event in self.events(server, group, plural, namespace, after):
            found.setdefault((event.namespace, event.name), event.type)
        return found

    def last_event(
        self, server: str, group: str, plural: str, namespace: str, name: str, until: int
    ) -> Event | None:
        """The newest change of an object up to a resourceVersion that is remembered."""
        row = self._run(
            "SELECT rv, type, namespace, name, body, labels FROM events WHERE rv <= ?"
            " AND server = ? AND grp = ? AND plural = ? AND namespace = ? AND name = ?"
            " ORDER BY rv DESC LIMIT 1",
            (until, server, group, plural, namespace, name),
        ).fetchone()
        return read_event(*row) if row else None

    def dependents(self, server: str, owner: str) -> list[Where]:
        """Objects that name `owner` (a uid) in their ownerReferences."""
        cursor = self._run(
            "SELECT grp, plural, namespace, name FROM owners WHERE server = ? AND owner = ?"
            " ORDER BY grp, plural, namespace, name",
            (server, owner),
        )
        return [(row[0], row[1], row[2], row[3]) for row in cursor]

    def exists(self, server: str, uid: str) -> bool:
        """An object with this uid is there."""
        found = self._run("SELECT 1 FROM objects WHERE server = ? AND uid = ?", (server, uid))
        return found.fetchone() is not None

    def mark_stale(self, server: str, where: Where, value: JsonObject) -> None:
        """What is stored no longer is what the server would store: the next write writes.

        The visible object takes the new form at once, under its old resourceVersion.
        """
        self._run(
            "UPDATE objects SET stale = 1, body = ? WHERE server = ? AND grp = ? AND plural = ?"
            " AND namespace = ? AND name = ?",
            (stored(value), server, *where),
        )

    def schedule(self, server: str, key: tuple[str, str, str, str], at: float) -> None:
        """Reconcile `key` at `at`, or earlier if that is already planned."""
        self._run(
            "INSERT INTO due VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (server, grp, kind, namespace, name)"
            " DO UPDATE SET seq = CASE WHEN excluded.at < at THEN excluded.seq ELSE seq END,"
            " at = min(at, excluded.at)",
            (server, *key, at, self.count("due")),
        )

    def take_due(self, until: float) -> tuple[float, str, tuple[str, str, str, str]] | None:
        """The earliest reconcile due up to `until`; it is taken off the list."""
        row = self._run(
            "SELECT at, server, grp, kind, namespace, name FROM due WHERE at <= ?"
            " ORDER BY at, seq LIMIT 1",
            (until,),
        ).fetchone()
        if row is None:
            return None
        self._run(
            "DELETE FROM due WHERE server = ? AND grp = ? AND kind = ? AND namespace = ?"
            " AND name = ?",
            row[1:],
        )
        return float(row[0]), row[1], (row[2], row[3], row[4], row[5])

    def next_due(self) -> float | None:
        """When the next reconcile is due."""
        row = self._run("SELECT min(at) FROM due").fetchone()
        return None if row[0] is None else float(row[0])

    def add_server(self, server: str, url: str, token: str) -> bool:
        """Register a workload API server; False if it is there."""
        cursor = self._run("INSERT OR IGNORE INTO servers VALUES (?, ?, ?)", (server, url, token))
        return cursor.rowcount > 0

    def remove_server(self, server: str) -> None:
        """Forget a workload API server with everything in it."""
        for table in ("objects", "owners", "events", "due"):
            self._run(f"DELETE FROM {table} WHERE server = ?", (server,))  # noqa: S608 - our names
        self._run("DELETE FROM servers WHERE id = ?", (server,))

    def server_at(self, url: str) -> tuple[str, str] | None:
        """Id and token of the server at a URL."""
        found = self._run("SELECT id, token FROM servers WHERE url = ?", (url,)).fetchone()
        return (found[0], found[1]) if found else None

    def log(self, entry: Any) -> None:
        """Append to the request log."""
        self._run("INSERT INTO requests (body) VALUES (?)", (msgspec.json.encode(entry),))

    def logged(self) -> list[tuple[int, bytes]]:
        """The request log in order."""
        return list(self._run("SELECT seq, body FROM requests ORDER BY seq"))

    def add_fault(self, body: bytes) -> int:
        """Remember a fault; its id."""
        return int(self._run("INSERT INTO faults (body) VALUES (?)", (body,)).lastrowid or 0)

    def faults(self) -> list[tuple[int, bytes]]:
        """The faults in the order they were given."""
        return list(self._run("SELECT id, body FROM faults ORDER BY id"))

    def set_fault(self, fault: int, body: bytes | None) -> None:
        """Change a fault, or drop it."""
        if body is None:
            self._run("DELETE FROM faults WHERE id = ?", (fault,))
        else:
            self._run("UPDATE faults SET body = ? WHERE id = ?", (body, fault))

    def clear_faults(self) -> None:
        """Drop every fault."""
        self._run("DELETE FROM faults")
