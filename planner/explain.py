"""Where an object and its fields come from: the way back through releases to files."""

from __future__ import annotations

from typing import Any

import msgspec

from planner.expand.jobs import Job
from planner.expectations import dotted
from planner.load import LoadedDocument
from planner.render import Scopes, declared_kinds, render
from planner.units import ADDONS, assign
from planner.workspace import Workspace
from state.errors import ClusterformError
from state.fields import MISSING, value_at
from state.resource import FieldPath, JsonObject, Resource, path_text


class ValueSource(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a field depends on."""

    path: str
    """`nodePools.md0.count`."""
    where: str
    """`clusters/dev/shop.yaml:14`, `charts/aws-cluster/values.yaml:7`, `valuesFrom`."""
    value: Any


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One object, or one field of it."""

    resource: Resource
    field: str = ""
    value: Any = None
    sensitive: bool = False
    at: str = ""
    """Where the field is written, for an object that stands in a file as it is."""
    sources: tuple[ValueSource, ...] = ()
    rendered: bool = False
    """A chart rendered it, so `sources` were looked for."""


def cluster_resources(workspace: Workspace, cluster: str) -> list[Resource]:
    """Everything declared for a workload cluster, its add-ons included, sorted; offline.

    Raises ClusterformError('no-cluster').
    """
    resources = declared(workspace)
    unit_of = assign(resources)
    found = [
        r
        for r in resources
        if unit_of[r.id].removesuffix(ADDONS).endswith(f"/{cluster}")
        and unit_of[r.id].count("/") == 2
    ]
    if not found:
        raise ClusterformError(
            "no-cluster",
            f"Git declares no cluster {cluster}",
            hint="write NAMESPACE/NAME; clusterform render lists everything",
        )
    return found


def declared(workspace: Workspace) -> tuple[Resource, ...]:
    """All resources of the repository, by what is known without a cluster."""
    documents = workspace.checked().documents
    scopes = Scopes()
    declared_kinds(documents, scopes)
    return render(documents, scopes).resources


def explain(workspace: Workspace, text: str) -> list[Explained]:
    """What `NAMESPACE/CLUSTER[/KIND[/NAME[/FIELD]]]` names, explained.

    Raises ClusterformError('no-cluster', 'no-object', 'no-field').
    """
    parts = text.split("/", 4)
    found = cluster_resources(workspace, "/".join(parts[:2]))
    if len(parts) > 2:
        found = [r for r in found if r.id.kind == parts[2]]
    if len(parts) > 3:
        found = [r for r in found if parts[3] in (r.id.name, r.logical)]
    if not found:
        raise ClusterformError(
            "no-object",
            f"nothing of {'/'.join(parts[:2])} is called {'/'.join(parts[2:4])}",
            hint=f"clusterform explain {'/'.join(parts[:2])} lists its objects",
        )
    if len(parts) < 5:
        return [Explained(resource=r) for r in found]
    return [_field(workspace, found[0], parts[4])]


def _field(workspace: Workspace, resource: Resource, text: str) -> Explained:
    path = dotted(text)
    sensitive = any(p[: len(path)] == path or path[: len(p)] == p for p, _ in resource.secrets)
    value = value_at(resource.decoded(), path)
    if value is MISSING and not sensitive:
        raise ClusterformError("no-field", f"{resource.id} has no field {text}")
    found = Explained(
        resource=resource,
        field=path_text(path).removeprefix("."),
        value=None if value is MISSING else value,
        sensitive=sensitive,
    )
    document = _document(workspace, resource)
    if not resource.origin.via or workspace.expansion is None or document is None:
        return msgspec.structs.replace(found, at=workspace.line_of(resource, path))
    job, sources = workspace.expansion.field_sources(document, path)
    if job is None or job.chart is None:
        return found
    made = tuple(_source(workspace, job, each) for each in sources)
    return msgspec.structs.replace(found, sources=made, rendered=True)


def _document(workspace: Workspace, resource: Resource) -> LoadedDocument | None:
    wanted = (resource.id.kind, resource.id.name, str(resource.origin))
    return next(
        (d for d in workspace.loaded.documents if (d.kind, d.name, str(d.origin)) == wanted), None
    )


def _source(workspace: Workspace, job: Job, path: FieldPath) -> ValueSource:
    assert job.chart is not None
    name = path_text(path).removeprefix(".")
    value = value_at(workspace_values(workspace, job), path)
    where = workspace.expansion.place(job, path, workspace.content) if workspace.expansion else ""
    if where:
        return ValueSource(path=name, where=where, value=value)
    if value_at(job.inline, path) is not MISSING:
        return ValueSource(path=name, where=str(job.source.origin), value=value)
    return ValueSource(path=name, where=f"{job.source.origin}, valuesFrom", value=None)


def workspace_values(workspace: Workspace, job: Job) -> JsonObject:
    """What a chart is rendered with."""
    return workspace.expansion.values(job) if workspace.expansion else {}
