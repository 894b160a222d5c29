"""HelmReleases as values, and the values that they install with."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from providers.helm.hooks import RUN
from providers.helm.release import Release, ValuesFrom, of_helm_chart, parse
from providers.helm.values import merge
from state.errors import ClusterformError

CHART = {"spec": {"chart": "aws", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
GIT = {"git": "ssh://git@x/charts", "path": "./aws/", "ref": "v1"}


def flux(version: str = "v2", **spec: Any) -> Release:
    return parse(
        {
            "apiVersion": f"helm.toolkit.fluxcd.io/{version}",
            "kind": "HelmRelease",
            "metadata": {"name": "shop", "namespace": "team"},
            "spec": {"chart": CHART, "interval": "5m", **spec},
        }
    )


def operator(namespace: str | None = "team", **spec: Any) -> Release:
    metadata = {"name": "shop"} | ({"namespace": namespace} if namespace else {})
    return parse(
        {
            "apiVersion": "helm.fluxcd.io/v1",
            "kind": "HelmRelease",
            "metadata": metadata,
            "spec": {"chart": GIT, **spec},
        }
    )


LONG = "x" * 60


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, ("shop", "team", "team")),
        ({"releaseName": "r"}, ("r", "team", "team")),
        ({"targetNamespace": "apps"}, ("apps-shop", "apps", "team")),
        ({"targetNamespace": "team"}, ("team-shop", "team", "team")),
        ({"targetNamespace": "apps", "releaseName": "r"}, ("r", "apps", "team")),
        ({"storageNamespace": "store"}, ("shop", "team", "store")),
        (
            {"releaseName": LONG},
            (f"{'x' * 40}-{hashlib.sha256(LONG.encode()).hexdigest()[:12]}", "team", "team"),
        ),
        ({"releaseName": "y" * 53}, ("y" * 53, "team", "team")),
    ],
)
def test_names_of_flux(spec: dict[str, Any], names: tuple[str, str, str]) -> None:
    made = flux(**spec)
    assert (made.release_name, made.target_namespace, made.storage_namespace) == names


@pytest.mark.parametrize(
    ("namespace", "spec", "names"),
    [
        ("team", {}, ("team-shop", "team")),
        (None, {}, ("default-shop", "default")),
        ("team", {"targetNamespace": "apps"}, ("team-apps-shop", "apps")),
        ("team", {"targetNamespace": "team"}, ("team-shop", "team")),
        ("team", {"releaseName": "r", "targetNamespace": "apps"}, ("r", "apps")),
    ],
)
def test_names_of_the_helm_operator(
    namespace: str | None, spec: dict[str, Any], names: tuple[str, str]
) -> None:
    made = operator(namespace, **spec)
    assert (made.release_name, made.target_namespace) == names
    assert made.storage_namespace == made.target_namespace


def test_helm_takes_no_longer_name_of_the_operator() -> None:
    with pytest.raises(ClusterformError, match="more than 53 characters"):
        operator(releaseName="x" * 54)


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({}, "Create"),
        ({"install": {"crds": "Skip"}}, "Skip"),
        ({"install": {"skipCRDs": True}}, "Skip"),
        ({"install": {"skipCRDs": True, "crds": "Create"}}, "Create"),
        ({"install": {"crds": "CreateReplace"}}, "Create"),
        ({"install": {"crds": "Skip"}, "upgrade": {"crds": "Create"}}, "Create"),
        ({"upgrade": {"crds": "CreateReplace"}}, "CreateReplace"),
        ({"install": {"crds": "Skip"}, "upgrade": {"crds": "CreateReplace"}}, "CreateReplace"),
    ],
)
def test_crds_of_flux(spec: dict[str, Any], policy: str) -> None:
    assert flux(**spec).crds == policy


def test_crds_and_hooks_of_both() -> None:
    assert operator().crds == "Create"
    assert operator(skipCRDs=True).crds == "Skip"
    assert operator().hooks == RUN == flux().hooks
    assert flux(install={"disableHooks": True}).hooks == ("pre-upgrade", "post-upgrade")
    assert flux(upgrade={"disableHooks": True}).hooks == ("pre-install", "post-install")
    assert flux(postRenderStrategy="nohooks").post_render_hooks is False
    assert flux(postRenderStrategy="separate").post_render_hooks is True


@pytest.mark.parametrize("version", ["v2", "v2beta2", "v2beta1"])
def test_what_else_is_read_of_flux(version: str) -> None:
    made = flux(
        version,
        suspend=True,
        kubeConfig={"secretRef": {"name": "prod-kubeconfig"}},
        commonMetadata={"labels": {"a": "b"}, "annotations": {"c": "d"}},
        dependsOn=[{"name": "cni"}, {"name": "x", "namespace": "other"}],
        postRenderers=[{"kustomize": {"images": []}}],
    )
    assert made.suspend
    assert made.kube_config is not None
    assert made.kube_config.name == "prod-kubeconfig"
    assert (made.common_labels, made.common_annotations) == ({"a": "b"}, {"c": "d"})
    assert made.depends_on == (("team", "cni"), ("other", "x"))
    assert made.post_renderers == ({"kustomize": {"images": []}},)
    assert made.notes == ()


def test_charts_are_found_where_they_are_named() -> None:
    spec = CHART["spec"] | {"version": "1.x", "valuesFile": "a.yaml", "valuesFiles": ["b.yaml"]}
    made = flux(chart={"spec": spec}).chart
    assert made.text == "aws 1.x from HelmRepository team/charts"
    assert made.values_files == ("a.yaml", "b.yaml")
    ref = flux(chart=None, chartRef={"kind": "OCIRepository", "name": "oci"}).chart
    assert (ref.kind, ref.source) == ("object", ("OCIRepository", "team", "oci"))
    assert operator().chart.text == "ssh://git@x/charts aws at v1"
    body = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "HelmChart",
        "metadata": {"name": "c", "namespace": "flux"},
        "spec": {"chart": "./charts/aws", "sourceRef": {"kind": "GitRepository", "name": "g"}},
    }
    assert of_helm_chart(body).path == "charts/aws"


NOTED: list[tuple[dict[str, Any], str]] = [
    ({"upgrade": {"force": True}}, "spec.upgrade.force: Helm may delete"),
    ({"upgrade": {"preserveValues": True}}, "spec.upgrade.preserveValues: values of the former"),
    ({"install": {"createNamespace": True}}, "spec.install.createNamespace: the namespace is not"),
    (
        {"install": {"disableSchemaValidation": True}},
        "spec.install.disableSchemaValidation: values",
    ),
    ({"serviceAccountName": "deployer"}, "spec.serviceAccountName: Flux acts as this account"),
    ({"healthCheckExprs": [{"kind": "X"}]}, "spec.healthCheckExprs: not evaluated"),
    (
        {"dependsOn": [{"name": "a"}, {"name": "b", "readyExpr": "true"}]},
        "spec.dependsOn.readyExpr: not evaluated",
    ),
    (
        {"driftDetection": {"mode": "enabled", "ignore": [{"paths": ["/a"]}]}},
        "spec.driftDetection.ignore: Flux leaves",
    ),
    (
        {"chart": {"spec": CHART["spec"] | {"verify": {"provider": "cosign"}}}},
        "spec.chart.spec.verify",
    ),
    ({"upgrades": {}}, "spec.upgrades: no known field"),
    ({"install": {"crdss": "Skip"}}, "spec.install.crdss: no known field"),
    ({"chart": {"spec": CHART["spec"] | {"ref": "x"}}}, "spec.chart.spec.ref: no known field"),
    ({"chart": CHART | {"git": "x"}}, "spec.chart.git: no known field"),
]


@pytest.mark.parametrize(("spec", "note"), NOTED)
def test_no_field_of_flux_is_dropped_in_silence(spec: dict[str, Any], note: str) -> None:
    assert [one[: len(note)] for one in flux(**spec).notes] == [note]


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({"forceUpgrade": True}, "spec.forceUpgrade: Helm may delete"),
        ({"resetValues": False}, "spec.resetValues: values of the former"),
        ({"valueFileSecrets": [{"name": "s"}]}, "spec.valueFileSecrets: deprecated"),
        (
            {"chart": GIT | {"chartPullSecret": {"name": "x"}}},
            "spec.chart.chartPullSecret: the Helm",
        ),
        ({"dependsOn": []}, "spec.dependsOn: no known field"),
        ({"chart": GIT | {"branch": "x"}}, "spec.chart.branch: no known field"),
    ],
)
def test_no_field_of_the_operator_is_dropped_in_silence(spec: dict[str, Any], note: str) -> None:
    assert [one[: len(note)] for one in operator(**spec).notes] == [note]


def test_fields_of_pace_say_nothing() -> None:
    quiet = {"timeout": "5m", "maxHistory": 3, "test": {"enable": True}, "rollback": {"wait": True}}
    assert flux(**quiet, uninstall={}, install={"remediation": {"retries": 3}}).notes == ()
    assert operator(**quiet, wait=True, resetValues=True, helmVersion="v3").notes == ()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"helmVersion": "v2"}, "Tiller"),
        ({"valuesFrom": [{"externalSourceRef": {"url": "https://x"}}]}, "over the network"),
    ],
)
def test_what_cannot_be_planned_is_an_error(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ClusterformError, match=why):
        operator(**wrong)


# ---------------------------------------------------------------------- values


def merged(release: Release, texts: dict[str, str]) -> Any:
    return merge(release, lambda entry: texts.get(entry.name or entry.path))


def test_values_of_the_operator_come_in_their_order() -> None:
    made = operator(
        valueFileSecrets=[{"name": "old"}],
        valuesFrom=[
            {"configMapKeyRef": {"name": "one", "optional": True}},
            {"secretKeyRef": {"name": "two", "namespace": "vault", "key": "k"}},
            {"chartFileRef": {"path": "prod.yaml"}},
        ],
        values={"d": 4, "m": {"z": None}},
    )
    assert made.values_from == (
        ValuesFrom(kind="Secret", namespace="team", name="old"),
        ValuesFrom(kind="ConfigMap", namespace="team", name="one", optional=True),
        ValuesFrom(kind="Secret", namespace="vault", name="two", key="k"),
        ValuesFrom(kind="ChartFile", path="prod.yaml"),
    )
    texts = {
        "old": "a: 0\nb: 0\nc: 0\nd: 0\nm: {x: 1, z: 1}",
        "one": "a: 1\nb: 1\nc: 1\nd: 1",
        "two": "b: 2\nc: 2\nd: 2",
        "prod.yaml": "c: 3\nd: 3\nm: {q: [1]}",
    }
    assert merged(made, texts) == {
        "a": 1, "b": 2, "c": 3, "d": 4, "m": {"x": 1, "q": [1], "z": None},
    }  # fmt: skip


def given(path: str, text: str, base: str = "", literal: bool = False) -> Any:
    entries = [{"kind": "ConfigMap", "name": "base"}, {"kind": "ConfigMap", "name": "one"}]
    entries[1] |= {"targetPath": path, "literal": literal}  # type: ignore[dict-item]
    return merged(flux(valuesFrom=entries), {"base": base, "one": text})


@pytest.mark.parametrize(
    ("path", "text", "base", "values"),
    [
        ("a.b", "1", "a: {c: 2}", {"a": {"b": 1, "c": 2}}),
        ("a[1].b", "x", "a: [1, {c: 2}]", {"a": [1, {"c": 2, "b": "x"}]}),
        ("a\\.b", "true", "", {"a.b": True}),
        ("a", "{x,y}", "", {"a": ["x", "y"]}),
        ("a", "x,b=2", "", {"a": "x", "b": 2}),
        ("a", "x\\,b=2", "", {"a": "x,b=2"}),
        ("a", "'1'", "", {"a": "1"}),
        ("a", '"true"', "", {"a": "true"}),
        ("a", "1000000", "", {"a": 1000000}),
        ("a", "null", "a: 1", {"a": None}),
        ("a", "", "a: 1", {"a": ""}),
    ],
)
def test_a_target_path_is_a_setting(path: str, text: str, base: str, values: Any) -> None:
    assert given(path, text, base) == values


def test_a_literal_target_path_takes_everything() -> None:
    assert given("a.b", '{"x": [1,2]},c=d\n', literal=True) == {"a": {"b": '{"x": [1,2]},c=d\n'}}


def test_a_wrong_target_path_is_said_without_the_value() -> None:
    with pytest.raises(ClusterformError) as caught:
        given("a[x]", "hush")
    assert caught.value.brief.startswith("valuesFrom: ConfigMap one, targetPath a[x]: ")
    assert "hush" not in str(caught.value)
