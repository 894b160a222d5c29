"""examples/multi-provider on the sandbox: one cluster of each provider, planned and applied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from planner.changes import Plan
from tests.support.lab import Lab, change_of
from tests.support.standins import CORE, crds, documents, needed

EXAMPLES = Path(__file__).parents[2] / "examples"
CLUSTERS = EXAMPLES / "multi-provider" / "clusters"
INFRA = "/apis/infrastructure.cluster.x-k8s.io"
ENDPOINT = "  controlPlaneEndpoint: {host: api.example.org, port: 6443}\n"
CLUSTER = "/apis/cluster.x-k8s.io/v1beta2/namespaces/multi/clusters"


def lab_of(root: Path, *files: str, example: str = "multi-provider") -> Lab:
    """A repository with some files of an example, all of them if none is named."""
    source = EXAMPLES / example
    lab = Lab(root, fleet=(source / "clusterform.yaml").read_text())
    shutil.copytree(source / "management", root / "management")
    for path in sorted((source / "clusters").glob("*.yaml")):
        if not files or path.stem in (*files, "namespace"):
            shutil.copy(path, root / "clusters" / path.name)
    if files:
        (root / "management" / "crds.yaml").write_text(crds(needed(documents(root / "clusters"))))
    lab.commit()
    return lab


def warned(plan: Plan) -> list[str]:
    return [f"{f.where}: {f.summary} [{f.hint}]" for f in plan.findings if f.kind == "warning"]


NAMES = sorted(p.stem for p in CLUSTERS.glob("*.yaml") if p.stem != "namespace")


@pytest.mark.parametrize("name", NAMES)
def test_a_cluster_of_each_provider_comes_up_and_stays(tmp_path: Path, name: str) -> None:
    shared = {"eks": ("aws",), "gke": ("gcp",)}.get(name, ())
    lab = lab_of(tmp_path, name, *shared)
    plan = lab.plan()
    assert [f.summary for f in plan.findings if f.kind not in ("warning", "skipped")] == []
    lab.converge()
    assert lab.plan().changes == ()
    live = lab.list(CLUSTER)
    assert live
    for cluster in live:
        conditions = {c["type"]: c["status"] for c in cluster["status"]["conditions"]}
        assert conditions["Available"] == "True", cluster["metadata"]["name"]


@pytest.mark.slow
def test_all_of_them_in_one_fleet(tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    plan = lab.plan()
    assert len([u for u in plan.units if "/multi/" in u.key]) == len(NAMES)
    lab.converge()
    assert lab.plan().changes == ()


def test_contract_v1beta1_is_read_by_its_own_fields(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "aws")
    lab.converge()
    live = lab.get(f"{INFRA}/v1beta2/namespaces/multi/awsclusters/aws")
    assert live is not None
    assert live["status"]["ready"] is True
    assert "initialization" not in live["status"]


def test_a_rotated_azure_template_takes_its_derived_secret_along(tmp_path: Path) -> None:
    """`<template>-azure-json` is a Secret that the provider names after the template."""
    lab = lab_of(tmp_path, "azure")
    lab.converge()
    lab.edit("clusters/azure.yaml", ("Standard_D4s_v5", "Standard_D8s_v5"))
    plan = lab.plan()
    rotated = {c.id.kind: c for c in plan.changes if c.verb == "rotate"}
    assert sorted(rotated) == ["AzureMachineTemplate", "KubeadmConfigTemplate"]
    secret = f'"{rotated["AzureMachineTemplate"].id.name}-azure-json"'
    assert secret in bytes(rotated["KubeadmConfigTemplate"].body).decode()
    # The old Secret goes with the old template, which waits for the machines that read it.
    pruned = {c.id.kind: c.action for c in plan.changes if c.verb == "prune"}
    assert sorted(pruned) == ["AzureMachineTemplate", "KubeadmConfigTemplate"]
    order = {(e.before, e.after) for e in plan.graph.edges}
    assert (pruned["KubeadmConfigTemplate"], pruned["AzureMachineTemplate"]) in order
    lab.converge()
    assert lab.plan().changes == ()


def test_a_change_of_a_data_template_goes_up_the_chain(tmp_path: Path) -> None:
    """Metal3DataTemplate → Metal3MachineTemplate → MachineDeployment, though only the first
    is immutable by its webhook."""
    lab = lab_of(tmp_path, "metal3")
    lab.converge()
    lab.edit(
        "clusters/metal3.yaml",
        (
            "- {key: ip, name: metal3-workers}",
            "- {key: ip, name: metal3-workers}\n    strings:\n      - {key: rack, value: r1}",
        ),
    )
    plan = lab.plan()
    assert {c.id.kind for c in plan.changes if c.verb == "rotate"} == {
        "Metal3DataTemplate",
        "Metal3MachineTemplate",
    }
    workers = change_of(plan, "MachineDeployment")
    assert workers.impact.replaced == 2
    lab.converge()
    assert lab.plan().changes == ()


@pytest.mark.parametrize(
    ("name", "shared", "plane"),
    [
        ("aks", (), "AzureASOManagedControlPlane"),
        ("dev", (), "KubeadmControlPlane"),
        ("eks", ("aws",), "AWSManagedControlPlane"),
        ("gke", ("gcp",), "GCPManagedControlPlane"),
    ],
)
def test_workers_follow_any_control_plane(
    tmp_path: Path, name: str, shared: tuple[str, ...], plane: str
) -> None:
    lab = lab_of(tmp_path, name, *shared)
    lab.converge()
    file = f"clusters/{name}.yaml"
    lab.edit(file, ("version: v1.35.2", "version: v1.36.1"))
    both = lab.plan()
    assert [
        e.before.resource.kind
        for e in both.graph.edges
        if e.reason == "control plane before workers" and not isinstance(e.before, str)
    ] == [plane]
    lab.edit(file, ("      version: v1.36.1", "      version: v1.35.2"))
    lab.apply(lab.plan(), wait=False)
    lab.edit(file, ("      version: v1.35.2", "      version: v1.36.1"))
    (gate,) = (
        e.before for e in lab.plan().graph.edges if e.reason == "control plane before workers"
    )
    awaited = {g.name: [i.kind for i, _ in g.awaits] for g in lab.plan().graph.gates}
    assert awaited[str(gate)] == [plane]


def test_deadlines_are_those_of_the_provider(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "metal3", "dev")
    limits = {
        (gate.unit, milestone.name): milestone.deadline
        for gate in lab.plan().graph.gates
        for _, milestone in gate.awaits
    }
    assert limits["mgmt/multi/metal3", "rolled-out"] == 6600
    assert limits["mgmt/multi/dev", "rolled-out"] == 1200


def test_an_upgrade_of_a_managed_control_plane_comes_before_its_pools(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "aws", "eks")
    lab.converge()
    lab.edit("clusters/eks.yaml", ("v1.35.2", "v1.36.0"))
    plan = lab.plan()
    plane, pool = change_of(plan, "AWSManagedControlPlane"), change_of(plan, "MachinePool")
    assert (plane.impact.effect, plane.impact.because) == ("provider-defined", "spec.version")
    between = [e for e in plan.graph.edges if (e.before, e.after) == (plane.action, pool.action)]
    assert [e.until.name for e in between] == ["control-plane-ready"]
    lab.converge()
    assert lab.plan().changes == ()


def test_what_a_controller_wrote_is_left_to_it_without_a_word(tmp_path: Path) -> None:
    """The provider settled on another network than Git says: no conflict to read each time."""
    lab = lab_of(tmp_path, "aws")
    lab.converge()
    path = f"{INFRA}/v1beta2/namespaces/multi/awsclusters/aws"
    lab.patch(path, {"spec": {"network": {"vpc": {"cidrBlock": "10.11.0.0/16"}}}}, manager="capa")
    plan = lab.plan()
    assert plan.changes == ()
    assert (plan.totals.ignored, [f for f in plan.findings if f.kind == "conflict"]) == (1, [])


def test_a_field_of_a_controller_that_git_drops_stays(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "aws")
    lab.edit(
        "clusters/aws.yaml",
        (
            "  region: eu",
            "  controlPlaneEndpoint: {host: api.example.org, port: 6443}\n  region: eu",
        ),
    )
    lab.converge()
    lab.edit("clusters/aws.yaml", (ENDPOINT, ""))
    assert lab.plan().changes == ()


def test_an_immutable_field_is_refused_before_the_server_is_asked(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "aws")
    lab.converge()
    lab.edit("clusters/aws.yaml", ("eu-central-1", "eu-west-1"))
    refused = [f.summary for f in lab.plan().findings if f.kind == "refused"]
    assert len(refused) == 1
    assert "AWSCluster" in refused[0]
    assert "immutable" in refused[0]


def test_exceptions_of_an_immutable_spec_are_updates(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "openstack")
    lab.converge()
    lab.edit("clusters/openstack.yaml", ("[192.0.2.53]", "[192.0.2.54]"))
    assert change_of(lab.plan(), "OpenStackCluster").verb == "update"
    lab.edit("clusters/openstack.yaml", ("{name: public}", "{name: other}"))
    assert [f.kind for f in lab.plan().findings if "OpenStackCluster" in f.summary] == ["refused"]


def test_a_cluster_comes_after_its_identity_and_leaves_before_it(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "aws")
    plan = lab.plan()
    identity = change_of(plan, "AWSClusterStaticIdentity")
    assert (identity.unit, identity.id.namespace) == ("mgmt", "")
    cluster = change_of(plan, "AWSCluster")
    assert (identity.action, cluster.action) in {(e.before, e.after) for e in plan.graph.edges}


def test_old_manifests_of_weave_are_planned_with_the_way_out(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, example="legacy")
    plan = lab.plan()
    said = warned(plan)
    assert len(said) == 2
    assert all("PooledRemoteMachine of k0smotron" in text for text in said)
    assert said[0].startswith("clusters/wksctl.yaml:2")
    lab.converge()
    assert lab.plan().changes == ()


def test_a_provider_without_a_table_goes_by_the_contract(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "aws")
    text = (tmp_path / "clusters" / "aws.yaml").read_text().replace("AWS", "Acme")
    lab.remove("clusters/aws.yaml")
    lab.write("clusters/acme.yaml", text.split("---\n", 1)[1])
    kinds = ("AcmeCluster", "AcmeMachine", "AcmeMachineTemplate")
    made = "---\n".join(
        (tmp_path / "management" / "crds.yaml").read_text().split("---\n")[: len(CORE)]
    )
    lab.write("management/crds.yaml", made)
    for kind in kinds:
        text = crds(needed(documents(CLUSTERS)))
        one = next(d for d in text.split("---\n") if f"kind: AWS{kind[4:]}," in d)
        lab.write(f"management/{kind}.yaml", one.replace("AWS", "Acme").replace("aws", "acme"))
    lab.converge()
    assert lab.plan().changes == ()
