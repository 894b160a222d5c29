"""ClusterClasses and templates: they own nothing that runs, and wake whoever uses them."""

from __future__ import annotations

from collections.abc import Iterator

from providers.kube.sandbox.controllers_objects import (
    BOOTSTRAP,
    CONTROL_PLANE,
    CORE,
    add_owner,
    follow,
    key_of,
    owner,
    ref_key,
)
from providers.kube.sandbox.controllers_subject import Subject, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject


def reconcile_class(world: World, key: Key) -> None:
    """Own the templates of a class, and let its Clusters look at it."""
    found = load(world, key, "capi-core")
    if found is None:
        return
    for ref in _class_refs(found.spec):
        template = follow(world, ref, key[2])
        if template is not None:
            subject = Subject(world, key_of(template), template, "capi-core")
            add_owner(template, owner(found.value))
            subject.save()
    found.state("RefVersionsUpToDate", True)
    found.state("VariablesReady", True)
    found.calm("Paused")
    found.status["observedGeneration"] = found.metadata["generation"]
    found.save()
    for cluster in world.list(CORE, "Cluster"):
        ref = (cluster["spec"].get("topology") or {}).get("classRef") or {}
        namespace = ref.get("namespace") or cluster["metadata"]["namespace"]
        if (namespace, ref.get("name")) == key[2:]:
            world.wake(key_of(cluster), 0)


def _class_refs(spec: JsonObject) -> Iterator[JsonObject]:
    control_plane = spec.get("controlPlane") or {}
    parts = [spec.get("infrastructure"), control_plane, control_plane.get("machineInfrastructure")]
    for worker in (spec.get("workers") or {}).get("machineDeployments") or ():
        parts += [worker.get("bootstrap"), worker.get("infrastructure")]
    for part in parts:
        ref = (part or {}).get("templateRef")
        if ref:
            yield ref


def reconcile_template(world: World, key: Key) -> None:
    """Wake whoever refers to a template: it may have been missing."""
    namespace = key[2]
    for found in world.list(CORE, "ClusterClass", namespace):
        if any(ref_key(ref, namespace) == key for ref in _class_refs(found["spec"])):
            world.wake(key_of(found), 0)
    for found in world.list(CORE, "MachineDeployment", namespace):
        spec = found["spec"]["template"]["spec"]
        for ref in ((spec.get("bootstrap") or {}).get("configRef"), spec.get("infrastructureRef")):
            if ref_key(ref, namespace) == key:
                world.wake(key_of(found), 0)
    for found in world.list(CONTROL_PLANE, "KubeadmControlPlane", namespace):
        machine = (found["spec"].get("machineTemplate") or {}).get("spec") or {}
        if ref_key(machine.get("infrastructureRef"), namespace) == key:
            world.wake(key_of(found), 0)


TEMPLATES = ((BOOTSTRAP, "KubeadmConfigTemplate"), (CONTROL_PLANE, "KubeadmControlPlaneTemplate"))
"""Kinds of templates beside those of the infrastructure group."""
