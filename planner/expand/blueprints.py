"""WorkloadClusters and profiles → renders and builds of the fleet's own charts and folders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from planner.expand.edits import Alone
from planner.expand.handover import object_name, resource_set
from planner.expand.index import identity_of
from planner.expand.jobs import Build, Job, Template
from planner.expand.releases import Releases
from planner.expand.rendered import Part, Source
from planner.expand.sources import Sources
from planner.expand.workload import Workload, read_workload
from planner.expansions import ALONE
from planner.load import LoadedDocument
from providers.capi import CLUSTER
from providers.flux import substitute
from providers.helm.pool import Request
from providers.kustomize.options import FluxBuild
from providers.secrets import Pins
from state.desired import Blueprint, FleetSpec, Profile
from state.errors import ClusterformError
from state.resource import JsonObject, Origin, Release, RenderedRelease, canonical, digest

_VALUES = ("f:spec", "f:values")


class Blueprints:
    """Makes the jobs of one expansion."""

    def __init__(self, sources: Sources, fleet: FleetSpec, pins: Pins, releases: Releases) -> None:
        self._sources = sources
        self._fleet = fleet
        self._pins = pins
        self._releases = releases

    def workload(self, document: LoadedDocument) -> tuple[Job, Workload]:
        """What a WorkloadCluster's blueprint makes of it."""
        workload = read_workload(msgspec.json.decode(document.body), self._fleet)
        release = Release(
            kind="WorkloadCluster",
            namespace=workload.namespace,
            name=workload.name,
            version=workload.blueprint.version,
            release_name=workload.name,
            target_namespace=workload.namespace,
        )
        chart = self._chart(document.management, workload)
        if chart is not None:
            release = msgspec.structs.replace(
                release, chart=chart.chart.name, version=chart.chart.version
            )
        inputs = digest(
            b"blueprint",
            identity_of(document, self._pins).encode(),
            workload.blueprint.name.encode(),
            b"" if chart is None else chart.identity.encode(),
        )
        source = Source(
            management=document.management,
            origin=document.origin,
            what=release.text,
            rendered=RenderedRelease(
                f"{document.management}/WorkloadCluster/{workload.namespace}/{workload.name}",
                inputs,
            ),
            release=release,
            traced=bool(workload.blueprint.kustomize),
        )
        job = Job(
            source=source,
            chart=chart,
            build=self._build(workload.blueprint),
            template=self._template(workload),
            finish=_finisher(workload),
            inline=workload.values,
            at=_VALUES,
        )
        return job, workload

    def _chart(self, management: str, workload: Workload) -> Request | None:
        blueprint = workload.blueprint
        if not blueprint.chart:
            return None
        return Request(
            chart=self._releases.folder_chart(blueprint.chart, blueprint.version),
            name=workload.name,
            namespace=workload.namespace,
            values=workload.values,
            capabilities=self._releases.capabilities(management),
        )

    def _build(self, blueprint: Blueprint) -> Build | None:
        if not blueprint.kustomize:
            return None
        return Build(files=self._sources.own(), path=blueprint.kustomize, flux=FluxBuild())

    def _template(self, workload: Workload) -> Template | None:
        """The file with the cluster's name and namespace as clusterctl sets them."""
        blueprint = workload.blueprint
        if not blueprint.template:
            return None
        variables = {
            "CLUSTER_NAME": workload.name,
            "NAMESPACE": workload.namespace,
            **variables_of(workload.values),
        }
        files = self._sources.own()
        return Template(files=files, path=blueprint.template, variables=variables)

    def chart_alone(self, wanted: Alone) -> Job:
        """A chart of the fleet's own tree with values that no release has."""
        chart = Request(
            chart=self._releases.folder_chart(wanted.chart, ""),
            name=wanted.name,
            namespace=wanted.namespace,
            values=wanted.values,
            capabilities=self._releases.capabilities(wanted.management),
        )
        values = self._pins.pin(wanted.origin.path, canonical(wanted.values))
        place = f"{wanted.namespace}/{wanted.name}"
        inputs = digest(b"alone", place.encode(), values.encode(), chart.identity.encode())
        return Job(
            source=Source(
                management=wanted.management,
                origin=wanted.origin,
                what=f"chart {wanted.chart}",
                rendered=RenderedRelease(f"{wanted.management}/chart/{place}", inputs),
                release=Release(
                    kind=ALONE,
                    name=wanted.chart,
                    release_name=wanted.name,
                    target_namespace=wanted.namespace,
                ),
            ),
            chart=chart,
            inline=wanted.values,
        )

    def profile(self, profile: Profile) -> Job:
        """The objects of a profile, the same for every cluster, or the set that holds them."""
        path = profile.path or profile.chart
        if profile.gitops is not None:
            path = profile.gitops.components
        release = Release(kind="profile", name=profile.name, version=profile.version)
        chart: Request | None = None
        build: Build | None = None
        template: Template | None = None
        if profile.chart:
            made = self._releases.folder_chart(profile.chart, profile.version)
            release = msgspec.structs.replace(
                release,
                chart=made.name,
                version=made.version,
                release_name=profile.name,
                target_namespace=profile.namespace,
            )
            chart = Request(
                chart=made,
                name=profile.name,
                namespace=profile.namespace,
                values=msgspec.json.decode(profile.values),
                capabilities=None,
            )
        elif path in self._sources.own():
            template = Template(files=self._sources.own(), path=path)
        else:
            build = Build(files=self._sources.own(), path=path, flux=FluxBuild())
        inputs = digest(
            b"profile",
            profile.name.encode(),
            profile.values,
            b"" if chart is None else chart.identity.encode(),
            *([object_name(profile).encode()] if profile.handed_over else []),
        )
        return Job(
            source=Source(
                management="",
                origin=Origin(path, 0),
                what=f"profile {profile.name}",
                rendered=RenderedRelease(f"-/profile/-/{profile.name}", inputs),
                release=release,
                traced=chart is None,
            ),
            chart=chart,
            build=build,
            template=template,
            finish=partial(resource_set, profile, path=path) if profile.handed_over else list,
            inline=msgspec.json.decode(profile.values),
            at=("f:spec", "f:profiles", f"f:{profile.name}", "f:values"),
        )


def variables_of(values: JsonObject) -> dict[str, str]:
    """Values as variables: texts, numbers and booleans.

    Raises ClusterformError('workload-cluster') for a map or list.
    """
    found = {}
    for name, value in values.items():
        if isinstance(value, (dict, list)) or value is None:
            raise ClusterformError(
                "workload-cluster",
                f"spec.values.{name} is no text, number or boolean: this blueprint has variables",
            )
        found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _finisher(workload: Workload) -> Callable[[list[Part]], list[Part]]:
    """Variables of a kustomize blueprint, and the labels of the WorkloadCluster on its Cluster."""

    def finish(parts: list[Part]) -> list[Part]:
        if workload.blueprint.kustomize:
            given = {"cluster_name": workload.name, "cluster_namespace": workload.namespace}
            variables = substitute.variables(given, variables_of(workload.values))
            parts = [
                msgspec.structs.replace(p, body=substitute.substitute(p.body, variables))
                for p in parts
            ]
        for part in parts:
            if part.body.get("kind") == CLUSTER.kind and workload.labels:
                metadata = part.body["metadata"]
                metadata["labels"] = {**(metadata.get("labels") or {}), **workload.labels}
        return parts

    return finish
