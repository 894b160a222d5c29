"""The records in the management cluster: what we own, for ordered deletes and history.

Compressed immutable chunks named by writer and content, and one head ConfigMap that lists them and
is swapped by compare-and-swap with the epoch of the lock: a crash leaves the old records or the new
ones, never a mix. Grown before a run (what it is about to make is recorded first) and shrunk after.
"""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from state.errors import ClusterformError
from state.recorded import Recorded, Records
from state.resource import JsonObject, canonical, digest
from state.store import NAMESPACE, Moved, ObjectStore

_PER_CHUNK = 1500
"""Records a chunk aims at; one that is too large all the same is cut in half."""
_LARGEST_CHUNK = 900_000
"""Compressed bytes. The data of a ConfigMap may have 1 MiB (k8s.io/api core/v1, MaxSecretSize)."""
_KEEP_RUNS = 30
_READS = 5
FORMAT = "1"
CHUNKS_OF = "clusterform.dev/records"
"""Label of head and chunks, with the fleet's name: how chunks without a head are found."""


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
    by: str = ""
    """The run that wrote it: tells two holders apart who got one epoch after a lost Lease."""
    chunks: tuple[str, ...] = ()
    runs: tuple[RunSummary, ...] = ()


class RecordStore:
    """Reads and swaps the records of one fleet on one management cluster."""

    def __init__(
        self, store: ObjectStore, fleet: str, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        """`may_write`: asked before every request that writes: whether the lock still holds."""
        self._store = store
        self._fleet = fleet
        self._name = f"clusterform-records-{fleet}"
        self._may_write = may_write

    def read(self) -> tuple[Head, Records]:
        """Head and records; both empty where there are none yet. Raises 'bad-records' if torn.

        An apply may swap the head between two reads and remove what the old one listed: then the
        new one is read. Only chunks that are missing under a head that stays are lost.
        """
        head, _ = self._head()
        for _ in range(_READS):
            try:
                chunks = [self._chunk(name) for name in head.chunks]
            except ClusterformError as error:
                before, (head, _) = head, self._head()
                if error.code != "bad-records" or head == before:
                    raise
                continue
            return head, {r.id: r for chunk in chunks for r in chunk}
        raise ClusterformError(
            "unreadable",
            f"the records of this fleet changed {_READS} times while they were read",
            hint="an apply is writing them; try again",
        )

    def epoch(self) -> int:
        """The epoch that wrote the records last; 0 where there are none."""
        return self._head(damaged=Head())[0].epoch

    def fence(self, epoch: int) -> None:
        """From now on earlier epochs are refused. A damaged head is left: nobody writes over it."""
        for _ in range(_READS):
            head, body = self._head(damaged=Head(epoch=epoch))
            if head.epoch >= epoch:
                return
            fenced = msgspec.structs.replace(head, serial=head.serial + 1, epoch=epoch, by="")
            try:
                self._swap(fenced, body)
            except Moved:
                continue
            return
        raise ClusterformError(
            "lock-held", f"the records were changed {_READS} times while their lock was broken"
        )

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
        self,
        records: Records,
        *,
        epoch: int,
        by: str = "",
        base: Head | None = None,
        run: RunSummary | None = None,
        anew: bool = False,
    ) -> None:
        """Swap in these records; raises 'lock-lost' if a later epoch has written meanwhile.

        `base`: the head that they were made from; raises `Moved` if it is another now. The first
        write of a run has one: a holder that woke up late may have written since the read.
        `anew`: over a head that cannot be read, which is what a rebuild is for.
        """
        head, body = self._head(damaged=Head() if anew else None)
        self._check(head, epoch, by)
        if base is not None and head != base:
            raise Moved
        fresh = self._put_chunks(records, head, epoch)
        runs = (*head.runs, run) if run else head.runs
        new = Head(
            serial=head.serial + 1,
            epoch=epoch,
            by=by,
            chunks=tuple(sorted(fresh)),
            runs=runs[-_KEEP_RUNS:],
        )
        try:
            self._swap(new, body)
        except Moved:
            now, _ = self._head()
            if now != new:  # else it was ours: an answer was lost, and the swap sent again
                self._remove(set(fresh) - set(now.chunks))
                self._check(now, epoch, by)
                raise
        self._remove(set(head.chunks) - set(fresh))
        if anew:
            self._sweep()

    @staticmethod
    def _check(head: Head, epoch: int, by: str) -> None:
        """Nobody has written with a later epoch, or with this one under another name."""
        if head.epoch > epoch or (head.epoch == epoch and head.by and head.by != by):
            raise _lost(head.epoch, epoch)

    def _put_chunks(self, records: Records, head: Head, epoch: int) -> list[str]:
        """Names of the chunks that hold `records`; those that the head does not have are made.

        The epoch is in the name, so that no two holders ever mean the same object: one that wakes
        up late may remove what its own head dropped, never what a later one has put there again.
        """
        kept = {name.rpartition("-")[2]: name for name in head.chunks}
        names = []
        for key, packed in _packed(records.values(), kept):
            name = kept.get(key)
            if name is None:
                name = f"{self._name}-{epoch}-{key}"
                self._put_chunk(name, packed)
            names.append(name)
        return names

    def _swap(self, head: Head, body: JsonObject | None) -> None:
        self._guard()
        fresh = body or self._object(self._name)
        fresh = {**fresh, "data": {"head": canonical(head).decode()}}
        if body is None:
            self._store.create(fresh)
        else:
            self._store.replace(fresh)

    def _put_chunk(self, name: str, packed: bytes) -> None:
        self._guard()
        content = base64.b64encode(packed).decode()
        body = {**self._object(name), "immutable": True, "binaryData": {"records": content}}
        try:
            self._store.create(body)
        except Moved:
            return  # the same content under the same epoch: an attempt of ours before this one

    def _remove(self, names: Collection[str]) -> None:
        """Drop chunks that no head lists; a rebuild finds what is left behind by a lost lock."""
        for name in sorted(names):
            stale = self._store.read("ConfigMap", name)
            if stale is not None and self._may_write():
                self._store.remove(stale)

    def _sweep(self) -> None:
        """Drop chunks that a run put and never listed: it was killed in between.

        Only of earlier epochs: a head that could still list them is refused by now.
        """
        listed = {self._name, *self._head()[0].chunks}
        for body in self._store.labelled("ConfigMap", CHUNKS_OF, self._fleet):
            if body["metadata"]["name"] not in listed:
                self._store.remove(body)

    def _guard(self) -> None:
        if not self._may_write():
            raise ClusterformError(
                "lock-lost",
                "the lock is lost: the records are not written",
                hint="make a new plan",
            )

    def _object(self, name: str) -> JsonObject:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {
                    "app.kubernetes.io/managed-by": "clusterform",
                    CHUNKS_OF: self._fleet,
                },
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


def _packed(records: Iterable[Recorded], kept: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """(hash, compressed content) of chunks by unit: a run rewrites only what it touched.

    What is `kept` already is not compressed again: its bytes are empty.
    """
    listed = sorted(records, key=lambda r: r.id)
    count = 1 << (len(listed) // _PER_CHUNK).bit_length()
    buckets: list[list[Recorded]] = [[] for _ in range(count)]
    for recorded in listed:
        buckets[zlib.crc32(recorded.unit.encode()) % count].append(recorded)
    for bucket in buckets:
        if bucket:
            yield from _fitting(bucket, kept)


def _fitting(bucket: list[Recorded], kept: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """One chunk, or halves of halves: a unit has any number of objects, a CRD of leaves."""
    content = canonical(bucket)
    key = digest(content)[:16]
    if key in kept:
        yield key, b""
        return
    packed = gzip.compress(content, mtime=0)
    if len(packed) <= _LARGEST_CHUNK or len(bucket) == 1:
        yield key, packed
        return
    half = len(bucket) // 2
    yield from _fitting(bucket[:half], kept)
    yield from _fitting(bucket[half:], kept)


def _lost(current: int, epoch: int) -> ClusterformError:
    return ClusterformError(
        "lock-lost",
        f"the records were written by epoch {current}, this run has epoch {epoch}",
        detail="another apply has taken the lock since",
        hint="make a new plan",
    )
