"""Rules of validation at work in plans: what is refused, with which reason, and what it holds."""

from __future__ import annotations

from pathlib import Path

from planner.changes import Finding, Plan
from planner.select import parse
from providers.kube.sandbox.faults import Fault
from tests.support.lab import Lab, by_verb, capi
from tests.support.manifests import NAMESPACE, cluster

FILE = "clusters/c1.yaml"
CORE = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "capi",
        "namespace": "default",
        "labels": {"cluster.x-k8s.io/provider": "cluster-api"},
    },
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "manager", "image": "r/capi:v1.14.0"}]},
        },
    },
}
TOPOLOGY = """\
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {name: t1, namespace: team-a}
spec: {topology: {classRef: {name: small}, version: v1.35.0, controlPlane: {replicas: 3}}}
"""


def put(lab: Lab, *manifests: str) -> None:
    lab.write(FILE, "---\n".join((NAMESPACE, *manifests)))
    lab.commit()


def start(tmp_path: Path, *manifests: str) -> Lab:
    lab = Lab(tmp_path)
    put(lab, *manifests)
    lab.converge()
    return lab


def found(plan: Plan, code: str) -> Finding:
    """The one finding of a rule."""
    (finding,) = [f for f in plan.findings if f.code == code]
    return finding


def line(lab: Lab, text: str) -> str:
    """`file:line` of the first line with a text."""
    lines = (lab.root / FILE).read_text().split("\n")
    return f"{FILE}:{next(i for i, each in enumerate(lines, 1) if text in each)}"


def test_a_downgrade_is_refused_though_the_webhook_accepts_it(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(version="v1.35.0"))
    put(lab, cluster(version="v1.34.3"))
    plan = lab.plan()
    assert plan.changes == ()
    refused = found(plan, "V2")
    assert refused.kind == "refused"
    assert "goes back from v1.35.0 to v1.34.3" in refused.summary
    assert refused.where == line(lab, "  version: v1.34.3")
    assert [f.summary.partition(":")[0] for f in plan.findings if f.kind == "blocked"] == [
        "MachineDeployment team-a/c1-md0"
    ]
    live = lab.get(capi("kubeadmcontrolplanes", "team-a", "c1"))
    assert live is not None
    assert live["spec"]["version"] == "v1.35.0"


def test_drift_to_a_newer_version_is_not_taken_back(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(version="v1.35.0"))
    path = capi("kubeadmcontrolplanes", "team-a", "c1")
    lab.patch(path, {"spec": {"version": "v1.36.0"}}, manager="kubectl-edit")
    plan = lab.plan()
    assert plan.changes == ()
    assert "goes back from v1.36.0" in found(plan, "V2").summary


def test_minors_up_are_steps_of_a_plan_and_too_many_are_refused(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(version="v1.33.3"))
    put(lab, cluster(version="v1.34.0"))
    assert len(by_verb(lab.plan())["update"]) == 2
    put(lab, cluster(version="v1.37.0"))
    plan = lab.plan(refresh="off")
    assert plan.changes == ()
    assert "more than 2 minor versions" in found(plan, "V2").summary


def test_workers_ahead_of_a_control_plane_that_is_live_only(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster(version="v1.34.3"))
    path = capi("kubeadmcontrolplanes", "team-a", "c1")
    lab.patch(path, {"metadata": {"labels": {"clusterform.dev/fleet": None}}}, manager="other")
    parts = cluster(version="v1.35.0").split("---\n")
    put(lab, *(p for p in parts if "\nkind: KubeadmControlPlane\n" not in p))
    plan = lab.plan()
    assert "v1.35 is newer than the control plane" in found(plan, "V4").summary
    assert "update" not in by_verb(plan)


def test_overlapping_networks_are_refused_before_the_cluster_is_made(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    services = "[10.96.0.0/12]}\n    services: {cidrBlocks: [10.100.0.0/16]}"
    put(lab, cluster().replace("[10.244.0.0/16]}", services))
    plan = lab.plan()
    assert found(plan, "V12").kind == "refused"
    assert found(plan, "V12").where == line(lab, "pods:")
    assert not any(name.startswith("Cluster ") for name in by_verb(plan)["create"])
    assert not plan.units[-1].complete


def test_naming_a_control_plane_does_not_take_it_from_its_cluster(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    plan = lab.plan(mode="destroy", targets=(parse("kind=KubeadmControlPlane"),))
    assert plan.changes == ()
    assert "Cluster team-a/c1 still uses it" in found(plan, "V20").summary


def test_a_namespace_is_not_taken_from_a_cluster(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    lab.write(FILE, cluster())
    lab.commit()
    plan = lab.plan(allow_destroy=("Namespace/team-a",))
    assert plan.changes == ()
    assert found(plan, "V20").kind == "refused"


def test_destroying_a_whole_cluster_is_no_removal_in_use(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    plan = lab.plan(mode="destroy", targets=(parse("cluster=team-a/c1"),))
    assert by_verb(plan) == {"delete": ["Cluster team-a/c1"]}
    assert [f for f in plan.findings if f.code == "V20"] == []


def test_what_changes_in_a_paused_cluster_is_said_not_to_happen(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    lab.patch(capi("clusters", "team-a", "c1"), {"spec": {"paused": True}}, manager="kubectl-edit")
    paused = "spec:\n  paused: true\n  clusterNetwork"
    put(lab, cluster(workers=4).replace("spec:\n  clusterNetwork", paused))
    assert "is paused (spec.paused)" in found(lab.plan(), "V18").summary


def test_a_topology_needs_its_feature_gate(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    assert lab.request("POST", "/apis/apps/v1/namespaces/default/deployments", CORE).status == 201
    put(lab, TOPOLOGY)
    refused = found(lab.plan(), "V19")
    assert (refused.kind, refused.where) == ("refused", line(lab, "topology:"))


def test_deployments_that_cannot_be_listed_are_said_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, cluster(), cluster("c2"))
    denied = Fault(
        kind="status", method="GET", path="/apis/apps/v1/deployments", status=403,
        reason="Forbidden", count=None,
    )  # fmt: skip
    lab.sandbox.fault(denied)
    assert "no right to list Deployments in mgmt" in found(lab.plan(), "V19").summary


def test_old_forms_are_warned_of_with_the_date(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    crds = (lab.root / "crds/crds.yaml").read_text().split("---\n")
    old = """\
  - name: v1beta1
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    served: true
    storage: false
"""
    health = next(i for i, c in enumerate(crds) if "kind: MachineHealthCheck\n" in c)
    crds[health] = crds[health].replace("  versions:\n", f"  versions:\n{old}")
    lab.write("crds/crds.yaml", "---\n".join(crds))
    lab.commit()
    lab.converge()
    check = """\
apiVersion: cluster.x-k8s.io/v1beta1
kind: MachineHealthCheck
metadata: {name: c1, namespace: team-a}
spec: {clusterName: c1, selector: {matchLabels: {cluster.x-k8s.io/deployment-name: c1-md0}}}
"""
    put(lab, cluster(), check)
    plan = lab.plan()
    assert by_verb(plan) == {"create": ["MachineHealthCheck team-a/c1"]}
    warned = found(plan, "V23")
    assert warned.kind == "warning"
    assert "from v1.16 on, announced for April 2027" in warned.summary


def test_rollouts_that_the_clock_starts_are_named(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    later = "\n  rollout: {after: '2027-01-20T00:00:00Z'}\n  replicas: 1\n"
    put(lab, cluster().replace("\n  replicas: 1\n", later))
    assert "rollout.after" in found(lab.plan(), "V26").summary


def test_a_plan_without_changes_asks_for_nothing_more(tmp_path: Path) -> None:
    lab = start(tmp_path, cluster())
    before = len(lab.sandbox.requests())
    assert lab.plan().changes == ()
    asked = [entry.path for entry in lab.sandbox.requests()[before:]]
    assert asked
    assert not any(path.endswith("deployments") and "/apps/" in path for path in asked)
