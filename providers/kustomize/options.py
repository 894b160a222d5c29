"""What goes into a build beside files, and what comes out."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.yamlfinding import Finding
from state.resource import JsonObject, split_api_version


class FluxBuild(msgspec.Struct, frozen=True, kw_only=True):
    """What a Flux Kustomization adds to the kustomization of its folder, or to a generated one.

    Bodies are as its `spec` has them. Substitution and `commonMetadata` come after the build.
    Source: fluxcd/pkg/kustomize v1.35.6, kustomize_generator.go.
    """

    target_namespace: str = ""
    """Wins over namespaces that are written in the objects."""
    name_prefix: str = ""
    name_suffix: str = ""
    patches: tuple[JsonObject, ...] = ()
    patches_strategic_merge: tuple[JsonObject, ...] = ()
    patches_json6902: tuple[JsonObject, ...] = ()
    images: tuple[JsonObject, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    build_metadata: tuple[str, ...] = ()

    @property
    def transforms(self) -> bool:
        """It changes objects, so that more is done than to collect them."""
        return self != FluxBuild()


class BuiltObject(msgspec.Struct, frozen=True, gc=False):
    """One object of a build."""

    body: bytes
    """Canonical JSON."""
    path: str = ""
    """The file it comes from, relative to the root of the tree; a generated one's is that of its
    kustomization file. `""` where it is not known."""

    def decoded(self) -> JsonObject:
        """A fresh dict of the body; safe to change."""
        found: JsonObject = msgspec.json.decode(self.body)
        return found

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Group, kind, namespace and name; `""` for what is not said, or is no text."""
        found = _HEAD.decode(self.body)
        metadata = found.metadata if isinstance(found.metadata, dict) else {}
        said = (found.apiVersion, found.kind, metadata.get("namespace"), metadata.get("name"))
        version, kind, namespace, name = (one if isinstance(one, str) else "" for one in said)
        return split_api_version(version)[0], kind, namespace, name


class _Head(msgspec.Struct, frozen=True):
    apiVersion: Any = ""  # noqa: N815 - Kubernetes' name
    kind: Any = ""
    metadata: Any = None


_HEAD = msgspec.json.Decoder(_Head)


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a build: its objects, or why there are none."""

    objects: tuple[BuiltObject, ...] = ()
    """Sorted by group, kind, namespace and name."""
    tool: str = ""
    """What built it: `kustomize v5.8.1 (kubectl v1.37.1)`, or `built-in`."""
    findings: tuple[Finding, ...] = ()
    """Errors: no object is given then."""
    files: tuple[str, ...] = ()
    """Every file that the result depends on, sorted."""

    @property
    def failed(self) -> bool:
        """It gave no objects because something is wrong."""
        return any(found.severity == "error" for found in self.findings)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One build for `build_many`."""

    path: str
    flux: FluxBuild | None = None
