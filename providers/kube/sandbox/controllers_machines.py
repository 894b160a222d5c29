"""Machines and their bootstrap configs, and making the three objects of a machine.

Sources: cluster-api v1.14 `core/reconcilers/machine/`, `bootstrap/kubeadm/`; conditions, labels and
owners as in the recorded fixture `capi-plain-converged.yaml`.
"""

from __future__ import annotations

from providers.kube.sandbox.controllers_contracts import ready
from providers.kube.sandbox.controllers_kubeconfig import workload_of
from providers.kube.sandbox.controllers_making import FINALIZER
from providers.kube.sandbox.controllers_objects import (
    CONTROL_PLANE,
    CONTROL_PLANE_LABEL,
    CONTROL_PLANE_NAME,
    CORE,
    DEPLOYMENT_NAME,
    cluster_of,
    follow,
    holds,
    initialized,
    key_of,
    labels_of,
    pause,
)
from providers.kube.sandbox.controllers_others import watching
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, deleting, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

MANAGER = "capi-core"


# The bootstrap config


# The machine


def reconcile(world: World, key: Key) -> None:
    """Bring a Machine forward by what its config, infrastructure and node have reached."""
    machine = load(world, key, MANAGER)
    if machine is None:
        return
    cluster = cluster_of(world, machine.value)
    machine.hold(FINALIZER)
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
    provisioned = ready(infra)
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
    stuck = _stuck(machine)
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
    well = bootstrapped and provisioned and up
    failing = [k for k in _NEEDED if not holds(machine.value, k)]
    machine.state("Ready", well, "\n".join(f"* {kind}: not yet" for kind in failing))
    machine.state("Available", well)
    if not any(c["type"] == "UpToDate" for c in machine.status["conditions"]):
        machine.state("UpToDate", True)
    machine.calm("Updating", "Deleting")
    machine.status["phase"] = "Running" if well else _phase(bootstrapped, provisioned)
    machine.status["observedGeneration"] = machine.metadata["generation"]


def _stuck(machine: Subject) -> str:
    """The reason of a stuck fault on the machine or, until it has a node, on what made it."""
    own = machine.world.stuck(machine.key) or ""
    if own or machine.status.get("nodeRef"):
        return own
    labels = labels_of(machine.value)
    makers = (
        (CORE, "MachineDeployment", machine.namespace, labels.get(DEPLOYMENT_NAME, "")),
        (
            CONTROL_PLANE,
            "KubeadmControlPlane",
            machine.namespace,
            labels.get(CONTROL_PLANE_NAME, ""),
        ),
    )
    return next((reason for maker in makers if (reason := machine.world.stuck(maker))), "")


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
    machine.release(FINALIZER)
