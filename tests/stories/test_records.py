"""What clusterform remembers may be lost, be somebody else's by now, or be looked at twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from planner import repair
from planner.changes import Plan
from planner.events import Done
from planner.planfile import encode_plan
from state import lock
from state.errors import ClusterformError
from tests.support.lab import Lab, capi
from tests.support.manifests import ALLOW_DESTROY, NAMESPACE, addon, cluster

FILE = "clusters/c1.yaml"
RECORDS = "/api/v1/namespaces/clusterform-system/configmaps"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/clusterform-system/leases/clusterform-acme"
MAPS = """apiVersion: v1
kind: ConfigMap
metadata: {name: first, namespace: team-a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second, namespace: team-a}
"""


def start(tmp_path: Path, *manifests: str) -> Lab:
    lab = Lab(tmp_path)
    put(lab, *manifests)
    lab.converge()
    return lab


def put(lab: Lab, *manifests: str) -> None:
    lab.write(FILE, "---\n".join((NAMESPACE, *manifests)))
    lab.commit()


def lose_records(lab: Lab) -> None:
    for item in lab.list(RECORDS):
        lab.request("DELETE", f"{RECORDS}/{item['metadata']['name']}")
    assert lab.workspace().records()[1] == {}


def order(plan: Plan) -> list[tuple[str, str, str]]:
    return [(str(e.before), str(e.after), e.until.name) for e in plan.graph.edges]


# ---------------------------------------------------------------- rebuild

EDITS = {
    "nothing": (cluster("c1"), addon("c1"), cluster("c2", annotations=ALLOW_DESTROY), MAPS),
    "a rollout": (
        cluster("c1", startup="2s"), addon("c1"), cluster("c2", annotations=ALLOW_DESTROY), MAPS,
    ),
    "a cluster goes": (cluster("c1"), addon("c1"), MAPS),
    "an add-on and a pool go": (
        cluster("c1").rpartition("---")[0], cluster("c2", annotations=ALLOW_DESTROY), MAPS,
    ),
    "maps go": (cluster("c1"), addon("c1"), cluster("c2", annotations=ALLOW_DESTROY)),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_after_a_rebuild_the_plan_is_the_same_to_the_byte(tmp_path: Path, edit: str) -> None:
    lab = start(tmp_path, *EDITS["nothing"])
    put(lab, *EDITS[edit])
    before = lab.plan()
    lose_records(lab)
    assert repair.rebuild(lab.workspace()) > 20
    after = lab.plan()
    assert order(after) == order(before)
    assert encode_plan(after) == encode_plan(before)


def test_a_rebuild_hashes_no_list_with_a_secret_in_it(tmp_path: Path) -> None:
    """An atomic list is one leaf: with the value in it, its hash could be used to guess it."""
    worker = "      joinConfiguration:\n"
    files = "      files: [{path: /etc/token, content: hunter2}]\n"
    text = cluster("c1")
    assert text.count(worker) == 1
    lab = start(tmp_path, text.replace(worker, files + worker))

    def listed() -> dict[str, str]:
        (found,) = (
            r.leaves
            for i, r in lab.workspace().records()[1].items()
            if i.kind == "KubeadmConfigTemplate"
        )
        return found

    before = listed()
    assert any(key.endswith("f:files") for key in before)
    lose_records(lab)
    repair.rebuild(lab.workspace())
    assert listed() == before


def test_a_deletion_after_a_rebuild_is_carried_out(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2", annotations=ALLOW_DESTROY))
    put(lab, cluster("c1"))
    lose_records(lab)
    repair.rebuild(lab.workspace())
    lab.apply(lab.plan())
    assert lab.get(capi("clusters", "team-a", "c2")) is None
    assert lab.plan().changes == ()


def damage_head(lab: Lab) -> None:
    lab.patch(f"{RECORDS}/clusterform-records-acme", {"data": {"head": "{"}}, manager="x")


def lose_chunks(lab: Lab) -> None:
    for item in lab.list(RECORDS):
        if item.get("binaryData"):
            lab.request("DELETE", f"{RECORDS}/{item['metadata']['name']}")


def damage_and_lose_the_lease(lab: Lab) -> None:
    damage_head(lab)
    lab.request("DELETE", LEASE)


@pytest.mark.parametrize("damage", [damage_head, lose_chunks, damage_and_lose_the_lease])
def test_damaged_records_are_refused_and_can_be_rebuilt(
    tmp_path: Path, damage: Callable[[Lab], None]
) -> None:
    lab = start(tmp_path, MAPS)
    damage(lab)
    with pytest.raises(ClusterformError, match="cannot be read") as refused:
        lab.plan()
    assert "state rebuild" in refused.value.hint
    repair.rebuild(lab.workspace())
    assert lab.plan().changes == ()


def test_a_rebuild_is_refused_while_an_apply_holds_the_lock(tmp_path: Path) -> None:
    lab = start(tmp_path, MAPS)
    hold(lab)
    with pytest.raises(ClusterformError) as refused:
        repair.rebuild(lab.workspace())
    assert refused.value.code == "lock-held"


def hold(lab: Lab) -> lock.LeaseLock:
    workspace = lab.workspace()
    held = lock.LeaseLock(workspace.store("mgmt"), "acme", "bob", "r1", workspace.lock_clock())
    held.acquire(wait=0, sleep=lab.clock.sleep)
    return held


# ---------------------------------------------------------------- epochs


def test_records_of_a_later_epoch_refuse_an_earlier_one(tmp_path: Path) -> None:
    lab = start(tmp_path, MAPS)
    workspace = lab.workspace()
    heads, records = workspace.records()
    later = heads["mgmt"].epoch + 5
    workspace.record_store("mgmt").write(records, epoch=later)
    with pytest.raises(ClusterformError) as lost:
        workspace.record_store("mgmt").write({}, epoch=later - 1)
    assert lost.value.code == "lock-lost"
    assert workspace.records()[1] == records


def test_a_lost_lease_does_not_start_the_epochs_anew(tmp_path: Path) -> None:
    """Somebody deletes the Lease: the next run must still be able to write its records."""
    lab = start(tmp_path, MAPS)
    lab.converge()
    lab.request("DELETE", LEASE)
    put(lab, MAPS.replace("second", "third"))
    lab.converge()
    assert "third" in {i.name for i in lab.workspace().records()[1]}
    assert lab.plan().changes == ()


def test_a_run_whose_lock_was_broken_writes_nothing_more(tmp_path: Path) -> None:
    lab = start(tmp_path)
    put(lab, cluster("c1"), MAPS)
    broken: list[str] = []

    def breaks(event: object, _: object) -> None:
        if isinstance(event, Done) and event.action == "DevCluster team-a/c1" and not broken:
            run = lab.workspace().journal.runs()[0].run
            broken.append(lock.unlock(lab.workspace().store("mgmt"), "acme", run).run)
            lab.clock.sleep(30)

    finished = lab.apply(lab.plan(), interrupt=breaks)
    assert broken == [finished.run]
    assert finished.interrupted
    assert finished.count("done") < len(finished.results)
    assert lab.resume(finished.run).count("done") == len(finished.results)
    assert lab.plan().changes == ()


# ---------------------------------------------------------------- resume


def writes(lab: Lab) -> list[str]:
    return [
        f"{r.method} {r.path}"
        for r in lab.sandbox.requests()
        if r.method in ("PATCH", "DELETE") and "/clusterform-system/" not in r.path
    ]


def test_to_resume_a_run_that_is_done_does_nothing(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), addon("c1"))
    run = lab.workspace().journal.runs()[0].run
    before = writes(lab)
    records = lab.workspace().records()[1]
    again = lab.resume(run)
    assert again.count("done") == len(again.results)
    assert writes(lab) == before
    assert {i: r.uid for i, r in lab.workspace().records()[1].items()} == {
        i: r.uid for i, r in records.items()
    }
    assert lab.plan().changes == ()
