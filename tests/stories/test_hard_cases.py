"""The cases in which a plan must hold: each was a way for a vaguer rule to break."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from planner.changes import Cause, Confidence, Verb
from providers.base import Effect
from providers.builtin import plural_of
from providers.kube.sandbox.faults import Fault
from tests.support.lab import Lab, by_verb, capi, change_of
from tests.support.manifests import ALLOW_DESTROY, NAMESPACE, addon, cluster

FILE = "clusters/c1.yaml"


def start(tmp_path: Path, *manifests: str, **options: str) -> Lab:
    lab = Lab(tmp_path, **options)
    lab.write(FILE, "---\n".join((NAMESPACE, *manifests)))
    lab.commit()
    lab.converge()
    return lab


def put(lab: Lab, *manifests: str) -> None:
    lab.write(FILE, "---\n".join((NAMESPACE, *manifests)))
    lab.commit()


def machines(lab: Lab) -> set[str]:
    return {m["metadata"]["name"] for m in lab.list(capi("machines", "team-a"))}


def templates(lab: Lab) -> list[str]:
    found = lab.list(capi("devmachinetemplates", "team-a"))
    return sorted(t["metadata"]["name"] for t in found)


# ---------------------------------------------------------------- rotation


def test_editing_back_makes_the_same_name_again(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    first = templates(lab)
    put(lab, cluster(startup="2s"))
    lab.converge()
    assert templates(lab) != first
    put(lab, cluster())
    back = lab.plan()
    assert change_of(back, "MachineDeployment").impact.replaced == 2
    lab.apply(back)
    assert templates(lab) == first
    assert lab.plan().changes == ()


def test_going_back_while_the_old_machines_live_keeps_them(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=3))
    put(lab, cluster(workers=3, startup="30s"))
    lab.apply(lab.plan(), wait=False)
    half_rolled(lab)
    put(lab, cluster(workers=3))
    back = change_of(lab.plan(), "MachineDeployment").impact
    assert (back.live, back.replaced, back.removed) == (4, 1, 1)
    assert back.because == "spec.template.spec.infrastructureRef"


def half_rolled(lab: Lab) -> None:
    """Let a rollout of three machines go on until two are old and two are new."""
    for _ in range(60):
        lab.pass_time(0.2)
        sets = lab.list(capi("machinesets", "team-a"))
        if sorted(s["status"].get("replicas", 0) for s in sets) == [2, 2]:
            return
    raise AssertionError("the rollout was never half done")


def test_adopting_templates_under_their_old_names_rolls_no_machine(tmp_path: Path) -> None:
    """A cluster made by somebody with kubectl, names as in Git: nothing is renamed."""
    lab = Lab(tmp_path)
    put(lab, cluster(workers=2))
    by_hand(lab)
    lab.pass_time(120)
    before = machines(lab)
    assert len(before) == 3
    plan = lab.plan()
    assert Verb.ROTATE not in {c.verb for c in plan.changes}
    assert {c.verb for c in plan.changes if c.id.kind.endswith("Template")} == {Verb.ADOPT}
    assert sum(c.impact.touched for c in plan.changes) == 0
    lab.apply(plan)
    assert machines(lab) == before
    assert lab.plan().changes == ()


def by_hand(lab: Lab) -> None:
    """Create what Git says as kubectl would, without us."""

    first = ("Namespace", "CustomResourceDefinition")
    documents = lab.workspace().loaded.documents
    for document in sorted(documents, key=lambda d: d.kind not in first):
        version, plural = document.version, plural_of(document.kind)
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        path = f"{root}/namespaces/{document.namespace}/{plural}"
        if not document.namespace:
            path = f"{root}/{plural}"

        answer = lab.request("POST", path, msgspec.json.decode(document.body), manager="kubectl")
        assert answer.status == 201, answer.body


# ---------------------------------------------------------------- add-ons, secrets


def test_an_addon_of_a_running_cluster_is_compared_there(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(), addon("c1"))
    put(lab, cluster(), addon("c1", data="two"))
    plan = lab.plan()
    assert by_verb(plan) == {"update": ["ConfigMap kube-system/cni"]}
    assert plan.changes[0].unit == "mgmt/team-a/c1:addons"
    lab.apply(plan)
    assert lab.plan().changes == ()


def test_addons_of_a_running_cluster_without_its_secret_are_unreadable(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(), addon("c1"))
    lab.request("DELETE", "/api/v1/namespaces/team-a/secrets/c1-kubeconfig")
    lab.sandbox.fault(Fault(kind="status", path=".*/secrets/c1-kubeconfig", status=403, count=None))
    plan = lab.plan()
    assert plan.changes == ()
    assert not plan.complete
    assert any("no credential" in f.summary for f in plan.findings)


SECRET = """\
apiVersion: v1
kind: Secret
metadata: {{name: login, namespace: team-a}}
stringData: {{user: admin, password: {password}}}
"""


def test_a_changed_secret_is_an_update_that_shows_nothing(tmp_path: Path) -> None:
    lab = start(tmp_path, SECRET.format(password="first-canary"))
    put(lab, SECRET.format(password="second-canary"))
    (change,) = lab.plan().changes
    (field,) = change.fields
    assert (field.before, field.after) == ("(sensitive)", "(sensitive, changed)")
    assert change.confidence is Confidence.STATIC
    lab.converge()
    assert lab.plan().changes == ()


# ---------------------------------------------------------------- removal


def test_one_of_two_clusters_of_a_file_is_removed_only_with_permission(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2"))
    put(lab, cluster("c1"))
    refused = lab.plan()
    assert refused.changes == ()
    (finding,) = [f for f in refused.findings if f.kind == "refused"]
    assert "Cluster team-a/c2" in finding.summary
    allowed = lab.plan(allow_destroy=("team-a/c2",))
    (removal,) = allowed.changes
    assert (str(removal.id), removal.impact.destroyed) == ("Cluster team-a/c2", 3)
    lab.apply(allowed)
    assert lab.get(capi("clusters", "team-a", "c2")) is None
    assert lab.get(capi("clusters", "team-a", "c1")) is not None
    assert lab.plan().changes == ()


def test_the_live_annotation_allows_what_was_applied_before(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2", annotations=ALLOW_DESTROY))
    put(lab, cluster("c1"))
    assert by_verb(lab.plan()) == {"delete": ["Cluster team-a/c2"]}


def test_a_cluster_made_again_under_its_name_starts_empty(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(annotations=ALLOW_DESTROY), addon("c1"))
    put(lab)
    lab.converge()
    put(lab, cluster(), addon("c1"))
    again = lab.plan()
    assert "ConfigMap kube-system/cni" in by_verb(again)["create"]
    lab.converge()
    assert lab.plan().changes == ()


def test_an_empty_input_deletes_no_cluster(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    lab.write(FILE, "")
    plan = lab.plan()
    assert "Cluster team-a/c1" not in str(by_verb(plan).get("delete"))
    assert [f.kind for f in plan.findings if f.kind == "refused"]


# ---------------------------------------------------------------- what cannot be read


def test_a_list_that_fails_deletes_nothing_and_says_so(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2", annotations=ALLOW_DESTROY))
    put(lab, cluster("c1", workers=4))
    lab.sandbox.fault(
        Fault(kind="status", path=".*/machinedeployments", status=500, reason="X", count=None)
    )
    plan = lab.plan()
    assert not plan.complete
    assert not [c for c in plan.changes if c.id.kind == "MachineDeployment"]
    units = {u.key: u for u in plan.units}
    assert not units["mgmt/team-a/c1"].complete


def test_an_unreadable_cluster_kind_blocks_its_unit(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"))
    put(lab)
    lab.sandbox.fault(
        Fault(kind="status", method="GET", path=".*/clusters", status=403, count=None)
    )
    plan = lab.plan()
    assert plan.changes == ()
    assert not plan.complete


# ---------------------------------------------------------------- replicas


def test_replicas_scaled_by_hand_are_taken_back(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=2))
    pool = capi("machinedeployments", "team-a", "c1-md0")
    lab.patch(pool, {"spec": {"replicas": 5}}, manager="kubectl-scale")
    lab.pass_time(60)
    (change,) = lab.plan().changes
    assert change.cause is Cause.DRIFT
    assert change.takes[0].manager == "kubectl-scale"
    assert (change.impact.live, change.impact.removed) == (5, 3)
    lab.converge()
    assert lab.plan().changes == ()


def test_replicas_of_an_autoscaler_are_left_and_the_next_plan_is_empty(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=2))
    pool = capi("machinedeployments", "team-a", "c1-md0")
    lab.patch(pool, {"spec": {"replicas": 5}}, manager="cluster-autoscaler")
    plan = lab.plan()
    assert plan.changes == ()
    (finding,) = plan.findings
    assert (finding.kind, "cluster-autoscaler" in finding.summary) == ("conflict", True)


def test_replicas_removed_from_git_show_the_default_they_fall_to(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=4))
    put(lab, cluster(workers=None))
    (change,) = lab.plan().changes
    (field,) = change.fields
    assert (field.before, field.after) == (4, 1)
    assert change.impact.removed == 3


def test_removed_replicas_show_the_default_without_a_dry_run_too(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=4))
    put(lab, cluster(workers=None))
    (change,) = lab.plan(refresh="off").changes
    (field,) = change.fields
    assert (field.before, field.after, change.confidence) == (4, 1, Confidence.STATIC)


IGNORING = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management:
    - {name: mgmt, sandbox: {}, paths: [crds, clusters]}
  ignore:
    - {kind: MachineDeployment, paths: [/spec/replicas]}
"""


def test_an_ignored_field_is_neither_changed_nor_removed(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=2), fleet=IGNORING)
    put(lab, cluster(workers=9, version="v1.35.1"))
    change = change_of(lab.plan(), "MachineDeployment")
    assert [f.path[-1] for f in change.fields] == ["f:version"]
    lab.converge()
    pool = lab.get(capi("machinedeployments", "team-a", "c1-md0"))
    assert pool is not None
    assert pool["spec"]["replicas"] == 2
    assert lab.plan().changes == ()


# ---------------------------------------------------------------- rights


@pytest.mark.parametrize("edit", ["nothing", "scale", "roll"])
def test_a_list_only_identity_gets_the_same_digest(tmp_path: Path, edit: str) -> None:
    lab = start(tmp_path, cluster(workers=2))
    put(lab, cluster(workers=3 if edit == "scale" else 2, startup="2s" if edit == "roll" else "1s"))
    exact = lab.plan()
    limited = lab.plan(verbs=frozenset(("get", "list")))
    assert limited.digest == exact.digest
    assert by_verb(limited) == by_verb(exact)


# ---------------------------------------------------------------- impact from live facts


def test_a_scale_plus_a_roll_counts_what_goes_as_removed(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=4))
    put(lab, cluster(workers=3, startup="2s"))
    impact = change_of(lab.plan(), "MachineDeployment").impact
    assert (impact.effect, impact.replaced, impact.removed) == (Effect.ROLLS, 3, 1)


def test_a_half_rolled_pool_counts_only_the_machines_that_are_left(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(workers=3))
    put(lab, cluster(workers=3, startup="2s"))
    lab.apply(lab.plan(), wait=False)
    half_rolled(lab)
    put(lab, cluster(workers=5, startup="2s"))
    impact = change_of(lab.plan(), "MachineDeployment").impact
    assert (impact.live, impact.replaced, impact.added) == (4, 2, 1)
