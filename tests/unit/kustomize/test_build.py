"""Overlays and Flux builds: what they give, where it comes from, and why some give nothing."""

import json
from typing import Any

import pytest

from providers.kustomize.build import build, build_many
from providers.kustomize.options import Built, BuiltObject, FluxBuild, Request

Files = dict[str, bytes]


def config(name: str, **data: str) -> bytes:
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    ).encode()


def deployment(name: str = "web", image: str = "nginx:1.0") -> bytes:
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    ).encode()


def names(built: Built) -> list[str]:
    assert built.findings == ()
    return [one.identity[3] for one in built.objects]


def only(built: Built) -> dict[str, Any]:
    assert built.findings == ()
    (one,) = built.objects
    return one.decoded()


def test_an_overlay_gives_objects_with_the_files_they_come_from() -> None:
    files = {
        "over/kustomization.yaml": b"resources: [../base]\nnamePrefix: p-\n"
        b"configMapGenerator: [{name: made, literals: [a=b]}]\n",
        "base/kustomization.yaml": b"resources: [a.yaml, more/b.yaml]\n",
        "base/a.yaml": config("a"),
        "base/more/b.yaml": config("b"),
    }
    built = build(files, "over")
    assert [(one.identity[3], one.path) for one in built.objects] == [
        ("p-a", "base/a.yaml"),
        ("p-b", "base/more/b.yaml"),
        ("p-made-4h2mbtbbt6", "over/kustomization.yaml"),
    ]
    assert built.tool.startswith("kustomize v5")
    assert built.files == tuple(sorted(files))
    assert all("annotations" not in one.decoded()["metadata"] for one in built.objects)


def test_a_secret_generator_gives_ordinary_secret_data() -> None:
    files = {
        "kustomization.yaml": b"secretGenerator: [{name: s, files: [p=pw.txt], envs: [e.env]}]\n"
        b"generatorOptions: {disableNameSuffixHash: true}\n",
        "pw.txt": b"hunter2",
        "e.env": b"A=1\n",
    }
    assert only(build(files, ""))["data"] == {"p": "aHVudGVyMg==", "A": "MQ=="}


def test_origins_that_the_user_asks_for_stay() -> None:
    files = {
        "kustomization.yaml": b"resources: [a.yaml]\nbuildMetadata: [originAnnotations]\n",
        "a.yaml": config("a"),
    }
    built = build(files, "")
    assert only(built)["metadata"]["annotations"] == {
        "config.kubernetes.io/origin": "path: a.yaml\n"
    }
    assert built.objects[0].path == "a.yaml"


@pytest.mark.parametrize(
    ("patch", "annotations"),
    [
        ({"op": "add", "path": "/metadata/annotations/a", "value": "b"}, {"a": "b"}),
        ({"op": "replace", "path": "/metadata/annotations", "value": {"a": "b"}}, {"a": "b"}),
        ({"op": "remove", "path": "/metadata/annotations"}, None),
    ],
)
def test_asking_for_origins_changes_no_patch_of_annotations(
    patch: dict[str, Any], annotations: dict[str, str] | None
) -> None:
    top = {
        "resources": ["a.yaml"],
        "patches": [{"target": {"kind": "ConfigMap"}, "patch": json.dumps([patch])}],
    }
    files = {"kustomization.yaml": json.dumps(top).encode(), "a.yaml": config("a")}
    assert only(build(files, ""))["metadata"].get("annotations") == annotations


FLUX: dict[str, tuple[dict[str, Any], Files, dict[str, Any]]] = {
    "a namespace wins over the object's": (
        {"target_namespace": "z"},
        {"a.yaml": config("a").replace(b'"name": "a"', b'"name": "a", "namespace": "b"')},
        {"metadata": {"name": "a", "namespace": "z"}},
    ),
    "prefix and suffix": (
        {"name_prefix": "p-", "name_suffix": "-s"},
        {"a.yaml": config("a")},
        {"metadata": {"name": "p-a-s"}},
    ),
    "a patch by target": (
        {
            "patches": (
                {"target": {"kind": "ConfigMap"}, "patch": '[{"op":"add","path":"/x","value":1}]'},
            )
        },
        {"a.yaml": config("a")},
        {"x": 1},
    ),
    "a strategic patch": (
        {
            "patches": (
                {"patch": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: c}\n"},
            )
        },
        {"a.yaml": config("a", x="y")},
        {"data": {"x": "y", "b": "c"}},
    ),
    "patches of the beta versions": (
        {
            "patches_strategic_merge": (
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "a"},
                    "data": {"b": "c"},
                },
            ),
            "patches_json6902": (
                {
                    "target": {"version": "v1", "kind": "ConfigMap", "name": "a"},
                    "patch": [{"op": "add", "path": "/data/d", "value": "e"}],
                },
            ),
        },
        {"a.yaml": config("a")},
        {"data": {"b": "c", "d": "e"}},
    ),
    "a component": (
        {"components": ("../c",)},
        {
            "k/a.yaml": config("a"),
            "c/kustomization.yaml": b"apiVersion: kustomize.config.k8s.io/v1alpha1\n"
            b"kind: Component\nnameSuffix: -c\n",
        },
        {"metadata": {"name": "a-c"}},
    ),
    "a missing component that may be missing": (
        {"components": ("gone",), "ignore_missing_components": True},
        {"a.yaml": config("a")},
        {"metadata": {"name": "a"}},
    ),
    "no resources, so origins stay": (
        {},
        {
            "kustomization.yaml": b"configMapGenerator: [{name: a, literals: [b=c]}]\n"
            b"generatorOptions: {disableNameSuffixHash: true}\n"
        },
        {
            "metadata": {
                "name": "a",
                "annotations": {
                    "config.kubernetes.io/origin": "configuredIn: kustomization.yaml\n"
                    "configuredBy:\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n"
                },
            }
        },
    ),
}


@pytest.mark.parametrize("name", FLUX)
def test_flux_adds_to_the_build(name: str) -> None:
    options, files, expected = FLUX[name]
    folder = "k" if any(path.startswith("k/") for path in files) else ""
    found = only(build(files, folder, flux=FluxBuild(**options)))
    assert {field: found[field] for field in expected} == expected


@pytest.mark.parametrize(
    ("written", "override", "image"),
    [
        ({}, {"newTag": "2"}, "nginx:2"),
        ({}, {"newName": "r/n", "newTag": "2"}, "r/n:2"),
        ({"newTag": "3"}, {"newName": "r/n"}, "r/n:3"),
        ({"newName": "r/n", "newTag": "3"}, {"newTag": "4"}, "r/n:4"),
        ({"newTag": "3"}, {"digest": "sha256:1"}, "nginx@sha256:1"),
        ({"digest": "sha256:1"}, {"newTag": "4"}, "nginx:4"),
    ],
)
def test_flux_merges_images_field_by_field(
    written: dict[str, str], override: dict[str, str], image: str
) -> None:
    top = {"resources": ["a.yaml"], "images": [{"name": "nginx", **written}] if written else []}
    files = {"kustomization.yaml": json.dumps(top).encode(), "a.yaml": deployment()}
    found = only(build(files, "", flux=FluxBuild(images=({"name": "nginx", **override},))))
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_flux_lets_files_come_from_all_of_the_source_and_plain_overlays_do_not() -> None:
    files = {
        "k/kustomization.yaml": b"resources: [../shared/a.yaml]\nnamePrefix: p-\n",
        "shared/a.yaml": config("a"),
    }
    assert names(build(files, "k", flux=FluxBuild())) == ["p-a"]
    (finding,) = build(files, "k").findings
    assert finding.code == "kustomize-failed"
    assert "is not in or below" in finding.detail


def test_a_file_outside_of_a_plain_collection_is_refused_by_the_built_in_path_too() -> None:
    files = {"k/kustomization.yaml": b"resources: [../a.yaml]\n", "a.yaml": config("a")}
    assert build(files, "k").failed
    assert names(build(files, "k", flux=FluxBuild())) == ["a"]


def test_flux_fails_on_yaml_that_is_no_object() -> None:
    built = build({"a.yaml": config("a"), "values.yaml": b"x: 1\n"}, "", flux=FluxBuild())
    (finding,) = built.findings
    assert (finding.code, built.objects) == ("kustomize-failed", ())
    assert "values.yaml" in finding.detail or "missing" in finding.detail


@pytest.mark.parametrize("flux", [None, FluxBuild()])
def test_a_folder_that_is_not_there_is_an_error(flux: FluxBuild | None) -> None:
    (finding,) = build({"a.yaml": config("a")}, "gone", flux=flux).findings
    assert (finding.code, finding.path) == ("kustomize-missing", "gone")


def test_many_builds_come_back_in_order() -> None:
    files = {f"{n}/a.yaml": config(f"a{n}") for n in range(6)}
    requests = [
        Request(path=str(n), flux=FluxBuild(name_prefix="p-" if n % 2 else "")) for n in range(6)
    ]
    assert [names(built) for built in build_many(files, requests)] == [
        ["a0"], ["p-a1"], ["a2"], ["p-a3"], ["a4"], ["p-a5"],
    ]  # fmt: skip


def test_the_same_files_give_the_same_bytes() -> None:
    files = {"kustomization.yaml": b"resources: [b.yaml, a.yaml]\nnamePrefix: p-\n",
             "a.yaml": config("a"), "b.yaml": config("b")}  # fmt: skip
    assert build(files, "") == build(dict(reversed(files.items())), "")
    assert names(build(files, "")) == ["p-a", "p-b"]


def test_an_object_without_a_name_is_no_traceback() -> None:
    assert BuiltObject(b'{"metadata":{"name":3}}').identity == ("", "", "", "")
