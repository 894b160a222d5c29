"""Opens what expanding needs: sources, pins, the cache of renders, the workers that render."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from planner.expand import trace
from planner.expand.blueprints import Blueprints
from planner.expand.edits import Alone, Edit, Variant
from planner.expand.expander import Expander
from planner.expand.fluxsources import FluxSources
from planner.expand.inputvalues import InputValues, Look, Reveal
from planner.expand.jobs import Job, Jobs
from planner.expand.kustomizations import Kustomizations
from planner.expand.releases import Releases
from planner.expand.sources import Pinned, Sources, from_lock
from planner.load import Loaded, LoadedDocument
from planner.parsecache import ParseCache
from providers import locked, secrets, yamldoc
from providers.archive import Store, digest_of
from providers.git import SourceTree
from providers.helm.chart import Chart
from providers.helm.pool import Capabilities, Renderer
from providers.helm.values import merged_with
from providers.locked import FILE, Lock
from providers.secrets import Pins
from state.fields import MISSING, value_at
from state.resource import FieldPath, JsonObject, RenderedRelease, SecretRef

ContentOf = Callable[[str, str], bytes | None]
"""A file by path and blob id."""


class Expansion:
    """One expansion of one tree, kept to render again where a secret value is needed."""

    def __init__(
        self, expander: Expander, jobs: Jobs, cache: ParseCache, pins: Pins, lock: str
    ) -> None:
        self._expander = expander
        self._pins = pins
        self._jobs = jobs
        self._cache = cache
        self._lock = lock

    def expand(self, loaded: Loaded) -> Loaded:
        """Everything expanded (`planner.expand`); what was rendered is remembered."""
        try:
            found = self._expander.expand(loaded)
            return msgspec.structs.replace(found, lock=self._lock)
        finally:
            self._cache.save()
            self._jobs.close()

    def read_chart(self, folder: str) -> None:
        """Read a chart of the repository with all that it depends on. Raises ClusterformError."""
        self._expander.read_chart(folder)

    def variants(self, wanted: Iterable[Edit | Alone]) -> list[Variant]:
        """What releases and charts come to with other values, after `expand`; remembered, too."""
        try:
            return list(self._expander.variants(wanted, self._pins))
        finally:
            self._cache.save()
            self._jobs.close()

    def job_of(self, document: LoadedDocument) -> Job | None:
        """The job that an object came of."""
        return self._jobs.job_of(document.inputs)

    def values(self, job: Job) -> JsonObject:
        """What a chart is rendered with: its own values, and the release's on top."""
        assert job.chart is not None
        return merged_with(chart_defaults(job.chart.chart), job.chart.values)

    def cost(self, job: Job) -> int:
        """Renders that `field_sources` takes."""
        return trace.count(self.values(job)) + 1

    def field_sources(
        self, document: LoadedDocument, field: FieldPath
    ) -> tuple[Job | None, list[FieldPath]]:
        """The job that an object came of, and the values that one of its fields depends on.

        The values are found by experiment (`trace`); none for what no chart rendered.
        """
        job = self.job_of(document)
        if job is None or job.chart is None:
            return job, []
        identity = (document.kind, document.name)

        def rendered(values: list[JsonObject]) -> Iterator[JsonObject | None]:
            for bodies in self._jobs.trials(job, values):
                found = (b for b in bodies if identity == (b.get("kind"), _name(b)))
                yield next(found, None)

        everything = self.values(job)
        (body,) = rendered([everything])
        before = value_at(body or {}, field)
        return job, trace.sources(everything, field, before, rendered)

    def place(self, job: Job, path: FieldPath, content: ContentOf) -> str:
        """`file:line` where a value is written: in the release, or in the chart's own values.

        `""` where it comes from `valuesFrom`, or a patch that is not followed.
        """
        assert job.chart is not None
        origin, chart = job.source.origin, job.chart.chart
        if value_at(job.inline, path) is not MISSING:
            text = content(origin.path, origin.blob)
            at = (*job.at, *path)
            line = text and yamldoc.line_of(text, origin.document, at, origin.item)
            return f"{origin.path}:{line}" if line else ""
        if value_at(job.chart.values, path) is not MISSING:
            return ""
        line = yamldoc.line_of(chart.files.get("values.yaml", b""), 0, path)
        return f"{chart.where}/values.yaml:{line}" if line else ""

    def close(self) -> None:
        """End the workers; they start again where they are needed."""
        self._jobs.close()

    def bodies(self, source: RenderedRelease) -> list[JsonObject]:
        """What a release renders to, in memory."""
        return self._jobs.bodies(source)

    def value(self, ref: SecretRef) -> str | None:
        """A secret value of a render, where it is known without rendering."""
        return self._jobs.values.get(ref)

    def is_value(self, ref: SecretRef, held: str) -> bool:
        """`held` is the value, as far as is known without rendering."""
        return self._jobs.values.matches(ref, held)

    def prepare(self, refs: Collection[SecretRef]) -> None:
        """Render what is needed for these, many releases at a time."""
        self._jobs.prepare(refs)


def chart_defaults(chart: Chart) -> JsonObject:
    """The values that a chart comes with."""
    documents, _ = yamldoc.parse(chart.files.get("values.yaml", b""), "values.yaml")
    return documents[0].body if documents else {}


def _name(body: JsonObject) -> object:
    metadata = body.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def open_expansion(
    loaded: Loaded,
    tree: SourceTree,
    *,
    cache: Path | None,
    key_dir: Path,
    reveal: Reveal,
    look: Look | None = None,
    lock: Lock | None = None,
    pinned: Pinned | None = None,
) -> Expansion:
    """Everything that an expansion of this tree needs; nothing is started yet.

    `look`: reads values that are not in Git; None where no cluster is asked. `lock`, `pinned`:
    instead of the tree's `clusterform.lock` and its pins (`planner.locking`).
    """
    content = tree.read([FILE])[FILE] if tree.files(FILE) else b""
    if lock is None:
        lock = locked.read(content) if content else Lock()
    renders = ParseCache(cache, secrets.sensitive, "rendered")
    pins = Pins(key_dir)
    store = Store(key_dir / "cache" / "sources")
    sources = Sources(tree, loaded.fleet.sources, store, pinned or from_lock(lock))
    jobs = Jobs(renderer=Renderer, cache=renders, pins=pins, sensitive=secrets.sensitive)
    values = InputValues(pins, reveal, look)
    flux = FluxSources(sources)
    releases = Releases(sources, flux, pins, values, _capabilities(lock))
    blueprints = Blueprints(sources, loaded.fleet, pins, releases)
    kustomizations = Kustomizations(sources, flux, pins, values)
    expander = Expander(jobs, sources, kustomizations, releases, blueprints, values)
    return Expansion(expander, jobs, renders, pins, digest_of(content) if content else "")


def _capabilities(lock: Lock) -> Callable[[str], Capabilities | None]:
    """What charts may ask of a management cluster: as it was locked, the same on every machine."""

    def of(management: str) -> Capabilities | None:
        found = lock.cluster(management)
        if found is None:
            return None
        return Capabilities(kube_version=found.kubernetes, api_versions=found.api_versions)

    return of
