"""From a build's object to what Flux applies."""

from typing import Any

import pytest

from providers.flux import finish, kustomization
from providers.flux.kustomization import FluxKustomization
from state.errors import ClusterformError


def flux(**spec: Any) -> FluxKustomization:
    return kustomization.read(
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "shop", "namespace": "apps"},
            "spec": {"sourceRef": {"kind": "GitRepository", "name": "fleet"}, **spec},
        }
    )


def config(value: str, **metadata: Any) -> dict[str, Any]:
    body = {"apiVersion": "v1", "kind": "ConfigMap"}
    return {**body, "metadata": {"name": "a", **metadata}, "data": {"v": value}}


def test_without_post_build_nothing_is_substituted() -> None:
    assert finish.finished(flux(), config("${x}"), {"x": "1"}) == config("${x}")


def test_common_metadata_comes_after_substitution_and_wins() -> None:
    spec = {"postBuild": {}, "commonMetadata": {"labels": {"a": "${x}"}, "annotations": {"b": "c"}}}
    found = finish.finished(flux(**spec), config("${x}", labels={"a": "0", "z": "y"}), {"x": "1"})
    assert found == {
        **config("1"),
        "data": {"v": 1},
        "metadata": {
            "name": "a",
            "labels": {"a": "${x}", "z": "y"},
            "annotations": {"b": "c"},
        },
    }


def test_an_undefined_variable_fails_unless_the_controller_is_lenient() -> None:
    spec = flux(postBuild={"substitute": {"x": "1"}})
    with pytest.raises(ClusterformError, match="'gone' is not set"):
        finish.finished(spec, config("a${gone}"), {"x": "1"})
    found = finish.finished(spec, config("a${gone}"), {"x": "1"}, strict=False)
    assert found == config("a")


def test_kustomizes_own_file_is_passed_over() -> None:
    own = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    assert finish.finished(flux(), own, {}) is None
