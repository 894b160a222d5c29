"""Between plan and apply the world moves: what moved is not written, and everything else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner import app, planfile
from planner.changes import Plan
from planner.cli.apply import exit_of
from planner.events import RunFinished
from planner.planfile import LIFETIME
from planner.workspace import Workspace
from providers.kube.api import APPLY_PATCH, Request
from state.errors import ClusterformError
from state.resource import digest
from tests.support.lab import Lab, capi
from tests.support.manifests import NAMESPACE, cluster

FILE = "clusters/c1.yaml"
MAPS = "/api/v1/namespaces/team-a/configmaps"
_PLANE = "/apis/controlplane.cluster.x-k8s.io/v1beta2/namespaces/team-a/kubeadmcontrolplanes/c1"
POOL = capi("machinedeployments", "team-a", "c1-md0")


def config_map(name: str, value: str) -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: team-a}}\n"
        f"data: {{value: {value}, other: same}}\n"
    )


def put(lab: Lab, *manifests: str) -> None:
    lab.write(FILE, "---\n".join((NAMESPACE, *manifests)))
    lab.commit()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """`moving` and `calm` are to be changed, `gone` to be deleted."""
    made = Lab(tmp_path)
    put(made, config_map("moving", "a"), config_map("calm", "a"), config_map("gone", "a"))
    made.converge()
    put(made, config_map("moving", "b"), config_map("calm", "b"), config_map("new", "b"))
    return made


def outcomes(finished: RunFinished) -> dict[str, str]:
    return {r.action.rpartition("/")[2]: f"{r.outcome} {r.code}".strip() for r in finished.results}


def data_of(lab: Lab, name: str) -> Any:
    found = lab.get(f"{MAPS}/{name}")
    return found and found.get("data")


# ---------------------------------------------------------------- eight ways to move


def field(lab: Lab) -> None:
    lab.patch(f"{MAPS}/moving", {"data": {"value": "mine"}}, manager="kubectl-edit")


def deleted(lab: Lab) -> None:
    lab.request("DELETE", f"{MAPS}/moving")


def made_anew(lab: Lab) -> None:
    found = lab.get(f"{MAPS}/moving")
    assert found is not None
    lab.request("DELETE", f"{MAPS}/moving")
    kept = {k: found["metadata"][k] for k in ("name", "namespace", "labels")}
    body = {**found, "metadata": kept}
    query = {"fieldManager": "clusterform", "force": "true"}
    assert apply_as(lab, "moving", body, **query) == 201


def apply_as(lab: Lab, name: str, body: Any, **query: str) -> int:
    return lab.server.request(
        Request(
            method="PATCH",
            path=f"{MAPS}/{name}",
            query=tuple(query.items()),
            body=msgspec.json.encode(body),
            content_type=APPLY_PATCH,
        )
    ).status


def label_removed(lab: Lab) -> None:
    labels = {"metadata": {"labels": {"clusterform.dev/fleet": None}}}
    lab.patch(f"{MAPS}/moving", labels, manager="kubectl-label")


def taken(lab: Lab) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "moving", "namespace": "team-a"},
        "data": {"value": "theirs"},
    }
    assert apply_as(lab, "moving", body, fieldManager="operator", force="true") == 200


@pytest.mark.parametrize("move", [field, deleted, made_anew, label_removed, taken])
def test_what_moved_is_not_written_and_the_rest_is(lab: Lab, move: Callable[[Lab], None]) -> None:
    plan = lab.plan()
    move(lab)
    before = lab.get(f"{MAPS}/moving")
    finished = lab.apply(plan)
    assert outcomes(finished) == {
        "moving": "failed stale", "calm": "done", "new": "done", "gone": "done",
    }  # fmt: skip
    assert exit_of(finished) == 5
    assert lab.get(f"{MAPS}/moving") == before
    assert data_of(lab, "calm") == {"value": "b", "other": "same"}
    assert data_of(lab, "gone") is None


def test_what_appeared_under_a_planned_name_is_not_written(lab: Lab) -> None:
    plan = lab.plan()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    lab.request("POST", MAPS, body, manager="kubectl-create")
    finished = lab.apply(plan)
    assert outcomes(finished)["new"] == "failed stale"
    assert (data_of(lab, "new"), exit_of(finished)) == (None, 5)


def test_what_is_not_ours_any_more_is_not_deleted(lab: Lab) -> None:
    plan = lab.plan()
    labels = {"metadata": {"labels": {"clusterform.dev/fleet": None}}}
    lab.patch(f"{MAPS}/gone", labels, manager="kubectl-label")
    assert outcomes(lab.apply(plan))["gone"] == "failed stale"
    assert data_of(lab, "gone") is not None


def test_nothing_written_at_all_is_told_apart(lab: Lab) -> None:
    put(lab, config_map("moving", "b"), config_map("calm", "a"), config_map("gone", "a"))
    plan = lab.plan()
    field(lab)
    finished = lab.apply(plan)
    assert (outcomes(finished), exit_of(finished)) == ({"moving": "failed stale"}, 4)


def test_more_machines_than_the_plan_said_is_stale(tmp_path: Path) -> None:
    """Going back is cheap while the rollout is half done, and dear once it is over."""
    lab = Lab(tmp_path)
    put(lab, cluster(workers=3), config_map("calm", "a"))
    lab.converge()
    put(lab, cluster(workers=3, startup="30s"), config_map("calm", "a"))
    lab.apply(lab.plan(), wait=False)
    half_rolled(lab)
    put(lab, cluster(workers=3), config_map("calm", "b"))
    plan = lab.plan()
    lab.pass_time(600)
    finished = lab.apply(plan)
    assert outcomes(finished)["c1-md0"] == "failed stale"
    assert outcomes(finished)["calm"] == "done"
    (failed,) = [r for r in finished.results if r.code == "stale"]
    assert "it would touch 3 machines, the plan says 2" in failed.message


def half_rolled(lab: Lab) -> None:
    for _ in range(60):
        lab.pass_time(0.2)
        sets = lab.list(capi("machinesets", "team-a"))
        if sorted(s["status"].get("replicas", 0) for s in sets) == [2, 2]:
            return
    raise AssertionError("the rollout was never half done")


def test_another_cluster_behind_the_same_name_is_refused(lab: Lab) -> None:
    plan = lab.plan()
    (known,) = plan.basis.clusters
    other = msgspec.structs.replace(known, uid="another")
    basis = msgspec.structs.replace(plan.basis, clusters=(other,))
    before = len(lab.sandbox.requests())
    with pytest.raises(ClusterformError, match="another cluster") as refused:
        lab.apply(msgspec.structs.replace(plan, basis=basis))
    assert refused.value.exit == 4
    assert {r.method for r in lab.sandbox.requests()[before:]} == {"GET"}


# ---------------------------------------------------------------- what disturbs nothing


def status_update(lab: Lab) -> None:
    lab.patch(f"{POOL}/status", {"status": {"phase": "Odd", "replicas": 7}}, manager="somebody")


def finalizer(lab: Lab) -> None:
    lab.patch(POOL, {"metadata": {"finalizers": ["example.org/hold"]}}, manager="operator")


def owner_reference(lab: Lab) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "calm", "uid": "u-1"}
    lab.patch(POOL, {"metadata": {"ownerReferences": [owner]}}, manager="operator")


def annotation(lab: Lab) -> None:
    lab.patch(POOL, {"metadata": {"annotations": {"a.example.org/b": "c"}}}, manager="operator")


@pytest.mark.parametrize("touch", [status_update, finalizer, owner_reference, annotation])
def test_what_controllers_do_all_day_disturbs_no_plan(
    tmp_path: Path, touch: Callable[[Lab], None]
) -> None:
    lab = Lab(tmp_path)
    put(lab, cluster(workers=2))
    lab.converge()
    put(lab, cluster(workers=3))
    plan = lab.plan()
    touch(lab)
    finished = lab.apply(plan, wait=False)
    assert outcomes(finished) == {"c1-md0": "done"}


def test_a_list_around_a_secret_is_not_shown_when_it_moved(lab: Lab) -> None:
    token = "hush-hush-4711"
    lab.write("clusters/c2.yaml", cluster("c1"))
    plane = "kind: KubeadmControlPlane\nmetadata: {name: c1, namespace: team-a}\nspec:\n"
    files = f"  kubeadmConfigSpec: {{files: [{{path: /t, content: {token}}}]}}\n"
    lab.edit("clusters/c2.yaml", (plane, plane + files))
    lab.converge()
    lab.edit("clusters/c2.yaml", ("path: /t,", "path: /u,"))
    plan = lab.plan()
    moved = {"spec": {"kubeadmConfigSpec": {"files": [{"path": "/v", "content": token}]}}}
    lab.patch(_PLANE, moved, manager="kubectl-edit")
    done = lab.apply(plan)
    assert [r.code for r in done.results if "KubeadmControlPlane" in r.action] == ["stale"]
    assert token.encode() not in msgspec.json.encode(done)


# ---------------------------------------------------------------- plan files


def saved(lab: Lab) -> tuple[Path, Plan]:
    plan = lab.plan()
    path = lab.root / "plan.json"
    app.save(lab.workspace(), plan, path)
    return path, plan


def apply_file(workspace: Workspace, path: Path) -> None:
    made, envelope = planfile.read(path)
    app.apply(workspace, made, envelope, app.ApplyOptions(), lambda _: None, lambda _: None)


def test_an_expired_plan_is_refused(lab: Lab) -> None:
    path, _ = saved(lab)
    lab.clock.sleep(LIFETIME + 1)
    with pytest.raises(ClusterformError, match="expired") as refused:
        apply_file(lab.workspace(), path)
    assert refused.value.exit == 4
    assert data_of(lab, "calm") == {"value": "a", "other": "same"}


def edit_value(content: str) -> str:
    return content.replace('"value":"b"', '"value":"x"')


def edit_with_a_new_checksum(content: str) -> str:
    envelope = msgspec.json.decode(edit_value(content), type=planfile.Envelope)
    return msgspec.json.encode(
        msgspec.structs.replace(envelope, checksum=digest(bytes(envelope.plan)))
    ).decode()


def later_format(content: str) -> str:
    return content.replace('"format_version":"1.0"', '"format_version":"2.0"')


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (edit_value, "checksum"),
        (edit_with_a_new_checksum, "not those of its digest"),
        (later_format, "its format is 2.0"),
        (lambda content: content[: len(content) // 2], "no clusterform plan"),
        (lambda _: "", "no clusterform plan"),
    ],
)
def test_an_edited_plan_is_refused(lab: Lab, edit: Callable[[str], str], why: str) -> None:
    path, _ = saved(lab)
    path.write_text(edit(path.read_text()))
    with pytest.raises(ClusterformError) as refused:
        apply_file(lab.workspace(), path)
    assert refused.value.code == "bad-plan"
    assert why in refused.value.detail
    assert data_of(lab, "calm") == {"value": "a", "other": "same"}
