"""A ClusterClass names its templates in nine places, in each of its two versions."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import references
from providers.capi import CLUSTER_CLASS
from providers.registry import rules
from state.resource import ResourceId

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
    reference = {
        "apiVersion": f"infrastructure.cluster.x-k8s.io/{version}",
        "kind": "XTemplate",
        "name": "x",
    }
    body: Any = reference
    for part in reversed(place.split(".")):
        body = {part.removesuffix("[*]"): [body] if part.endswith("[*]") else body}
    key = CLUSTER_CLASS
    id_ = ResourceId("mgmt", key.group, key.kind, "team-a", "small")
    (found,) = references({"spec": body}, id_, rules(key.group, key.kind))
    assert found.target == ResourceId(
        "mgmt", "infrastructure.cluster.x-k8s.io", "XTemplate", "team-a", "x"
    )
