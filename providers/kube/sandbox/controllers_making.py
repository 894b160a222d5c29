"""Making the three objects of a machine: Machine, bootstrap config, infrastructure machine.

Names, labels and owners as in the recorded fixture `capi-plain-converged.yaml`.
"""

from __future__ import annotations

import msgspec

from providers.kube.sandbox.controllers_objects import (
    BOOTSTRAP,
    CLONED_FROM,
    CLONED_FROM_KIND,
    CORE,
    follow,
    key_of,
    owner,
)
from providers.kube.sandbox.world import World
from state.resource import JsonObject

FINALIZER = "machine.cluster.x-k8s.io"


class Plan(msgspec.Struct, kw_only=True):
    """A machine to be made."""

    name: str
    cluster: JsonObject
    owner: JsonObject
    manager: str
    labels: JsonObject
    annotations: JsonObject
    spec: JsonObject
    """Of the Machine, with the references to its templates."""
    config: JsonObject | None = None
    """Spec of its KubeadmConfig, where no template says it."""
    config_annotations: JsonObject = {}


def make(world: World, plan: Plan) -> str:
    """Make Machine, bootstrap config and infrastructure machine; else why that cannot be."""
    namespace = plan.owner["metadata"]["namespace"]
    infra_ref = plan.spec["infrastructureRef"]
    template = follow(world, infra_ref, namespace)
    if template is None:
        return f"{infra_ref['kind']} {infra_ref['name']} not found"
    config_ref = (plan.spec.get("bootstrap") or {}).get("configRef")
    config_template = follow(world, config_ref, namespace)
    if config_ref and config_template is None and plan.config is None:
        return f"{config_ref['kind']} {config_ref['name']} not found"
    machine = _machine(world, plan, namespace)
    if plan.config is not None:
        _child(world, plan, machine, f"{BOOTSTRAP}/v1beta2", "KubeadmConfig", plan.config)
    elif config_template is not None:
        _clone(world, plan, machine, config_template)
    _clone(world, plan, machine, template)
    return ""


def _machine(world: World, plan: Plan, namespace: str) -> JsonObject:
    spec = {**plan.spec, "clusterName": plan.cluster["metadata"]["name"]}
    ref = spec["infrastructureRef"]
    made = {"kind": ref["kind"].removesuffix("Template"), "name": plan.name}
    spec["infrastructureRef"] = {**ref, **made}
    config = (spec.get("bootstrap") or {}).get("configRef")
    if config:
        made = {"kind": config["kind"].removesuffix("Template"), "name": plan.name}
        spec["bootstrap"] = {"configRef": {**config, **made}}
    metadata = {
        "name": plan.name,
        "namespace": namespace,
        "labels": plan.labels,
        "annotations": plan.annotations,
        "ownerReferences": [owner(plan.owner, controller=True)],
        "finalizers": [FINALIZER],
    }
    value = {"apiVersion": f"{CORE}/v1beta2", "kind": "Machine", "metadata": metadata, "spec": spec}
    if not plan.annotations:
        del metadata["annotations"]
    return world.create(value, manager=plan.manager)


def _clone(world: World, plan: Plan, machine: JsonObject, template: JsonObject) -> None:
    group, kind, _, name = key_of(template)
    inner = template["spec"]["template"]
    cloned = {CLONED_FROM: name, CLONED_FROM_KIND: f"{kind}.{group}"}
    annotations = {**((inner.get("metadata") or {}).get("annotations") or {}), **cloned}
    _child(
        world,
        plan,
        machine,
        template["apiVersion"],
        kind.removesuffix("Template"),
        inner.get("spec") or {},
        annotations,
    )


def _child(
    world: World,
    plan: Plan,
    machine: JsonObject,
    version: str,
    kind: str,
    spec: JsonObject,
    annotations: JsonObject | None = None,
) -> None:
    metadata = {
        "name": plan.name,
        "namespace": machine["metadata"]["namespace"],
        "labels": plan.labels,
        "annotations": annotations or plan.config_annotations,
        "ownerReferences": [owner(machine, controller=True)],
    }
    value = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    world.create(value, manager=plan.manager)
