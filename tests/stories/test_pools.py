"""MachineSets that stand alone and MachinePools without Machine objects, in plans that count."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from planner.changes import Plan
from planner.select import parse
from planner.views.text import plan_text
from tests.stories.test_classes import cluster, cluster_class, put
from tests.support import manifests
from tests.support.lab import FLEET, Lab, capi, change_of
from tests.support.standins import crds, documents, needed

EXAMPLES = Path(__file__).parents[2] / "examples" / "multi-provider"
SET_FILE = "clusters/set.yaml"
GUARDED = FLEET + "  guards: {maxMachinesReplaced: 3}\n"


def machine_set(replicas: int, version: str = "v1.35.0") -> str:
    pool = manifests.cluster("c1", workers=replicas, version=version).split("---\n")[-1]
    selected = "selector: {matchLabels: {set: s}}\n  template:\n    metadata: {labels: {set: s}}"
    return (
        pool.replace("kind: MachineDeployment", "kind: MachineSet")
        .replace("name: c1-md0, namespace", "name: s, namespace")
        .replace("selector: {}\n  template:", selected)
    )


@pytest.fixture
def sets(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, fleet=GUARDED)
    lab.write("clusters/c1.yaml", "---\n".join((manifests.NAMESPACE, manifests.cluster("c1"))))
    lab.commit()
    lab.converge()
    lab.write(SET_FILE, machine_set(5))
    lab.commit()
    return lab


def impact(plan: Plan, kind: str) -> tuple[str, int, int, int, int]:
    """(effect, added, removed, replaced, destroyed) of the one change of a kind."""
    found = change_of(plan, kind).impact
    return (found.effect, found.added, found.removed, found.replaced, found.destroyed)


def refused(plan: Plan) -> list[str]:
    return [r.code for r in plan.refusals]


def test_a_machine_set_of_its_own_is_counted_from_its_birth_to_its_end(sets: Lab) -> None:
    assert impact(sets.plan(), "MachineSet") == ("scales", 5, 0, 0, 0)
    sets.converge()
    sets.pass_time(120)
    assert sets.plan().changes == ()

    sets.write(SET_FILE, machine_set(1))
    sets.commit()
    plan = sets.plan()
    assert impact(plan, "MachineSet") == ("scales", 0, 4, 0, 0)
    assert refused(plan) == ["max-machines-replaced"]

    sets.write(SET_FILE, machine_set(5, "v1.36.0"))
    sets.commit()
    assert impact(sets.plan(), "MachineSet") == ("in place", 0, 0, 0, 0)

    sets.remove(SET_FILE)
    sets.commit()
    plan = sets.plan()
    assert impact(plan, "MachineSet") == ("destroys", 0, 0, 0, 5)
    assert refused(plan) == ["max-machines-replaced"]


@pytest.fixture
def eks(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, fleet=(EXAMPLES / "clusterform.yaml").read_text())
    shutil.copytree(EXAMPLES / "management", tmp_path / "management")
    for name in ("eks", "aws", "namespace"):
        shutil.copy(EXAMPLES / "clusters" / f"{name}.yaml", tmp_path / "clusters")
    stand_ins = crds(needed(documents(tmp_path / "clusters")))
    (tmp_path / "management" / "crds.yaml").write_text(stand_ins)
    lab.commit()
    lab.converge()
    pool = lab.get(capi("machinepools", "multi", "eks-pool"))
    assert pool is not None
    assert pool["status"]["replicas"] == 2
    return lab


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("replicas: 2", "replicas: 0"), ("scales", 0, 2, 0, 0)),
        (("replicas: 2", "replicas: 5"), ("scales", 3, 0, 0, 0)),
        (("version: v1.35.2\n      bootstrap", "version: v1.35.3\n      bootstrap"),
         ("provider-defined", 0, 0, 2, 0)),
    ],
    ids=["to-none", "up", "version"],
)  # fmt: skip
def test_a_pool_without_machine_objects_is_counted_by_its_status(
    eks: Lab, edit: tuple[str, str], expected: tuple[str, int, int, int, int]
) -> None:
    eks.edit("clusters/eks.yaml", edit)
    eks.commit()
    assert impact(eks.plan(), "MachinePool") == expected


def test_a_pool_that_is_removed_destroys_what_its_status_counts(eks: Lab) -> None:
    parts = (eks.root / "clusters/eks.yaml").read_text().split("---\n")
    kept = [p for p in parts if "\nkind: MachinePool\n" not in p]
    eks.write("clusters/eks.yaml", "---\n".join(kept))
    eks.commit()
    plan = eks.plan()
    assert impact(plan, "MachinePool") == ("destroys", 0, 0, 0, 2)
    eks.apply(plan)


def test_a_cluster_that_goes_takes_the_machines_of_its_pools_along(eks: Lab) -> None:
    """Found by the label of their cluster, which Cluster API's webhook sets."""
    plan = eks.plan(mode="destroy", targets=(parse("cluster=multi/eks"),))
    change = change_of(plan, "Cluster", "eks")
    assert (change.impact.effect, change.impact.destroyed) == ("destroys", 2)
    assert change.cascade == ("2 worker machines of eks-pool",)


# Topologies


def class_with_pools() -> str:
    made = cluster_class("old")
    return made + made.partition("  workers:\n")[2].replace("machineDeployments", "machinePools")


def cluster_with_pool(replicas: int, extra: str = "") -> str:
    pool = f"      machinePools: [{{class: old, name: mp-0, replicas: {replicas}}}]\n"
    return cluster("c1", "old").replace("namespace: team-a}", f"namespace: team-a{extra}}}") + pool


@pytest.fixture
def topology(tmp_path: Path) -> Lab:
    """A topology with a pool of 20; the built-in controllers make no pools of topologies."""
    lab = Lab(tmp_path)
    put(lab, class_with_pools(), cluster_with_pool(20))
    lab.converge()
    labels = {
        "cluster.x-k8s.io/cluster-name": "c1",
        "topology.cluster.x-k8s.io/owned": "",
        "topology.cluster.x-k8s.io/pool-name": "mp-0",
    }
    group = "infrastructure.cluster.x-k8s.io"
    spec = {
        "clusterName": "c1",
        "replicas": 20,
        "template": {
            "spec": {
                "clusterName": "c1",
                "bootstrap": {"dataSecretName": ""},
                "infrastructureRef": {"apiGroup": group, "kind": "DevMachinePool", "name": "x"},
            }
        },
    }
    body = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "MachinePool",
        "metadata": {"name": "c1-mp-0-x7k2p", "namespace": "team-a", "labels": labels},
        "spec": spec,
    }
    answer = lab.request("POST", capi("machinepools", "team-a"), body, manager="capi")
    assert answer.status == 201, answer.body
    return lab


def listed(lab: Lab) -> int:
    """How often MachinePools were listed."""
    return sum(1 for r in lab.sandbox.requests() if r.path.endswith("/machinepools"))


@pytest.mark.parametrize(
    ("replicas", "extra", "expected"),
    [
        (20, ", labels: {a: b}", (0, 0)),
        (2, "", (0, 18)),
        (22, "", (2, 0)),
    ],
    ids=["beside-it", "down", "up"],
)
def test_a_topologys_pool_is_counted_by_the_live_one(
    topology: Lab, replicas: int, extra: str, expected: tuple[int, int]
) -> None:
    put(topology, class_with_pools(), cluster_with_pool(replicas, extra))
    found = change_of(topology.plan(), "Cluster").impact
    assert (found.added, found.removed, found.replaced) == (*expected, 0)


def test_a_topologys_pool_that_is_left_out_is_destroyed(topology: Lab) -> None:
    put(topology, class_with_pools(), cluster("c1", "old"))
    plan = topology.plan()
    assert change_of(plan, "Cluster").impact.destroyed == 20
    assert "MachinePool mp-0: destroys 20 machines" in plan_text(plan, verbose=False, color=False)


def test_pools_are_read_only_where_a_topology_has_some(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, cluster_class("old"), cluster("c1", "old"))
    lab.converge()
    before = listed(lab)
    put(lab, cluster_class("old"), cluster("c1", "old").replace("replicas: 1}", "replicas: 2}"))
    assert change_of(lab.plan(), "Cluster").impact.added > 0
    assert listed(lab) == before
