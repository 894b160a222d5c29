"""The kubeadm bootstrap provider: bootstrap data once the cluster is ready for the machine."""

from __future__ import annotations

import base64

from providers.kube.sandbox.controllers_objects import (
    CLUSTER_NAME,
    CONTROL_PLANE_LABEL,
    CORE,
    cluster_of,
    initialized,
    key_of,
    labels_of,
    owned_by,
    owner,
    pause,
)
from providers.kube.sandbox.controllers_subject import TIMINGS, Subject, load
from providers.kube.sandbox.world import Key, World
from state.resource import JsonObject

BOOTSTRAPPER = "capi-kubeadm-bootstrap"


def reconcile_config(world: World, key: Key) -> None:
    """Write bootstrap data once the cluster is ready for the machine."""
    config = load(world, key, BOOTSTRAPPER)
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
    config.world.create(secret, manager=BOOTSTRAPPER)
