"""The records in the management cluster: what we own, for ordered deletes and history.

Compressed immutable chunks named by their content, and one head ConfigMap that lists them and is
swapped by compare-and-swap with the epoch of the lock: a crash leaves the old records or the new
ones, never a mix. Grown before a run (what it is about to make is recorded first) and shrunk after.
"""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Iterable

import msgspec

from state.errors import ClusterformError
from state.recorded import Recorded, Records
from state.resource import JsonObject, canonical, digest
from state.store import NAMESPACE, Moved, ObjectStore

_PER_CHUNK = 1500
"""Records a chunk aims at: far below the 1 MiB limit of an object, compressed."""
_KEEP_RUNS = 30
FORMAT = "1"


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of history."""

    run: str
    started: float
    finished: float
    who: str
    commit: str = ""
    digest: str = ""
    outcome: str = ""
    done: int = 0
    failed: int = 0
    skipped: int = 0
    not_started: int = 0


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of the head: which chunks hold, written by which epoch, and past runs."""

    format: str = FORMAT
    serial: int = 0
    epoch: int = 0
    chunks: tuple[str, ...] = ()
    runs: tuple[RunSummary, ...] = ()


class RecordStore:
    """Reads and swaps the records of one fleet on one management cluster."""

    def __init__(self, store: ObjectStore, fleet: str) -> None:
        self._store = store
        self._name = f"clusterform-records-{fleet}"

    def read(self) -> tuple[Head, Records]:
        """Head and records; both empty where there are none yet. Raises 'bad-records' if torn."""
        head, _ = self._head()
        records: Records = {}
        for name in head.chunks:
            for recorded in self._chunk(name):
                records[recorded.id] = recorded
        return head, records

    def epoch(self) -> int:
        """The epoch that wrote the records last; 0 where there are none."""
        return self._head(damaged=Head())[0].epoch

    def _head(self, damaged: Head | None = None) -> tuple[Head, JsonObject | None]:
        body = self._store.read("ConfigMap", self._name)
        if body is None:
            return Head(), None
        try:
            head = msgspec.json.decode((body.get("data") or {})["head"], type=Head)
        except (KeyError, msgspec.MsgspecError) as error:
            if damaged is not None:
                return damaged, body
            raise self._bad(self._name, str(error)) from None
        if head.format != FORMAT:
            raise self._bad(self._name, f"format {head.format}, this version reads {FORMAT}")
        return head, body

    def _chunk(self, name: str) -> list[Recorded]:
        body = self._store.read("ConfigMap", name)
        if body is None:
            raise self._bad(name, "it is missing")
        try:
            packed = base64.b64decode((body.get("binaryData") or {})["records"])
            content = gzip.decompress(packed)
        except (KeyError, ValueError, OSError, EOFError, zlib.error) as error:
            raise self._bad(name, str(error)) from None
        if not name.endswith(digest(content)[:16]):
            raise self._bad(name, "its content is not what its name says")
        return msgspec.json.decode(content, type=list[Recorded])

    def write(
        self, records: Records, *, epoch: int, run: RunSummary | None = None, anew: bool = False
    ) -> None:
        """Swap in these records; raises 'lock-lost' if a later epoch has written meanwhile.

        `anew`: over a head that cannot be read, which is what a rebuild is for.
        """
        head, body = self._head(damaged=Head() if anew else None)
        if head.epoch > epoch:
            raise _lost(head.epoch, epoch)
        chunks = {self._chunk_name(content): content for content in _packed(records.values())}
        for name, content in chunks.items():
            if name not in head.chunks:
                self._put_chunk(name, content)
        runs = (*head.runs, run) if run else head.runs
        fresh = Head(
            serial=head.serial + 1,
            epoch=epoch,
            chunks=tuple(sorted(chunks)),
            runs=runs[-_KEEP_RUNS:],
        )
        self._swap(fresh, body)
        for name in set(head.chunks) - set(chunks):
            stale = self._store.read("ConfigMap", name)
            if stale is not None:
                self._store.remove(stale)

    def _swap(self, head: Head, body: JsonObject | None) -> None:
        fresh = body or self._object(self._name)
        fresh = {**fresh, "data": {"head": canonical(head).decode()}}
        try:
            if body is None:
                self._store.create(fresh)
            else:
                self._store.replace(fresh)
        except Moved:
            current, _ = self._head()
            raise _lost(current.epoch, head.epoch) from None

    def _put_chunk(self, name: str, content: bytes) -> None:
        packed = base64.b64encode(gzip.compress(content, mtime=0)).decode()
        body = {**self._object(name), "immutable": True, "binaryData": {"records": packed}}
        try:
            self._store.create(body)
        except Moved:
            return  # the same content is there already: a run before us was interrupted

    def _chunk_name(self, content: bytes) -> str:
        return f"{self._name}-{digest(content)[:16]}"

    @staticmethod
    def _object(name: str) -> JsonObject:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"app.kubernetes.io/managed-by": "clusterform"},
            },
        }

    def _bad(self, name: str, why: str) -> ClusterformError:
        return ClusterformError(
            "bad-records",
            "the records of this fleet cannot be read",
            detail=why,
            hint="recreate them from the live objects: clusterform state rebuild",
            where=f"ConfigMap {NAMESPACE}/{name}",
        )


def _packed(records: Iterable[Recorded]) -> list[bytes]:
    """Chunks by unit, so that a run rewrites only the chunks of what it touched."""
    listed = sorted(records, key=lambda r: r.id)
    count = 1 << (len(listed) // _PER_CHUNK).bit_length()
    buckets: list[list[Recorded]] = [[] for _ in range(count)]
    for recorded in listed:
        buckets[zlib.crc32(recorded.unit.encode()) % count].append(recorded)
    return [canonical(bucket) for bucket in buckets if bucket]


def _lost(current: int, epoch: int) -> ClusterformError:
    return ClusterformError(
        "lock-lost",
        f"the records were written by epoch {current}, this run has epoch {epoch}",
        detail="another apply has taken the lock since",
        hint="make a new plan",
    )
