"""Records and lock on a real server: chunks, crashes, late holders, many appliers at once."""

from __future__ import annotations

import itertools
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from planner import repair
from planner.planfile import encode_plan
from providers.kube.api import Request, Transport
from providers.kube.client import KubeClient
from providers.kube.records import KubeStore
from state.errors import ClusterformError
from state.lock import Clock, LeaseLock, lease_name, unlock
from state.lock import read as holder_of
from state.recorded import Recorded, Records
from state.records import RecordStore, RunSummary
from state.resource import ResourceId
from state.store import Moved
from tests.realcluster.lab import RealLab, transport_of
from tests.realcluster.processes import (
    LEASES,
    SYSTEM,
    History,
    Meddled,
    Processes,
    outcome,
    until,
    watched,
)
from tests.realcluster.server import ControlPlane
from tests.realcluster.test_stories import start
from tests.support import manifests
from tests.support.lab import capi

CLOCK = Clock(time.time, time.monotonic)


def a_store(transport: Transport) -> KubeStore:
    return KubeStore(KubeClient("mgmt", transport, time.sleep))


def a_lock(store: KubeStore, fleet: str, run: str, **how: Any) -> LeaseLock:
    records = RecordStore(store, fleet)
    how |= {"last_epoch": records.epoch, "fence": records.fence}
    return LeaseLock(store, fleet, f"{run} somewhere", run, CLOCK, **how)


def recorded(number: int, *, unit: str = "", leaves: int = 3) -> Recorded:
    """A record whose hashes do not compress, as real ones do not."""
    made = random.Random(number)
    return Recorded(
        id=ResourceId("mgmt", "", "ConfigMap", "team-a", f"map-{number:05}"),
        version="v1",
        uid=f"{made.getrandbits(128):032x}",
        unit=unit or f"mgmt/team-a/c{number % 50}",
        leaves={f"f:spec/f:field{n}": f"{made.getrandbits(64):016x}" for n in range(leaves)},
    )


def by_id(*records: Recorded) -> Records:
    return {r.id: r for r in records}


def chunks(lab: RealLab) -> dict[str, dict[str, Any]]:
    """Name → ConfigMap of each chunk of the fleet that is live."""
    found = lab.list(f"{SYSTEM}/configmaps")
    prefix = f"clusterform-records-{lab.fleet}-"
    return {i["metadata"]["name"]: i for i in found if i["metadata"]["name"].startswith(prefix)}


@pytest.fixture
def processes(lab: RealLab) -> Iterator[Processes]:
    made = Processes(lab)
    yield made
    made.end()


# ---------------------------------------------------------------- chunks


def test_records_too_large_for_one_object_are_chunked_and_read_back(lab: RealLab) -> None:
    """One unit with 6,000 objects: more than 2 MiB compressed; units alone do not cut it."""
    store = RecordStore(a_store(lab.server), lab.fleet)
    many = by_id(*(recorded(n, unit="mgmt", leaves=40) for n in range(6000)))
    store.write(many, epoch=1)
    head, found = store.read()
    assert found == many
    sizes = [len(c["binaryData"]["records"]) * 3 // 4 for c in chunks(lab).values()]
    assert (len(sizes), sum(sizes) > 2 << 20) == (len(head.chunks), True)
    assert max(sizes) < 1 << 20

    before = set(chunks(lab))
    changed = {**many, **by_id(recorded(0, unit="mgmt", leaves=41))}
    store.write(changed, epoch=1)
    assert store.read()[1] == changed
    assert len(set(chunks(lab)) - before) <= 2, "only what was touched is written again"
    assert set(chunks(lab)) == set(store.read()[0].chunks), "what nobody lists is gone"
    store.write({}, epoch=1)
    assert (store.read()[1], chunks(lab)) == ({}, {})
    print(f"\nrecords: 6,000 objects, {sum(sizes) >> 10} KiB in {len(sizes)} chunks, read back")


def test_a_read_beside_writes_is_one_state_or_the_other(lab: RealLab, plane: ControlPlane) -> None:
    writer = RecordStore(a_store(lab.server), lab.fleet)
    reader = RecordStore(a_store(transport_of(plane)), lab.fleet)
    states = [by_id(*(recorded(n, leaves=3 + turn) for n in range(200))) for turn in range(2)]
    writer.write(states[0], epoch=1)
    over = threading.Event()

    def write() -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            writer.write(states[turn % 2], epoch=1)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            reads = 0
            for _ in range(100):
                try:
                    assert reader.read()[1] in states
                    reads += 1
                except ClusterformError as error:
                    expected(error, "unreadable")
        finally:
            over.set()
        writing.result()
    assert reads > 50


# ---------------------------------------------------------------- crashes and losses


def maps(lab: RealLab, count: int) -> str:
    """A namespace and ConfigMaps, one after the other."""
    parts = [manifests.NAMESPACE]
    for number in range(count):
        before = f"/namespaces/team-a/ConfigMap/map-{number - 1}"
        after = f", annotations: {{config.kubernetes.io/depends-on: {before}}}" if number else ""
        parts.append(
            "apiVersion: v1\nkind: ConfigMap\ndata: {value: a}\n"
            f"metadata: {{name: map-{number}, namespace: team-a{after}}}\n"
        )
    return "---\n".join(parts).replace("team-a", lab.fleet)


def made_maps(lab: RealLab) -> int:
    found = lab.list(f"/api/v1/namespaces/{lab.fleet}/configmaps")
    return sum(1 for i in found if i["metadata"]["name"].startswith("map-"))


def test_a_crash_between_grow_and_shrink_orphans_nothing(
    lab: RealLab, processes: Processes
) -> None:
    """Killed in the middle, and Git forgets the objects: they are still found and removed."""
    lab.write("clusters/maps.yaml", maps(lab, 60))
    lab.commit()
    killed = processes.run("apply", "--auto-approve")
    until(lambda: made_maps(lab) > 5)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    count = made_maps(lab)
    assert 5 < count < 60, "the run was over before it was killed"
    _, records = lab.workspace().records()
    assert sum(1 for i in records if i.kind == "ConfigMap") == 60, "recorded before it is made"

    lab.write("clusters/maps.yaml", maps(lab, 0))
    lab.commit()
    run = lab.workspace().journal.runs()[0].run
    assert processes.finish("state", "unlock", run)[0] == 0
    plan = lab.plan()
    assert sum(1 for c in plan.changes if c.deletes) == count
    lab.apply(plan)
    assert (made_maps(lab), lab.plan().changes) == (0, ())
    assert {i.kind for i in lab.workspace().records()[1]} == {"Namespace"}
    assert set(chunks(lab)) == set(lab.workspace().records()[0]["mgmt"].chunks)


def test_after_records_were_lost_a_rebuild_gives_the_same_plan(
    lab: RealLab, processes: Processes
) -> None:
    start(lab, lab.fleet)
    lab.write("clusters/maps.yaml", maps(lab, 3).partition("---\n")[2])
    lab.commit()
    lab.apply(lab.plan(), wait=False)
    lab.edit("clusters/c1.yaml", ("replicas: 2", "replicas: 5"))
    lab.remove("clusters/maps.yaml")
    lab.commit()
    lab.patch(
        capi("machinedeployments", lab.fleet, "c1-md0"),
        {"metadata": {"labels": {"by": "hand"}}},
        manager="kubectl-label",
    )
    before = lab.plan()
    assert len(before.changes) == 4

    for name in [f"clusterform-records-{lab.fleet}", *chunks(lab)]:
        assert lab.request("DELETE", f"{SYSTEM}/configmaps/{name}").status == 200
    assert lab.workspace().records()[1] == {}
    code, said = processes.finish("state", "rebuild")
    assert (code, "11 records rebuilt" in said) == (0, True), said
    after = lab.plan()
    assert after.digest == before.digest
    assert encode_plan(after) == encode_plan(before)
    lab.apply(after, wait=False)
    assert lab.plan().changes == ()


def test_a_rebuild_drops_chunks_that_a_killed_writer_never_listed(lab: RealLab) -> None:
    start(lab, lab.fleet)
    meddled = Meddled(lab.server)
    store = RecordStore(a_store(meddled), lab.fleet)

    def die(request: Request) -> None:
        if request.method == "PUT":
            raise KeyboardInterrupt

    meddled.before = die
    with pytest.raises(KeyboardInterrupt):
        store.write(by_id(recorded(1)), epoch=store.epoch() + 1)
    assert len(chunks(lab)) == 1 + len(store.read()[0].chunks)
    repair.rebuild(lab.workspace())
    assert set(chunks(lab)) == set(store.read()[0].chunks)


# ---------------------------------------------------------------- one holder


def waiting(lab: RealLab) -> None:
    """A fleet whose apply writes, and then waits for a controller that is not there."""
    lab.write(
        "clusters/c1.yaml",
        "---\n".join((manifests.NAMESPACE, manifests.cluster())).replace("team-a", lab.fleet),
    )
    lab.commit()


def add_maps(lab: RealLab) -> None:
    """Something more in Git, so that a second apply has something to do."""
    lab.write("clusters/maps.yaml", maps(lab, 2).partition("---\n")[2])
    lab.commit()


def has_cluster(lab: RealLab) -> bool:
    return lab.get(capi("clusters", lab.fleet, "c1")) is not None


def test_of_two_appliers_one_is_refused_and_told_who_holds_the_lock(
    lab: RealLab, processes: Processes
) -> None:
    waiting(lab)
    first = processes.run("apply", "--auto-approve")
    until(lambda: has_cluster(lab))
    add_maps(lab)
    code, said = processes.finish("apply", "--auto-approve")
    assert code == 3, said
    run = lab.workspace().journal.runs()[0].run
    assert re.search(rf"another apply holds the lock: .+ pid {first.pid}, run {run}", said)
    first.send_signal(signal.SIGINT)
    assert outcome(first)[0] == 130
    assert holder_of(a_store(lab.server), lab.fleet) is None


def test_a_stopped_holder_that_goes_on_writes_no_records_and_says_why(
    lab: RealLab, processes: Processes
) -> None:
    waiting(lab)
    holder = processes.run("apply", "--auto-approve", CLUSTERFORM_LEASE_SECONDS="2")
    until(lambda: has_cluster(lab))
    time.sleep(1)  # all is written; it waits and renews
    holder.send_signal(signal.SIGSTOP)
    run = lab.workspace().journal.runs()[0].run
    time.sleep(2.2)

    add_maps(lab)
    code, said = processes.finish("apply", "--auto-approve", "--no-wait")
    assert (code, "has expired" in said, f"state unlock {run}" in said) == (3, True, True), said
    assert processes.finish("state", "unlock", run)[0] == 0
    code, said = processes.finish("apply", "--auto-approve", "--no-wait")
    assert code == 0, said
    head, records = lab.workspace().record_store("mgmt").read()
    live = chunks(lab)

    name = f"clusterform-records-{lab.fleet}"
    with (
        watched(lab.server, f"{SYSTEM}/configmaps", name) as history,
        watched(lab.server, LEASES, lease_name(lab.fleet)) as leases,
    ):
        holder.send_signal(signal.SIGCONT)
        code, said = outcome(holder)
    assert (code, "lock" in said) == (5, True), said
    assert (history.versions, leases.versions) == ([], []), "not one write landed"
    assert lab.workspace().record_store("mgmt").read() == (head, records)
    assert chunks(lab) == live


def test_an_expired_lease_is_only_taken_by_its_own_run_or_explicitly(lab: RealLab) -> None:
    store = a_store(lab.server)
    first = a_lock(store, lab.fleet, "r1", seconds=2)
    first.acquire(wait=0, sleep=time.sleep)
    assert refusal(a_lock(store, lab.fleet, "r1")) == "lock-held", "its own run, but it lives"
    time.sleep(2.1)
    assert not first.holds()
    assert refusal(a_lock(store, lab.fleet, "r2")) == "lock-held", "expired is not free"
    again = a_lock(store, lab.fleet, "r1")
    again.acquire(wait=0, sleep=time.sleep)
    assert (again.epoch, first.renew(), first.holds()) == (2, False, False)
    head = RecordStore(store, lab.fleet).read()[0]
    assert head.epoch == 2, "the records refuse the first holder before it can know"
    with pytest.raises(ClusterformError, match="held by run r1"):
        unlock(store, lab.fleet, "r2")
    unlock(store, lab.fleet, "r1", RecordStore(store, lab.fleet).fence)
    third = a_lock(store, lab.fleet, "r3")
    third.acquire(wait=0, sleep=time.sleep)
    assert (third.epoch, again.renew()) == (4, False)


def expected(error: ClusterformError, *codes: str) -> None:
    """Raise it again if it is another."""
    if error.code not in codes:
        raise error


def refusal(lock: LeaseLock) -> str:
    with pytest.raises(ClusterformError) as refused:
        lock.acquire(wait=0, sleep=time.sleep)
    return refused.value.code


@pytest.mark.parametrize("lost", ["acquire", "renew"])
def test_a_lost_answer_does_not_lose_the_lock(lab: RealLab, lost: str) -> None:
    meddled = Meddled(lab.server)
    lock = a_lock(a_store(meddled), lab.fleet, "r1")
    once = iter([True])

    def lose(request: Request) -> bool:
        return request.method in ("POST", "PUT") and "leases" in request.path and next(once, False)

    if lost == "acquire":
        a_lock(a_store(lab.server), lab.fleet, "r0").acquire(wait=0, sleep=time.sleep)
        unlock(a_store(lab.server), lab.fleet, "r0")
        meddled.lose = lose
        lock.acquire(wait=0, sleep=time.sleep)
    else:
        lock.acquire(wait=0, sleep=time.sleep)
        meddled.lose = lose
        with pytest.raises(ClusterformError):
            lock.renew()
    assert next(once, None) is None
    assert (lock.renew(), lock.holds()) == (True, True)
    lock.release()
    assert holder_of(a_store(lab.server), lab.fleet) is None


# ---------------------------------------------------------------- a holder that wakes up late


class Late:
    """An epoch that goes to sleep before its next request of some kind, until it is woken."""

    def __init__(self, lab: RealLab, method: str) -> None:
        self.meddled = Meddled(lab.server)
        self.asleep, self.woken = threading.Event(), threading.Event()
        self.method = method
        self.store = RecordStore(a_store(self.meddled), lab.fleet)
        self.meddled.before = self._before

    def _before(self, request: Request) -> None:
        if request.method == self.method and not self.asleep.is_set():
            self.asleep.set()
            self.woken.wait(20)


def test_a_swap_that_was_on_its_way_is_refused(lab: RealLab) -> None:
    old = by_id(*(recorded(n) for n in range(5)))
    other = RecordStore(a_store(lab.server), lab.fleet)
    other.write(old, epoch=1)
    late = Late(lab, "PUT")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(late.store.write, by_id(recorded(7)), epoch=1)
        late.asleep.wait(20)
        newer = by_id(*(recorded(n) for n in range(6)))
        other.write(newer, epoch=2)
        late.woken.set()
        with pytest.raises(ClusterformError) as lost:
            writing.result()
    assert lost.value.code == "lock-lost"
    head, found = other.read()
    assert (head.epoch, found) == (2, newer)
    assert set(chunks(lab)) == set(head.chunks), "the loser took its own chunks away"


def test_a_late_cleanup_removes_nothing_that_is_needed_again(lab: RealLab) -> None:
    """The later holder goes back to the very content that the sleeper is about to remove."""
    first, second = by_id(recorded(1)), by_id(recorded(1), recorded(2))
    other = RecordStore(a_store(lab.server), lab.fleet)
    other.write(first, epoch=1)
    late = Late(lab, "DELETE")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(late.store.write, second, epoch=1)
        late.asleep.wait(20)
        other.write(first, epoch=2)
        late.woken.set()
        writing.result()
    head, found = other.read()
    assert (head.epoch, found) == (2, first)


def test_a_run_that_takes_over_reads_what_the_late_one_still_wrote(lab: RealLab) -> None:
    start(lab, lab.fleet)
    store = lab.workspace().record_store("mgmt")
    head, records = store.read()
    late = {**records, **by_id(recorded(9))}
    store.write(late, epoch=head.epoch, by=head.by)
    with pytest.raises(Moved):
        store.write(records, epoch=head.epoch + 1, by="next", base=head)
    assert store.read()[1] == late


def test_two_holders_of_one_epoch_are_told_apart(lab: RealLab) -> None:
    """The Lease was deleted by hand before the first record: both counted from the same head."""
    store = RecordStore(a_store(lab.server), lab.fleet)
    store.write(by_id(recorded(1)), epoch=1, by="r1")
    with pytest.raises(ClusterformError) as lost:
        store.write(by_id(recorded(2)), epoch=1, by="r2")
    assert lost.value.code == "lock-lost"


def test_without_the_lock_not_one_request_of_a_record_write_is_sent(lab: RealLab) -> None:
    meddled = Meddled(lab.server)
    sent: list[str] = []
    meddled.before = lambda request: sent.append(request.method)
    store = RecordStore(a_store(meddled), lab.fleet, may_write=lambda: False)
    with pytest.raises(ClusterformError) as lost:
        store.write(by_id(recorded(1)), epoch=1)
    assert (lost.value.code, set(sent)) == ("lock-lost", {"GET"})


# ---------------------------------------------------------------- sixteen appliers

APPLIERS = 16


class Applier:
    """One of many: takes the lock, records, and lets go; now and then it is late."""

    def __init__(self, number: int, plane: ControlPlane, fleet: str) -> None:
        self.number = number
        self.store = a_store(transport_of(plane))
        self.records = RecordStore(self.store, fleet)
        self.fleet = fleet
        self.made = random.Random(number)
        self.taken: list[int] = []
        self.refused = self.stale = self.moved = self.accepted = 0

    def rounds(self, count: int) -> None:
        for number in range(count):
            self._round(f"a{self.number:02}-{number:02}", late=number % 8 == self.number % 8)

    def _round(self, run: str, *, late: bool) -> None:
        lock = a_lock(self.store, self.fleet, run, seconds=3600)
        while True:
            try:
                lock.acquire(wait=0, sleep=time.sleep)
                break
            except ClusterformError as error:
                expected(error, "lock-held")
                self.refused += 1
                self._maybe_break()
                time.sleep(self.made.uniform(0.01, 0.08))
        self.taken.append(lock.epoch)
        try:
            grown = self._grow(lock, run)
            if late:  # paused: somebody breaks the lock, and it goes on as if nothing had been
                self._until_broken(run)
                time.sleep(self.made.uniform(0, 0.1))
            done = {**grown, **by_id(recorded(self.number, leaves=len(self.taken)))}
            summary = RunSummary(run=run, started=0, finished=0, who=run)
            self.records.write(done, epoch=lock.epoch, by=run, run=summary)
            self.accepted += 1
        except ClusterformError as error:
            expected(error, "lock-lost")
            self.stale += 1
        lock.release()

    def _grow(self, lock: LeaseLock, run: str) -> Records:
        """As a run does: what was moved since the read is read again."""
        while True:
            head, found = self.records.read()
            try:
                self.records.write(found, epoch=lock.epoch, by=run, base=head)
                self.accepted += 1
                return found
            except Moved:
                self.moved += 1

    def _holder(self) -> str:
        held = holder_of(self.store, self.fleet)
        return held.run if held else ""

    def _until_broken(self, run: str) -> None:
        end = time.monotonic() + 3
        while self._holder() == run:
            if time.monotonic() > end:  # the last one: nobody else is left
                unlock(self.store, self.fleet, run, self.records.fence)
            time.sleep(0.02)

    def _maybe_break(self) -> None:
        """Break the lock of a holder that is late, in one try of eight."""
        held = holder_of(self.store, self.fleet)
        if held is None or self.made.random() > 0.125:
            return
        number, turn = held.run[1:].split("-")
        if int(turn) % 8 == int(number) % 8:
            try:
                unlock(self.store, self.fleet, held.run, self.records.fence)
            except ClusterformError as error:
                expected(error, "refused", "no-lock")


@pytest.mark.timeout(600)
def test_sixteen_appliers_never_write_with_a_stale_epoch(
    lab: RealLab, plane: ControlPlane, full: bool
) -> None:
    rounds = 50 if full else 5
    appliers = [Applier(n, plane, lab.fleet) for n in range(APPLIERS)]
    appliers[0].records.write({}, epoch=0)
    began = time.monotonic()
    name = f"clusterform-records-{lab.fleet}"
    with (
        watched(lab.server, f"{SYSTEM}/configmaps", name) as heads,
        watched(lab.server, LEASES, lease_name(lab.fleet)) as leases,
        ThreadPoolExecutor(APPLIERS) as pool,
    ):
        list(pool.map(lambda a: a.rounds(rounds), appliers))
    seconds = time.monotonic() - began

    epochs = sorted(e for a in appliers for e in a.taken)
    assert len(epochs) == len(set(epochs)) == APPLIERS * rounds, "each acquisition has its own"
    transitions = [o["spec"]["leaseTransitions"] for o in leases.versions]
    assert transitions == sorted(transitions)
    written = check_heads(heads, leases)
    fences = len(written) - sum(a.accepted for a in appliers)
    stale = sum(a.stale for a in appliers)
    head, found = appliers[0].records.read()
    assert head.serial == 1 + len(written), "every swap was seen"
    assert set(chunks(lab)) >= set(head.chunks)
    assert len(found) <= APPLIERS
    print(
        f"\nrecords: {APPLIERS} appliers x {rounds} rounds: {len(epochs)} epochs,"
        f" {seconds:.0f} s;"
        f" {len(written) - fences} record writes in their own epoch, {fences} fences,"
        f" {stale} stale writes refused, 0 accepted;"
        f" {sum(a.moved for a in appliers)} claims repeated,"
        f" {sum(a.refused for a in appliers)} times lock held"
    )


def check_heads(heads: History, leases: History) -> list[int]:
    """Epochs of all record writes: each is the Lease's own at that moment, or its fence.

    Both objects live in one etcd, so their resourceVersions are one order of events. A fence is
    written by nobody's run, for the epoch after the one that it breaks.
    """
    written = [msgspec.json.decode(o["data"]["head"]) for o in heads.versions]
    epochs = [int(h.get("epoch", 0)) for h in written]
    assert epochs == sorted(epochs), "a write with a stale epoch was accepted"
    assert [h["serial"] for h in written] == list(range(2, 2 + len(written)))
    taken = [(version(o), int(o["spec"]["leaseTransitions"])) for o in leases.versions]
    for one, head, epoch in zip(heads.versions, written, epochs, strict=True):
        current = max((e for at, e in taken if at < version(one)), default=0)
        assert epoch == current + (not head.get("by")), (epoch, current, head.get("by"))
    return epochs


def version(body: dict[str, Any]) -> int:
    return int(body["metadata"]["resourceVersion"])
