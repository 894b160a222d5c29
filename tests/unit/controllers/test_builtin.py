"""Workloads of Kubernetes itself, and the kinds that only count."""

from __future__ import annotations

from typing import Any

import pytest
from simulated import NAMESPACE, Fleet, holds

from providers.kube.sandbox.faults import Fault

POD = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {"containers": [{"name": "a", "image": "a:1"}]},
}
SELECTOR = {"matchLabels": {"app": "a"}}


def workload(kind: str, api_version: str = "apps/v1", **spec: Any) -> Any:
    metadata = {"name": "a", "namespace": NAMESPACE}
    spec = {"template": POD, **spec}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_replicas_become_available(fleet: Fleet, kind: str) -> None:
    fleet.apply(workload(kind, replicas=2, selector=SELECTOR))
    fleet.wait(0.1, step=0.1)
    assert not fleet.get(kind, "a", "apps/v1")["status"].get("availableReplicas")
    fleet.wait(0.4, step=0.1)
    found = fleet.get(kind, "a", "apps/v1")
    assert found["status"]["availableReplicas"] == found["status"]["updatedReplicas"] == 2
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


def test_a_changed_deployment_is_observed_later(fleet: Fleet) -> None:
    fleet.apply(workload("Deployment", replicas=1, selector=SELECTOR))
    fleet.wait(1)
    fleet.change("Deployment", "a", {"replicas": 3}, "apps/v1")
    assert fleet.get("Deployment", "a", "apps/v1")["status"]["observedGeneration"] == 1
    fleet.wait(1)
    assert fleet.get("Deployment", "a", "apps/v1")["status"]["availableReplicas"] == 3


def test_a_job_completes(fleet: Fleet) -> None:
    pod = {**POD, "spec": {**POD["spec"], "restartPolicy": "Never"}}
    fleet.apply(workload("Job", "batch/v1", template=pod))
    fleet.wait(1)
    found = fleet.get("Job", "a", "batch/v1")
    assert found["status"]["succeeded"] == 1
    assert holds(found, "Complete")


def test_a_stuck_deployment_is_never_available(fleet: Fleet) -> None:
    fleet.file.fault(Fault(kind="stuck", path="apps/Deployment/.*", count=None))
    fleet.apply(workload("Deployment", replicas=1, selector=SELECTOR))
    fleet.wait(10, step=1)
    assert not fleet.get("Deployment", "a", "apps/v1")["status"].get("availableReplicas")


def test_a_health_check_counts_and_a_resource_set_binds(running: Fleet) -> None:
    base = {"namespace": NAMESPACE}
    check = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "MachineHealthCheck",
        "metadata": {**base, "name": "workers"},
        "spec": {
            "clusterName": "shop-prod",
            "selector": {"matchLabels": {"cluster.x-k8s.io/deployment-name": "shop-prod-workers"}},
        },
    }
    metadata = {**base, "name": "cni"}
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}
    resources = {
        "apiVersion": "addons.cluster.x-k8s.io/v1beta2",
        "kind": "ClusterResourceSet",
        "metadata": metadata,
        "spec": {
            "clusterSelector": {"matchLabels": {"env": "prod"}},
            "resources": [{"kind": "ConfigMap", "name": "cni"}],
        },
    }
    for obj in (check, source, resources):
        running.apply(obj)
    running.wait(1)
    assert running.get("MachineHealthCheck", "workers")["status"]["currentHealthy"] == 3
    addons = "addons.cluster.x-k8s.io/v1beta2"
    assert holds(running.get("ClusterResourceSet", "cni", addons), "ResourcesApplied")
    binding = running.get("ClusterResourceSetBinding", "shop-prod", addons)
    assert binding["spec"]["bindings"][0]["resources"][0]["applied"] is True
    running.change("MachineDeployment", "shop-prod-workers", {"replicas": 4})
    running.wait(4)
    assert running.get("MachineHealthCheck", "workers")["status"]["currentHealthy"] == 4


def test_a_machine_pool_counts(running: Fleet) -> None:
    pool = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "MachinePool",
        "metadata": {"name": "pool", "namespace": NAMESPACE},
        "spec": {
            "clusterName": "shop-prod",
            "replicas": 2,
            "template": {
                "spec": {
                    "clusterName": "shop-prod",
                    "version": "v1.34.3",
                    "bootstrap": {"dataSecretName": "pool"},
                    "infrastructureRef": {
                        "apiGroup": "infrastructure.cluster.x-k8s.io",
                        "kind": "DevMachinePool",
                        "name": "pool",
                    },
                }
            },
        },
    }
    running.apply(pool)
    running.wait(4)
    found = running.get("MachinePool", "pool")
    assert found["status"]["availableReplicas"] == 2
    assert running.get("Cluster", "shop-prod")["status"]["workers"]["availableReplicas"] == 5
    running.delete("Cluster", "shop-prod")
    running.wait(5)
    assert running.get("Cluster", "shop-prod") is None
