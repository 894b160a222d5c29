"""HelmReleases of Flux and of the Helm Operator, and WorkloadClusters → renders of charts.

What the controllers would install: chart from its source, values in their order, names as they
compute them. Source: helm-controller v1.6 and helm-operator v1.4 (docs/gitops.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from planner.expand.charts import Charts
from planner.expand.fluxsources import FluxSources
from planner.expand.index import Index, identity_of
from planner.expand.inputvalues import InputValues
from planner.expand.jobs import Job
from planner.expand.kustomizations import remote_cluster
from planner.expand.postrender import finished
from planner.expand.rendered import Source
from planner.expand.sources import Sources
from planner.expansions import Chart as ChartUse
from planner.expansions import Order, release_key
from planner.load import LoadedDocument
from providers import yamldoc
from providers.flux import sources as flux_sources
from providers.flux.sources import SourceRevision
from providers.helm.chart import Chart
from providers.helm.constraint import satisfies
from providers.helm.pool import Capabilities, Request
from providers.helm.release import ChartRef, ValuesFrom, of_helm_chart, parse
from providers.helm.release import Release as Spec
from providers.helm.values import merge
from providers.locked import of_chart
from providers.secrets import Pins
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import Origin, Release, RenderedRelease, digest


class Releases:
    """Makes the jobs of one expansion; a chart is read once for all of its releases."""

    def __init__(
        self,
        sources: Sources,
        flux: FluxSources,
        pins: Pins,
        values: InputValues,
        capabilities: Callable[[str], Capabilities | None],
    ) -> None:
        self._sources = sources
        self._flux = flux
        self._pins = pins
        self._values = values
        self._capabilities = capabilities
        self.charts: set[ChartUse] = set()
        self.findings: list[Finding] = []
        """Warnings about charts, once for each, and about fields of releases."""
        self._charts = Charts(sources, pins, self.findings)
        self._told: set[str] = set()

    def job(self, document: LoadedDocument, index: Index) -> Job:
        """The render of a HelmRelease. Raises ClusterformError naming what is missing."""
        spec = parse(msgspec.json.decode(document.body))
        what = f"HelmRelease {spec.namespace}/{spec.name}"
        for note in spec.notes:
            self._warn("release-field", f"{what}: {note}", document.origin)
        chart = self._chart(document, spec, index)
        texts: dict[ValuesFrom, str | None] = {}
        used: list[str] = []
        secret_values: list[str] = []
        for entry in spec.values_from:
            texts[entry] = self._value(document, entry, chart, index, used, secret_values)
        values = merge(spec, lambda entry: texts[entry])
        release = Release(
            kind="HelmRelease",
            namespace=spec.namespace,
            name=spec.name,
            chart=chart.name,
            version=chart.version,
            release_name=spec.release_name,
            target_namespace=spec.target_namespace,
            storage_namespace=spec.storage_namespace,
            suspended=spec.suspend,
        )
        cluster = remote_cluster(spec.kube_config) if spec.kube_config else ""
        request = Request(
            chart=chart,
            name=spec.release_name,
            namespace=spec.target_namespace,
            values=values,
            crds=spec.crds,
            capabilities=self._capabilities(document.management),
            hooks=spec.hooks,
            by_kustomize=spec.flavour == "flux",
            secret_values=tuple(secret_values),
        )
        inputs = digest(
            b"helm",
            identity_of(document, self._pins).encode(),
            request.identity.encode(),
            *(part.encode() for part in used),
        )
        key = f"{document.management}/{cluster}" if cluster else document.management
        return Job(
            source=Source(
                management=document.management,
                origin=document.origin,
                what=release.text,
                rendered=RenderedRelease(
                    f"{document.management}/HelmRelease/{spec.namespace}/{spec.name}", inputs
                ),
                release=release,
                cluster=cluster,
            ),
            chart=request,
            finish=lambda parts: finished(parts, spec),
            inline=spec.values,
            at=("f:spec", "f:values"),
            secret_values=tuple(secret_values),
            orders=tuple(
                Order(
                    before=release_key(
                        document.management,
                        Release(kind="HelmRelease", namespace=namespace, name=name),
                    ),
                    after=release_key(key, release),
                    reason=f"{release.text} depends on {namespace}/{name}",
                )
                for namespace, name in spec.depends_on
            ),
        )

    def capabilities(self, management: str) -> Capabilities | None:
        """What charts for a management cluster may ask of it; None where nothing is known."""
        return self._capabilities(management)

    def folder_chart(self, path: str, version: str) -> Chart:
        """A chart of the fleet's own tree, checked against a version constraint."""
        found = self._charts.read(self._sources.own(path), path)
        if version and not satisfies(found.version, version):
            raise ClusterformError(
                "chart-version",
                f"{path} is version {found.version}, which is not {version}",
                hint="a folder holds one version: change the constraint, or the chart",
            )
        return self._used(found)

    # ------------------------------------------------------------------ charts

    def _chart(self, document: LoadedDocument, spec: Spec, index: Index) -> Chart:
        """The chart that a release names, from where its source lies."""
        return self._used(self._located(document.management, spec.chart, spec, index))

    def _used(self, chart: Chart) -> Chart:
        if chart.random and chart.digest not in self._told:
            self._told.add(chart.digest)
            named = ", ".join(f"{function} in {template}" for function, template in chart.random)
            self._warn(
                "random-chart",
                f"chart {chart.name} {chart.version} does not render the same twice: {named}",
                Origin(chart.where, 0),
                "give the value in the release instead: every new render is a change",
            )
        self.charts.add(
            ChartUse(
                name=chart.name,
                version=chart.version,
                digest=chart.digest,
                where=chart.where,
                lookups=chart.lookups,
                tests=chart.tests,
            )
        )
        return chart

    def _warn(self, code: str, summary: str, origin: Origin, hint: str = "") -> None:
        self.findings.append(
            Finding(
                severity="warning",
                code=code,
                summary=summary,
                path=origin.path,
                line=origin.line,
                hint=hint,
            )
        )

    def _located(self, management: str, ref: ChartRef, spec: Spec, index: Index) -> Chart:
        if ref.kind == "git":
            files = self._sources.find(ref.url, SourceRevision(branch=ref.ref))
            return self._charts.read(files.below(ref.path), ref.path)
        if ref.kind == "repository":
            wanted = of_chart(ref.url, ref.name, ref.version)
            files = self._sources.find(ref.url, SourceRevision(), wanted)
            return self._charts.of_repository(files, ref.name, ref.version)
        kind, namespace, name = ref.source
        source = index.get(management, kind, namespace, name)
        if source is None:
            raise ClusterformError(
                "no-source",
                f"its source {kind} {namespace}/{name} is not in Git",
                hint="declare it beside the release",
            )
        body = msgspec.json.decode(source.body)
        if kind == "HelmChart":
            inner = of_helm_chart(body)
            return self._located(management, inner, spec, index)
        parsed = flux_sources.read(body)
        if kind == "HelmRepository":
            wanted = of_chart(parsed.url, ref.name, ref.version)
            files = self._sources.find(
                parsed.url, parsed.revision, wanted, f"{namespace}/{name}", kind
            )
            chart = self._charts.of_repository(files, ref.name, ref.version)
            return self._charts.with_values(
                chart, chart.files, ref.values_files, ref.ignore_missing
            )
        files = self._flux.files(management, parsed, index, ref.path)
        if kind in ("GitRepository", "Bucket"):
            return self._charts.with_values(
                self._charts.read(files.below(ref.path), ref.path),
                files,
                ref.values_files,
                ref.ignore_missing,
            )
        return self._charts.whole(files, parsed.url)

    # ------------------------------------------------------------------ values

    def _value(
        self,
        document: LoadedDocument,
        entry: ValuesFrom,
        chart: Chart,
        index: Index,
        used: list[str],
        secret_values: list[str],
    ) -> str | None:
        """The text behind an entry of `valuesFrom`; None where an optional one is not there."""
        if entry.kind == "ChartFile":
            content = chart.files.get(entry.path)
            if content is None and not entry.optional:
                raise ClusterformError(
                    "no-values", f"valuesFrom: no file {entry.path} in the chart"
                )
            return _text(content, entry.path) if content is not None else None
        wanted = (entry.kind, entry.namespace, entry.name)
        found = self._values.find(document, "valuesFrom", wanted, index, optional=entry.optional)
        if found is None:
            return None
        data = found.texts
        used.append(found.identity)
        if entry.key not in data:
            if entry.optional:
                return None
            raise ClusterformError(
                "no-values",
                f"valuesFrom: {entry.kind} {entry.namespace}/{entry.name} has no key {entry.key}",
            )
        if entry.kind == "Secret":
            secret_values += texts_of(data[entry.key], whole=bool(entry.target_path))
        return data[entry.key]


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ClusterformError("no-values", f"valuesFrom: {path} is not UTF-8") from None


def texts_of(text: str, *, whole: bool) -> list[str]:
    """The values that a text from a Secret brings in: itself, or every text of its YAML."""
    if whole:
        return [text]
    documents, _ = yamldoc.parse(text.encode(), "values")
    found: list[str] = []
    work: list[Any] = [d.body for d in documents]
    while work:
        value = work.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            work += value.values()
        elif isinstance(value, list):
            work += value
    return found
