"""ClusterResourceSet: its objects into every cluster that it selects, and a binding that says so.

Source: cluster-api v1.14 `core/reconcilers/clusterresourceset/`. What it applied is never deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from providers import yamldoc
from providers.kube.sandbox.clock import rfc3339
from providers.kube.sandbox.controllers_kubeconfig import workload_of
from providers.kube.sandbox.controllers_objects import (
    ADDONS,
    CORE,
    add_owner,
    initialized,
    key_of,
    labels_of,
    owner,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, deleting, load
from providers.kube.sandbox.statuses import Refused
from providers.kube.sandbox.world import Key, World
from providers.resourcesets import content_hash, sources_of, values_of
from providers.selected import selected
from state.resource import JsonObject

MANAGER = "capi-core"
_FINALIZER = "addons.cluster.x-k8s.io"
_SECRET = "addons.cluster.x-k8s.io/resource-set"
_KIND, _BINDING = "ClusterResourceSet", "ClusterResourceSetBinding"
_FIRST = ("Namespace", "CustomResourceDefinition", "StorageClass", "Secret", "ConfigMap")
"""What others need comes first within one value (util/resource, SortForCreate)."""
_EXISTS = 409


def reconcile(world: World, key: Key) -> None:
    """Apply what is new to every selected Cluster that answers."""
    found = load(world, key, MANAGER)
    if found is None:
        return
    clusters = [
        cluster
        for cluster in world.list(CORE, "Cluster", found.namespace)
        if selected(found.value, labels_of(cluster)) and not deleting(cluster)
    ]
    if found.deleting:
        for cluster in clusters:
            _unbind(found, cluster)
        found.release(_FINALIZER)
    else:
        found.hold(_FINALIZER)
        failed = [reason for cluster in clusters if (reason := _apply(found, cluster))]
        if failed:
            found.state("ResourcesApplied", False, _SAID[failed[0]], failed[0])
            world.wake(key, TIMINGS.retry)
        elif clusters:
            found.state("ResourcesApplied", True, "", "Applied")
        found.calm("Paused")
        found.status["observedGeneration"] = found.metadata["generation"]
    found.save()


_SAID = {
    "NotApplied": "Failed to apply ClusterResourceSet resources to Cluster",
    "InternalError": "Please check controller logs for errors",
    "WrongSecretType": "Secret type of a resource is not supported",
}


def reconcile_source(world: World, key: Key) -> None:
    """A ConfigMap or Secret was written: the sets that name it look at it again."""
    _, kind, namespace, name = key
    for found in world.list(ADDONS, _KIND, namespace):
        if (kind, name) in sources_of(found):
            world.wake(key_of(found), 0)


def selecting(world: World, cluster: JsonObject) -> Iterator[Key]:
    """The sets that select a Cluster which answers and that its binding does not have yet."""
    if deleting(cluster) or not initialized(cluster, "controlPlaneInitialized"):
        return
    namespace = cluster["metadata"]["namespace"]
    for found in world.list(ADDONS, _KIND, namespace):
        if selected(found, labels_of(cluster)):
            binding = world.get(ADDONS, _BINDING, namespace, cluster["metadata"]["name"])
            if found["metadata"]["name"] not in _bound(binding):
                yield key_of(found)


def _bound(binding: JsonObject | None) -> dict[str, JsonObject]:
    entries = binding["spec"].get("bindings") or () if binding else ()
    return {entry["clusterResourceSetName"]: entry for entry in entries}


def _apply(found: Subject, cluster: JsonObject) -> str:
    """Why not everything is in the cluster; `""` where it is."""
    sources = list(_sources(found))
    if any(s["kind"] == "Secret" and s.get("type") != _SECRET for s in sources):
        return "WrongSecretType"
    if not initialized(cluster, "controlPlaneInitialized"):
        return "InternalError"
    binding = found.world.get(ADDONS, _BINDING, found.namespace, cluster["metadata"]["name"])
    entry = _bound(binding).get(found.name, {})
    before = {(r["kind"], r["name"]): r for r in entry.get("resources") or ()}
    resources = []
    for source in sources:
        ref = (source["kind"], source["metadata"]["name"])
        resources.append(_resource(found, cluster, source, before.get(ref, {})))
    _bind(found, cluster, binding, resources)
    return "" if all(r["applied"] for r in resources) else "NotApplied"


def _sources(found: Subject) -> Iterator[JsonObject]:
    """The ConfigMaps and Secrets that are there, owned by the set; others are passed over."""
    for kind, name in sources_of(found.value):
        source = found.world.get("", kind, found.namespace, name)
        if source is not None:
            held = Subject(found.world, key_of(source), source, MANAGER)
            add_owner(source, owner(found.value))
            held.save()
            yield source


def _resource(
    found: Subject, cluster: JsonObject, source: JsonObject, before: JsonObject
) -> JsonObject:
    """The entry of a resource in the binding, applied where that is due."""
    content = content_hash(source)
    once = found.spec.get("strategy", "ApplyOnce") == "ApplyOnce"
    if before.get("applied") and (once or before.get("hash") == content):
        return before
    workload = workload_of(found.world, cluster)
    done = [_put(workload, body, once=once) for body in _objects(source)]
    return {
        "kind": source["kind"],
        "name": source["metadata"]["name"],
        "hash": content,
        "applied": all(done),
        "lastAppliedTime": rfc3339(found.world.now),
    }


def _objects(source: JsonObject) -> Iterator[JsonObject]:
    for value in values_of(source):
        documents, _ = yamldoc.parse(value, "", yamldoc.COMPONENTS)
        yield from sorted((d.body for d in documents), key=_rank)


def _rank(body: JsonObject) -> int:
    kind = body.get("kind")
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def _put(workload: World, body: JsonObject, *, once: bool) -> bool:
    """Create, or make an object what the set says: its patch takes away what the set has not."""
    try:
        if workload.get(*key_of(body)) is None:
            workload.create(body, manager=MANAGER)
        elif not once:
            workload.update(body, manager=MANAGER)
    except Refused as refused:
        return once and refused.response.status == _EXISTS
    return True


def _bind(
    found: Subject, cluster: JsonObject, current: JsonObject | None, resources: list[JsonObject]
) -> None:
    entry = {"clusterResourceSetName": found.name, "resources": resources}
    name = cluster["metadata"]["name"]
    if current is None:
        metadata = {
            "name": name,
            "namespace": found.namespace,
            # The real one is owned by its sets, and a controller of its own removes it.
            "ownerReferences": [owner(cluster)],
        }
        value = {"apiVersion": f"{ADDONS}/v1beta2", "kind": _BINDING}
        spec = {"clusterName": name, "bindings": [entry]}
        found.world.create({**value, "metadata": metadata, "spec": spec}, manager=MANAGER)
        return
    binding = Subject(found.world, key_of(current), current, MANAGER)
    others = [b for b in binding.spec["bindings"] if b["clusterResourceSetName"] != found.name]
    entries = [*others, entry]
    binding.spec["bindings"] = sorted(entries, key=lambda b: str(b["clusterResourceSetName"]))
    binding.save()


def _unbind(found: Subject, cluster: JsonObject) -> None:
    """The set is forgotten; what it applied stays."""
    name = cluster["metadata"]["name"]
    current = found.world.get(ADDONS, _BINDING, found.namespace, name)
    if current is None or found.name not in _bound(current):
        return
    if len(current["spec"]["bindings"]) == 1:
        found.world.delete(ADDONS, _BINDING, found.namespace, name)
        return
    binding = Subject(found.world, key_of(current), current, MANAGER)
    kept = [b for b in binding.spec["bindings"] if b["clusterResourceSetName"] != found.name]
    binding.spec["bindings"] = kept
    binding.save()
