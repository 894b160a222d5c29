"""What all simulated controllers share: timings, references, owners, conditions, saving changes.

A reconciler loads a `Subject`, changes its value, and saves it: nothing is written when nothing
changed. What has to wait asks a timer of the subject; timers lie in an annotation, because every
process that uses the file reads them, and objects show whole seconds only.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from providers.kube.sandbox.clock import rfc3339
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject, canonical, split_api_version

CORE = "cluster.x-k8s.io"
BOOTSTRAP = "bootstrap.cluster.x-k8s.io"
CONTROL_PLANE = "controlplane.cluster.x-k8s.io"
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
ADDONS = "addons.cluster.x-k8s.io"

CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"
DEPLOYMENT_NAME = "cluster.x-k8s.io/deployment-name"
SET_NAME = "cluster.x-k8s.io/set-name"
CONTROL_PLANE_LABEL = "cluster.x-k8s.io/control-plane"
CONTROL_PLANE_NAME = "cluster.x-k8s.io/control-plane-name"
CLONED_FROM = "cluster.x-k8s.io/cloned-from-name"
CLONED_FROM_KIND = "cluster.x-k8s.io/cloned-from-groupkind"
PAUSED = "cluster.x-k8s.io/paused"

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
    """After that: counters and conditions of a MachineDeployment still say "done" (§3.3)."""
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
        self._before = copy.deepcopy(value)
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
        moved = _body(self.value) != _body(self._before)
        told = self.value.get("status") != self._before.get("status")
        if moved:
            self.world.update(self.value, manager=self.manager)
        if told and (not moved or self.world.get(*self.key) is not None):
            self.world.update_status(self.value, manager=self.manager)
        self._before = copy.deepcopy(self.value)
        return moved or told

    def _keep_timers(self) -> None:
        annotations = self.metadata.get("annotations") or {}
        annotations.pop(_TIMERS, None)
        if self._timers:
            annotations[_TIMERS] = canonical(self._timers).decode()
        self.metadata["annotations"] = annotations
        if not annotations:
            del self.metadata["annotations"]


def _body(value: JsonObject) -> JsonObject:
    return {name: inner for name, inner in value.items() if name != "status"}


def load(world: World, key: Key, manager: str) -> Subject | None:
    """The object at `key`, to be reconciled in the name of `manager`."""
    value = world.get(*key)
    return None if value is None else Subject(world, key, value, manager)


def deleting(value: JsonObject) -> bool:
    """The object is marked for deletion."""
    return bool(value["metadata"].get("deletionTimestamp"))


def key_of(value: JsonObject) -> Key:
    """The key of an object."""
    metadata = value["metadata"]
    group = split_api_version(value["apiVersion"])[0]
    return group, value["kind"], metadata.get("namespace", ""), metadata["name"]


def ref_key(ref: JsonObject | None, namespace: str) -> Key | None:
    """The key that a reference leads to; references of the class still carry apiVersion."""
    if not ref or not ref.get("name"):
        return None
    group = ref.get("apiGroup") or split_api_version(ref.get("apiVersion", ""))[0]
    return group, ref.get("kind", ""), ref.get("namespace") or namespace, ref["name"]


def ref_to(value: JsonObject) -> JsonObject:
    """A v1beta2 reference to an object."""
    group, kind, _, name = key_of(value)
    return {"apiGroup": group, "kind": kind, "name": name}


def follow(world: World, ref: JsonObject | None, namespace: str) -> JsonObject | None:
    """The object a reference leads to."""
    key = ref_key(ref, namespace)
    return world.get(*key) if key else None


def owner(value: JsonObject, *, controller: bool = False) -> JsonObject:
    """An entry of ownerReferences."""
    metadata = value["metadata"]
    entry = {name: value[name] for name in ("apiVersion", "kind")}
    entry |= {"name": metadata["name"], "uid": metadata["uid"]}
    return {**entry, "controller": True, "blockOwnerDeletion": True} if controller else entry


def add_owner(value: JsonObject, entry: JsonObject) -> None:
    """Name an owner, once."""
    owners = value["metadata"].setdefault("ownerReferences", [])
    same = [o for o in owners if (o["kind"], o["name"]) == (entry["kind"], entry["name"])]
    for old in same:
        owners.remove(old)
    owners.append({**(same[0] if same else {}), **entry})


def owned_by(value: JsonObject, kind: str) -> str:
    """The name of the owner of a kind, or `""`."""
    owners = value["metadata"].get("ownerReferences") or ()
    return next((str(o["name"]) for o in owners if o["kind"] == kind), "")


def adopt(world: World, cluster: JsonObject, value: JsonObject, manager: str) -> None:
    """Make a Cluster the owner of something it uses."""
    subject = Subject(world, key_of(value), value, manager)
    add_owner(value, owner(cluster))
    subject.save()


def labels_of(value: JsonObject) -> JsonObject:
    """The object's labels."""
    return dict(value["metadata"].get("labels") or {})


def cluster_of(world: World, value: JsonObject) -> JsonObject | None:
    """The Cluster an object belongs to, by its spec, its label or its owner."""
    spec, namespace = value.get("spec") or {}, value["metadata"].get("namespace", "")
    name = spec.get("clusterName") or labels_of(value).get(CLUSTER_NAME)
    name = name or owned_by(value, "Cluster")
    return world.get(CORE, "Cluster", namespace, name) if name else None


def pause(subject: Subject, cluster: JsonObject | None) -> bool:
    """Nothing may happen; the condition Paused says so either way."""
    reason = ""
    if (cluster or {}).get("spec", {}).get("paused"):
        reason = "Cluster spec.paused is set to true"
    elif PAUSED in (subject.metadata.get("annotations") or {}):
        reason = f"{subject.value['kind']} has the {PAUSED} annotation"
    subject.state("Paused", bool(reason), reason)
    return bool(reason)


def condition(value: JsonObject | None, kind: str) -> JsonObject:
    """A condition of an object, or `{}`."""
    listed = ((value or {}).get("status") or {}).get("conditions") or ()
    return next((c for c in listed if c.get("type") == kind), {})


def holds(value: JsonObject | None, kind: str) -> bool:
    """A condition is True."""
    return bool(condition(value, kind).get("status") == "True")


def initialized(value: JsonObject | None, milestone: str) -> bool:
    """`status.initialization.<milestone>` is reached."""
    found = ((value or {}).get("status") or {}).get("initialization") or {}
    return bool(found.get(milestone))


def suffix(*parts: Any) -> str:
    """Five letters as generated names end in; the same parts give the same."""
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    seen = hashlib.sha256(canonical([str(part) for part in parts])).digest()
    return "".join(alphabet[byte % len(alphabet)] for byte in seen[:5])


def versions(machines: Iterable[JsonObject]) -> list[JsonObject]:
    """How many machines run which Kubernetes version, as `status.versions` has it."""
    counts: dict[str, int] = {}
    for machine in machines:
        version = machine["spec"].get("version")
        if version:
            counts[version] = counts.get(version, 0) + 1
    return [{"version": version, "replicas": counts[version]} for version in sorted(counts)]


def minor(version: str) -> tuple[int, ...]:
    """Major and minor of a Kubernetes version."""
    return tuple(int(part) for part in version.removeprefix("v").split(".")[:2] if part.isdigit())
