"""Flux Kustomizations and plain overlays → builds.

What kustomize-controller does before it applies: fetch the source, build the path, substitute
variables, heed the annotations of single objects. Source: kustomize-controller v1.9, measured
(docs/gitops.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from planner.expand.fluxsources import FluxSources, kept
from planner.expand.index import Index, identity_of
from planner.expand.inputvalues import InputValues
from planner.expand.jobs import Build, Job
from planner.expand.rendered import Part, Source
from planner.expand.sources import Files, Sources
from planner.expansions import Order, release_key
from planner.load import LoadedDocument, Overlay
from providers.flux import sources as flux_sources
from providers.flux import substitute
from providers.flux.finish import finished
from providers.flux.kustomization import FluxKustomization, KubeConfig, read, unsupported_findings
from providers.secrets import Pins
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.fields import value_at
from state.resource import (
    JsonObject,
    Origin,
    Release,
    RenderedRelease,
    digest,
    path_text,
)

KUBECONFIG = "-kubeconfig"
_FLUX = "kustomize.toolkit.fluxcd.io"


class Kustomizations:
    """Makes the jobs of one expansion."""

    def __init__(
        self, sources: Sources, flux: FluxSources, pins: Pins, values: InputValues
    ) -> None:
        self._sources = sources
        self._flux = flux
        self._pins = pins
        self._values = values

    def overlay(self, overlay: Overlay) -> Job:
        """A folder with a kustomization, as `kubectl apply -k` would take it."""
        files = self._sources.own()
        name = overlay.folder
        inputs = digest(b"overlay", name.encode())
        source = Source(
            management=overlay.management,
            origin=Origin(overlay.folder, 0),
            what=f"kustomization {name}",
            rendered=RenderedRelease(f"{overlay.management}/kustomization/-/{name}", inputs),
            release=Release(kind="kustomization", name=name),
            provider=overlay.provider,
            traced=True,
        )
        return Job(source=source, build=Build(files=files, path=name))

    def flux(self, document: LoadedDocument, index: Index) -> Job:
        """A Flux Kustomization. Raises ClusterformError naming what is missing or unknown."""
        spec = read(msgspec.json.decode(document.body))
        files = self._files(document, spec, index)
        variables, secret_values, found = self._variables(document, spec, index)
        cluster = remote_cluster(spec.kube_config) if spec.kube_config else ""
        inputs = digest(
            b"flux",
            identity_of(document, self._pins).encode(),
            *(part.encode() for part in found),
        )
        release = Release(
            kind="Kustomization",
            namespace=spec.namespace,
            name=spec.name,
            suspended=spec.suspend,
            keeps=not spec.prune,
        )
        source = Source(
            management=document.management,
            origin=document.origin,
            what=release.text,
            rendered=RenderedRelease(
                f"{document.management}/Kustomization/{spec.namespace}/{spec.name}", inputs
            ),
            release=release,
            cluster=cluster,
            traced=True,
        )
        warned = [_warning(source, f"{error.brief}") for error in unsupported_findings(spec)]
        return Job(
            source=source,
            build=Build(files=files, path=spec.path, flux=spec.build_options()),
            finish=lambda parts: _finished(parts, spec, variables, warned, source),
            warned=warned,
            secret_values=tuple(secret_values),
            orders=self._orders(document, release, spec),
            files=files,
            folder=files.where(spec.path),
        )

    def _files(self, document: LoadedDocument, spec: FluxKustomization, index: Index) -> Files:
        source = spec.source
        found = index.get(document.management, source.kind, source.namespace, source.name)
        if found is None:
            raise ClusterformError(
                "no-source",
                f"its source {source.kind} {source.namespace}/{source.name} is not in Git",
                hint="declare it beside the Kustomization",
            )
        parsed = flux_sources.read(msgspec.json.decode(found.body))
        files = self._flux.files(document.management, parsed, index, spec.path)
        return kept(files, parsed.ignore)

    def _variables(
        self, document: LoadedDocument, spec: FluxKustomization, index: Index
    ) -> tuple[dict[str, str], list[str], list[str]]:
        """Variables, those of them that came from Secrets, and the identities of their sources."""
        post = spec.post_build
        if post is None:
            return {}, [], []
        texts: list[dict[str, str]] = []
        secret_values: list[str] = []
        identities: list[str] = []
        for entry in post.substitute_from:
            wanted = (entry.kind, spec.namespace, entry.name)
            found = self._values.find(
                document, "substituteFrom", wanted, index, optional=entry.optional
            )
            if found is None:
                continue
            identities.append(found.identity)
            texts.append(found.texts)
            if entry.kind == "Secret":
                secret_values += found.texts.values()
        return substitute.variables(*texts, post.substitute), secret_values, identities

    def _orders(
        self, document: LoadedDocument, release: Release, spec: FluxKustomization
    ) -> tuple[Order, ...]:
        return tuple(
            Order(
                before=release_key(
                    document.management,
                    Release(kind="Kustomization", namespace=earlier.namespace, name=earlier.name),
                ),
                after=release_key(document.management, release),
                reason=f"{release.text} depends on {earlier.namespace}/{earlier.name}",
            )
            for earlier in spec.depends_on
        )


def remote_cluster(config: KubeConfig) -> str:
    """The workload cluster behind a kubeconfig Secret as Cluster API names it.

    Raises ClusterformError('foreign-kubeconfig').
    """
    if config.kind != "Secret" or not config.name.endswith(KUBECONFIG):
        raise ClusterformError(
            "foreign-kubeconfig",
            f"kubeConfig: {config.kind} {config.name} is no Secret <cluster>-kubeconfig:"
            " its cluster is not known",
            hint="name the Secret that Cluster API makes for the cluster",
        )
    return f"{config.namespace}/{config.name.removesuffix(KUBECONFIG)}"


def _warning(source: Source, text: str) -> Finding:
    return Finding(
        severity="warning",
        code="flux",
        summary=f"{source.what}: {text}",
        path=source.origin.path,
        line=source.origin.line,
    )


def _finished(
    parts: list[Part],
    spec: FluxKustomization,
    variables: Mapping[str, str],
    warned: list[Finding],
    source: Source,
) -> list[Part]:
    """Substituted, and with what the annotations of single objects say."""
    found = []
    for part in parts:
        if spec.post_build is not None and (variables or spec.post_build.always):
            for place in substitute.shell_places(part.body, variables):
                name = (part.body.get("metadata") or {}).get("name", "")
                warned.append(
                    _warning(
                        source,
                        f"{part.body.get('kind')} {name} {path_text(place.path)}: "
                        f"${{{place.expression}}} {place.effect}, though a script was to read it",
                    )
                )
        body = finished(spec, part.body, variables)
        if body is None:
            continue
        policy = _annotation(body, "ssa")
        if policy == "Ignore" or _annotation(body, "reconcile") == "disabled":
            continue
        found.append(Part(body=body, by=part.by, once=policy == "IfNotPresent"))
    return found


def _annotation(body: JsonObject, name: str) -> str:
    found = value_at(body, ("f:metadata", "f:annotations", f"f:{_FLUX}/{name}"))
    return found if isinstance(found, str) else ""
