"""What Flux does to the objects of a HelmRelease behind Helm: post-renderers, common metadata.

Source: helm-controller v1.6, internal/postrender (kustomize.go, common_renderer.go). What lies in a
chart's `crds/` goes past it, and so do hooks where the release says `postRenderStrategy: nohooks`.
"""

from __future__ import annotations

import msgspec

from planner.rendered import Part
from providers.helm.release import Release
from providers.kustomize.build import build
from providers.kustomize.options import FluxBuild
from state.errors import ClusterformError
from state.resource import JsonObject, canonical

_FILE = "helm-output.yaml"


def finished(parts: list[Part], spec: Release) -> list[Part]:
    """The objects as the controller hands them to the cluster.

    Raises ClusterformError('post-renderer').
    """
    passing = [part for part in parts if _passes(part, spec)]
    past = [part for part in parts if not _passes(part, spec)]
    for number, renderer in enumerate(spec.post_renderers):
        kustomize = renderer.get("kustomize")
        if isinstance(kustomize, dict) and kustomize and passing:
            passing = _built(passing, kustomize, f"postRenderers[{number}]")
    for part in passing:
        _label(part.body, spec)
    return [*past, *passing]


def _passes(part: Part, spec: Release) -> bool:
    return not part.crd and (spec.post_render_hooks or not part.hook)


def _built(parts: list[Part], kustomize: JsonObject, where: str) -> list[Part]:
    """One post-renderer's work; objects keep where they come from by their identity."""
    content = b"\n---\n".join(canonical(part.body) for part in parts)
    kustomization: JsonObject = {"resources": [_FILE]}
    files = {_FILE: content, "kustomization.yaml": canonical(kustomization)}
    flux = FluxBuild(
        patches=_dicts(kustomize, "patches"),
        patches_strategic_merge=_dicts(kustomize, "patchesStrategicMerge"),
        patches_json6902=_dicts(kustomize, "patchesJson6902"),
        images=_dicts(kustomize, "images"),
    )
    result = build(files, "", flux=flux)
    if result.failed:
        found = result.findings[0]
        raise ClusterformError(
            "post-renderer", f"{where}: {found.summary}", detail=found.detail, hint=found.hint
        )
    known = {_identity(part.body): part for part in parts}
    made = []
    for one in result.objects:
        body: JsonObject = msgspec.json.decode(one.body)
        part = known.get(_identity(body)) or Part(body=body, by=where)
        made.append(msgspec.structs.replace(part, body=body))
    return made


def _dicts(holder: JsonObject, field: str) -> tuple[JsonObject, ...]:
    found = holder.get(field) or []
    return tuple(one for one in found if isinstance(one, dict))


def _identity(body: JsonObject) -> tuple[object, ...]:
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    names = (metadata.get("namespace"), metadata.get("name"))
    return (body.get("apiVersion"), body.get("kind"), *names)


def _label(body: JsonObject, spec: Release) -> None:
    for field, more in (("labels", spec.common_labels), ("annotations", spec.common_annotations)):
        if more:
            metadata = body.setdefault("metadata", {})
            metadata[field] = {**(metadata.get(field) or {}), **more}
