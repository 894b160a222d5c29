"""A HelmRelease's post-renderers over rendered objects."""

import json
from typing import Any

from providers.kustomize.options import BuiltObject
from providers.kustomize.postrender import post_render


def config(name: str, namespace: str = "", **data: Any) -> BuiltObject:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return BuiltObject(json.dumps(body).encode(), f"templates/{name}.yaml")


def test_nothing_to_do_starts_nothing() -> None:
    objects = (config("a"), config("b"))
    built = post_render(objects, [])
    assert (built.objects, built.tool) == (objects, "")


def test_common_metadata_goes_over_what_is_there_without_a_binary() -> None:
    built = post_render([config("a")], [], labels={"t": "x"}, annotations={"c": "d"})
    metadata = built.objects[0].decoded()["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"t": "x"}, {"c": "d"})
    assert (built.tool, built.objects[0].path) == ("", "templates/a.yaml")


def test_patches_and_images_of_each_renderer_in_turn() -> None:
    first = {
        "patches": [
            {
                "target": {"kind": "ConfigMap", "name": "a"},
                "patch": '[{"op":"add","path":"/data/x","value":"1"}]',
            }
        ]
    }
    second = {
        "patches": [
            {
                "target": {"kind": "ConfigMap"},
                "patch": '[{"op":"replace","path":"/data/x","value":"2"}]',
            }
        ]
    }
    objects = [config("a"), config("b", x="0")]
    built = post_render(objects, [{"kustomize": first}, {"kustomize": second}])
    assert built.findings == ()
    assert [(one.decoded()["data"], one.path) for one in built.objects] == [
        ({"x": "2"}, "templates/a.yaml"),
        ({"x": "2"}, "templates/b.yaml"),
    ]
    assert built.tool.startswith("kustomize v5")


def test_patches_of_the_beta_versions() -> None:
    strategic = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"b": "c"},
    }
    json6902 = {
        "target": {"version": "v1", "kind": "ConfigMap", "name": "a"},
        "patch": [{"op": "add", "path": "/data/d", "value": "e"}],
    }
    renderer = {"patchesStrategicMerge": [strategic], "patchesJson6902": [json6902]}
    built = post_render([config("a")], [{"kustomize": renderer}])
    assert built.objects[0].decoded()["data"] == {"b": "c", "d": "e"}


def test_an_object_that_is_rendered_twice_is_an_error() -> None:
    (finding,) = post_render([config("a"), config("a")], []).findings
    assert "rendered twice" in finding.summary


def test_a_patch_that_does_not_fit_is_an_error() -> None:
    renderer = {
        "patches": [
            {
                "target": {"kind": "ConfigMap"},
                "patch": '[{"op":"replace","path":"/spec/x","value":1}]',
            }
        ]
    }
    built = post_render([config("a")], [{"kustomize": renderer}])
    assert (built.failed, built.objects) == (True, ())
