"""Status trees: what stands first, which machines share a line, what time has to do with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from planner.statusparts import machine_nodes, object_node, suffixes
from planner.statustree import ClusterStatus, Node, Ratio, StatusTree, deepest_trouble
from planner.views.status import age, status_json, status_text
from providers.readiness import Relatives
from providers.selected import selects
from state.resource import ResourceId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
INFRA = ResourceId("m", "infrastructure.cluster.x-k8s.io", "AWSCluster", "team-a", "shop")


def _machine(name: str, since: str = "2026-11-22T11:48:00Z", **conditions: str) -> dict[str, Any]:
    listed = [
        {
            "type": kind,
            "status": status,
            "reason": "Why",
            "message": "because",
            "lastTransitionTime": since,
        }
        for kind, status in conditions.items()
    ]
    return {"metadata": {"name": name}, "status": {"conditions": listed}}


# ---------------------------------------------------------------------- machines


def test_machines_in_trouble_come_first_with_the_deepest_condition() -> None:
    failing = _machine("md-x-d4", InfrastructureReady="False")
    failing["status"]["conditions"][0]["reason"] = "ObjectDoesNotExist"
    nodes = machine_nodes(
        [
            _machine("md-x-a1", Ready="True"),
            _machine("md-x-b2", Ready="True", since="2026-10-12T11:48:00Z"),
            _machine("md-x-c3", Ready="False", NodeHealthy="False", BootstrapConfigReady="False"),
            failing,
        ]
    )
    assert [(n.name, n.state, n.text) for n in nodes] == [
        ("md-x-d4", "failing", "InfrastructureReady: ObjectDoesNotExist: because"),
        ("md-x-c3", "waiting", "BootstrapConfigReady: Why: because"),
        ("2 machines", "ready", "ready: md-x-a1, -b2"),
    ]
    assert [n.since for n in nodes] == ["2026-11-22T11:48:00Z"] * 3


def test_machines_that_wait_for_the_same_share_a_line() -> None:
    nodes = machine_nodes([_machine(f"md-x-{i}", BootstrapConfigReady="False") for i in "abc"])
    assert [(n.name, n.state, n.text) for n in nodes] == [
        ("3 machines", "waiting", "BootstrapConfigReady: Why: because: md-x-a, -b, -c"),
    ]


def test_a_machine_that_is_going_says_on_what_it_waits() -> None:
    going = _machine("md-x-a", Deleting="True")
    going["metadata"]["deletionTimestamp"] = "2026-11-22T11:00:00Z"
    (node,) = machine_nodes([going])
    assert (node.state, node.text) == ("deleting", "Why: because")


def test_a_machine_without_a_word_on_itself_is_not_ready() -> None:
    (node,) = machine_nodes([_machine("md-x-a")])
    assert (node.state, node.text) == ("waiting", "no status yet")


def test_an_unhealthy_machine_is_to_be_remediated() -> None:
    (node,) = machine_nodes([_machine("md-x-a", Ready="True", HealthCheckSucceeded="False")])
    assert (node.state, node.text) == ("failing", "unhealthy, to be remediated: Why: because")


def test_many_names_are_cut() -> None:
    assert suffixes([f"md-{i}" for i in range(9)]) == "md-0, -1, -2, -3, -4, -5, 3 more"


# ---------------------------------------------------------------------- objects


def _infra(**status: Any) -> dict[str, Any]:
    metadata = {"name": "shop", "namespace": "team-a", "annotations": {}}
    api = "infrastructure.cluster.x-k8s.io/v1beta2"
    return {"apiVersion": api, "kind": "AWSCluster", "metadata": metadata, "status": status}


def _ready(status: str, severity: str = "") -> dict[str, Any]:
    found = {"type": "Ready", "status": status, "lastTransitionTime": "2026-11-22T11:48:00Z"}
    if status == "False":
        found |= {"reason": "VpcFailed", "message": "no credentials", "severity": severity}
    return found


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        ({"ready": True, "conditions": [_ready("True")]}, "ready", "provisioned"),
        (
            {"ready": True, "conditions": [_ready("False", "Error")]},
            "failing",
            "Ready: VpcFailed: no credentials",
        ),
        (
            {"ready": False, "conditions": [_ready("False", "Info")]},
            "waiting",
            "infrastructure is being provisioned · Ready: VpcFailed: no credentials",
        ),
        ({}, "waiting", "infrastructure is being provisioned"),
    ],
)
def test_infrastructure(status: Any, state: str, text: str) -> None:
    node = object_node(INFRA, _infra(**status), Relatives())
    assert (node.state, node.text) == (state, text)


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        ({"initialized": True}, "ready", "initialized"),
        ({"initialized": False}, "waiting", "the control plane is not initialized yet"),
        (
            {"initialized": True, "conditions": [_ready("False", "Warning")]},
            "waiting",
            "Ready: VpcFailed: no credentials",
        ),
    ],
)
def test_a_control_plane_without_a_table_goes_by_its_contract(
    status: Any, state: str, text: str
) -> None:
    api = "controlplane.cluster.x-k8s.io"
    id_ = ResourceId("m", api, "AWSManagedControlPlane", "team-a", "shop")
    body = {"apiVersion": f"{api}/v1beta2", "kind": id_.kind, "metadata": {"name": "shop"}}
    node = object_node(id_, {**body, "status": status}, Relatives())
    assert (node.state, node.text) == (state, text)


def test_externally_managed_infrastructure_is_never_called_broken() -> None:
    body = _infra()
    body["metadata"]["annotations"] = {"cluster.x-k8s.io/managed-by": "terraform"}
    node = object_node(INFRA, body, Relatives())
    words = "externally managed by terraform · not marked as provisioned yet"
    assert (node.state, node.text) == ("ready", words)
    body["status"] = {"ready": True}
    assert object_node(INFRA, body, Relatives()).text == "externally managed by terraform"


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ({"matchLabels": {"env": "prod"}}, True),
        ({"matchLabels": {"env": "dev"}}, False),
        ({"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]}, True),
        ({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}, False),
        ({"matchExpressions": [{"key": "env", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "env", "operator": "?"}]}, False),
        ({}, True),
        (None, False),
    ],
)
def test_selectors(selector: Any, taken: bool) -> None:
    assert selects(selector, {"env": "prod"}) is taken


# ---------------------------------------------------------------------- trees


def test_the_deepest_trouble_explains_the_cluster() -> None:
    machine = Node(kind="Machine", name="m-1", state="waiting", text="cloud-init exit 1")
    pool = Node(kind="MachineDeployment", name="m", state="waiting", children=(machine,))
    group = Node(kind="", name="workers", state="waiting", children=(pool,))
    infra = Node(kind="DevCluster", name="d", state="ready")
    assert deepest_trouble([infra, group]) == machine
    assert deepest_trouble([infra]) is None


def test_of_two_troubles_the_more_urgent_is_told() -> None:
    waiting = Node(kind="DevCluster", name="d", state="waiting")
    failing = Node(kind="Machine", name="m", state="failing")
    going = Node(kind="Machine", name="n", state="deleting")
    assert deepest_trouble([going, waiting, failing]) == failing
    held = Node(kind="MachineDeployment", name="p", state="blocked", children=(going,))
    assert deepest_trouble([held]) == held


def _tree() -> StatusTree:
    broken = Node(
        kind="Machine",
        name="shop-md0-vbn4t",
        state="failing",
        text='BootstrapConfigReady: BootstrapFailed: "kubeadm join" timeout',
        since="2026-11-22T11:48:00Z",
    )
    fine = Node(
        kind="",
        name="4 machines",
        state="ready",
        text="ready: shop-md0-a, -b, -c, -d",
        since="2026-10-12T12:00:00Z",
    )
    pool = Node(
        kind="MachineDeployment",
        name="shop-md0",
        state="waiting",
        text="4 of 5 machines up to date",
        since="2026-11-22T07:00:00Z",
        children=(broken, fine),
    )
    cluster = ClusterStatus(
        management="mgmt",
        namespace="team-a",
        name="shop",
        version="v1.35.2",
        state="FAILING",
        text=f"{broken.kind} {broken.name}: {broken.text}",
        since=broken.since,
        control_plane=Ratio(3, 3),
        workers=Ratio(4, 5),
        addons=Ratio(44, 44),
        children=(
            Node(kind="AWSCluster", name="shop", state="ready", text="externally managed"),
            Node(
                kind="KubeadmControlPlane",
                name="shop",
                state="ready",
                text="3 of 3 up to date",
                since="2026-10-12T12:00:00Z",
            ),
            Node(kind="", name="workers", state="waiting", children=(pool,)),
            Node(kind="", name="add-ons", state="ready", text="base 41, cni 3"),
        ),
    )
    return StatusTree(clusters=(cluster,), unreadable=("mgmt-us: connection refused",))


def test_the_status_tree() -> None:
    assert status_text(_tree(), color=False, now=NOW) == (
        "! mgmt-us: connection refused (could not be read)\n"
        "team-a/shop   v1.35.2   FAILING   control plane 3/3   workers 4/5   add-ons 44/44\n"
        '  Machine shop-md0-vbn4t: BootstrapConfigReady: BootstrapFailed: "kubeadm join" timeout'
        " · 12 m\n"
        "├─ AWSCluster shop                  externally managed\n"
        "├─ KubeadmControlPlane shop         3 of 3 up to date · 41 d\n"
        "├─ ⋯ workers\n"
        "│  └─ ⋯ MachineDeployment shop-md0  4 of 5 machines up to date · 5 h\n"
        "│     ├─ ✖ Machine shop-md0-vbn4t   BootstrapConfigReady: BootstrapFailed:"
        ' "kubeadm join" timeout · 12 m\n'
        "│     └─ 4 machines                 ready: shop-md0-a, -b, -c, -d · 41 d\n"
        "└─ add-ons                          base 41, cni 3 ✔\n"
    )


def test_a_fleet_has_a_line_for_each_cluster() -> None:
    one = _tree().clusters[0]
    ready = ClusterStatus(
        management="mgmt",
        namespace="team-b",
        name="edge",
        version="",
        state="READY",
        since="2026-11-22T11:59:15Z",
        control_plane=Ratio(1, 1),
        workers=Ratio(0, 0),
    )
    tree = StatusTree(clusters=(one, ready), detailed=False)
    assert status_text(tree, color=False, now=NOW).splitlines() == [
        "team-a/shop   v1.35.2   FAILING   control plane 3/3   workers 4/5   add-ons 44/44",
        '  Machine shop-md0-vbn4t: BootstrapConfigReady: BootstrapFailed: "kubeadm join" timeout'
        " · 12 m",
        "team-b/edge   version unknown   READY   control plane 1/1   workers 0/0   45 s",
    ]


def test_as_json_it_has_moments_and_no_ages() -> None:
    found = json.loads(status_json(_tree()))
    assert sorted(found) == ["clusters", "detailed", "unreadable"]
    cluster = found["clusters"][0]
    assert cluster["workers"] == {"ready": 4, "wanted": 5}
    assert cluster["since"] == "2026-11-22T11:48:00Z"
    assert sorted(cluster["children"][0]) == [
        *("children", "kind", "name", "role", "since", "state", "text")
    ]


def test_a_message_cannot_steer_the_terminal() -> None:
    node = Node(kind="Machine", name="m", state="waiting", text="\x1b[2J gone")
    cluster = _tree().clusters[0]
    tree = StatusTree(
        clusters=(
            ClusterStatus(
                management="m",
                namespace="n",
                name="c",
                version="\x1b]0;x",
                state="WAITING",
                control_plane=cluster.control_plane,
                workers=cluster.workers,
                children=(node,),
            ),
        )
    )
    assert "\x1b" not in status_text(tree, color=False)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 m"),
        (7199, "119 m"),
        (7200, "2 h"),
        (172799, "47 h"),
        (172800, "2 d"),
        (1000 * 86400, "1,000 d"),
        (-5, "0 s"),
    ],
)
def test_ages(seconds: int, told: str) -> None:
    since = datetime.fromtimestamp(NOW - seconds, UTC).isoformat()
    assert age(since, NOW) == told


def test_an_age_needs_two_moments() -> None:
    assert [age("", NOW), age("yesterday", NOW), age("2026-11-22T11:48:00Z", 0)] == ["", "", ""]
