"""Plan, apply, edit, plan again: the life of one cluster."""

from pathlib import Path

from tests.support.lab import Lab, by_verb, capi, change_of
from tests.support.manifests import NAMESPACE, addon, cluster


def lab_with(tmp_path: Path, manifests: str) -> Lab:
    lab = Lab(tmp_path)
    lab.write("clusters/c1.yaml", NAMESPACE + "---\n" + manifests)
    lab.commit()
    return lab


def test_a_new_cluster_comes_up_and_the_next_plan_is_empty(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, cluster(workers=2))
    first = lab.plan()
    assert change_of(first, "MachineDeployment").impact.added == 2
    lab.converge()
    assert lab.plan().changes == ()
    assert len(lab.list(capi("machines", "team-a"))) == 3


def test_an_edited_template_rotates_and_rolls_the_pool(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, cluster(workers=3))
    lab.converge()
    before = {m["metadata"]["name"] for m in lab.list(capi("machines", "team-a"))}
    lab.edit(
        "clusters/c1.yaml",
        (
            "startupDuration: 1s}}\n---\napiVersion: boot",
            "startupDuration: 2s}}\n---\napiVersion: boot",
        ),
    )
    plan = lab.plan()
    pool = change_of(plan, "MachineDeployment")
    assert (pool.impact.replaced, pool.impact.peak, pool.impact.floor) == (3, 4, 3)
    assert sorted(by_verb(plan)) == ["prune", "rotate", "update"]
    lab.apply(plan)
    after = {m["metadata"]["name"] for m in lab.list(capi("machines", "team-a"))}
    assert len(before - after) == 3
    assert lab.plan().changes == ()


def test_addons_wait_for_the_new_clusters_api(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, cluster() + "---\n" + addon("c1"))
    plan = lab.plan()
    gate = next(g for g in plan.graph.gates if g.name == "mgmt/team-a/c1 reachable")
    assert [m.name for _, m in gate.awaits] == ["exists", "control-plane-initialized"]
    lab.apply(plan)
    assert lab.plan().changes == ()
