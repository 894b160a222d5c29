"""What Flux does to the objects of a rendered chart: `spec.postRenderers` and `commonMetadata`.

Source: helm-controller v1.6.4, internal/postrender (build.go, kustomize.go, common_renderer.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from providers.kustomize.build import build
from providers.kustomize.files import stop
from providers.kustomize.metadata import with_metadata
from providers.kustomize.options import Built, BuiltObject
from providers.yamlfinding import Finding
from state.resource import JsonObject, canonical

_INPUT = "helm-output.yaml"


def post_render(
    objects: Sequence[BuiltObject],
    renderers: Sequence[JsonObject],
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Built:
    """The objects after all `renderers` (as `spec.postRenderers` has them), then common metadata.

    An object keeps its `path`; one that a patch renames loses it. Two objects of one identity are
    an error, as in Flux. The owner's labels are not added.
    """
    seen = set()
    for one in objects:
        if one.identity in seen:
            return Built(findings=(_twice(one),))
        seen.add(one.identity)
    built = Built(objects=tuple(objects))
    for renderer in renderers:
        if "kustomize" in renderer:
            built = _rendered(built.objects, renderer["kustomize"] or {})
        if built.failed:
            return built
    if not (labels or annotations):
        return built
    changed = tuple(
        BuiltObject(canonical(with_metadata(one.decoded(), labels, annotations)), one.path)
        for one in built.objects
    )
    return msgspec.structs.replace(built, objects=changed)


def _twice(one: BuiltObject) -> Finding:
    _, kind, namespace, name = one.identity
    return stop(
        "kustomize-failed", f"{kind} {namespace}/{name} is rendered twice", one.path,
        detail="Flux's post-renderer refuses this.",
    ).finding  # fmt: skip


def _rendered(objects: tuple[BuiltObject, ...], patches: JsonObject) -> Built:
    if not objects or not any(patches.values()):
        return Built(objects=objects)
    body: JsonObject = {"resources": [_INPUT]}
    for field in ("patches", "patchesStrategicMerge", "patchesJson6902", "images"):
        if patches.get(field):
            body[field] = patches[field]
    for field in ("patchesStrategicMerge", "patchesJson6902"):
        body[field] = [_inline(one) for one in body.get(field) or ()]
    files = {
        "kustomization.yaml": canonical(body),
        _INPUT: b"---\n" + b"\n---\n".join(one.body for one in objects) + b"\n",
    }
    built = build(files, "", builtin=False)
    paths = {one.identity: one.path for one in objects}
    return msgspec.structs.replace(
        built,
        objects=tuple(BuiltObject(one.body, paths.get(one.identity, "")) for one in built.objects),
        files=(),
    )


def _inline(patch: object) -> object:
    """Older versions of HelmRelease have patches as mappings where kustomize takes texts."""
    if isinstance(patch, dict) and "patch" in patch and not isinstance(patch["patch"], str):
        return {**patch, "patch": canonical(patch["patch"]).decode()}
    if isinstance(patch, dict) and "patch" not in patch:
        return canonical(patch).decode()
    return patch
