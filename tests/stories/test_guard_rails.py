"""What must not happen: each of these destroyed or leaked something once."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner import planfile
from planner.cli.apply import exit_of
from providers.base import Effect
from providers.kube.sandbox.faults import Fault
from state.errors import ClusterformError, Exit
from state.resource import canonical, digest
from tests.support.lab import Lab, by_verb, capi, change_of
from tests.support.manifests import ALLOW_DESTROY, NAMESPACE, addon, cluster

FILE = "clusters/c1.yaml"
PENDING = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: pending, namespace: team-a}
"""


def start(tmp_path: Path, *manifests: str) -> Lab:
    lab = Lab(tmp_path)
    put(lab, *manifests)
    lab.converge()
    return lab


def put(lab: Lab, *manifests: str) -> None:
    lab.write(FILE, "---\n".join((NAMESPACE, *manifests)))
    lab.commit()


def selectors(*texts: str) -> tuple[object, ...]:
    from planner.select import parse

    return tuple(parse(text) for text in texts)


def without(manifests: str, kind: str) -> str:
    """The manifests of a cluster without the document of a kind."""
    parts = manifests.split("---\n")
    return "---\n".join(p for p in parts if f"\nkind: {kind}\n" not in f"\n{p}")


def test_destroy_does_nothing_but_what_was_named(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2"))
    put(lab, cluster("c1"), cluster("c2", workers=5), PENDING)
    plan = lab.plan(mode="destroy", targets=selectors("cluster=team-a/c1"))
    assert by_verb(plan) == {"delete": ["Cluster team-a/c1"]}


def test_destroy_of_nothing_is_an_error(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"))
    with pytest.raises(ClusterformError, match="nothing matches"):
        lab.plan(mode="destroy", targets=selectors("cluster=team-a/typo"))


def test_destroy_reaches_a_cluster_whose_file_is_gone(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2"))
    put(lab, cluster("c1"))
    plan = lab.plan(mode="destroy", targets=selectors("cluster=team-a/c2"))
    assert by_verb(plan) == {"delete": ["Cluster team-a/c2"]}


def test_workers_wait_for_a_control_plane_that_the_server_refuses(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    put(lab, cluster(version="v1.39.0"))
    plan = lab.plan()
    assert plan.changes == ()
    kinds = sorted(f.kind for f in plan.findings)
    assert kinds == ["blocked", "refused"]
    (blocked,) = [f for f in plan.findings if f.kind == "blocked"]
    assert "MachineDeployment" in blocked.summary


@pytest.mark.parametrize("kind", ["DevCluster", "KubeadmControlPlane"])
def test_what_a_cluster_lives_from_stays_though_its_file_vanished(
    tmp_path: Path, kind: str
) -> None:
    lab = start(tmp_path, cluster())
    put(lab, without(cluster(), kind))
    plan = lab.plan()
    assert "delete" not in by_verb(plan)
    assert any(f.kind == "refused" and kind in f.summary for f in plan.findings)


def test_a_crd_stays_though_its_file_vanished(tmp_path: Path) -> None:
    lab = start(tmp_path, PENDING)
    lab.write("crds/crds.yaml", "")
    lab.commit()
    assert lab.plan().changes == ()


def test_an_empty_input_deletes_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.write("crds/crds.yaml", "")
    put(lab, PENDING)
    lab.converge()
    lab.write(FILE, "")
    plan = lab.plan()
    assert [r.code for r in plan.refusals] == ["empty-input"]
    with pytest.raises(ClusterformError, match="nothing is declared"):
        lab.apply(plan)


def test_an_addon_of_an_unknown_cluster_is_held_and_named(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    put(lab, cluster(), addon("typo"))
    plan = lab.plan()
    assert plan.changes == ()
    assert all("there is no Cluster mgmt/team-a/typo" in f.summary for f in plan.findings)


CREDENTIALS = """\
apiVersion: v1
kind: Secret
metadata: {name: join, namespace: team-a, labels: {cluster.x-k8s.io/cluster-name: c1}}
stringData: {password: x}
"""


def test_the_secrets_of_a_cluster_stay_while_its_removal_is_refused(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(), CREDENTIALS)
    put(lab)
    assert lab.plan().changes == ()


def test_the_secrets_of_a_cluster_go_after_it(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(annotations=ALLOW_DESTROY), CREDENTIALS)
    put(lab)
    plan = lab.plan()
    assert by_verb(plan) == {"delete": ["Cluster team-a/c1", "Secret team-a/join"]}
    (edge,) = [e for e in plan.graph.edges if not isinstance(e.after, str)]
    assert (str(edge.before), str(edge.after)) == ("Cluster team-a/c1", "Secret team-a/join")
    assert edge.until.name == "absent"


FILES = """\
      files:
        - {path: /etc/canary, content: hunter2}
"""


def test_no_hash_in_a_plan_is_over_a_secret(tmp_path: Path) -> None:
    with_file = cluster().replace("    spec:\n      joinConf", f"    spec:\n{FILES}      joinConf")
    plane = with_file.replace(
        "  machineTemplate:\n",
        "  kubeadmConfigSpec:\n    files:\n      - {path: /etc/canary, content: hunter2}\n"
        "  machineTemplate:\n",
    )
    lab = start(tmp_path, plane)
    put(lab, plane.replace("v1.35.0", "v1.35.1"))
    saved = planfile.encode_plan(lab.plan()).decode()
    files = [{"content": "hunter2", "path": "/etc/canary"}]
    for guess in (files, files[0], "hunter2"):
        for owners in ((), (b"clusterform",), (b"clusterform", b"clusterform")):
            assert digest(canonical(guess), *owners)[:16] not in saved
    live = lab.get(capi("kubeadmcontrolplanes", "team-a", "c1"))
    assert live is not None
    assert live["spec"]["kubeadmConfigSpec"]["files"] == files


def test_a_status_update_does_not_make_a_plan_with_secrets_stale(tmp_path: Path) -> None:
    plane = cluster().replace(
        "  machineTemplate:\n",
        "  kubeadmConfigSpec:\n    files:\n      - {path: /etc/canary, content: hunter2}\n"
        "  machineTemplate:\n",
    )
    lab = start(tmp_path, plane)
    put(lab, plane.replace("v1.35.0", "v1.35.1"))
    plan = lab.plan()
    path = capi("kubeadmcontrolplanes", "team-a", "c1")
    lab.patch(f"{path}/status", {"status": {"note": "busy"}}, manager="somebody")
    assert lab.apply(plan).count("failed") == 0


def test_a_targeted_plan_waits_for_the_rollout_it_starts(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster("c1"), cluster("c2"))
    put(lab, cluster("c1", workers=4), cluster("c2", workers=4))
    plan = lab.plan(targets=selectors("kind=MachineDeployment,name=c1-md0"))
    assert by_verb(plan) == {"update": ["MachineDeployment team-a/c1-md0"]}
    lab.apply(plan)
    live = lab.get(capi("machinedeployments", "team-a", "c1-md0"))
    assert live is not None
    assert live["status"]["readyReplicas"] == 4


def test_an_object_of_a_missing_namespace_is_named_before_the_run(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    put(lab, cluster(), PENDING.replace("team-a", "team-typo"))
    plan = lab.plan()
    assert plan.changes == ()
    (finding,) = plan.findings
    assert finding.kind == "blocked"
    assert "namespace team-typo is neither in Git nor live" in finding.summary


def test_unpausing_a_cluster_may_replace_its_machines(tmp_path: Path) -> None:
    paused = cluster().replace("spec:\n  clusterNetwork", "spec:\n  paused: true\n  clusterNetwork")
    lab = start(tmp_path, cluster())
    put(lab, paused)
    lab.apply(lab.plan())
    put(lab, cluster())
    (change,) = lab.plan().changes
    assert change.impact is not None
    assert (change.impact.effect, change.impact.replaced) == (Effect.PROVIDER_DEFINED, 3)


_PAUSED = 'annotations: {cluster.x-k8s.io/paused: ""}, '


@pytest.mark.parametrize(
    ("old", "new", "workers"),
    [
        pytest.param(
            "spec:\n  clusterNetwork", "spec:\n  paused: true\n  clusterNetwork", 2, id="cluster"
        ),
        pytest.param(
            "spec:\n  clusterNetwork",
            "spec:\n  paused: true\n  clusterNetwork",
            3,
            id="cluster and what else changes in it",
        ),
        pytest.param(
            "kind: Cluster\nmetadata: {",
            f"kind: Cluster\nmetadata: {{{_PAUSED}",
            2,
            id="by annotation",
        ),
        pytest.param(
            "kind: MachineDeployment\nmetadata: {",
            f"kind: MachineDeployment\nmetadata: {{{_PAUSED}",
            3,
            id="pool",
        ),
    ],
)
def test_a_run_does_not_wait_for_what_it_pauses(
    tmp_path: Path, old: str, new: str, workers: int
) -> None:
    lab = start(tmp_path, cluster(workers=2))
    text = cluster(workers=workers)
    assert old in text
    put(lab, text.replace(old, new))
    finished = lab.apply(lab.plan())
    assert (exit_of(finished), finished.unsettled) == (Exit.OK, ())
    assert lab.plan().changes == ()


def test_what_needs_a_paused_control_plane_is_skipped_and_says_why(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(version="v1.34.3"))
    plane = "kind: KubeadmControlPlane\nmetadata: {"
    put(lab, cluster(version="v1.35.2").replace(plane, plane + _PAUSED))
    finished = lab.apply(lab.plan())
    (skipped,) = [r for r in finished.results if r.outcome == "skipped"]
    assert "MachineDeployment" in str(skipped.action)
    assert "the annotation cluster.x-k8s.io/paused is set" in skipped.message


def test_a_cluster_that_does_not_say_which_it_is_gets_no_writes(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    put(lab, cluster(workers=3))
    plan = lab.plan()
    lab.sandbox.fault(Fault(kind="status", path=".*/kube-system", status=503, count=None))
    with pytest.raises(ClusterformError, match="kube-system") as raised:
        lab.apply(plan)
    assert raised.value.code == "unreachable"


def test_a_change_that_a_pause_holds_back_says_so(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    lab.patch(capi("clusters", "team-a", "c1"), {"spec": {"paused": True}}, manager="oncall")
    lab.pass_time(60)
    put(lab, cluster(workers=5))
    change = change_of(lab.plan(), "MachineDeployment")
    assert change.impact is not None
    assert "paused" in change.impact.note
    assert change.impact.added == 3


@pytest.mark.parametrize("existed", [False, True])
def test_a_reference_to_nothing_is_said_before_the_run(tmp_path: Path, existed: bool) -> None:
    lab = start(tmp_path, cluster("c1"), *([cluster("c2")] if existed else []))
    put(lab, cluster("c1"), cluster("c2").replace("    name: c2-cp\n", "    name: typo\n"))
    plan = lab.plan()
    (finding,) = [f for f in plan.findings if f.kind == "warning"]
    assert "refers to DevMachineTemplate team-a/typo" in finding.summary
    put(lab, cluster("c1"), cluster("c2"))
    assert lab.plan().findings == ()
