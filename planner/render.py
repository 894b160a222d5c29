"""Documents from Git → desired resources: scope, namespace, identity, one owner for each id.

Pure. Scope is known before identity (docs/semantics.md 1): from CRDs in the same input, the table
of built-in kinds, or what the server says it serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from planner.changes import Finding
from planner.load import LoadedDocument
from providers import builtin
from providers.builtin import Served, plural_of
from providers.management import CRD
from providers.registry import provided
from state.resource import GroupKind, JsonObject, Resource, ResourceId, canonical, split_api_version


class Scopes:
    """How kinds are served, by cluster: CRDs of the plan first, then discovery, then built-ins."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, GroupKind], Served] = {}

    def add(self, cluster: str, kind: GroupKind, served: Served) -> None:
        """Remember one kind of one cluster; what was said first stays."""
        self._of.setdefault((cluster, kind), served)

    def get(self, cluster: str, kind: GroupKind) -> Served | None:
        """How `cluster` serves `kind`, or None when nothing says so."""
        return self._of.get((cluster, kind)) or builtin.KINDS.get(kind)


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What Git wants. `resources` are sorted by id; `providers` maps a CRD's kind to its owner."""

    resources: tuple[Resource, ...]
    findings: tuple[Finding, ...]
    provider_of: dict[ResourceId, str]
    """Component objects → the provider (`infrastructure-docker`) that brought them."""


def cluster_key(document: LoadedDocument) -> str:
    """The cluster a document lives in: its management cluster, or a workload cluster of it."""
    if document.cluster:
        return f"{document.management}/{document.cluster}"
    return document.management


def declared_kinds(documents: Iterable[LoadedDocument], scopes: Scopes) -> None:
    """Teach `scopes` the kinds of every CRD among the documents."""
    for document in documents:
        if document.kind == CRD.kind and document.version.startswith(CRD.group):
            spec = msgspec.json.decode(document.body).get("spec") or {}
            names = spec.get("names") or {}
            kind = GroupKind(str(spec.get("group", "")), str(names.get("kind", "")))
            served = Served(str(names.get("plural", "")), spec.get("scope") != "Cluster")
            scopes.add(cluster_key(document), kind, served)


def render(documents: Iterable[LoadedDocument], scopes: Scopes) -> Rendered:
    """Resources of all documents; one id written twice, or of unknown scope, is a finding."""
    found: dict[ResourceId, Resource] = {}
    findings: list[Finding] = []
    provider_of: dict[ResourceId, str] = {}
    for document in documents:
        resource = _resource(document, scopes, findings)
        if resource is None:
            continue
        earlier = found.get(resource.id)
        if earlier is not None:
            findings.append(_twice(resource, earlier))
            continue
        found[resource.id] = resource
        if document.provider:
            provider_of[resource.id] = document.provider
    return Rendered(
        resources=tuple(found[id_] for id_ in sorted(found)),
        findings=tuple(findings),
        provider_of=provider_of,
    )


def _resource(document: LoadedDocument, scopes: Scopes, findings: list[Finding]) -> Resource | None:
    group, _ = split_api_version(document.version)
    cluster = cluster_key(document)
    kind = GroupKind(group, document.kind)
    served = scopes.get(cluster, kind) or _of_table(kind)
    namespace = document.namespace
    body = document.body
    if served is None and not namespace:
        findings.append(
            Finding(
                kind="error",
                summary=f"{document.kind} {document.name}: the scope of {document.version}"
                f" {document.kind} is not known",
                where=str(document.origin),
                hint="add its CustomResourceDefinition to the repository, or set a namespace",
            )
        )
        return None
    if served is not None and served.namespaced and not namespace:
        if document.release is not None and document.release.kind == "Kustomization":
            findings.append(
                Finding(
                    kind="error",
                    summary=f"{document.kind} {document.name} of {document.release.text} has no"
                    " namespace: Flux refuses it (namespace not specified)",
                    where=str(document.origin),
                    hint="set its metadata.namespace, or targetNamespace of the Kustomization",
                )
            )
            return None
        namespace = document.home
        body = _with_namespace(body, namespace)
    elif served is not None and not served.namespaced and namespace:
        findings.append(
            Finding(
                kind="warning",
                summary=f"{document.kind} {document.name} is cluster-scoped: its namespace"
                f" {namespace!r} is ignored",
                where=str(document.origin),
            )
        )
        namespace = ""
        body = _with_namespace(body, "")
    return Resource(
        id=ResourceId(cluster, group, document.kind, namespace, document.name),
        version=document.version,
        body=body,
        origin=document.origin,
        secrets=document.secrets,
        release=document.release,
        once=document.once,
        hook=document.hook,
        sealed=document.sealed,
    )


def _of_table(kind: GroupKind) -> Served | None:
    """As the provider of the kind serves it, where it is not installed yet."""
    known = provided(kind.group, kind.kind)
    return Served(plural_of(kind.kind), known[1].namespaced) if known else None


def _with_namespace(body: bytes, namespace: str) -> bytes:
    decoded: JsonObject = msgspec.json.decode(body)
    metadata = {k: v for k, v in decoded["metadata"].items() if k != "namespace"}
    if namespace:
        metadata["namespace"] = namespace
    return canonical({**decoded, "metadata": metadata})


def _twice(resource: Resource, earlier: Resource) -> Finding:
    return Finding(
        kind="error",
        summary=f"{resource.id} is declared twice",
        where=f"{resource.origin} and {earlier.origin}",
        hint="keep one of the two",
    )


def by_cluster(resources: Iterable[Resource]) -> Mapping[str, list[Resource]]:
    """Resources grouped by the cluster they live in, in input order."""
    grouped: dict[str, list[Resource]] = {}
    for resource in resources:
        grouped.setdefault(resource.id.cluster, []).append(resource)
    return grouped
