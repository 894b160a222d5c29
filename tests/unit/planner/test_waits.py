"""Waits of a run: trouble is named at once, a deadline says on what and how to go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from planner.contracts import Contracts
from planner.waits import Waiter
from providers.base import Health, Milestone, Readiness
from providers.builtin import Served
from providers.capi import AVAILABLE, PROVISIONED, ROLLED_OUT
from providers.kube.client import KubeClient
from state.resource import ResourceId
from tests.support.lab import Lab
from tests.support.manifests import ALLOW_DESTROY, NAMESPACE, cluster

CLUSTER = ResourceId("mgmt", "cluster.x-k8s.io", "Cluster", "team-a", "c1")
POOL = ResourceId("mgmt", "cluster.x-k8s.io", "MachineDeployment", "team-a", "c1-md0")
INFRA = ResourceId("mgmt", "infrastructure.cluster.x-k8s.io", "DevCluster", "team-a", "c1")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = Lab(tmp_path_factory.mktemp("waits"))
    write = "---\n".join((NAMESPACE, cluster("c1", annotations=ALLOW_DESTROY)))
    made.write("clusters/c1.yaml", write)
    made.commit()
    made.converge()
    return made


def waiter(lab: Lab) -> tuple[Waiter, list[float]]:
    workspace, clock = lab.workspace(), [0.0]

    def lookup(id_: ResourceId) -> tuple[str, Served] | None:
        return workspace.api(id_.cluster).find(id_.group_kind)

    api = workspace.kube.api
    return Waiter(api, api, lookup, lambda: clock[0], {}), clock


def poll(found: Waiter) -> list[tuple[Readiness, bool]]:
    return [(state, over) for _, state, over in found.poll(lambda: None)]


@pytest.mark.parametrize(
    ("id_", "milestone"), [(CLUSTER, AVAILABLE), (POOL, ROLLED_OUT), (INFRA, PROVISIONED)]
)
def test_what_has_converged_is_reached_at_once(
    lab: Lab, id_: ResourceId, milestone: Milestone
) -> None:
    found, _ = waiter(lab)
    found.add((id_, milestone))
    assert poll(found) == [(Readiness(Health.REACHED), True)]


def test_a_deadline_says_what_was_waited_for_and_the_way_out(lab: Lab) -> None:
    found, clock = waiter(lab)
    gone = ResourceId("mgmt", "cluster.x-k8s.io", "Cluster", "team-a", "nope")
    found.add((gone, AVAILABLE))
    ((state, over),) = poll(found)
    assert (state.health, state.message, over) == (Health.WAITING, "not there yet", False)
    assert poll(found) == []
    clock[0] = AVAILABLE.deadline + 1.0
    ((state, over),) = poll(found)
    assert (state.health, over) == (Health.BLOCKED, True)
    assert state.message == (
        "not within 30 min: not there yet; clusterform status shows it; when it is mended, plan and"
        " apply again"
    )
    assert len(found) == 0


def test_a_deadline_of_nothing_never_passes(lab: Lab) -> None:
    found, clock = waiter(lab)
    gone = ResourceId("mgmt", "", "Namespace", "", "nope")
    found.add((gone, Milestone(name="exists")))
    poll(found)
    clock[0] = 1e9
    assert poll(found) == []
    assert len(found) == 1


def test_trouble_is_named_as_such_while_the_wait_goes_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Readiness(Health.WAITING, "ReconcileFailed", "patch 3 failed", trouble=True)
    monkeypatch.setattr("planner.waits.check", lambda *_: trouble)
    found, _ = waiter(lab)
    found.add((CLUSTER, AVAILABLE))
    ((state, over),) = poll(found)
    assert (state.message, over) == ("trouble: patch 3 failed", False)


# ---------------------------------------------------------------------- contracts


class Crds:
    """A client that has one CRD, and counts how often it is asked."""

    def __init__(self, labels: Any) -> None:
        self.labels = labels
        self.asked = 0

    def client(self, lab: Lab) -> KubeClient:
        direct = lab.workspace().api("mgmt")
        found = direct.get

        def get(id_: ResourceId, version: str, served: Served) -> Any:
            assert id_.kind == "CustomResourceDefinition"
            self.asked += 1
            crd = found(id_, version, served)
            crd.body["metadata"]["labels"] = self.labels  # type: ignore[union-attr]
            return crd

        direct.get = get  # type: ignore[method-assign]
        return direct


def contract_of(lab: Lab, crds: Crds, bodies: Iterable[Any]) -> list[str]:
    client = crds.client(lab)
    contracts = Contracts(lambda _: client)
    return [contracts.of(INFRA, Served("devclusters", True), body) for body in bodies]


def body(**status: Any) -> Any:
    version = "infrastructure.cluster.x-k8s.io/v1beta2"
    return {"apiVersion": version, "kind": "DevCluster", "status": status}


def test_a_contract_is_read_once_and_only_where_it_matters(lab: Lab) -> None:
    crds = Crds({"cluster.x-k8s.io/v1beta1": "v1beta1_v1beta2"})
    bodies = [body(initialization={"provisioned": True}), body(ready=True), body(ready=True)]
    assert contract_of(lab, crds, bodies) == ["", "v1beta1", "v1beta1"]
    assert crds.asked == 1


def test_who_may_not_read_crds_gets_no_contract(lab: Lab) -> None:
    client = lab.workspace(verbs=frozenset({"list"})).api("mgmt")
    contracts = Contracts(lambda _: client)
    assert contracts.of(INFRA, Served("devclusters", True), body(ready=True)) == ""
