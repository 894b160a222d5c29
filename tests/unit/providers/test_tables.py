"""The tables of infrastructure providers: found, complete, and of effect."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from planner.units import direct_unit
from planner.validate import all_findings
from planner.workspace import Workspace
from providers import infrastructure
from providers.base import Fact, Health, Milestone, references
from providers.descriptor import Durations, Kind, Provider, Role
from providers.facts import fields, problems
from providers.readiness import Relatives, check
from providers.registry import PROVIDERS, impact, needed, rules, uncounted
from state.resource import GroupKind, ResourceId

INFRA = "infrastructure.cluster.x-k8s.io"
KINDS = [
    pytest.param(provider, key, kind, id=f"{provider.name} {key.kind}")
    for provider in PROVIDERS
    for key, kind in provider.kinds.items()
]


def test_a_provider_is_one_file_in_the_folder() -> None:
    files = {p.stem for p in Path(infrastructure.__path__[0]).glob("*.py")}
    modules = files - {"__init__", "generic"}
    assert len(PROVIDERS) >= len(modules)
    names = [p.name for p in PROVIDERS]
    assert names == list(dict.fromkeys(names))


def test_no_kind_has_two_tables() -> None:
    counted = Counter(kind for provider in PROVIDERS for kind in provider.kinds)
    assert [kind for kind, count in counted.items() if count > 1] == []


@pytest.mark.parametrize(("provider", "key", "kind"), KINDS)
def test_a_table_is_well_formed(provider: Provider, key: GroupKind, kind: Kind) -> None:
    assert provider.source
    assert kind.versions or provider.versions
    assert provider.contract in ("v1beta1", "v1beta2", "none")
    for field in fields(kind.fields):
        assert field.path.startswith("spec.")
    # Template or not is a matter of policy, never of what a webhook enforces.
    assert rules(key.group, key.kind).template == key.kind.endswith("Template")
    if kind.role in (Role.CLUSTER, Role.CONTROL_PLANE, Role.HOST):
        assert rules(key.group, key.kind).protected
    if kind.role is Role.IDENTITY:
        assert rules(key.group, key.kind).always_shared


def target(kind: str, spec: Any, group: str = INFRA, namespace: str = "fleet") -> list[str]:
    id_ = ResourceId("mgmt", group, kind, namespace, "x")
    found = references({"spec": spec}, id_, rules(group, kind))
    return [f"{r.target.kind} {r.target.namespace}/{r.target.name}" for r in found]


@pytest.mark.parametrize(
    ("kind", "spec", "namespace", "expected"),
    [
        pytest.param(
            "AWSCluster",
            {"identityRef": {"kind": "AWSClusterRoleIdentity", "name": "a"}},
            "fleet",
            ["AWSClusterRoleIdentity /a"],
            id="a-cluster-scoped-identity",
        ),
        pytest.param(
            "AWSClusterStaticIdentity",
            {"secretRef": "a"},
            "",
            ["Secret capa-system/a"],
            id="a-secret-beside-the-controllers",
        ),
        pytest.param(
            "AWSClusterRoleIdentity",
            {"sourceIdentityRef": {"kind": "AWSClusterControllerIdentity", "name": "default"}},
            "",
            ["AWSClusterControllerIdentity /default"],
            id="an-identity-from-an-identity",
        ),
        pytest.param(
            "AzureCluster",
            {"identityRef": {"kind": "AzureClusterIdentity", "name": "a", "namespace": "ids"}},
            "fleet",
            ["AzureClusterIdentity ids/a"],
            id="an-identity-in-another-namespace",
        ),
        pytest.param(
            "VSphereCluster",
            {"identityRef": {"kind": "Secret", "name": "a"}},
            "fleet",
            ["Secret fleet/a"],
            id="a-secret-as-identity",
        ),
        pytest.param(
            "VSphereCluster",
            {"identityRef": {"kind": "VSphereClusterIdentity", "name": "a"}},
            "fleet",
            ["VSphereClusterIdentity /a"],
            id="or-an-identity",
        ),
        pytest.param(
            "OpenStackCluster",
            {"identityRef": {"name": "a", "cloudName": "c"}},
            "fleet",
            ["Secret fleet/a"],
            id="a-type-left-out-is-the-usual-one",
        ),
        pytest.param(
            "OpenStackMachineTemplate",
            {"template": {"spec": {"identityRef": {"type": "ClusterIdentity", "name": "a"}}}},
            "fleet",
            ["OpenStackClusterIdentity /a"],
            id="a-type-instead-of-a-kind",
        ),
        pytest.param(
            "VSphereCluster",
            {"identityRef": {"kind": "Other", "name": "a"}},
            "fleet",
            [],
            id="another-kind-is-passed-over",
        ),
        pytest.param(
            "Metal3MachineTemplate",
            {"template": {"spec": {"dataTemplate": {"name": "a"}}}},
            "fleet",
            ["Metal3DataTemplate fleet/a"],
            id="a-template-of-a-template",
        ),
        pytest.param(
            "PooledRemoteMachine",
            {"machine": {"sshKeyRef": {"name": "a"}}},
            "fleet",
            ["Secret fleet/a"],
            id="an-ssh-key",
        ),
    ],
)
def test_references(kind: str, spec: Any, namespace: str, expected: list[str]) -> None:
    assert target(kind, spec, namespace=namespace) == expected


FILES = {"files": [{"path": "/a", "contentFrom": {"secret": {"name": "cp-azure-json"}}}]}


@pytest.mark.parametrize(
    ("group", "kind", "spec"),
    [
        pytest.param(
            "bootstrap.cluster.x-k8s.io",
            "KubeadmConfigTemplate",
            {"template": {"spec": FILES}},
            id="workers",
        ),
        pytest.param(
            "controlplane.cluster.x-k8s.io",
            "KubeadmControlPlane",
            {"kubeadmConfigSpec": FILES},
            id="control-plane",
        ),
    ],
)
def test_a_derived_name_is_a_reference_to_what_it_comes_from(
    group: str, kind: str, spec: Any
) -> None:
    found = target(kind, spec, group)
    assert found[0] == "Secret fleet/cp-azure-json"
    assert "AzureMachineTemplate fleet/cp" in found
    # A name may look like that and be somebody's own: nothing waits for it.
    assert list(needed({"spec": spec}, ResourceId("mgmt", group, kind, "fleet", "x"))) == []


KIND = Kind(
    role=Role.CLUSTER,
    fields="""
spec.name            string!
spec.size            integer
spec.mode            a|b
spec.parts           array
spec.parts[*].id     string!
spec.inner           object
spec.inner.deep      boolean!
""",
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"name": "x"}, [], id="what-is-required-is-there"),
        pytest.param(None, ["spec.name is required"], id="no-spec-at-all"),
        pytest.param({"name": 1}, ["spec.name must be of type string"], id="type"),
        pytest.param(
            {"name": "x", "size": True}, ["spec.size must be of type integer"], id="not-a-number"
        ),
        pytest.param({"name": "x", "mode": "c"}, ["spec.mode must be one of a, b"], id="choice"),
        pytest.param(
            {"name": "x", "parts": [{"id": "1"}, {}]},
            ["spec.parts[1].id is required"],
            id="an-item-of-a-list",
        ),
        pytest.param({"name": "x", "inner": {}}, ["spec.inner.deep is required"], id="below"),
        pytest.param({"name": "x", "other": 1}, [], id="unknown-fields-are-not-judged"),
    ],
)
def test_what_a_table_has_against_a_body(spec: Any, expected: list[str]) -> None:
    assert list(problems({"spec": spec} if spec is not None else {}, KIND)) == expected


def test_a_mistake_in_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such type"):
        fields("spec.name text")


def test_deadlines_add_up_for_a_new_cluster() -> None:
    durations = Durations(infrastructure=10, control_plane=20, workers=30, rollout=5, removal=7)
    assert durations.deadlines() == {
        "infrastructure-provisioned": 10,
        "control-plane-initialized": 30,
        "control-plane-ready": 30,
        "exists": 30,
        "rolled-out": 60,
        "available": 60,
        "absent": 7,
    }


@pytest.mark.parametrize(
    ("spec", "status", "health"),
    [
        pytest.param({}, {}, Health.WAITING, id="nothing-yet"),
        pytest.param({}, {"initialized": True, "ready": True}, Health.REACHED, id="v1beta1"),
        pytest.param({}, {"ready": True}, Health.REACHED, id="v1beta1-without-initialized"),
        pytest.param(
            {}, {"initialization": {"controlPlaneInitialized": True}}, Health.REACHED, id="v1beta2"
        ),
        pytest.param(
            {"version": "v1.34"},
            {"ready": True, "version": "v1.33.2"},
            Health.WAITING,
            id="at-the-old-version",
        ),
        pytest.param(
            {"version": "v1.34"},
            {"ready": True, "version": "1.34.1-gke.1"},
            Health.REACHED,
            id="a-patch-release-of-it",
        ),
    ],
)
def test_a_managed_control_plane_is_ready(spec: Any, status: Any, health: Health) -> None:
    body = {"kind": "AWSManagedControlPlane", "metadata": {"name": "x"}}
    found = check(
        Milestone(name="control-plane-ready"), {**body, "spec": spec, "status": status}, Relatives()
    )
    assert found.health is health


def test_an_upgrade_of_a_managed_control_plane_is_its_providers_affair() -> None:
    kind = GroupKind("controlplane.cluster.x-k8s.io", "AWSManagedControlPlane")
    before, after = {"spec": {"version": "v1.33"}}, {"spec": {"version": "v1.34"}}
    impact = uncounted(kind, before, after)
    assert impact is not None
    assert (impact.effect, impact.because, impact.touched) == (
        "provider-defined",
        "spec.version",
        0,
    )
    assert uncounted(kind, before, before) is None


def test_a_control_plane_without_a_table_may_replace_all_its_machines() -> None:
    kind = GroupKind("controlplane.cluster.x-k8s.io", "AcmeControlPlane")
    fact = Fact(machines=({"kind": "Machine"},) * 3)
    before, after = {"spec": {"version": "v1.33.1"}}, {"spec": {"version": "v1.34.0"}}
    found = impact(kind, before, after, fact)
    assert found is not None
    assert (found.effect, found.replaced, found.because) == ("provider-defined", 3, "spec.version")
    unread = impact(kind, before, after, Fact(unreadable="forbidden"))
    assert unread is not None
    assert unread.effect == "unknown"
    assert impact(kind, before, before, fact) is None


@pytest.mark.parametrize(
    ("group", "kind", "field"),
    [
        pytest.param(INFRA, "AcmeMachineTemplate", "template", id="machine-template"),
        pytest.param("bootstrap.cluster.x-k8s.io", "AcmeConfigTemplate", "template", id="config"),
        pytest.param("controlplane.cluster.x-k8s.io", "AcmeControlPlane", "control_plane", id="cp"),
        pytest.param(INFRA, "AcmeCluster", "protected", id="cluster"),
        pytest.param(INFRA, "AcmeClusterIdentity", "always_shared", id="identity"),
    ],
)
def test_a_kind_without_a_table_goes_by_the_contract(group: str, kind: str, field: str) -> None:
    assert getattr(rules(group, kind), field)


def test_a_name_at_the_cloud_is_no_cluster() -> None:
    body = {"metadata": {}, "spec": {"clusterName": "at-google"}}
    named = ResourceId("mgmt", INFRA, "GCPManagedControlPlane", "fleet", "x")
    assert direct_unit(named, body) == ""
    data = ResourceId("mgmt", INFRA, "Metal3DataTemplate", "fleet", "x")
    assert direct_unit(data, body) == "mgmt/fleet/at-google"


MANIFESTS = {
    "a.yaml": """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
kind: AzureCluster
metadata: {name: a, namespace: fleet}
spec:
  resourceGroup: a
""",
    "b.yaml": """\
apiVersion: infrastructure.cluster.x-k8s.io/v1alpha1
kind: OpenStackClusterIdentity
metadata: {name: b}
spec:
  secretRef: {name: b, namespace: fleet}
---
apiVersion: v1
kind: Secret
metadata: {name: b, namespace: fleet}
stringData: {cloud.yaml: very-secret}
""",
    "c.yaml": """\
apiVersion: infrastructure.cluster.x-k8s.io/v1alpha4
kind: GCPMachineTemplate
metadata: {name: c, namespace: fleet}
spec:
  template:
    spec: {instanceType: n2-standard-2}
""",
    "d.yaml": """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
kind: PacketCluster
metadata: {name: d, namespace: fleet}
spec: {projectID: p, vipManager: CPEM}
""",
}


def test_validate_asks_the_tables_where_the_repository_has_no_crd(tmp_path: Path) -> None:
    for name, text in MANIFESTS.items():
        (tmp_path / name).write_text(text)
    workspace = Workspace(tmp_path)
    found = all_findings(workspace.loaded, workspace.line_of)
    assert [(f.severity, f.code, f"{f.path}:{f.line}") for f in found] == [
        ("error", "schema", "a.yaml:1"),
        ("error", "credential", "b.yaml:1"),
        ("warning", "version", "c.yaml:1"),
        ("warning", "legacy", "d.yaml:1"),
    ]
    texts = [f.summary for f in found]
    assert texts[0].endswith("spec.location is required")
    assert texts[1].endswith("Secret fleet/b has no clouds.yaml")
    assert "very-secret" not in repr(found)
    assert "not as v1alpha4" in texts[2]
    assert found[3].hint.startswith("the way out: Metal3")
