"""Renders and builds: what has to be run, from which inputs, remembered by them.

A job's `inputs` is a digest over the sources of everything that goes into it, so an equal job gives
equal objects and is run once on this machine. What is remembered holds no secret value: those are
references, and `bodies` renders again, in memory, where one is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import msgspec

from planner.expansions import Order
from planner.load import Sensitive
from planner.manifest import Manifest
from planner.parsecache import ParseCache
from planner.rendered import Part, Source, checked
from planner.sources import Files
from providers.helm.pool import Renderer, Request, renderer_of
from providers.kustomize.build import build_many
from providers.kustomize.options import Built, FluxBuild
from providers.kustomize.options import Request as Folder
from providers.kustomize.tool import find_tool
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import JsonObject, Origin, RenderedRelease, digest, split_api_version

FORMAT = b"2"
"""Counts up whenever what a job gives changes."""


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """A folder to build with kustomize."""

    files: Files
    path: str
    flux: FluxBuild | None = None


class Job(msgspec.Struct, kw_only=True):
    """One release, Kustomization or overlay to run."""

    source: Source
    chart: Request | None = None
    build: Build | None = None
    """One of the two is set."""
    finish: Callable[[list[Part]], list[Part]] = list
    """What follows the render: substitution, post-renderers, labels. Raises ClusterformError."""
    secret_values: tuple[str, ...] = ()
    """Values that went in from Secrets, in memory."""
    orders: tuple[Order, ...] = ()
    files: Files | None = None
    folder: str = ""
    """Of a Kustomization: the files that it owns."""

    @property
    def inputs(self) -> str:
        """Digest over the sources of all inputs."""
        return self.source.rendered.inputs


class Done(msgspec.Struct, kw_only=True):
    """What came of a job."""

    job: Job
    manifests: tuple[Manifest, ...] = ()
    findings: list[Finding] = []


class _Made(msgspec.Struct):
    """What one run gives, unchecked."""

    parts: list[Part]
    findings: list[Finding]
    skipped: tuple[str, ...] = ()
    """Hooks that are not run."""


class Jobs:
    """Runs jobs; keeps them by release, to render again for a secret value."""

    def __init__(
        self,
        *,
        renderer: Callable[[], Renderer],
        cache: ParseCache,
        sensitive: Sensitive,
    ) -> None:
        self._renderer = renderer
        self._running: Renderer | None = None
        self._cache = cache
        self._sensitive = sensitive
        self._jobs: dict[RenderedRelease, Job] = {}
        self._bodies: dict[RenderedRelease, list[JsonObject]] = {}
        self.tools: set[str] = set()

    def run(self, jobs: list[Job]) -> Iterator[Done]:
        """All jobs, in their order; what this machine knows already is not run again."""
        keys = {id(job): self._key(job) for job in jobs}
        known = {id(job): self._cache.get(keys[id(job)]) for job in jobs}
        fresh = [job for job in jobs if known[id(job)] is None]
        made = self._run_fresh(fresh)
        for job in jobs:
            self._jobs[job.source.rendered] = job
            manifests = known[id(job)]
            if manifests is not None:
                skipped = self._cache.notes(keys[id(job)])
                yield Done(job=job, manifests=manifests, findings=_not_run(skipped, job.source))
            else:
                yield self._checked(job, next(made))

    def bodies(self, source: RenderedRelease) -> list[JsonObject]:
        """What a release renders to, values and all, in memory.

        Raises ClusterformError('secret-moved') where the release is not what it was.
        """
        if source not in self._bodies:
            job = self._jobs.get(source)
            if job is None:
                raise ClusterformError(
                    "secret-moved",
                    f"{source.release} does not render from the same inputs any more",
                    hint="make a new plan",
                )
            made = next(self._run_fresh([job]))
            if made.findings:
                found = made.findings[0]
                raise ClusterformError("render", found.summary, where=found.where)
            self._bodies[source] = [part.body for part in made.parts]
        return self._bodies[source]

    def _run_fresh(self, jobs: list[Job]) -> Iterator[_Made]:
        charts = self._charts([job for job in jobs if job.chart is not None])
        builds = self._builds([job for job in jobs if job.build is not None])
        for job in jobs:
            made = next(charts if job.chart is not None else builds)
            try:
                made.parts = job.finish(made.parts) if made.parts else []
            except ClusterformError as error:
                made.parts = []
                made.findings.append(as_finding(error, job.source.what, job.source.origin))
            yield made

    def _charts(self, jobs: list[Job]) -> Iterator[_Made]:
        requests = [job.chart for job in jobs if job.chart is not None]
        results = self._started().render(requests) if requests else iter(())
        for job, result in zip(jobs, results, strict=True):
            assert job.chart is not None
            chart = f"chart {job.chart.chart.name} {job.chart.chart.version}"
            parts = [
                Part(
                    body=o.body,
                    by=f"{chart}, {o.template}",
                    # Helm never changes what a chart's crds/ made, unless it is told to.
                    once=o.crd and job.chart.crds != "CreateReplace",
                    crd=o.crd,
                    hook=o.hook.text if o.hook else "",
                )
                for o in result.objects
            ]
            findings = [_placed(f, job.source) for f in result.findings]
            yield _Made(parts, findings, result.skipped)

    def _builds(self, jobs: list[Job]) -> Iterator[_Made]:
        for job, built in zip(jobs, _built(jobs), strict=True):
            assert job.build is not None
            where = job.build.files.where
            parts = [
                Part(body=msgspec.json.decode(o.body), by=where(o.path) if o.path else "")
                for o in built.objects
            ]
            yield _Made(parts, [_placed(f, job.source) for f in built.findings])

    def _checked(self, job: Job, made: _Made) -> Done:
        parts = made.parts
        kinds = {
            (split_api_version(str(p.body.get("apiVersion", "")))[0], str(p.body.get("kind", "")))
            for p in parts
        }
        manifests, more = checked(parts, job.source.origin.path, job.secret_values, self._sensitive)
        findings = [*made.findings, *(_placed(f, job.source) for f in more)]
        if not findings:
            self._cache.put(self._key(job), tuple(sorted(kinds)), manifests, made.skipped)
        findings += _not_run(made.skipped, job.source)
        return Done(job=job, manifests=manifests, findings=findings)

    def _key(self, job: Job) -> str:
        """Of what is remembered: another tool, or another version of it, may give other objects."""
        try:
            tool = renderer_of(job.chart) if job.chart is not None else find_tool().title
        except ClusterformError:
            return ""  # said where it is run
        self.tools.add(tool)
        return digest(FORMAT, job.inputs.encode(), tool.encode())

    def _started(self) -> Renderer:
        if self._running is None:
            self._running = self._renderer()
        return self._running

    def close(self) -> None:
        """End the workers; they start again where they are needed."""
        running, self._running = self._running, None
        if running is not None:
            running.close()


def _built(jobs: list[Job]) -> Iterator[Built]:
    """Builds of one source after the other run together."""
    for _, group in itertools.groupby(jobs, key=lambda job: id(job.build and job.build.files)):
        builds = [job.build for job in group if job.build is not None]
        requests = [Folder(path=b.path, flux=b.flux) for b in builds]
        yield from build_many(builds[0].files, requests)


def _not_run(skipped: tuple[str, ...], source: Source) -> list[Finding]:
    """Hooks that wait for a deletion or a rollback, which a plan makes in its own way."""
    if not skipped:
        return []
    count = f"{len(skipped)} hook{'s' if len(skipped) > 1 else ''}"
    return [
        Finding(
            severity="warning",
            code="hooks-not-run",
            summary=f"{source.what}: {count} of its chart will not be run: {', '.join(skipped)}",
            path=source.origin.path,
            line=source.origin.line,
        )
    ]


def as_finding(error: ClusterformError, what: str, origin: Origin) -> Finding:
    """An error about a release, at the release."""
    return Finding(
        severity="error",
        code=error.code,
        summary=f"{what}: {error.brief}",
        detail=error.detail,
        path=origin.path,
        line=origin.line,
        hint=error.hint,
    )


def _placed(found: Finding, source: Source) -> Finding:
    """A finding of a render, said of the release that asked for it."""
    where = f"{found.path}: " if found.path and found.path != source.origin.path else ""
    return msgspec.structs.replace(
        found,
        summary=f"{source.what}: {where}{found.summary}",
        path=source.origin.path,
        line=source.origin.line,
        column=0,
    )
