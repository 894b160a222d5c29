"""Rules take whatever people write: any JSON in any field, and never a traceback."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.rules import controllers, due, live, offline, references, removal
from planner.rules.forms import old_forms
from planner.rules.subject import Declared, Subject
from planner.rules.versions import version_field
from providers.capi import CLUSTER, MACHINE_DEPLOYMENT, MACHINE_POOL
from providers.controlplane import KUBEADM
from providers.versions import parse, version_step
from state.resource import GroupKind, ResourceId

INFRA = "infrastructure.cluster.x-k8s.io"
KINDS = (
    CLUSTER,
    KUBEADM,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
    GroupKind("cluster.x-k8s.io", "MachineHealthCheck"),
    GroupKind("cluster.x-k8s.io", "ClusterClass"),
    GroupKind("addons.cluster.x-k8s.io", "ClusterResourceSet"),
    GroupKind("bootstrap.cluster.x-k8s.io", "KubeadmConfigTemplate"),
    GroupKind(INFRA, "AWSCluster"),
    GroupKind(INFRA, "AzureCluster"),
    GroupKind(INFRA, "OpenStackCluster"),
    GroupKind(INFRA, "AWSClusterRoleIdentity"),
    GroupKind("apps", "Deployment"),
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"),
)
NAMES = re.findall(
    r"\S+",
    """
    metadata labels annotations spec status template replicas version clusterName selector
    matchLabels matchExpressions key operator values topology classRef class controlPlane
    workers rollout rolloutStrategy strategy rollingUpdate maxSurge maxUnavailable type after
    before certificatesExpiryDays machineNaming machineTemplate infrastructureRef
    controlPlaneRef apiGroup apiVersion kind name namespace bootstrap configRef clusterNetwork
    pods services cidrBlocks network vpc cidrBlock id networkSpec vnet peerings remoteVnetName
    resourceGroup managedSubnets cidr identityRef allowedNamespaces list namespaceSelector
    resources checks clusterSelector nodeStartupTimeout nodeStartupTimeoutSeconds
    kubeadmConfigSpec dns imageTag clusterConfiguration etcd external format taints conditions
    reason containers args image group names creationTimestamp certificatesExpiryDate
    clusterform.dev/accepts clusterform.dev/peers cluster.x-k8s.io/provider
    cluster.x-k8s.io/cluster-name
    """,
)
WORDS = (
    "c1", "Cluster", "KubeadmControlPlane", "AWSCluster", "AWSClusterRoleIdentity", "In", "manager",
    "v1.35.2", "v1.36.0", "1.2", "10.0.0.0/8", "fd00::/300", "0", "25%", "30s", "ignition", "",
    "team-a", INFRA, "cluster.x-k8s.io/v1beta1", "--feature-gates=a", "2027-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "V7", "{{ .random }}", "²", "v1.²",
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(WORDS)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    ),
    max_leaves=25,
)
BODIES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("metadata", "spec", "status", "type"), JSON)
)

WHOLE: dict[str, Any] = {
    "metadata": {"name": "c1", "labels": {"a": "b"}, "annotations": {"a": "b"}},
    "spec": {
        "clusterName": "c1",
        "version": "v1.35.2",
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a"}]},
        "clusterSelector": {"matchLabels": {"a": "b"}},
        "resources": [{"kind": "Secret", "name": "c1"}],
        "rollout": {"strategy": {"type": "x", "rollingUpdate": {"maxSurge": 0}}, "after": "x"},
        "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        "machineNaming": {"template": "x"},
        "clusterNetwork": {"pods": {"cidrBlocks": ["x"]}, "services": {"cidrBlocks": ["x"]}},
        "infrastructureRef": {"apiGroup": INFRA, "kind": "AWSCluster", "name": "c1"},
        "controlPlaneRef": {"apiGroup": KUBEADM.group, "kind": KUBEADM.kind, "name": "c1"},
        "topology": {"version": "v1.35.2", "controlPlane": {"replicas": 1}},
        "identityRef": {"kind": "AWSClusterRoleIdentity", "name": "c1"},
        "allowedNamespaces": {"list": ["a"], "selector": {"matchLabels": {"a": "b"}}},
        "namespaceSelector": {"matchLabels": {"a": "b"}},
        "network": {"vpc": {"id": "x", "cidrBlock": "10.0.0.0/8"}},
        "networkSpec": {"vnet": {"name": "x", "cidrBlocks": ["x"], "peerings": [{"a": "b"}]}},
        "kubeadmConfigSpec": {"clusterConfiguration": {"dns": {"imageTag": "x"}}},
        "checks": {"nodeStartupTimeoutSeconds": 1},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "clusterName": "c1",
                "version": "v1.35.2",
                "bootstrap": {"configRef": {"kind": "KubeadmConfigTemplate", "name": "x"}},
                "containers": [{"name": "manager", "image": "a:v1", "args": ["--a", "--b=c"]}],
            },
        },
    },
}


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """An object with everything in it, one place of which holds something else."""
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(WHOLE))
    at: Any = body
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 3)) == 0:
            at[key] = draw(JSON)
            return body
        at = at[key]


def rule_over(bodies: list[dict[str, Any]]) -> None:
    """Run every rule over one object of each kind, all with the same name."""
    found = tuple(
        Subject(
            id=ResourceId("mgmt", kind.group, kind.kind, "team-a", "c1"),
            version=f"{kind.group}/v1beta{1 + index % 2}",
            body=bodies[index % len(bodies)],
        )
        for index, kind in enumerate(KINDS)
    )
    objects = Declared(found)
    known = (*offline.declared_managers(objects).get("mgmt", ()),)
    file_of = {s.id: "a.yaml" for s in found}
    problems = [*offline.check(found, objects, known), *offline.whole(found, objects, file_of)]
    problems += old_forms(found, file_of)
    for before in found:
        for after in found:
            problems += live.changes(before.id, (before.body, after.body), after.body)
        live.paused(before.body)
        references.has_contract(before.body)
        if told := due.due(before.body, [s.body for s in found], 1_800_000_000.0):
            assert due.summary(told, 1_800_000_000.0)
    controllers.management_version("v1.35.0", controllers.managers(s.body for s in found))
    removal.users({s.id for s in found}, found)
    for problem in problems:
        assert problem.reason
        assert all(isinstance(part, str) for part in problem.field)


@settings(max_examples=80, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=3))
def test_no_rule_raises_on_any_json(bodies: list[dict[str, Any]]) -> None:
    rule_over(bodies)


@settings(max_examples=150, deadline=None)
@given(broken())
def test_no_rule_raises_where_one_field_is_something_else(body: dict[str, Any]) -> None:
    rule_over([body])


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_two_texts_have_a_step(one: str, other: str) -> None:
    assert version_step(one, other) is not None


NUMBERS = st.integers(0, 40)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_step_and_its_way_back(a: int, b: int, c: int, d: int) -> None:
    """One of two different versions is the newer one."""
    first, second = parse(f"v1.{a}.{b}"), parse(f"v1.{c}.{d}")
    assert first is not None
    assert second is not None
    back = version_step(f"v1.{a}.{b}", f"v1.{c}.{d}").value == "downgrade"
    assert back is (second.order < first.order)


@pytest.mark.parametrize("kind", [k for k in KINDS if version_field(k)], ids=str)
def test_kinds_with_versions_are_known(kind: GroupKind) -> None:
    assert version_field(kind).endswith("version")
