"""Deadlines of waits by the provider of a cluster's infrastructure."""

from __future__ import annotations

from typing import Any

import pytest

from planner.deadlines import of_plan, within
from providers.base import APPLIED
from providers.capi import GROUP, PROVISIONED
from state.resource import Origin, Resource, ResourceId, canonical

INFRA = "infrastructure.cluster.x-k8s.io"


def declared(kind: str, name: str, spec: Any) -> Resource:
    return Resource(
        id=ResourceId("mgmt", GROUP, kind, "fleet", name),
        version=f"{GROUP}/v1beta2",
        body=canonical({"kind": kind, "metadata": {"name": name}, "spec": spec}),
        origin=Origin("a.yaml", 1),
    )


CLASS = declared(
    "ClusterClass",
    "metal",
    {
        "infrastructure": {
            "templateRef": {
                "apiVersion": f"{INFRA}/v1beta2",
                "kind": "Metal3ClusterTemplate",
                "name": "x",
            }
        }
    },
)


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        pytest.param(
            {"infrastructureRef": {"apiGroup": INFRA, "kind": "AWSCluster", "name": "x"}},
            2100,
            id="by-its-reference",
        ),
        pytest.param(
            {"infrastructureRef": {"apiVersion": f"{INFRA}/v1beta1", "kind": "VSphereCluster"}},
            300,
            id="in-the-older-form",
        ),
        pytest.param({"topology": {"classRef": {"name": "metal"}}}, 1200, id="by-its-class"),
        pytest.param({"topology": {"classRef": {"name": "other"}}}, 2100, id="class-not-known"),
        pytest.param(
            {"infrastructureRef": {"apiGroup": INFRA, "kind": "AcmeCluster", "name": "x"}},
            PROVISIONED.deadline,
            id="no-table",
        ),
    ],
)
def test_a_clusters_waits_take_its_providers_time(spec: Any, seconds: int) -> None:
    deadlines = of_plan([declared("Cluster", "c1", spec), CLASS], {}, [])
    assert within(PROVISIONED, "mgmt/fleet/c1", deadlines).deadline == seconds
    assert within(APPLIED, "mgmt/fleet/c1", deadlines) == APPLIED
    assert within(PROVISIONED, "mgmt/fleet/c2", deadlines) == PROVISIONED
