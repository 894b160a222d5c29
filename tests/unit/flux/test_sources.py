"""Flux's sources, and which folder of the fleet's map stands for a URL."""

from typing import Any

import pytest

from providers.flux import sources
from state.errors import ClusterformError


def body(kind: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": kind,
        "metadata": {"name": "fleet", "namespace": "flux-system"},
        "spec": {"interval": "1m", **spec},
    }


def test_each_kind_is_read() -> None:
    git = sources.read(
        body("GitRepository", url="ssh://git@h/p.git", ref={"branch": "main", "commit": "abc"},
             ignore="/*", include=[{"repository": {"name": "other"}, "fromPath": "x"}],
             sparseCheckout=["clusters"], verify={"mode": "HEAD"})
    )  # fmt: skip
    assert git.key == ("GitRepository", "flux-system", "fleet")
    assert git.revision == sources.SourceRevision(branch="main", commit="abc")
    assert git.revision.pinned
    assert git.include == (sources.Included("other", "x", "other"),)
    assert (git.ignore, git.sparse_checkout, git.verified) == ("/*", ("clusters",), True)

    oci = sources.read(
        body("OCIRepository", url="oci://r/x", ref={"digest": "sha256:1"},
             layerSelector={"mediaType": "m", "operation": "copy"})
    )  # fmt: skip
    assert (oci.revision.digest, oci.layer_media_type, oci.layer_operation) == (
        "sha256:1", "m", "copy",
    )  # fmt: skip

    repository = sources.read(body("HelmRepository", url="https://charts"))
    assert (repository.url, repository.type) == ("https://charts", "default")

    chart = sources.read(
        body("HelmChart", chart="./charts/x", version="1.x",
             sourceRef={"kind": "GitRepository", "name": "fleet"}, valuesFiles=["a.yaml"])
    )  # fmt: skip
    assert (chart.chart, chart.version, chart.source) == (
        "./charts/x", "1.x", ("GitRepository", "fleet"),
    )  # fmt: skip
    assert (chart.reconcile_strategy, chart.values_files) == ("ChartVersion", ("a.yaml",))

    bucket = sources.read(body("Bucket", endpoint="s3.example.org", bucketName="b", prefix="p/"))
    assert bucket.url == "s3://s3.example.org/b/p"
    assert sources.read(body("ExternalArtifact")).url == ""


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (body("GitRepository"), "spec.url"),
        (body("GitRepository", url=3), "spec.url"),
        (body("GitRepository", url="x", ref="main"), "spec.ref"),
        (body("GitRepository", url="x", include=[{}]), "spec.include[0].repository"),
        (body("Bucket", endpoint="x"), "spec.bucketName"),
        (body("HelmChart", chart="x"), "spec.sourceRef"),
        (body("Zip", url="x"), "kind"),
    ],
)
def test_a_wrong_shape_is_an_error_that_names_the_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ClusterformError) as raised:
        sources.read(given)
    assert raised.value.brief.startswith(f"{field}:")


def test_an_unknown_field_is_said() -> None:
    assert sources.read(body("GitRepository", url="x", mirror=True)).unsupported == ("mirror",)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("ssh://git@git.example.org/platform/charts", "git.example.org/platform/charts"),
        ("ssh://git@git.example.org:22/platform/charts.git", "git.example.org/platform/charts"),
        ("git@git.example.org:platform/charts.git", "git.example.org/platform/charts"),
        ("https://Git.Example.org/platform/charts/", "git.example.org/platform/charts"),
        ("https://user:pass@git.example.org/platform/charts", "git.example.org/platform/charts"),
        ("https://git.example.org:8443/x", "git.example.org:8443/x"),
        ("http://git.example.org/x", "git.example.org/x"),
        ("oci://ghcr.io/org/Charts", "oci:ghcr.io/org/Charts"),
        ("s3://s3.example.org/b/p", "s3:s3.example.org/b/p"),
        ("git.example.org", "git.example.org"),
    ],
)
def test_the_spellings_of_one_repository_are_one(url: str, normal: str) -> None:
    assert sources.normal_url(url) == normal


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://h/platform/charts.git", ("../charts", "")),
        ("git@h:platform/charts", ("../charts", "")),
        ("https://h/platform/charts/aws", ("../charts", "aws")),
        ("https://h/platform/other", ("../all", "platform/other")),
        ("https://h/platform/charts-2", ("../all", "platform/charts-2")),
        ("oci://h/platform/charts", None),
        ("oci://r/charts/aws", ("../oci", "aws")),
        ("https://elsewhere/x", None),
    ],
)
def test_the_longest_entry_of_the_map_wins(url: str, found: tuple[str, str] | None) -> None:
    known = {
        "https://h": "../all",
        "ssh://git@h/platform/charts": "../charts",
        "oci://r/charts": "../oci",
    }
    assert sources.local_folder(url, known) == found
