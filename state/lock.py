"""One apply at a time: a renewable Lease in the management cluster, with an epoch that fences.

No lock that expires is mutual exclusion by itself. So a holder starts no write after its own
deadline, counted on its own clock from before the last renewal was sent; and the records are only
written with the epoch that is current (docs/semantics.md 28).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from state.errors import ClusterformError
from state.resource import JsonObject
from state.store import NAMESPACE, Moved, ObjectStore

LEASE_SECONDS = 60
"""How long a lock holds without renewal."""
_UNLOCKING = "somebody who unlocks it"
MARGIN = 1 / 3
"""The part of the lease that is left unused: requests in flight, clocks that differ in rate."""


class LockInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock, as read."""

    holder: str
    epoch: int
    run: str
    renewed: float
    """Unix seconds, by the holder's clock."""
    seconds: int

    def expired(self, now: float) -> bool:
        """Not renewed in time, by this machine's clock."""
        return bool(self.holder) and now > self.renewed + self.seconds


class Clock(msgspec.Struct, frozen=True):
    """Injected time: `wall` in unix seconds, `steady` that counts through suspend."""

    wall: Callable[[], float]
    steady: Callable[[], float]


class LeaseLock:
    """The lock of one fleet on one management cluster."""

    def __init__(
        self,
        store: ObjectStore,
        fleet: str,
        holder: str,
        run: str,
        clock: Clock,
        seconds: int = LEASE_SECONDS,
        alive: Callable[[str], bool] = lambda holder: bool(holder),
        last_epoch: Callable[[], int] = lambda: 0,
        fence: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`alive`: whether the holder of that name may still be running, as far as is known.

        `last_epoch`: of the records; asked when the Lease is gone, so that epochs never go back.
        `fence`: makes the records refuse every earlier epoch; asked before this one begins, where
        a holder that did not release the lock may wake up again.
        """
        self._store = store
        self._name = lease_name(fleet)
        self._holder = holder
        self._run = run
        self._clock = clock
        self._seconds = seconds
        self._alive = alive
        self._last_epoch = last_epoch
        self._fence = fence
        self._lease: JsonObject | None = None
        self._deadline = 0.0
        self.epoch = 0

    def acquire(self, *, wait: float, sleep: Callable[[float], None]) -> None:
        """Take the lock or raise 'lock-held' with the holder, after `wait` seconds of trying.

        A lock of the same run is taken over once its holder is gone: that is how a run comes back.
        """
        end, pause = self._clock.steady() + wait, 0.5
        while True:
            held = self._try()
            if held is None:
                return
            left = end - self._clock.steady()
            if left <= 0:
                raise held_error(held, self._clock.wall())
            sleep(min(pause, left))
            pause = min(8.0, pause * 2)

    def _try(self) -> LockInfo | None:
        """None when taken, else who holds it."""
        while True:
            started = self._clock.steady()
            lease = self._store.read("Lease", self._name)
            found = info(lease)
            if found is not None and found.holder and not self._may_take(found):
                return found
            epoch = (found.epoch if found else self._last_epoch()) + 1
            try:
                if lease is not None and found is not None and found.holder:
                    lease = self._store.replace(self._body(lease, found.epoch))
                    self._fence(epoch)
                body = self._body(lease, epoch)
                written = self._store.replace(body) if lease else self._store.create(body)
            except Moved:
                continue  # somebody was faster; if they hold it, the next look says so
            except ClusterformError as error:
                if error.code != "api-ambiguous":
                    raise
                self.epoch = epoch
                landed = self._mine()
                if landed is None:
                    raise
                written = landed
            self._lease, self.epoch = written, epoch
            self._deadline = started + self._seconds * (1 - MARGIN)
            return None

    def _mine(self) -> JsonObject | None:
        """The live Lease, if it is still ours in this very epoch.

        A write of ours may have landed without an answer; then its resourceVersion is not known.
        """
        lease = self._store.read("Lease", self._name)
        found = info(lease)
        if found is None:
            return None
        ours = (self._holder, self._run, self.epoch)
        return lease if (found.holder, found.run, found.epoch) == ours else None

    def _may_take(self, found: LockInfo) -> bool:
        """A run that comes back takes its own lock, but never from a process that still runs."""
        if found.run != self._run:
            return False
        return found.expired(self._clock.wall()) or not self._alive(found.holder)

    def _body(self, lease: JsonObject | None, epoch: int) -> JsonObject:
        now = _timestamp(self._clock.wall())
        metadata: JsonObject = {"name": self._name, "namespace": NAMESPACE}
        if lease is not None:
            metadata = {**lease["metadata"]}
        metadata["annotations"] = {"clusterform.dev/run": self._run}
        metadata.pop("managedFields", None)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": self._seconds,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": epoch,
            },
        }

    def renew(self) -> bool:
        """Extend the lock; False once it is lost for good."""
        if self._lease is None:
            return False
        started = self._clock.steady()
        try:
            self._lease = self._renewed(self._lease)
        except Moved:
            self._lease = None
            self._deadline = 0.0
            return False
        self._deadline = started + self._seconds * (1 - MARGIN)
        return True

    def _renewed(self, lease: JsonObject) -> JsonObject:
        """The Lease with a new time; raises `Moved` if it is not ours any more.

        A renewal whose answer was lost makes ours the newer one, so that a stale resourceVersion
        alone does not mean that the lock is lost.
        """
        spec = {**lease["spec"], "renewTime": _timestamp(self._clock.wall())}
        try:
            return self._store.replace({**lease, "spec": spec})
        except Moved:
            mine = self._mine()
            if mine is None:
                raise
        return self._store.replace({**mine, "spec": spec})

    def holds(self) -> bool:
        """A write may start: the lock cannot have gone to anybody else yet."""
        return self._lease is not None and self._clock.steady() < self._deadline

    def release(self) -> None:
        """Give the lock back; the epoch stays, so that the next holder's is higher."""
        if self._lease is None:
            return
        lease, self._lease = self._lease, None
        for _ in range(2):
            spec = {**lease["spec"], "holderIdentity": ""}
            try:
                self._store.replace({**lease, "spec": spec})
            except Moved:
                mine = self._mine()
                if mine is None:
                    return  # somebody broke it: it is theirs now
                lease = mine
            else:
                return

    @property
    def seconds(self) -> int:
        """The length of the lease."""
        return self._seconds


class FleetLock:
    """The locks of all management clusters of a fleet, held together; each has its own epoch."""

    def __init__(self, locks: Mapping[str, LeaseLock]) -> None:
        self._locks = dict(sorted(locks.items()))

    def acquire(self, *, wait: float, sleep: Callable[[float], None]) -> None:
        """Take all of them, always in the same order, or none: raises 'lock-held'."""
        taken: list[LeaseLock] = []
        try:
            for lock in self._locks.values():
                lock.acquire(wait=wait, sleep=sleep)
                taken.append(lock)
        except ClusterformError:
            for lock in taken:
                lock.release()
            raise

    def renew(self) -> bool:
        """Extend all; False once one is lost for good."""
        renewed = [lock.renew() for lock in self._locks.values()]  # every one, whatever the first
        return all(renewed)

    def holds(self) -> bool:
        """A write may start anywhere in the fleet."""
        return all(lock.holds() for lock in self._locks.values())

    def release(self) -> list[str]:
        """Give all back; returns what went wrong, so that it does not hide what the run did."""
        problems = []
        for name, lock in self._locks.items():
            try:
                lock.release()
            except ClusterformError as error:
                problems.append(f"the lock in {name} could not be given back: {error.brief}")
        return problems

    def epoch(self, management: str) -> int:
        """The fencing number of one management cluster's records."""
        return self._locks[management].epoch

    @property
    def highest_epoch(self) -> int:
        """For people."""
        return max(lock.epoch for lock in self._locks.values())

    @property
    def seconds(self) -> int:
        """The length of the leases."""
        return min(lock.seconds for lock in self._locks.values())


def lease_name(fleet: str) -> str:
    """The name of a fleet's Lease."""
    return f"clusterform-{fleet}"


def info(lease: JsonObject | None) -> LockInfo | None:
    """What a Lease says; None without one."""
    if lease is None:
        return None
    spec = lease.get("spec") or {}
    return LockInfo(
        holder=str(spec.get("holderIdentity") or ""),
        epoch=int(spec.get("leaseTransitions") or 0),
        run=str((lease["metadata"].get("annotations") or {}).get("clusterform.dev/run", "")),
        renewed=_seconds(str(spec.get("renewTime") or "")),
        seconds=int(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
    )


def read(store: ObjectStore, fleet: str) -> LockInfo | None:
    """Who holds a fleet's lock; None if nobody."""
    found = info(store.read("Lease", lease_name(fleet)))
    return found if found and found.holder else None


def unlock(
    store: ObjectStore, fleet: str, run: str, fence: Callable[[int], None] = lambda _: None
) -> LockInfo:
    """Break the lock of a given run; raises if it is not the one that is held.

    In three steps, so that no record of the broken epoch is written once a later one has begun:
    the Lease changes hands, the records refuse the old epoch (`fence`), the next epoch is free.
    Cut off in between, the lock is still held under the same run and can be broken again.
    """
    lease = store.read("Lease", lease_name(fleet))
    found = info(lease)
    if lease is None or found is None or not found.holder:
        raise ClusterformError("no-lock", f"nobody holds the lock of {fleet}")
    if found.run != run:
        raise ClusterformError(
            "refused",
            f"the lock is held by run {found.run}, not {run}",
            hint=f"to break that one: clusterform state unlock {found.run}",
        )
    try:
        taken = store.replace({**lease, "spec": {**lease["spec"], "holderIdentity": _UNLOCKING}})
        fence(found.epoch + 1)
        free = {**taken["spec"], "holderIdentity": "", "leaseTransitions": found.epoch + 1}
        store.replace({**taken, "spec": free})
    except Moved:
        raise ClusterformError(
            "refused", "the lock was renewed just now: its holder is alive"
        ) from None
    return found


def held_error(found: LockInfo, now: float) -> ClusterformError:
    """The refusal that names the holder and the way out."""
    age = max(0, round(now - found.renewed))
    if found.expired(now):
        state = f"it was last renewed {age} s ago and has expired"
        hint = (
            f"if that run is dead, finish it with clusterform apply --resume {found.run}, or break"
            f" the lock with clusterform state unlock {found.run}"
        )
    else:
        state = f"it was renewed {age} s ago"
        hint = "wait for it, or give --lock-timeout"
    return ClusterformError(
        "lock-held",
        f"another apply holds the lock: {found.holder}, run {found.run}, epoch {found.epoch}",
        detail=state,
        hint=hint,
    )


def _timestamp(seconds: float) -> str:
    """MicroTime as Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
