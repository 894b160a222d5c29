"""Objects that something rendered → documents like those of a file: checked, secrets taken out.

A sensitive value of a rendered object is a reference to the release and its inputs; it is rendered
again, in memory, where it is needed. A value that came from a Secret is sensitive wherever the
render put it (docs/security.md).
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from planner import manifest
from planner.load import LoadedDocument, Sensitive
from planner.manifest import Manifest
from providers.secrets import Extracted
from providers.yamldoc import Document, Finding
from state.fields import value_at
from state.resource import (
    FieldPath,
    Hook,
    JsonObject,
    Origin,
    Release,
    RenderedRelease,
    SecretRef,
    Step,
    canonical,
    split_api_version,
)

_SHORTEST = 6
"""Characters of a secret value that is looked for; a shorter one would be found everywhere."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What the documents of one render have in common."""

    management: str
    origin: Origin
    """Of the release, Kustomization or overlay, with the steps that led to it."""
    what: str
    """Its name as a step: `HelmRelease team-a/shop`."""
    rendered: RenderedRelease
    release: Release
    cluster: str = ""
    """The workload cluster (`namespace/name`) that it goes to."""
    provider: str = ""
    traced: bool = False
    """Objects come from files that are known (`Part.by`), as kustomize says it."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One rendered object."""

    body: JsonObject
    by: str = ""
    """Chart and template, or the file that it was taken from."""
    once: bool = False
    crd: bool = False
    """From a chart's `crds/`: post-renderers pass it over."""
    hook: Hook | None = None


def checked(
    parts: Iterable[Part], path: str, secret_values: Collection[str], sensitive: Sensitive
) -> tuple[tuple[Manifest, ...], list[Finding]]:
    """Manifests of rendered objects, numbered in their order, and what is wrong with them."""
    found, findings = [], []
    for index, part in enumerate(parts):
        body = part.body
        group = split_api_version(str(body.get("apiVersion", "")))[0]
        patterns = sensitive(group, str(body.get("kind", "")))
        document = Document(index=index, item=-1, line=0, body=body)
        result = manifest.check(document, path, patterns)
        findings += [
            msgspec.structs.replace(f, summary=f"{part.by}: {f.summary}" if part.by else f.summary)
            for f in result.findings
        ]
        if result.manifest is None:
            continue
        made = msgspec.structs.replace(result.manifest, by=part.by, once=part.once, hook=part.hook)
        found.append(_untainted(made, secret_values))
    return tuple(found), findings


def documents(manifests: Iterable[Manifest], source: Source) -> Iterator[LoadedDocument]:
    """The documents of a render, each with its way back to the file."""
    for part in manifests:
        step = Step(source.what, str(source.origin), "" if source.traced else part.by)
        via = (*source.origin.via, step)
        if source.traced and part.by:
            origin = Origin(part.by, 0, via=via)
        else:
            origin = msgspec.structs.replace(source.origin, via=via)
        taken = tuple(
            (
                found.path,
                SecretRef(source.rendered, part.index, found.source, -1, found.transform),
            )
            for found in part.secrets
        )
        yield LoadedDocument(
            management=source.management,
            version=part.version,
            kind=part.kind,
            namespace=part.namespace,
            name=part.name,
            body=part.body,
            secrets=taken,
            origin=origin,
            cluster=part.cluster or source.cluster,
            provider=source.provider,
            release=source.release,
            once=part.once,
            hook=part.hook,
            sealed=part.sealed,
            inputs=source.rendered.inputs,
        )


def _untainted(part: Manifest, values: Collection[str]) -> Manifest:
    """Without the texts that hold a secret value, plain or in base64."""
    wanted = [value for value in values if len(value) >= _SHORTEST]
    wanted += [base64.b64encode(value.encode()).decode() for value in wanted]
    if not any(value.encode() in part.body or _escaped(value) in part.body for value in wanted):
        return part
    body = msgspec.json.decode(part.body)
    taken = list(part.secrets)
    for path, text in list(_texts(body, ())):
        if any(value in text for value in wanted):
            holder = value_at(body, path[:-1])
            if isinstance(holder, dict):
                del holder[path[-1][2:]]
            else:
                holder[int(path[-1][2:])] = ""
            taken.append(Extracted(path, path, "plain"))
    return msgspec.structs.replace(part, body=canonical(body), secrets=tuple(taken))


def _escaped(value: str) -> bytes:
    return msgspec.json.encode(value)[1:-1]


def _texts(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, (*path, f"f:{name}"))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, f"i:{index}"))
