"""What Flux does to the objects of a HelmRelease behind Helm: post-renderers, common metadata.

Source: helm-controller v1.6, internal/postrender (kustomize.go, common_renderer.go). What lies in a
chart's `crds/` goes past it, and so do hooks where the release says `postRenderStrategy: nohooks`.
"""

from __future__ import annotations

import msgspec

from planner.expand.rendered import Part
from providers.helm.release import Release
from providers.kustomize.options import BuiltObject
from providers.kustomize.postrender import post_render
from state.errors import ClusterformError
from state.resource import canonical


def finished(parts: list[Part], spec: Release) -> list[Part]:
    """The objects as the controller hands them to the cluster.

    Raises ClusterformError('post-renderer').
    """
    if not (spec.post_renderers or spec.common_labels or spec.common_annotations):
        return parts
    passing = [part for part in parts if _passes(part, spec)]
    built = post_render(
        [BuiltObject(canonical(part.body), str(at)) for at, part in enumerate(passing)],
        spec.post_renderers,
        labels=spec.common_labels,
        annotations=spec.common_annotations,
    )
    if built.failed:
        found = built.findings[0]
        raise ClusterformError(
            "post-renderer",
            f"postRenderers: {found.summary}",
            detail=found.detail,
            hint=found.hint,
        )
    made = [
        msgspec.structs.replace(passing[int(one.path)], body=one.decoded())
        if one.path
        else Part(body=one.decoded(), by="postRenderers")
        for one in built.objects
    ]
    return [*(part for part in parts if not _passes(part, spec)), *made]


def _passes(part: Part, spec: Release) -> bool:
    return not part.crd and (spec.post_render_hooks or part.hook is None)
