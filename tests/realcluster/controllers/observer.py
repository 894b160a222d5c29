"""What the controllers did to machines, seen through one watch for the whole run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from providers.kube.api import Request, Transport, TransportError, WatchRefused

_PATH = "/apis/cluster.x-k8s.io/v1beta2/machines"
_NAME = "cluster.x-k8s.io/deployment-name"
_TOPOLOGY = "topology.cluster.x-k8s.io/deployment-name"
_CLUSTER = "cluster.x-k8s.io/cluster-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A machine at one moment. `owner`: the cluster, and which of its owners made it."""

    at: float
    namespace: str
    owner: str
    uid: str
    there: bool
    """False: gone, or on its way out."""
    available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What happened to the machines of one owner within a time."""

    before: int
    after: int
    gone: int
    new: int
    peak: int
    """The most machines without a deletionTimestamp at a time."""
    floor: int
    """The fewest available machines at a time."""

    @property
    def replaced(self) -> int:
        """Machines that went and have a successor; what is scaled away has none."""
        return self.gone - max(0, self.before - self.after)


class Machines:
    """Follows all Machines of a server in a thread of its own."""

    def __init__(self, server: Transport) -> None:
        self._server = server
        self._events: list[Seen] = []
        self._version = ""
        self._stopped = False
        self._known = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        assert self._known.wait(30), "no first list of machines"

    def stop(self) -> None:
        """Take no more notice."""
        self._stopped = True

    def _run(self) -> None:
        answer = self._server.request(Request(method="GET", path=_PATH))
        listed = msgspec.json.decode(answer.body)
        for body in listed["items"]:
            self._note("ADDED", body)
        self._version = listed["metadata"]["resourceVersion"]
        self._known.set()
        while not self._stopped:
            query = (
                ("watch", "1"),
                ("resourceVersion", self._version),
                ("allowWatchBookmarks", "true"),
            )
            try:
                for line in self._server.watch(
                    Request(method="GET", path=_PATH, query=query), timeout=600
                ):
                    event = msgspec.json.decode(line)
                    self._version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                        self._note(event["type"], event["object"])
            except (TransportError, WatchRefused):
                time.sleep(0.2)

    def _note(self, kind: str, body: dict[str, Any]) -> None:
        metadata = body["metadata"]
        conditions = (body.get("status") or {}).get("conditions") or ()
        there = kind != "DELETED" and "deletionTimestamp" not in metadata
        self._events.append(
            Seen(
                at=time.monotonic(),
                namespace=metadata["namespace"],
                owner=owner_of(metadata.get("labels") or {}),
                uid=metadata["uid"],
                there=there,
                available=there
                and any(c["type"] == "Available" and c["status"] == "True" for c in conditions),
            )
        )

    def between(self, namespace: str, start: float, end: float) -> dict[str, Observed]:
        """Owner → what happened to its machines from `start` to `end` (time.monotonic)."""
        mine = [e for e in list(self._events) if e.namespace == namespace and e.at <= end]
        return {
            owner: _count([e for e in mine if e.owner == owner], start)
            for owner in sorted({e.owner for e in mine})
        }


def owner_of(labels: dict[str, str]) -> str:
    """`c1 control plane`, `c1 MachineDeployment c1-md0`; in a topology by the name in it."""
    cluster = labels.get(_CLUSTER, "")
    if "cluster.x-k8s.io/control-plane" in labels:
        return f"{cluster} control plane"
    return f"{cluster} MachineDeployment {labels.get(_TOPOLOGY) or labels.get(_NAME, '')}"


def _count(events: list[Seen], start: float) -> Observed:
    state: dict[str, Seen] = {}
    before: set[str] | None = None
    appeared: set[str] = set()
    peak, floor = 0, 1_000_000
    for event in [*events, None]:
        if before is None and (event is None or event.at > start):
            before = {uid for uid, seen in state.items() if seen.there}
            peak, floor = len(before), sum(s.available for s in state.values())
        if event is None:
            break
        state[event.uid] = event
        if before is not None:
            if event.there and event.uid not in before:
                appeared.add(event.uid)
            peak = max(peak, sum(s.there for s in state.values()))
            floor = min(floor, sum(s.available for s in state.values()))
    assert before is not None
    after = {uid for uid, seen in state.items() if seen.there}
    return Observed(
        before=len(before),
        after=len(after),
        gone=len((before | appeared) - after),
        new=len(appeared),
        peak=peak,
        floor=floor,
    )
