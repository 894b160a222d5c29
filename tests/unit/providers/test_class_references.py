"""Where a ClusterClass names its templates, and who names templates to remediate machines with."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import references
from providers.capi import CLUSTER, CLUSTER_CLASS
from providers.readiness import HEALTH_CHECK
from providers.registry import rules
from state.resource import GroupKind, ResourceId

PLACES = {
    "v1beta1": (
        "infrastructure.ref",
        "controlPlane.ref",
        "controlPlane.machineInfrastructure.ref",
        "controlPlane.machineHealthCheck.remediationTemplate",
        "workers.machineDeployments[*].template.bootstrap.ref",
        "workers.machineDeployments[*].template.infrastructure.ref",
        "workers.machineDeployments[*].machineHealthCheck.remediationTemplate",
        "workers.machinePools[*].template.bootstrap.ref",
        "workers.machinePools[*].template.infrastructure.ref",
    ),
    "v1beta2": (
        "infrastructure.templateRef",
        "controlPlane.templateRef",
        "controlPlane.machineInfrastructure.templateRef",
        "controlPlane.healthCheck.remediation.templateRef",
        "workers.machineDeployments[*].bootstrap.templateRef",
        "workers.machineDeployments[*].infrastructure.templateRef",
        "workers.machineDeployments[*].healthCheck.remediation.templateRef",
        "workers.machinePools[*].bootstrap.templateRef",
        "workers.machinePools[*].infrastructure.templateRef",
    ),
}
"""Every object with apiVersion, kind and name in the OpenAPI schemas of
cluster.x-k8s.io_clusterclasses.yaml, Cluster API v1.14.0, below `spec`."""


@pytest.mark.parametrize(
    ("version", "place"), [(v, place) for v, places in PLACES.items() for place in places]
)
def test_every_template_of_a_class_is_a_reference(version: str, place: str) -> None:
    assert referred(CLUSTER_CLASS, version, place) == X_TEMPLATE


X_TEMPLATE = ResourceId("mgmt", "infrastructure.cluster.x-k8s.io", "XTemplate", "team-a", "x")


def referred(key: GroupKind, version: str, place: str) -> ResourceId:
    """What an object refers to that has nothing but a reference at `place` of its spec."""
    reference = {
        "apiVersion": f"infrastructure.cluster.x-k8s.io/{version}",
        "kind": "XTemplate",
        "name": "x",
    }
    body: Any = reference
    for part in reversed(place.split(".")):
        body = {part.removesuffix("[*]"): [body] if part.endswith("[*]") else body}
    id_ = ResourceId("mgmt", key.group, key.kind, "team-a", "small")
    (found,) = references({"spec": body}, id_, rules(key.group, key.kind))
    return found.target


REMEDIATIONS = (
    (CLUSTER, "v1beta1", "topology.controlPlane.machineHealthCheck.remediationTemplate"),
    (
        CLUSTER,
        "v1beta1",
        "topology.workers.machineDeployments[*].machineHealthCheck.remediationTemplate",
    ),
    (CLUSTER, "v1beta2", "topology.controlPlane.healthCheck.remediation.templateRef"),
    (
        CLUSTER,
        "v1beta2",
        "topology.workers.machineDeployments[*].healthCheck.remediation.templateRef",
    ),
    (HEALTH_CHECK, "v1beta1", "remediationTemplate"),
    (HEALTH_CHECK, "v1beta2", "remediation.templateRef"),
)
"""Every reference to a remediation template in Cluster API v1.14.0, api/core/*/cluster_types.go and
machinehealthcheck_types.go."""


@pytest.mark.parametrize(("kind", "version", "place"), REMEDIATIONS)
def test_a_template_to_remediate_with_is_a_reference(
    kind: GroupKind, version: str, place: str
) -> None:
    assert referred(kind, version, place) == X_TEMPLATE
