"""Rules that look at what is live, as functions of bodies."""

from __future__ import annotations

from typing import Any

import pytest
from rulesnippets import plane, pool, subjects, together

from planner.rules import controllers, due, forms, live, offline, references, removal
from planner.rules.controllers import Manager
from planner.rules.subject import Declared
from providers.capi import CLUSTER
from providers.controlplane import KUBEADM
from state.resource import ResourceId

PLANE = ResourceId("mgmt", KUBEADM.group, KUBEADM.kind, "team-a", "c1")
TOPOLOGY = ResourceId("mgmt", CLUSTER.group, CLUSTER.kind, "team-a", "c1")


def kcp(version: str, running: str = "", tag: str = "") -> dict[str, Any]:
    config = {"clusterConfiguration": {"dns": {"imageTag": tag}}} if tag else {}
    return {
        "spec": {"version": version, "kubeadmConfigSpec": config},
        "status": {"version": running or version},
    }


def topology(version: str, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"topology": {"version": version}}}


def upgrading(version: str, reason: str) -> dict[str, Any]:
    condition = {"type": "TopologyReconciled", "status": "False", "reason": reason}
    return {**topology(version), "status": {"conditions": [condition]}}


UNSAFE = {live.UNSAFE_VERSION: ""}
CHAINED = {"spec": {"kubernetesVersions": ["v1.34.0", "v1.35.0", "v1.36.0", "v1.37.0"]}}


@pytest.mark.parametrize(
    ("versions", "rules"),
    [
        (("v1.35.0", "v1.35.0"), []),
        (("v1.35.0", "v1.35.1"), []),
        (("v1.35.0", "v1.36.0"), []),
        (("v1.35.0", "v1.34.9"), ["V2"]),
        (("v1.35.1", "v1.35.0"), ["V2"]),
        (("v1.35.0", "v1.37.0"), ["V2"]),
        (("v1.35.0", "v1.36.0", "v1.37.0"), []),
        (("v1.35.0", "v1.36.0", "v1.37.0", "v1.38.0"), ["V2"]),
        (("v1.35.0", "v1.38.0"), ["V2"]),
    ],
)
@pytest.mark.parametrize("id_", [PLANE, TOPOLOGY], ids=["control plane", "topology"])
def test_v2_each_step_is_judged(
    id_: ResourceId, versions: tuple[str, ...], rules: list[str]
) -> None:
    make = kcp if id_ is PLANE else topology
    assert [p.rule for p in live.changes(id_, tuple(make(v) for v in versions))] == rules


def test_v2_a_class_that_plans_upgrades_goes_through_the_minors_itself() -> None:
    states = (topology("v1.34.0"), topology("v1.37.0"))
    assert list(live.changes(TOPOLOGY, states, CHAINED)) == []
    back = (topology("v1.37.0"), topology("v1.34.0"))
    assert [p.rule for p in live.changes(TOPOLOGY, back, CHAINED)] == ["V2"]


def test_v2_can_be_lifted_for_a_topology_as_upstream() -> None:
    assert list(live.changes(TOPOLOGY, (topology("v1.35.0"), topology("v1.34.0", **UNSAFE)))) == []


@pytest.mark.parametrize(
    ("before", "version", "rules"),
    [
        (upgrading("v1.35.0", "ClusterUpgrading"), "v1.36.0", ["V3"]),
        (upgrading("v1.35.0", "ClusterUpgrading"), "v1.35.0", []),
        (upgrading("v1.35.0", "ReconcileFailed"), "v1.36.0", []),
        (topology("v1.35.0"), "v1.36.0", []),
        (topology("v1.35.0", **{live.PENDING_HOOKS: "AfterClusterUpgrade"}), "v1.35.1", ["V3"]),
    ],
)
def test_v3_topologies(before: dict[str, Any], version: str, rules: list[str]) -> None:
    assert [p.rule for p in live.changes(TOPOLOGY, (before, topology(version)))] == rules


@pytest.mark.parametrize(
    ("running", "version", "rules"),
    [("v1.34.0", "v1.36.0", ["V3"]), ("v1.35.0", "v1.36.0", []), ("v1.34.0", "v1.35.1", [])],
)
def test_v3_control_planes(running: str, version: str, rules: list[str]) -> None:
    states = (kcp("v1.35.0", running), kcp(version))
    assert [p.rule for p in live.changes(PLANE, states)] == rules


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [("v1.11.0", "v1.12.1", []), ("v1.12.1", "v1.11.0", ["V9"]), ("", "v1.11.0", [])],
)
def test_v9_coredns_goes_forward(before: str, after: str, rules: list[str]) -> None:
    states = (kcp("v1.35.0", tag=before), kcp("v1.35.0", tag=after))
    assert [p.rule for p in live.changes(PLANE, states)] == rules


def test_v9_is_off_where_cluster_api_leaves_coredns_alone() -> None:
    after = {**kcp("v1.35.0", tag="v1.1.0"), "metadata": {"annotations": {forms.SKIP_COREDNS: ""}}}
    assert forms.coredns_step(kcp("v1.35.0", tag="v1.2.0"), after) == ""


def test_v18_both_ways_to_pause() -> None:
    assert live.paused({"spec": {"paused": True}}) == "spec.paused"
    assert live.paused({"metadata": {"annotations": {"cluster.x-k8s.io/paused": ""}}})
    assert live.paused({"spec": {"paused": False}}) == ""


# ---------------------------------------------------------------------- controllers


def deployment(provider: str, *args: str, image: str = "r:5000/a/b:v1.14.0") -> dict[str, Any]:
    container = {"name": "manager", "image": image, "args": list(args)}
    return {
        "metadata": {"labels": {controllers.PROVIDER: provider}},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def managers(*bodies: dict[str, Any]) -> tuple[Manager, ...]:
    return controllers.managers(bodies)


CLASS = """\
apiVersion: cluster.x-k8s.io/v1beta2
kind: ClusterClass
metadata: {name: small}
spec: {workers: {machineDeployments: [{class: a}]}}
"""


def told(text: str, known: tuple[Manager, ...], rule: str) -> list[str]:
    found = subjects(text)
    problems = offline.check(found, Declared(found), known)
    return [p.severity for p in problems if p.rule == rule]


@pytest.mark.parametrize(
    ("args", "image", "expected"),
    [
        (("--feature-gates=ClusterTopology=true,MachinePool=true",), "a:v1.14.0", []),
        (("--feature-gates", "ClusterTopology=true"), "a:v1.14.0", []),
        (("--feature-gates=ClusterTopology=false",), "a:v1.14.0", ["error"]),
        ((), "a:v1.14.0", ["error"]),
        ((), "a:v1.19.0", ["warning"]),
        (("--feature-gates=ClusterTopology=${EXP:=false}",), "a:v1.14.0", []),
    ],
)
def test_v19_feature_gates(args: tuple[str, ...], image: str, expected: list[str]) -> None:
    assert told(CLASS, managers(deployment("cluster-api", *args, image=image)), "V19") == expected


def test_v19_says_nothing_of_providers_that_it_does_not_know() -> None:
    assert told(CLASS, (), "V19") == []


@pytest.mark.parametrize(
    ("text", "gate", "provider"),
    [
        (pool(kind="MachinePool"), "MachinePool", "cluster-api"),
        (
            plane(more="  kubeadmConfigSpec: {format: ignition}\n"),
            "KubeadmBootstrapFormatIgnition",
            "bootstrap-kubeadm",
        ),
        (
            pool().replace("      version:", "      taints: [{key: a}]\n      version:"),
            "MachineTaintPropagation",
            "cluster-api",
        ),
    ],
)
def test_v19_other_gates(text: str, gate: str, provider: str) -> None:
    on, off = (
        managers(deployment(provider, f"--feature-gates={gate}={s}")) for s in ("1", "false")
    )
    assert told(text, off, "V19") == ["error"]
    assert told(text, on, "V19") == []


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), []),
        (("--namespace=team-a",), []),
        (("--namespace=team-b",), ["warning"]),
        (("--watch-filter=x",), ["warning"]),
        (("--namespace=team-a", "--watch-filter=green"), []),
    ],
)
def test_v17_who_looks_at_it(args: tuple[str, ...], expected: list[str]) -> None:
    text = pool(metadata=", labels: {cluster.x-k8s.io/watch-filter: green}")
    assert told(text, managers(deployment("cluster-api", *args)), "V17") == expected


def test_v17_one_of_several_is_enough() -> None:
    known = managers(
        deployment("cluster-api", "--namespace=team-b"),
        deployment("cluster-api", "--namespace=team-a"),
    )
    assert told(pool(), known, "V17") == []


def test_v6_the_management_cluster() -> None:
    known = managers(deployment("cluster-api"))
    assert controllers.management_version("v1.36.3", known) == ""
    assert "1.33 to 1.36" in controllers.management_version("v1.32.1", known)
    assert controllers.management_version("", known) == ""


# ---------------------------------------------------------------------- removal, contracts, time


def removed(*ids: ResourceId) -> dict[ResourceId, tuple[ResourceId, ...]]:
    staying = subjects(
        together(
            "apiVersion: cluster.x-k8s.io/v1beta2\nkind: Cluster\nmetadata: {name: c1}\n"
            "spec: {infrastructureRef: {apiGroup: infrastructure.cluster.x-k8s.io,"
            " kind: AWSCluster, name: c1}}\n",
            "apiVersion: infrastructure.cluster.x-k8s.io/v1beta2\nkind: AWSCluster\n"
            "metadata: {name: c1}\nspec: {}\n",
        )
    )
    return removal.users(set(ids), staying)


def test_v20_infrastructure_in_use() -> None:
    infra = ResourceId("mgmt", "infrastructure.cluster.x-k8s.io", "AWSCluster", "team-a", "c1")
    other = ResourceId("mgmt", "infrastructure.cluster.x-k8s.io", "AWSCluster", "team-b", "c1")
    assert removed(infra, other) == {infra: (TOPOLOGY,)}


def test_v20_a_namespace_with_a_cluster() -> None:
    home = ResourceId("mgmt", "", "Namespace", "", "team-a")
    empty = ResourceId("mgmt", "", "Namespace", "", "team-b")
    assert removed(home, empty) == {home: (TOPOLOGY,)}


def definition(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": {f"cluster.x-k8s.io/{k}": v for k, v in labels.items()}}}


def test_v16_contracts() -> None:
    infra = "infrastructure.cluster.x-k8s.io"
    about = ResourceId("mgmt", infra, "AWSCluster", "", "")
    assert references.contract(about, infra, definition(v1beta1="v1beta1_v1beta2")) == ""
    assert references.contract(about, infra, definition(v1beta2="v1beta2")) == ""
    assert "no label" in references.contract(about, infra, definition(v1alpha4="v1alpha4"))
    assert references.contract(about, infra, None) == ""
    assert references.contract(about, "cluster.x-k8s.io", definition()) == ""


NOW = 1_800_000_000.0


def machine(name: str, *, made: str = "2026-01-01T00:00:00Z", expires: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": made},
        "status": {"certificatesExpiryDate": expires} if expires else {},
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["m2"]),
        ({"rollout": {"before": {"certificatesExpiryDays": 30}}}, ["m1", "m2"]),
        ({"rolloutBefore": {"certificatesExpiryDays": 30}}, ["m1", "m2"]),
        ({"rollout": {"after": "2027-01-10T00:00:00Z"}}, ["m0", "m1", "m2"]),
        ({"rolloutAfter": "2027-09-01T00:00:00Z"}, ["m2"]),
    ],
)
def test_v26_what_is_due(spec: dict[str, Any], expected: list[str]) -> None:
    machines = (
        machine("m0"),
        machine("m1", expires="2027-02-20T00:00:00Z"),
        machine("m2", expires="2027-01-20T00:00:00Z"),
        machine("new", made="2027-01-14T00:00:00Z", expires="2028-01-14T00:00:00Z"),
    )
    found = due.due({"spec": spec}, machines, NOW)
    assert sorted(d.machine for d in found) == expected


def test_v26_says_when_and_why() -> None:
    owner = {"spec": {"rollout": {"before": {"certificatesExpiryDays": 30}}}}
    found = due.due(owner, [machine("m1", expires="2027-02-20T00:00:00Z")], NOW)
    assert due.summary(found, NOW) == (
        "1 machine is replaced from 2027-01-21 on without any change:"
        " certificates expire on 2027-02-20, rollout.before is 30 days"
    )


def test_v26_an_end_without_replacement() -> None:
    found = due.due({"spec": {}}, [machine("m2", expires="2027-01-20T00:00:00Z")], NOW)
    assert due.summary(found, NOW) == (
        "1 machine: certificates expire on 2027-01-20, and rollout.before is not set"
    )
