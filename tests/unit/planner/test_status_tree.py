"""The tree of recorded clusters, in every form they are served in, and of what hangs on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from planner.contracts import Contracts
from planner.status import _ClusterReader
from planner.statusread import Inventory
from planner.statustree import ClusterStatus, StatusTree
from planner.views.status import status_text
from providers.builtin import Served
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from state.live import Metadata, Present
from state.resource import GroupKind, ResourceId, split_api_version
from tests.support.recorded import as_v1beta1, one, recorded, set_condition

NOW = 1_795_356_000.0  # 2026-11-22T14:00:00Z
KINDS = (
    *("Cluster", "MachineDeployment", "MachineSet", "Machine", "KubeadmControlPlane"),
    *("DevCluster", "MachineHealthCheck"),
)
FORMS: dict[str, Callable[[Any], Any]] = {
    "v1beta2": lambda body: body,
    "v1beta1": as_v1beta1,
    "before v1.9": lambda body: as_v1beta1(body, conditions=False),
}


class Server(Inventory):
    """The objects of a test, as an inventory that was read."""

    def __init__(self, bodies: list[Any], refused: str = "") -> None:
        super().__init__(KubeClient("mgmt", None, lambda _: None))  # type: ignore[arg-type]
        self._bodies = [_present(body) for body in bodies]
        self._refused = refused

    def _how(self, kind: GroupKind) -> tuple[str, Served] | None:
        return f"{kind.group}/v1beta2", Served(f"{kind.kind.lower()}s", True)

    def _list(self, kind: GroupKind, selector: str) -> list[Present]:
        del selector
        if kind.kind == self._refused:
            raise ApiError("api-forbidden", f"{kind.kind} may not be listed")
        return sorted((p for p in self._bodies if p.id.group_kind == kind), key=lambda p: p.id)


def _present(body: Any) -> Present:
    metadata = body["metadata"]
    group, version = split_api_version(body["apiVersion"])
    id_ = ResourceId("mgmt", group, body["kind"], metadata["namespace"], metadata["name"])
    raw = msgspec.json.encode(body)
    return Present(id=id_, version=version, metadata=msgspec.convert(metadata, Metadata), raw=raw)


def read(bodies: list[Any], refused: str = "") -> ClusterStatus:
    server = Server(bodies, refused)
    (cluster,) = server.in_namespace(GroupKind("cluster.x-k8s.io", "Cluster"), _home(bodies))
    return _ClusterReader(server, cluster, Contracts(lambda _: None)).read(None)


def _home(bodies: list[Any]) -> str:
    return str(bodies[0]["metadata"]["namespace"])


def text(found: ClusterStatus, now: float = 0.0) -> str:
    return status_text(StatusTree(clusters=(found,)), color=False, now=now)


def everything(which: str, form: Callable[[Any], Any] = FORMS["v1beta2"]) -> list[Any]:
    return [form(body) for kind in KINDS for body in recorded(which, kind)]


PLAIN = """\
plain/c1   v1.35.0   READY   control plane 1/1   workers 2/2
├─ DevCluster c1                provisioned
├─ KubeadmControlPlane c1-cp    1 of 1 up to date
│  └─ 1 machine                 ready: c1-cp-j58t6
└─ workers
   └─ MachineDeployment c1-md0  2 of 2 up to date
      └─ 2 machines             ready: c1-md0-r6t88-ldj5b, -vr28t
"""
TOPOLOGY = """\
topo/t1   v1.35.0   READY   control plane 1/1   workers 3/3
├─ DevCluster t1-b66r7                  provisioned
├─ KubeadmControlPlane t1-n6qtw         1 of 1 up to date
│  └─ 1 machine                         ready: t1-n6qtw-dbmsf
└─ workers
   ├─ MachineDeployment t1-md-0-k5sn2   2 of 2 up to date
   │  └─ 2 machines                     ready: t1-md-0-k5sn2-rwh5c-48znd, -z8s28
   └─ MachineDeployment t1-md-1-pxhgz   1 of 1 up to date
      └─ 1 machine                      ready: t1-md-1-pxhgz-9pvr7-28v92
"""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("which", "tree"), [("plain", PLAIN), ("topology", TOPOLOGY)])
def test_recorded_clusters_have_the_same_tree_in_every_form(
    form: str, which: str, tree: str
) -> None:
    assert words(text(read(everything(which, FORMS[form])))) == words(tree)


def words(tree: str) -> list[str]:
    return [" ".join(line.split()) for line in tree.splitlines()]


def test_with_ages() -> None:
    head, *rows = text(read(everything("plain")), now=NOW).splitlines()
    assert head.endswith("   2 m")
    assert rows[1].startswith("├─ KubeadmControlPlane c1-cp    1 of 1 up to date · 2 m")


def resource_set(name: str, **labels: str) -> Any:
    return {
        "apiVersion": "addons.cluster.x-k8s.io/v1beta2",
        "kind": "ClusterResourceSet",
        "metadata": {"name": name, "namespace": "plain", "uid": name},
        "spec": {"clusterSelector": {"matchLabels": labels}},
        "status": {
            "conditions": [{"type": "ResourcesApplied", "status": "True", "reason": "Applied"}]
        },
    }


BINDING = {
    "apiVersion": "addons.cluster.x-k8s.io/v1beta2",
    "kind": "ClusterResourceSetBinding",
    "metadata": {"name": "c1", "namespace": "plain", "uid": "binding"},
    "spec": {
        "clusterName": "c1",
        "bindings": [
            {
                "clusterResourceSetName": "cni",
                "resources": [{"name": "a", "applied": True}, {"name": "b", "applied": False}],
            }
        ],
    },
}


def test_what_hangs_on_a_cluster_is_in_its_tree() -> None:
    bodies = everything("plain")
    bodies[0]["metadata"]["labels"] = {"cni": "calico"}
    failing = set_condition(
        resource_set("cni", cni="calico"),
        *("ResourcesApplied", "False"),
        reason="WrongSecretType",
        message="Secret b",
    )
    chart = {
        "apiVersion": "addons.cluster.x-k8s.io/v1alpha1",
        "kind": "HelmChartProxy",
        "metadata": {"name": "csi", "namespace": "plain", "uid": "chart"},
        "spec": {"clusterSelector": {"matchLabels": {"cni": "calico"}}},
        "status": {},
    }
    release = {
        **chart,
        "kind": "HelmReleaseProxy",
        "metadata": {
            "name": "csi-c1",
            "namespace": "plain",
            "uid": "release",
            "ownerReferences": [
                {"name": "csi", "kind": "HelmChartProxy", "apiVersion": "a/v1", "uid": "chart"}
            ],
        },
        "spec": {"clusterRef": {"name": "c1"}},
        "status": {},
    }
    set_condition(release, "Ready", "False", reason="HelmInstallFailed", message="no such chart")
    check = one("MachineHealthCheck", "topology")
    check["metadata"]["namespace"] = "plain"
    check["spec"]["clusterName"] = "c1"
    check["status"]["currentHealthy"] = 1
    extra = [failing, resource_set("other", cni="cilium"), BINDING, chart, release, check]
    found = read([*bodies, *extra])
    assert text(found).splitlines()[-7:] == [
        "├─ ⋯ health checks",
        "│  └─ ⋯ MachineHealthCheck t1-md-0-k5sn2  1 of 2 machines healthy",
        "├─ ⋯ resource sets",
        "│  └─ ⋯ ClusterResourceSet cni            1 of 2 applied here · WrongSecretType: Secret b",
        "└─ ⋯ charts",
        "   └─ ⋯ HelmChartProxy csi                no condition HelmReleaseProxySpecsUpToDate yet",
        "      └─ ⋯ HelmReleaseProxy csi-c1        Ready: HelmInstallFailed: no such chart",
    ]
    assert found.state == "WAITING"


def test_what_may_not_be_read_is_not_ready() -> None:
    found = read(everything("plain"), refused="Machine")
    assert (found.state, found.text) == (
        "UNKNOWN",
        "it could not be read: Machine may not be listed",
    )
    assert read(everything("plain"), refused="MachineHealthCheck").state == "READY"


def test_a_part_that_is_not_there_yet() -> None:
    bodies = [b for b in everything("plain") if b["kind"] != "DevCluster"]
    found = read(bodies)
    assert found.children[0].text == "not there yet"
    assert found.text == "DevCluster c1: not there yet"


def test_machines_without_an_owner_are_listed_apart() -> None:
    bodies = [b for b in everything("plain") if b["kind"] != "MachineDeployment"]
    found = read(bodies)
    assert (found.children[-1].name, found.children[-1].children[0].name) == ("other", "2 machines")
