"""Names, references, owners and conditions, as all simulated controllers read them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from providers.kube.sandbox.controllers_subject import Subject
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
    for place, held in enumerate(owners):
        if (held["kind"], held["name"]) == (entry["kind"], entry["name"]):
            owners[place] = {**held, **entry}  # in place: two owners must not keep reordering it
            return
    owners.append(entry)


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
