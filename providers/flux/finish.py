"""What Flux does with the objects of a build before it applies them, in its order.

Substitution in each, then `commonMetadata`; kustomize's own files among them are left out. Not
done: the owner's labels (we write, not Flux), decryption.
Source: kustomize-controller v1.9.5, kustomization_controller.go; fluxcd/pkg/ssa, utils/object.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.flux.kustomization import FluxKustomization
from providers.flux.substitute import substitute
from providers.kustomize.metadata import with_metadata
from state.resource import JsonObject


def finished(
    kustomization: FluxKustomization,
    body: JsonObject,
    variables: Mapping[str, str],
    *,
    strict: bool = True,
) -> JsonObject | None:
    """An object of its build as Flux would apply it; None for one that it passes over.

    `variables` are those of `substitute.variables`; they count where the Kustomization has a
    `postBuild`. `strict` is the controller's `StrictPostBuildSubstitutions`, on since v1.9.
    Raises ClusterformError of `substitute`: Flux then applies none of the build's objects.
    """
    if str(body.get("apiVersion") or "").startswith("kustomize.config.k8s.io/"):
        return None
    post = kustomization.post_build
    if post is not None:
        body = substitute(body, variables, strict=strict, always=post.always)
    labels, annotations = kustomization.common_labels, kustomization.common_annotations
    return with_metadata(body, labels, annotations) if labels or annotations else body
