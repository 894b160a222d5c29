"""Machines and their bootstrap configs, and making the three objects of a machine.

Sources: cluster-api v1.14 `core/reconcilers/machine/`, `bootstrap/kubeadm/`; conditions, labels and
owners as in the recorded fixture `capi-plain-converged.yaml`.
"""

from __future__ import annotations

import base64

import msgspec

from providers.kube.sandbox.controllers_kubeconfig import workload_of
from providers.kube.sandbox.controllers_objects import (
    BOOTSTRAP,
    CLONED_FROM,
    CLONED_FROM_KIND,
    CLUSTER_NAME,
    CONTROL_PLANE_LABEL,
    CORE,
    TIMINGS,
    Subject,
    cluster_of,
    deleting,
    follow,
    holds,
    initialized,
    key_of,
    labels_of,
    load,
    owned_by,
    owner,
    pause,
)
from providers.kube.sandbox.controllers_others import watching
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-core"
_BOOTSTRAPPER = "capi-kubeadm-bootstrap"
_FINALIZER = "machine.cluster.x-k8s.io"


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
        "finalizers": [_FINALIZER],
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


# The bootstrap config


def reconcile_config(world: World, key: Key) -> None:
    """Write bootstrap data once the cluster is ready for the machine."""
    config = load(world, key, _BOOTSTRAPPER)
    if config is None or config.deleting:
        return
    machine = world.get(CORE, "Machine", key[2], owned_by(config.value, "Machine"))
    cluster = cluster_of(world, machine) if machine else None
    if machine is None or cluster is None:
        return
    if not pause(config, cluster) and not initialized(config.value, "dataSecretCreated"):
        _bootstrap(config, machine, cluster)
    config.save()


def _bootstrap(config: Subject, machine: JsonObject, cluster: JsonObject) -> None:
    reason = _held(machine, cluster) or config.world.stuck(key_of(machine)) or ""
    if reason:
        config.state("Ready", False, "", reason)
        config.state("DataSecretAvailable", False, "", reason)
        config.world.wake(config.key, TIMINGS.retry)
        return
    if not config.waited("bootstrap", TIMINGS.bootstrap):
        return
    config.stop("bootstrap")
    _secret(config, cluster)
    config.status.update(dataSecretName=config.name, initialization={"dataSecretCreated": True})
    for kind in ("Ready", "CertificatesAvailable", "DataSecretAvailable"):
        config.state(kind, True)
    config.status["observedGeneration"] = config.metadata.get("generation", 0)


def _held(machine: JsonObject, cluster: JsonObject) -> str:
    if not initialized(cluster, "infrastructureProvisioned"):
        return "WaitingForClusterInfrastructureReady"
    if CONTROL_PLANE_LABEL in labels_of(machine):
        return ""
    up = initialized(cluster, "controlPlaneInitialized")
    return "" if up else "WaitingForControlPlaneInitialized"


def _secret(config: Subject, cluster: JsonObject) -> None:
    if config.world.get("", "Secret", config.namespace, config.name) is not None:
        return
    text = f"#cloud-config\n# bootstrap data of {config.name}\n"
    entry = {**owner(config.value), "controller": True}
    metadata = {
        "name": config.name,
        "namespace": config.namespace,
        "labels": {CLUSTER_NAME: cluster["metadata"]["name"]},
        "ownerReferences": [entry],
    }
    data = {"value": text, "format": "cloud-config"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "cluster.x-k8s.io/secret",
        "metadata": metadata,
        "data": {name: base64.b64encode(v.encode()).decode() for name, v in data.items()},
    }
    config.world.create(secret, manager=_BOOTSTRAPPER)


# The machine


def reconcile(world: World, key: Key) -> None:
    """Bring a Machine forward by what its config, infrastructure and node have reached."""
    machine = load(world, key, MANAGER)
    if machine is None:
        return
    cluster = cluster_of(world, machine.value)
    machine.hold(_FINALIZER)
    if machine.deleting:
        if not pause(machine, cluster):
            _delete(machine, cluster)
    elif cluster is not None and not pause(machine, cluster):
        _advance(machine, cluster)
    if machine.save():
        watching(world, machine.value)


def _advance(machine: Subject, cluster: JsonObject) -> None:
    bootstrap = machine.spec.setdefault("bootstrap", {})
    config = follow(machine.world, bootstrap.get("configRef"), machine.namespace)
    if initialized(config, "dataSecretCreated") and config and not bootstrap.get("dataSecretName"):
        bootstrap["dataSecretName"] = config["status"]["dataSecretName"]
    infra = follow(machine.world, machine.spec.get("infrastructureRef"), machine.namespace)
    provisioned = initialized(infra, "provisioned") or bool(
        ((infra or {}).get("status") or {}).get("ready")
    )
    if provisioned and infra:
        machine.spec["providerID"] = infra["spec"].get("providerID", "")
    elif bootstrap.get("dataSecretName") and infra:
        machine.world.wake(key_of(infra), 0)
    reached = {
        "bootstrapDataSecretCreated": bool(bootstrap.get("dataSecretName")),
        "infrastructureProvisioned": provisioned,
    }
    machine.status["initialization"] = {name: True for name, done in reached.items() if done}
    _conditions(machine, cluster)


def _conditions(machine: Subject, cluster: JsonObject) -> None:
    stuck = machine.world.stuck(machine.key) or ""
    if stuck:
        machine.world.wake(machine.key, TIMINGS.retry)
    bootstrapped = initialized(machine.value, "bootstrapDataSecretCreated")
    provisioned = initialized(machine.value, "infrastructureProvisioned")
    waiting = "" if bootstrapped else "Bootstrap data is not ready yet"
    machine.state("BootstrapConfigReady", bootstrapped, waiting, "" if bootstrapped else stuck)
    waiting = "" if provisioned else "Infrastructure is being provisioned"
    machine.state("InfrastructureReady", provisioned, waiting)
    up = provisioned and not stuck and _node(machine, cluster)
    reason = "" if up else stuck or "WaitingForNode"
    machine.state("NodeHealthy", up, "" if up else "Node is not healthy yet", reason)
    machine.state("NodeReady", up, "", reason)
    ready = bootstrapped and provisioned and up
    failing = [k for k in _NEEDED if not holds(machine.value, k)]
    machine.state("Ready", ready, "\n".join(f"* {kind}: not yet" for kind in failing))
    machine.state("Available", ready)
    if not any(c["type"] == "UpToDate" for c in machine.status["conditions"]):
        machine.state("UpToDate", True)
    machine.calm("Updating", "Deleting")
    machine.status["phase"] = "Running" if ready else _phase(bootstrapped, provisioned)
    machine.status["observedGeneration"] = machine.metadata["generation"]


_NEEDED = ("BootstrapConfigReady", "InfrastructureReady", "NodeHealthy")


def _phase(bootstrapped: bool, provisioned: bool) -> str:
    return "Provisioned" if provisioned else "Provisioning" if bootstrapped else "Pending"


def _node(machine: Subject, cluster: JsonObject) -> bool:
    """The machine's node is healthy; it appears in the workload cluster."""
    if machine.status.get("nodeRef"):
        return True
    if not initialized(cluster, "controlPlaneInitialized"):
        return False
    if not machine.waited("node", TIMINGS.node):
        return False
    machine.stop("node")
    _register(machine, cluster)
    machine.status["nodeRef"] = {"name": machine.name}
    machine.status["nodeInfo"] = {"kubeletVersion": machine.spec.get("version", "")}
    return True


def _register(machine: Subject, cluster: JsonObject) -> None:
    workload = workload_of(machine.world, cluster)
    if workload.get("", "Node", "", machine.name) is not None:
        return
    labels = {"kubernetes.io/hostname": machine.name}
    if CONTROL_PLANE_LABEL in labels_of(machine.value):
        labels["node-role.kubernetes.io/control-plane"] = ""
    metadata = {"name": machine.name, "labels": labels}
    spec = {"providerID": machine.spec.get("providerID", "")}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}
    stored = workload.create(node, manager="kubelet")
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    info = {"kubeletVersion": machine.spec.get("version", "")}
    status = {"conditions": [ready], "nodeInfo": info}
    workload.update_status({**stored, "status": status}, manager="kubelet")
    for daemons in workload.list("apps", "DaemonSet"):
        workload.wake(key_of(daemons), 0)


def _delete(machine: Subject, cluster: JsonObject | None) -> None:
    """Infrastructure, then config, then node; the node stays if the whole cluster goes."""
    refs = (
        ("WaitingForInfrastructureDeletion", machine.spec.get("infrastructureRef")),
        ("WaitingForBootstrapDeletion", (machine.spec.get("bootstrap") or {}).get("configRef")),
    )
    for reason, ref in refs:
        found = follow(machine.world, ref, machine.namespace)
        if found is not None:
            kind = found["kind"]
            machine.state("Deleting", True, f"{kind} {found['metadata']['name']} is left", reason)
            machine.status["phase"] = "Deleting"
            if not deleting(found):
                machine.world.delete(*key_of(found))
                machine.world.wake(machine.key, 0)
            return
    if cluster is not None and not deleting(cluster) and machine.status.get("nodeRef"):
        workload_of(machine.world, cluster).delete("", "Node", "", machine.name)
    machine.release(_FINALIZER)
