"""An object under reconciliation: timings, timers, conditions, and saving what changed.

A reconciler loads a `Subject`, changes its value, and saves it: nothing is written when nothing
changed. What has to wait asks a timer of the subject; timers lie in an annotation, because every
process that uses the file reads them, and objects show whole seconds only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from providers.kube.sandbox.clock import rfc3339
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject, canonical

_TIMERS = "sandbox.clusterform.dev/timers"
_SOON = 1e-6
"""Moments are sums of floats; a timer that is due must not miss by their rounding."""


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that things take. A cluster of 3+3 machines comes up in 6 to 8 s."""

    infrastructure: float = 1.0
    """Infrastructure of a cluster, from when a Cluster owns it."""
    bootstrap: float = 0.1
    """Bootstrap data of a machine."""
    machine: float = 0.4
    """Infrastructure of a machine, from its bootstrap data."""
    initialize: float = 2.8
    """The first control plane, from its machine's infrastructure."""
    node: float = 0.3
    """A node, from its machine's infrastructure, until it is healthy."""
    removal: float = 0.2
    """Infrastructure of a machine or cluster, until it is gone."""
    observe: float = 0.2
    """A change of a MachineDeployment or control plane, until observedGeneration shows it."""
    begin: float = 0.7
    """After that: counters and conditions of a MachineDeployment still say "done".

    docs/cluster-api.md, "The rollout window"."""
    follow: float = 1.0
    """After that: upToDateReplicas counts down, and the Cluster says RollingOut."""
    workload: float = 0.3
    """A Deployment, DaemonSet, StatefulSet or Job."""
    retry: float = 3.0
    """What waits for something that nobody announces (30 s in a real cluster)."""


TIMINGS = Timings()


_REASONS: Mapping[str, tuple[str, str]] = {
    "InfrastructureReady": ("Ready", "NotReady"),
    "BootstrapConfigReady": ("Ready", "NotReady"),
    "MachinesReady": ("Ready", "NotReady"),
    "ControlPlaneMachinesReady": ("Ready", "NotReady"),
    "WorkerMachinesReady": ("Ready", "NotReady"),
    "MachinesUpToDate": ("UpToDate", "NotUpToDate"),
    "ControlPlaneMachinesUpToDate": ("UpToDate", "NotUpToDate"),
    "WorkerMachinesUpToDate": ("UpToDate", "NotUpToDate"),
    "ControlPlaneInitialized": ("Initialized", "NotInitialized"),
    "ControlPlaneAvailable": ("Available", "NotAvailable"),
    "WorkersAvailable": ("Available", "NotAvailable"),
    "CertificatesAvailable": ("Available", "NotAvailable"),
    "DataSecretAvailable": ("Available", "NotAvailable"),
    "EtcdClusterHealthy": ("Healthy", "NotHealthy"),
    "ControlPlaneComponentsHealthy": ("Healthy", "NotHealthy"),
    "RemoteConnectionProbe": ("ProbeSucceeded", "ProbeFailed"),
    "TopologyReconciled": ("ReconcileSucceeded", "ReconcileFailed"),
}
"""Reasons of a condition when it is True and False; others say `X` and `NotX`."""


class Subject:
    """An object under reconciliation."""

    def __init__(self, world: World, key: Key, value: JsonObject, manager: str) -> None:
        self.world = world
        self.key = key
        self.value = value
        self.manager = manager
        self._before = _written(value)
        annotations = value["metadata"].get("annotations") or {}
        self._timers: dict[str, float] = json.loads(annotations.get(_TIMERS, "{}"))

    @property
    def metadata(self) -> JsonObject:
        """The object's metadata."""
        found: JsonObject = self.value["metadata"]
        return found

    @property
    def spec(self) -> JsonObject:
        """The object's spec."""
        found: JsonObject = self.value.setdefault("spec", {})
        return found

    @property
    def status(self) -> JsonObject:
        """The object's status, made if it has none."""
        if not isinstance(self.value.get("status"), dict):
            self.value["status"] = {}
        found: JsonObject = self.value["status"]
        return found

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.key[2]

    @property
    def name(self) -> str:
        """The object's name."""
        return self.key[3]

    @property
    def deleting(self) -> bool:
        """Somebody has deleted it, and a finalizer holds it."""
        return deleting(self.value)

    def state(self, kind: str, on: bool, message: str = "", reason: str = "") -> None:
        """Set a condition; its time moves only with its status."""
        reasons = _REASONS.get(kind, (kind, f"Not{kind}"))
        entry = {
            "type": kind,
            "status": "True" if on else "False",
            "reason": reason or reasons[0 if on else 1],
            "message": message,
            "observedGeneration": self.metadata.get("generation", 0),
        }
        listed = self.status.setdefault("conditions", [])
        found = next((c for c in listed if c["type"] == kind), None)
        if found is None:
            listed.append({**entry, "lastTransitionTime": rfc3339(self.world.now)})
            return
        if found["status"] != entry["status"]:
            found["lastTransitionTime"] = rfc3339(self.world.now)
        found.update(entry)

    def calm(self, *kinds: str) -> None:
        """Conditions that are False where all is well."""
        for kind in kinds:
            self.state(kind, False)

    def waited(self, timer: str, seconds: float) -> bool:
        """`seconds` have passed since this was first asked; if not, it is asked again then."""
        since = self._timers.setdefault(timer, self.world.now)
        left = since + seconds - self.world.now
        if left <= _SOON:
            return True
        self.world.wake(self.key, left)
        return False

    def started(self, timer: str) -> bool:
        """The timer runs, or has run off."""
        return timer in self._timers

    def stop(self, *timers: str) -> None:
        """Forget timers."""
        for timer in timers:
            self._timers.pop(timer, None)

    def hold(self, finalizer: str) -> None:
        """Let nobody remove the object before its reconciler agrees."""
        if not self.deleting and finalizer not in (self.metadata.get("finalizers") or ()):
            self.metadata.setdefault("finalizers", []).append(finalizer)

    def release(self, finalizer: str) -> None:
        """Agree to the removal."""
        kept = [f for f in self.metadata.get("finalizers") or () if f != finalizer]
        self.metadata["finalizers"] = kept
        if not kept:
            del self.metadata["finalizers"]

    def save(self) -> bool:
        """Write what changed; True if anything did."""
        self._keep_timers()
        body, status = _written(self.value)
        moved, told = body != self._before[0], status != self._before[1]
        if moved:
            self.world.update(self.value, manager=self.manager)
        if told and (not moved or self.world.get(*self.key) is not None):
            self.world.update_status(self.value, manager=self.manager)
        self._before = body, status
        return moved or told

    def _keep_timers(self) -> None:
        annotations = self.metadata.get("annotations") or {}
        annotations.pop(_TIMERS, None)
        if self._timers:
            annotations[_TIMERS] = canonical(self._timers).decode()
        self.metadata["annotations"] = annotations
        if not annotations:
            del self.metadata["annotations"]


def _written(value: JsonObject) -> tuple[bytes, bytes]:
    """What is written to an object and to its status; bytes compare and copy fast."""
    body = {name: inner for name, inner in value.items() if name != "status"}
    return canonical(body), canonical(value.get("status"))


def load(world: World, key: Key, manager: str) -> Subject | None:
    """The object at `key`, to be reconciled in the name of `manager`."""
    value = world.get(*key)
    return None if value is None else Subject(world, key, value, manager)


def deleting(value: JsonObject) -> bool:
    """The object is marked for deletion."""
    return bool(value["metadata"].get("deletionTimestamp"))
