"""The kustomization that is built: as written, or as Flux completes or generates it.

Source: fluxcd/pkg/kustomize v1.35.6, kustomize_generator.go (GenerateManifest, scanManifests).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from providers.kustomize.files import NAMES, Kustomization, Tree, joined, stop
from providers.kustomize.options import FluxBuild
from state.resource import JsonObject

ORIGINS = "originAnnotations"
_TYPE = ("apiVersion", "kind", "metadata")
_FIELDS = frozenset(
    ("apiVersion", "kind", "metadata", "bases", "buildMetadata", "commonAnnotations",
     "commonLabels", "components", "configMapGenerator", "configurations", "crds",
     "generatorOptions", "generators", "helmChartInflationGenerator", "helmCharts", "helmGlobals",
     "imageTags", "images", "labels", "namePrefix", "nameSuffix", "namespace", "openapi", "patches",
     "patchesJson6902", "patchesStrategicMerge", "replacements", "replicas", "resources",
     "secretGenerator", "sortOptions", "transformers", "validators", "vars")
)  # fmt: skip
"""kustomize v5.8.1, api/types/kustomization.go."""


def written(tree: Tree, folder: str) -> Kustomization:
    """The kustomization of a folder. Raises Stop where there is none."""
    _must_exist(tree, folder)
    found = tree.kustomization(folder)
    if found is None:
        raise stop("kustomize-missing", "the folder has no kustomization file", folder or ".")
    if not any(value for field, value in found.body.items() if field not in _TYPE):
        # kustomize's own error, which asking for origins would hide
        raise stop("kustomize-failed", "the kustomization file is empty", found.file)
    return found


def by_flux(tree: Tree, folder: str, flux: FluxBuild) -> Kustomization:
    """What Flux builds of a folder. Raises Stop."""
    _must_exist(tree, folder)
    found = tree.kustomization(folder)
    if found is None:
        body = _generated(tree, folder)
        file = f"{folder}/{NAMES[0]}" if folder else NAMES[0]
    else:
        # Flux reads the file into a struct and writes it anew: other fields vanish without a word.
        body = {field: value for field, value in found.body.items() if field in _FIELDS}
        file = found.file
        if not body.get("resources"):
            # Flux's way around kustomize's "kustomization.yaml is empty": the origin annotations
            # then stay in the objects.
            body["buildMetadata"] = [ORIGINS]
    _complete(body, flux, tree, Kustomization(folder, file, body))
    return Kustomization(folder, file, body)


def _must_exist(tree: Tree, folder: str) -> None:
    if folder not in tree.folders:
        raise stop(
            "kustomize-missing", "there is no such folder in its source", folder,
            hint="Git keeps no empty folder: Flux stops here (ArtifactFailed) and prunes nothing",
        )  # fmt: skip


def _generated(tree: Tree, folder: str) -> JsonObject:
    found = list(_manifests(tree, folder))
    body: JsonObject = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
    }
    if found:
        body["resources"] = [f"./{path}" for path in found]
    else:
        body["namespace"] = "_placeholder"
    return body


def _manifests(tree: Tree, folder: str) -> Iterator[str]:
    """YAML files, and folders with a kustomization of their own, in the order that Go walks in."""
    prefix = f"{folder}/" if folder else ""
    waiting = sorted(tree.folders[folder], reverse=True)
    while waiting:
        relative = waiting.pop()
        path = prefix + relative
        if path not in tree.folders:
            if relative.endswith((".yaml", ".yml")):
                yield relative
        elif any(f"{path}/{one}" in tree.files for one in NAMES):
            yield relative
        else:
            inner = sorted(tree.folders[path], reverse=True)
            waiting += [f"{relative}/{name}" for name in inner]


def _complete(body: JsonObject, flux: FluxBuild, tree: Tree, at: Kustomization) -> None:
    for field, value in (
        ("namespace", flux.target_namespace),
        ("namePrefix", flux.name_prefix),
        ("nameSuffix", flux.name_suffix),
    ):
        if value:
            body[field] = value
    for component in flux.components:
        path = joined(at.folder, component)
        missing = path is None or not (path in tree.folders or path in tree.files)
        if not (missing and flux.ignore_missing_components):
            body["components"] = [*_list(body, "components"), component]
    if flux.patches:
        body["patches"] = [*_list(body, "patches"), *map(_patch, flux.patches)]
    if flux.patches_strategic_merge:
        inline = [msgspec.json.encode(one).decode() for one in flux.patches_strategic_merge]
        body["patchesStrategicMerge"] = [*_list(body, "patchesStrategicMerge"), *inline]
    if flux.patches_json6902:
        body["patchesJson6902"] = [
            *_list(body, "patchesJson6902"),
            *(
                {
                    "target": one.get("target"),
                    "patch": msgspec.json.encode(one.get("patch")).decode(),
                }
                for one in flux.patches_json6902
            ),
        ]
    for image in flux.images:
        body["images"] = _with_image(_list(body, "images"), image)
    if flux.build_metadata:
        body["buildMetadata"] = list(flux.build_metadata)


def _patch(patch: JsonObject) -> JsonObject:
    # Flux passes on these two and no others (`path` and `options` are kustomize's own).
    return {field: patch[field] for field in ("patch", "target") if field in patch}


def _with_image(images: list[Any], image: JsonObject) -> list[Any]:
    """Fields of an entry of the same name are replaced; tag and digest as one."""
    fields = {one: image[one] for one in ("name", "newName", "newTag", "digest") if image.get(one)}
    name = fields.get("name", "")
    for index, known in enumerate(images):
        if not isinstance(known, dict) or known.get("name", "") != name:
            continue
        merged = dict(known)
        if "newName" in fields:
            merged["newName"] = fields["newName"]
        if "newTag" in fields or "digest" in fields:
            for field in ("newTag", "digest"):
                merged.pop(field, None)
                if field in fields:
                    merged[field] = fields[field]
        return [*images[:index], merged, *images[index + 1 :]]
    return [*images, fields]


def _list(body: JsonObject, field: str) -> list[Any]:
    found = body.get(field)
    return found if isinstance(found, list) else []
