"""What Flux does with the objects of a build before it applies them, in its order.

Substitution in each, then `commonMetadata`; kustomize's own files among them are left out, and
encrypted objects are recognised. Not done: the owner's labels (we write, not Flux), decryption.
Source: kustomize-controller v1.9.5, kustomization_controller.go; fluxcd/pkg/ssa, utils/object.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from providers.base import mapping
from providers.flux.kustomization import FluxKustomization
from providers.flux.substitute import Warned, shell_places, substitute
from providers.kustomize.metadata import with_metadata
from providers.kustomize.options import BuiltObject
from state.errors import ClusterformError
from state.resource import JsonObject, canonical


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """One object as Flux would apply it."""

    body: bytes
    path: str
    """Its file, as in `BuiltObject`."""
    sops: bool = False
    """Encrypted: its values are not what is applied."""
    warned: tuple[Warned, ...] = ()


def is_sops(body: JsonObject) -> bool:
    """A document that SOPS encrypted: it carries its `sops` block with a MAC."""
    return isinstance(mapping(body.get("sops")).get("mac"), str)


def finish(
    kustomization: FluxKustomization,
    objects: Iterable[BuiltObject],
    variables: Mapping[str, str],
    *,
    strict: bool = True,
) -> tuple[list[Finished], list[ClusterformError]]:
    """The objects, and one error for each that fails: with any of them Flux applies none.

    `variables` are those of `substitute.variables`; they count where the Kustomization has a
    `postBuild`. `strict` is the controller's `StrictPostBuildSubstitutions`, on since v1.9.
    """
    finished: list[Finished] = []
    errors: list[ClusterformError] = []
    for one in objects:
        try:
            found = _finished(kustomization, one, variables, strict)
        except ClusterformError as error:
            _, kind, namespace, name = one.identity
            error.where = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
            error.where += f" ({one.path})" if one.path else ""
            errors.append(error)
            continue
        if found is not None:
            finished.append(found)
    return finished, errors


def _finished(
    kustomization: FluxKustomization,
    one: BuiltObject,
    variables: Mapping[str, str],
    strict: bool,
) -> Finished | None:
    body = one.decoded()
    if str(body.get("apiVersion") or "").startswith("kustomize.config.k8s.io/"):
        return None
    sops = is_sops(body)
    warned: list[Warned] = []
    post = kustomization.post_build
    if post is not None:
        if variables or post.always:
            warned = shell_places(body, variables, strict=strict)
        body = substitute(body, variables, strict=strict, always=post.always)
    labels, annotations = kustomization.common_labels, kustomization.common_annotations
    if labels or annotations:
        body = with_metadata(body, labels, annotations)
    return Finished(body=canonical(body), path=one.path, sops=sops, warned=tuple(warned))
