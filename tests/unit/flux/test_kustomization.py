"""A Flux Kustomization read: defaults, every shape that is wrong, and what is not supported."""

from typing import Any

import pytest

from providers.flux import kustomization
from providers.flux.kustomization import KubeConfig, ObjectRef, SubstituteFrom
from state.errors import ClusterformError


def body(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "shop", "namespace": "apps"},
        "spec": {
            "interval": "10m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            **spec,
        },
    }


def test_a_short_one_has_flux_defaults() -> None:
    found = kustomization.read(body())
    assert (found.namespace, found.name, found.path) == ("apps", "shop", "")
    assert found.source == ObjectRef("GitRepository", "apps", "fleet")
    assert (found.prune, found.deletes, found.deletion_policy) == (True, True, "MirrorPrune")
    assert (found.interval, found.timeout) == (600.0, 570.0)
    assert (found.wait, found.force, found.suspend, found.post_build) == (False, False, False, None)
    assert found.unsupported == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("./clusters/dev", "clusters/dev"),
        ("clusters/dev/", "clusters/dev"),
        ("./", ""),
        ("", ""),
        ("/clusters//dev", "clusters/dev"),
        ("a/../b", "b"),
    ],
)
def test_a_path_is_relative_to_its_source(written: str, read: str) -> None:
    assert kustomization.read(body(path=written)).path == read


def test_everything_that_it_says_is_read() -> None:
    found = kustomization.read(
        body(
            sourceRef={"kind": "OCIRepository", "name": "all", "namespace": "flux-system"},
            dependsOn=[{"name": "crds"}, {"name": "cni", "namespace": "base", "readyExpr": "x"}],
            healthChecks=[{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}],
            deletionPolicy="WaitForTermination",
            prune=False,
            timeout="1m30s",
            targetNamespace="shop",
            kubeConfig={"secretRef": {"name": "shop-kubeconfig"}},
            postBuild={
                "substitute": {"region": "eu"},
                "substituteFrom": [{"kind": "Secret", "name": "vars", "optional": True}],
                "substituteStrategy": "Always",
            },
            commonMetadata={"labels": {"team": "a"}, "annotations": {"b": "c"}},
            ignore=[{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}],
        )
    )
    assert found.source.namespace == "flux-system"
    assert [(one.namespace, one.name) for one in found.depends_on] == [
        ("apps", "crds"),
        ("base", "cni"),
    ]
    assert found.ready_exprs == ("x",)
    assert found.health_checks == (ObjectRef("Deployment", "apps", "web", "apps/v1"),)
    assert found.deletes
    assert found.timeout == 90.0
    assert found.kube_config == KubeConfig("Secret", "apps", "shop-kubeconfig")
    assert found.post_build is not None
    assert found.post_build.substitute_from == (SubstituteFrom("Secret", "vars", True),)
    assert found.post_build.always
    assert (found.common_labels, found.common_annotations) == ({"team": "a"}, {"b": "c"})
    assert found.ignore[0].paths == ("/spec/replicas",)


@pytest.mark.parametrize(
    ("policy", "prune", "deletes"),
    [
        ("MirrorPrune", True, True),
        ("MirrorPrune", False, False),
        ("Delete", False, True),
        ("WaitForTermination", False, True),
        ("Orphan", True, False),
    ],
)
def test_the_deletion_policy_says_whether_objects_go(
    policy: str, prune: bool, deletes: bool
) -> None:
    assert kustomization.read(body(deletionPolicy=policy, prune=prune)).deletes is deletes


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"path": 3}, "spec.path"),
        ({"path": "../outside"}, "spec.path"),
        ({"prune": "yes"}, "spec.prune"),
        ({"sourceRef": None}, "spec.sourceRef"),
        ({"sourceRef": {"kind": "HelmRepository", "name": "x"}}, "spec.sourceRef.kind"),
        ({"sourceRef": {"kind": "Bucket"}}, "spec.sourceRef.name"),
        ({"dependsOn": {"name": "x"}}, "spec.dependsOn"),
        ({"dependsOn": ["x"]}, "spec.dependsOn[0]"),
        ({"dependsOn": [{}]}, "spec.dependsOn[0].name"),
        ({"deletionPolicy": "Keep"}, "spec.deletionPolicy"),
        ({"timeout": "5 minutes"}, "spec.timeout"),
        ({"components": [1]}, "spec.components[0]"),
        ({"patches": ["x"]}, "spec.patches[0]"),
        ({"postBuild": []}, "spec.postBuild"),
        ({"postBuild": {"substitute": {"n": 3}}}, "spec.postBuild.substitute.n"),
        ({"postBuild": {"substituteFrom": [{"kind": "Pod"}]}}, "substituteFrom[0].kind"),
        ({"kubeConfig": {}}, "spec.kubeConfig"),
        ({"kubeConfig": {"secretRef": {}}}, "spec.kubeConfig"),
        ({"commonMetadata": {"labels": {"a": True}}}, "spec.commonMetadata.labels.a"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_an_error_that_names_the_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ClusterformError) as raised:
        kustomization.read(body(**spec))
    assert raised.value.code == "flux-field"
    assert field in raised.value.brief
    assert raised.value.where == "Kustomization apps/shop"


@pytest.mark.parametrize("metadata", [None, {}, [], {"name": 3}])
def test_no_shape_of_metadata_is_a_traceback(metadata: Any) -> None:
    with pytest.raises(ClusterformError):
        kustomization.read({**body(), "metadata": metadata})


def test_older_versions_are_read_and_others_refused() -> None:
    for version in ("v1beta1", "v1beta2"):
        old = {**body(), "apiVersion": f"kustomize.toolkit.fluxcd.io/{version}"}
        assert kustomization.read(old).name == "shop"
    with pytest.raises(ClusterformError, match="apiVersion"):
        kustomization.read({**body(), "apiVersion": "kustomize.toolkit.fluxcd.io/v2"})


def test_kustomizes_own_file_is_no_flux_kustomization() -> None:
    assert kustomization.is_kustomization(body())
    own = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    assert not kustomization.is_kustomization(own)
    assert not kustomization.is_kustomization({"kind": "Kustomization"})


def test_what_is_not_supported_is_said() -> None:
    found = kustomization.read(body(brandNew=1, dependsOn=[{"name": "a", "readyExpr": "true"}]))
    said = [error.brief for error in kustomization.unsupported_findings(found)]
    assert len(said) == 2
    assert said[0].startswith("spec.brandNew:")
    assert said[1].startswith("spec.dependsOn[].readyExpr:")
