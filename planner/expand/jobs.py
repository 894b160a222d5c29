"""Renders and builds: what has to be run, from which inputs, remembered by them.

A job's `inputs` is a digest over the sources of everything that goes into it, so an equal job gives
equal objects and is run once on this machine. What is remembered holds no secret value: those are
references, and `bodies` renders again, in memory, where one is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator

import msgspec

from planner.expand.rendered import Part, Source, checked
from planner.expand.rendervalues import RenderValues
from planner.expand.sources import Files
from planner.expansions import Order
from planner.load import Sensitive
from planner.manifest import Manifest
from planner.parsecache import Entry, ParseCache
from providers import yamldoc
from providers.flux import clusterctl
from providers.helm import hooks
from providers.helm.pool import Renderer, Request, renderer_of
from providers.kustomize.build import build_many
from providers.kustomize.options import Built, FluxBuild
from providers.kustomize.options import Request as Folder
from providers.secrets import Pins
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import (
    FieldPath,
    Hook,
    JsonObject,
    Origin,
    RenderedRelease,
    SecretRef,
    digest,
    split_api_version,
)

_AGAIN = 256
"""Releases that are rendered again beside each other: their objects are in memory together."""
FORMAT = b"3"
"""Counts up whenever what a job gives changes."""


class Build(msgspec.Struct, kw_only=True):
    """A folder to build with kustomize."""

    files: Files
    path: str
    flux: FluxBuild | None = None
    read: tuple[str, ...] = ()
    """Files that it depends on; known once it was built."""
    tool: str = ""
    """What built it."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A file with variables, as clusterctl fills them in."""

    files: Files
    path: str
    variables: dict[str, str] | None = None
    """None: it is a file of plain manifests."""


class Job(msgspec.Struct, kw_only=True):
    """One release, Kustomization or overlay to run."""

    source: Source
    chart: Request | None = None
    build: Build | None = None
    template: Template | None = None
    """One of the three is set."""
    finish: Callable[[list[Part]], list[Part]] = list
    """What follows the render: substitution, post-renderers, labels. Raises ClusterformError."""
    inline: JsonObject = {}
    """Of a chart: the values that stand in the release itself."""
    at: FieldPath = ()
    """Where in the release they stand."""
    warned: list[Finding] = []
    """What `finish` noticed."""
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


class Jobs:
    """Runs jobs; keeps them by release, to render again for a secret value."""

    def __init__(
        self,
        *,
        renderer: Callable[[], Renderer],
        cache: ParseCache,
        pins: Pins,
        sensitive: Sensitive,
    ) -> None:
        self._renderer = renderer
        self._running: Renderer | None = None
        self._cache = cache
        self._pins = pins
        self._sensitive = sensitive
        self._jobs: dict[RenderedRelease, Job] = {}
        self._bodies: dict[RenderedRelease, list[JsonObject]] = {}
        self.values = RenderValues(pins)
        self.tools: set[str] = set()

    def run(self, jobs: list[Job]) -> Iterator[Done]:
        """All jobs, in their order; what this machine knows already is not run again."""
        known = {id(job): self._known(job) for job in jobs}
        fresh = [job for job in jobs if known[id(job)] is None]
        made = self._run_fresh(fresh)
        for job in jobs:
            entry = known[id(job)]
            if entry is not None:
                done = Done(job=job, manifests=entry.manifests, findings=list(entry.findings))
            else:
                done = self._checked(job, *next(made))
            self._jobs[job.source.rendered] = job
            self.values.know(job.source.rendered, done.manifests)
            yield done

    def _known(self, job: Job) -> Entry | None:
        """What this machine knows of a job; of a build only while its files are what they were."""
        entry = self._cache.entry(self._key(job))
        if entry is None or job.build is None:
            return entry
        if job.build.files.identity(self._pins, entry.files) != entry.marks:
            return None
        self._settle(job, entry.marks)
        self.tools.update([entry.tool] if entry.tool else ())
        return entry

    def _settle(self, job: Job, marks: str) -> None:
        """The inputs of a build are known once it is done: the files that it read."""
        rendered = job.source.rendered
        inputs = digest(rendered.inputs.encode(), marks.encode())
        final = msgspec.structs.replace(rendered, inputs=inputs)
        job.source = msgspec.structs.replace(job.source, rendered=final)

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
            parts, findings = next(self._run_fresh([job]))
            errors = [found for found in findings if found.severity == "error"]
            if errors:  # warnings were said by the plan
                raise ClusterformError("render", errors[0].summary, where=errors[0].where)
            self._bodies[source] = [part.body for part in parts]
        return self._bodies[source]

    def prepare(self, refs: Collection[SecretRef]) -> None:
        """Render what is needed to know these values, many releases at a time.

        One first: releases of one chart often share all of their values. What cannot be rendered,
        or is encrypted, is left to `bodies`.
        """
        tried: set[RenderedRelease] = set()
        for size in itertools.chain((1,), itertools.repeat(_AGAIN)):
            wanted: dict[RenderedRelease, list[SecretRef]] = {}
            for ref in refs:
                if isinstance(ref.source, RenderedRelease) and self.values.get(ref) is None:
                    wanted.setdefault(ref.source, []).append(ref)
            fresh = [s for s in wanted if s in self._jobs and s not in tried][:size]
            if not fresh:
                return
            tried.update(fresh)
            made = self._run_fresh([self._jobs[source] for source in fresh])
            for source, (parts, _) in zip(fresh, made, strict=True):
                for ref in wanted[source]:
                    if ref.document < len(parts):
                        self.values.learn(ref, parts[ref.document].body)

    def job_of(self, inputs: str) -> Job | None:
        """The job that documents with these inputs came of."""
        return next((j for j in self._jobs.values() if j.inputs == inputs), None)

    def trials(self, job: Job, values: list[JsonObject]) -> Iterator[list[JsonObject]]:
        """The objects of a chart with each of some values; none where rendering fails."""
        assert job.chart is not None
        chart = job.chart
        requests = [msgspec.structs.replace(chart, values=each) for each in values]
        for result in self._started().render(requests):
            try:
                parts = job.finish([Part(body=o.body) for o in result.objects])
            except ClusterformError:
                parts = []
            yield [part.body for part in parts]

    def _run_fresh(self, jobs: list[Job]) -> Iterator[tuple[list[Part], list[Finding]]]:
        charts = self._charts([job for job in jobs if job.chart is not None])
        builds = self._builds([job for job in jobs if job.build is not None])
        for job in jobs:
            try:
                if job.template is not None:
                    parts, findings = _filled(job.template)
                else:
                    parts, findings = next(charts if job.chart is not None else builds)
                failed = any(found.severity == "error" for found in findings)
                yield [] if failed else job.finish(parts), findings
            except ClusterformError as error:
                what = job.source.what
                yield [], [as_finding(error, what, job.source.origin)]

    def _charts(self, jobs: list[Job]) -> Iterator[tuple[list[Part], list[Finding]]]:
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
                    hook=_hook(o.hook),
                )
                for o in result.objects
            ]
            yield (
                parts,
                [
                    *(_placed(f, job.source) for f in result.findings),
                    *_not_run(result.skipped, job.source),
                ],
            )

    def _builds(self, jobs: list[Job]) -> Iterator[tuple[list[Part], list[Finding]]]:
        for job, built in zip(jobs, _built(jobs), strict=True):
            self.tools.update([built.tool] if built.tool else ())
            assert job.build is not None
            job.build.read, job.build.tool = built.files, built.tool
            where = job.build.files.where
            parts = [
                Part(body=msgspec.json.decode(o.body), by=where(o.path) if o.path else "")
                for o in built.objects
            ]
            yield parts, [_placed(f, job.source) for f in built.findings]

    def _checked(self, job: Job, parts: list[Part], findings: list[Finding]) -> Done:
        kinds = {
            (split_api_version(str(p.body.get("apiVersion", "")))[0], str(p.body.get("kind", "")))
            for p in parts
        }
        raw = [msgspec.json.encode(part.body) for part in parts]  # checking takes the values out
        manifests, more = checked(parts, job.source.origin.path, job.secret_values, self._sensitive)
        if not job.secret_values:
            manifests = tuple(self.values.pinned(m, raw[m.index]) for m in manifests)
        findings = [*findings, *job.warned, *(_placed(f, job.source) for f in more)]
        key = self._key(job)
        files: tuple[str, ...] = ()
        marks = ""
        if job.build is not None:
            files = job.build.read
            marks = job.build.files.identity(self._pins, files)
            self._settle(job, marks)
        if job.secret_values:
            for manifest in manifests:
                self.values.keep(job.source.rendered, manifest, raw[manifest.index])
        if not any(f.severity == "error" for f in findings):
            said = tuple(findings)
            tool = job.build.tool if job.build is not None else ""
            self._cache.put(key, tuple(sorted(kinds)), manifests, files, marks, said, tool)
        return Done(job=job, manifests=manifests, findings=findings)

    def _key(self, job: Job) -> str:
        if job.template is not None:
            marks = job.template.files.identity(self._pins, [job.template.path])
            return digest(FORMAT, b"template", job.inputs.encode(), marks.encode())
        if job.build is None:
            return self._chart_key(job)
        names = job.build.files.names(job.build.path)
        return digest(FORMAT, b"build", job.inputs.encode(), names.encode())

    def _chart_key(self, job: Job) -> str:
        """Another renderer, or another version of it, may give other objects."""
        assert job.chart is not None
        try:
            tool = renderer_of(job.chart)
        except ClusterformError:
            return ""  # said where it is run
        self.tools.add(tool)
        return digest(FORMAT, b"chart", job.inputs.encode(), tool.encode())

    def _started(self) -> Renderer:
        if self._running is None:
            self._running = self._renderer()
        return self._running

    def close(self) -> None:
        """End the workers; they start again where they are needed."""
        running, self._running = self._running, None
        if running is not None:
            running.close()


def _hook(found: hooks.Hook | None) -> Hook | None:
    return Hook(found.events, found.weight) if found is not None else None


def _not_run(skipped: tuple[str, ...], source: Source) -> Iterator[Finding]:
    if skipped:
        yield Finding(
            severity="warning",
            code="hooks-not-run",
            summary=f"{source.what}: hooks that are not run: {', '.join(skipped)}",
            path=source.origin.path,
            line=source.origin.line,
        )


def _filled(template: Template) -> tuple[list[Part], list[Finding]]:
    text = template.files[template.path].decode()
    if template.variables is not None:
        text = clusterctl.process(text, template.variables)
    documents, findings = yamldoc.parse(text.encode(), template.path, yamldoc.COMPONENTS)
    return [Part(body=d.body, by=template.path) for d in documents], findings


def _built(jobs: list[Job]) -> Iterator[Built]:
    """Builds of one source after the other run together."""
    for _, group in itertools.groupby(jobs, key=lambda job: id(job.build and job.build.files)):
        builds = [job.build for job in group if job.build is not None]
        requests = [Folder(path=b.path, flux=b.flux) for b in builds]
        yield from build_many(builds[0].files, requests)


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
