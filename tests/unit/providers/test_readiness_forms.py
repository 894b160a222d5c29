"""Contracts, conditions in both forms, reasons of a topology, and shapes nobody expects."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import ABSENT, Health, Milestone
from providers.capi import AVAILABLE, INITIALIZED, PROVISIONED, ROLLED_OUT
from providers.conditions import conditions, has_new_form, innermost
from providers.contract import Role, contract_of, needed, role_of
from providers.readiness import SHOWN, Relatives, check
from providers.topology import HELD, TROUBLE, WAITING
from state.resource import GroupKind
from tests.support.recorded import as_v1beta1, one, set_condition

INFRA = "infrastructure.cluster.x-k8s.io"


def aws(**status: Any) -> Any:
    """An AWSCluster: served as v1beta2, speaks contract v1beta1, old conditions."""
    return {
        "apiVersion": f"{INFRA}/v1beta2",
        "kind": "AWSCluster",
        "metadata": {"name": "shop", "generation": 1},
        "spec": {},
        "status": status,
    }


# ---------------------------------------------------------------------- contract


@pytest.mark.parametrize(
    ("labels", "version", "contract"),
    [
        ({"cluster.x-k8s.io/v1beta1": "v1beta1_v1beta2"}, "v1beta2", "v1beta1"),
        ({"cluster.x-k8s.io/v1beta2": "v1beta2"}, "v1beta2", "v1beta2"),
        (
            {"cluster.x-k8s.io/v1beta1": "v1beta1", "cluster.x-k8s.io/v1beta2": "v1beta2"},
            "v1beta1",
            "v1beta1",
        ),
        (
            {"cluster.x-k8s.io/v1beta1": "v1beta1", "cluster.x-k8s.io/v1beta2": "v1beta2"},
            "v1beta3",
            "v1beta2",
        ),
        ({"cluster.x-k8s.io/provider": "aws"}, "v1beta2", ""),
        (None, "v1beta2", ""),
    ],
)
def test_the_contract_is_a_label_of_the_crd(labels: Any, version: str, contract: str) -> None:
    assert contract_of({"metadata": {"labels": labels}}, version) == contract


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (GroupKind(INFRA, "AWSCluster"), Role.INFRA_CLUSTER),
        (GroupKind(INFRA, "AWSManagedCluster"), Role.INFRA_CLUSTER),
        (GroupKind(INFRA, "AWSMachinePool"), Role.INFRA_POOL),
        (GroupKind(INFRA, "AWSMachine"), Role.INFRA_MACHINE),
        (GroupKind(INFRA, "AWSMachineTemplate"), None),
        (GroupKind(INFRA, "AWSClusterRoleIdentity"), None),
        (
            GroupKind("controlplane.cluster.x-k8s.io", "AWSManagedControlPlane"),
            Role.CONTROL_PLANE,
        ),
        (GroupKind("bootstrap.cluster.x-k8s.io", "KubeadmConfig"), Role.BOOTSTRAP),
        (GroupKind("cluster.x-k8s.io", "Cluster"), None),
    ],
)
def test_roles_by_group_and_name(kind: GroupKind, role: Role | None) -> None:
    assert role_of(kind) is role


READY: dict[str, Any] = {"ready": True}
DONE: dict[str, Any] = {"initialization": {"provisioned": True}}
BEGUN: dict[str, Any] = {"ready": True, "initialization": {}}


@pytest.mark.parametrize(
    ("status", "contract", "reached"),
    [
        (READY, "v1beta1", True),
        (READY, "v1beta2", False),
        (READY, "", True),  # nothing but contract v1beta1 fits
        (DONE, "v1beta2", True),
        (DONE, "v1beta1", False),
        (DONE, "", True),
        ({"ready": False, **DONE}, "", True),
        ({"ready": True, "initialization": {"provisioned": False}}, "", False),
        (BEGUN, "", False),  # `ready` may mean anything here
        (BEGUN, "v1beta1", True),
        ({}, "", False),
    ],
)
def test_provisioned_by_contract(status: Any, contract: str, reached: bool) -> None:
    found = check(PROVISIONED, aws(**status), Relatives(contract=contract))
    assert (found.health is Health.REACHED) is reached


def test_the_crd_is_read_only_where_the_answer_hangs_on_it() -> None:
    assert needed(Role.INFRA_CLUSTER, aws(**READY))
    assert not needed(Role.INFRA_CLUSTER, aws(**DONE))
    assert not needed(Role.INFRA_CLUSTER, aws())
    unsure = check(PROVISIONED, aws(**BEGUN), Relatives())
    assert unsure.message.endswith("the contract of its kind is not known")


@pytest.mark.parametrize(
    ("status", "contract", "reached"),
    [
        ({"initialized": True, "ready": False}, "v1beta1", True),
        ({"initialized": True}, "v1beta2", False),
        ({"initialization": {"controlPlaneInitialized": True}}, "v1beta2", True),
        ({"ready": True}, "v1beta1", False),
    ],
)
def test_a_control_plane_by_contract(status: Any, contract: str, reached: bool) -> None:
    body = {
        "apiVersion": "controlplane.cluster.x-k8s.io/v1beta2",
        "kind": "AWSManagedControlPlane",
        "metadata": {"name": "shop"},
        "status": status,
    }
    found = check(INITIALIZED, body, Relatives(contract=contract))
    assert (found.health is Health.REACHED) is reached


# ---------------------------------------------------------------------- conditions


def test_a_provider_s_old_condition_says_why_and_how_bad_it_is() -> None:
    failed = {
        "type": "VpcReady",
        "status": "False",
        "severity": "Error",
        "reason": "VpcReconciliationFailed",
        "message": "no credentials",
        "lastTransitionTime": "2026-11-22T14:00:00Z",
    }
    body = aws(ready=False, conditions=[{**failed, "type": "Ready"}, failed])
    found = check(PROVISIONED, body, Relatives())
    assert found.trouble
    assert found.since == "2026-11-22T14:00:00Z"
    assert found.message == (
        "infrastructure is being provisioned · Ready: VpcReconciliationFailed: no credentials"
    )
    waiting = [{**failed, "severity": "Info"}]
    assert not check(PROVISIONED, aws(conditions=waiting), Relatives()).trouble


def test_conditions_that_are_false_where_all_is_well_explain_nothing() -> None:
    calm = {"type": "Paused", "status": "False", "reason": "NotPaused", "message": ""}
    told = {"type": "VpcReady", "status": "False", "reason": "Throttled", "message": "slow down"}
    found = check(PROVISIONED, aws(conditions=[calm, told]), Relatives())
    assert found.message.endswith("VpcReady: Throttled: slow down")
    found = check(PROVISIONED, aws(conditions=[calm]), Relatives())
    assert found.message == "infrastructure is being provisioned"


def test_new_conditions_are_found_in_every_version() -> None:
    body = one("MachineDeployment")
    assert conditions(as_v1beta1(body)) == conditions(body)
    assert has_new_form(body)
    assert has_new_form(as_v1beta1(body))
    old = as_v1beta1(body, conditions=False)
    assert not has_new_form(old)
    assert set(conditions(old)) == {"Ready", "Available", "MachineSetReady"}


@pytest.mark.parametrize(
    ("message", "point"),
    [
        ("", ""),
        ("* Machine x: * NodeHealthy: kubelet down", "NodeHealthy: kubelet down"),
        ("* Machines a, b:\n  * Ready: no\n    * deeper\n", "deeper"),
        ("plain", "plain"),
    ],
)
def test_the_innermost_point_of_a_message(message: str, point: str) -> None:
    assert innermost(message) == point


# ---------------------------------------------------------------------- topology


def topology(reason: str, message: str = "", **fields: Any) -> Any:
    body = one("Cluster", "topology")
    return set_condition(
        body, "TopologyReconciled", "False", reason=reason, message=message, **fields
    )


@pytest.mark.parametrize("reason", sorted(WAITING))
def test_normal_reasons_of_a_topology_are_waited_for(reason: str) -> None:
    found = check(AVAILABLE, topology(reason, "Cluster is upgrading\n  * one"), Relatives())
    assert (found.health, found.trouble) == (Health.WAITING, False)
    assert found.message == f"{reason}: Cluster is upgrading · one"


@pytest.mark.parametrize("reason", sorted(TROUBLE))
def test_others_are_trouble_and_said_at_once(reason: str) -> None:
    found = check(AVAILABLE, topology(reason, "patch failed"), Relatives())
    assert (found.health, found.trouble) == (Health.WAITING, True)
    assert found.message.startswith(f"{reason}: ")


def test_a_reason_that_nobody_knows_is_trouble() -> None:
    assert check(AVAILABLE, topology("Surprising"), Relatives()).trouble


@pytest.mark.parametrize("reason", sorted(HELD))
def test_a_deferred_upgrade_never_ends_by_itself(reason: str) -> None:
    found = check(AVAILABLE, topology(reason), Relatives())
    assert found.health is Health.BLOCKED
    assert "topology.cluster.x-k8s.io/defer-upgrade" in found.message


def test_a_topology_that_has_not_seen_the_change_is_not_reconciled() -> None:
    body = one("Cluster", "topology")
    body["metadata"]["generation"] += 1
    body["status"]["observedGeneration"] += 1  # by the Cluster's controller: another one
    found = check(AVAILABLE, body, Relatives())
    assert found.message == "the topology controller has not seen the change yet"


def test_a_topology_without_a_word_on_it_is_waited_for() -> None:
    body = one("Cluster", "topology")
    listed = body["status"]["conditions"]
    body["status"]["conditions"] = [c for c in listed if c["type"] != "TopologyReconciled"]
    found = check(AVAILABLE, body, Relatives())
    assert found.message == "no condition TopologyReconciled yet"


# ---------------------------------------------------------------------- any shape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["", "True", "False", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "status", "reason", "message", "x"]), inner)
    ),
    max_leaves=6,
)
FIELDS = (
    *("conditions", "observedGeneration", "replicas", "upToDateReplicas", "availableReplicas"),
    *("readyReplicas", "initialization", "ready", "initialized", "v1beta2", "versions"),
    *("currentHealthy", "expectedMachines"),
)
TYPES = (
    *("Ready", "Available", "RollingOut", "ScalingUp", "Remediating", "TopologyReconciled"),
    *("UpToDate", "Paused", "Deleting", "InfrastructureReady", "RemediationAllowed"),
    "NamespaceContentRemaining",
)
SAID = ("status", "reason", "message", "severity", "lastTransitionTime", "observedGeneration")
CONDITION = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | JSON},
    optional=dict.fromkeys(SAID, JSON),
)
STATUS = st.dictionaries(st.sampled_from(FIELDS), JSON | st.lists(CONDITION, max_size=4)) | JSON
SPEC = st.dictionaries(
    st.sampled_from(["replicas", "topology", "template", "paused", "rollout", "version"]), JSON
)
METADATA = st.fixed_dictionaries(
    {"name": st.just("x"), "uid": st.just("u"), "generation": st.integers(1, 3)},
    optional={
        "annotations": st.none() | st.dictionaries(st.sampled_from(["a", "b"]), st.text()),
        "labels": st.none() | st.just({"cluster.x-k8s.io/deployment-name": "x"}),
        "deletionTimestamp": st.just("2026-11-22T14:00:00Z"),
        "finalizers": JSON,
    },
)
KINDS = {
    "Cluster": "cluster.x-k8s.io/v1beta2",
    "MachineDeployment": "cluster.x-k8s.io/v1beta1",
    "MachinePool": "cluster.x-k8s.io/v1beta2",
    "KubeadmControlPlane": "controlplane.cluster.x-k8s.io/v1beta2",
    "AWSCluster": f"{INFRA}/v1beta2",
    "Deployment": "apps/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
}


@st.composite
def objects(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(sorted(KINDS)))
    return {
        "apiVersion": KINDS[kind],
        "kind": kind,
        "metadata": draw(METADATA),
        "spec": draw(SPEC),
        "status": draw(STATUS),
    }


MILESTONES = (AVAILABLE, INITIALIZED, PROVISIONED, ROLLED_OUT, ABSENT, *SHOWN.values())


@given(objects(), objects(), objects(), st.sampled_from(["", "v1beta1", "v1beta2"]))
def test_no_shape_of_a_status_raises(body: Any, other: Any, third: Any, contract: str) -> None:
    relatives = Relatives(
        machines=[other], machine_sets=[third], owners=[other, third], contract=contract
    )
    for milestone in (*MILESTONES, Milestone(name="established")):
        found = check(milestone, body, relatives)
        assert found.health is Health.REACHED or found.message or found.reason
        assert not re.search(r"\bNone\b", found.message)
