"""Releases, Kustomizations, overlays, WorkloadClusters, profiles → the objects that they come to.

What Flux's and Helm's controllers would do with the repository, done here without a cluster and
without the network: each kind is read by its provider, built or rendered, and what comes of it is
expanded again until nothing is left. What is expanded is an input and not written. Files below the
path of a Flux Kustomization belong to it and are not read as plain manifests (docs/gitops.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from planner.expand import profiles
from planner.expand.blueprints import Blueprints
from planner.expand.edits import Alone, Edit, Variant
from planner.expand.gitopsprofile import pointed, sync
from planner.expand.handover import chart_proxy
from planner.expand.index import Index, group_kind
from planner.expand.inputvalues import UNKNOWN, InputValues
from planner.expand.jobs import Done, Job, Jobs, as_finding
from planner.expand.kustomizations import Kustomizations
from planner.expand.releases import Releases
from planner.expand.rendered import Source, checked, documents
from planner.expand.sources import Sources
from planner.expand.workload import WORKLOAD_CLUSTER
from planner.expansions import Order
from planner.load import Loaded, LoadedDocument
from planner.manifest import Manifest
from providers.flux import sources as flux_sources
from providers.flux.kustomization import KUSTOMIZATION
from providers.helm.release import HELM_RELEASES
from providers.secrets import Pins, sensitive
from providers.yamldoc import Finding
from state.desired import Gitops, Profile
from state.errors import ClusterformError
from state.resource import canonical

_LEVELS = 16
"""Kustomizations that lead to Kustomizations: deeper is taken for a loop."""


def is_input(document: LoadedDocument) -> bool:
    """Read and expanded, not written: only in a management cluster, and not of a provider."""
    if document.cluster or document.provider:
        return False
    kind = group_kind(document)
    return (
        kind in (KUSTOMIZATION, WORKLOAD_CLUSTER)
        or kind in HELM_RELEASES
        or kind.group == flux_sources.GROUP
    )


def needs_expanding(loaded: Loaded) -> bool:
    """There is anything to do; most fleets of plain manifests say no."""
    return bool(
        loaded.overlays
        or loaded.fleet.profiles
        or any(m.gitops for m in loaded.fleet.management)
        or any(is_input(d) for d in loaded.documents)
    )


class Expander:
    """One expansion of one tree."""

    def __init__(
        self,
        jobs: Jobs,
        sources: Sources,
        kustomizations: Kustomizations,
        releases: Releases,
        blueprints: Blueprints,
        values: InputValues,
    ) -> None:
        self._jobs = jobs
        self._sources = sources
        self._kustomizations = kustomizations
        self._releases = releases
        self._blueprints = blueprints
        self._values = values
        self._index = Index()
        self._findings: list[Finding] = []
        self._orders: set[Order] = set()
        self._consumed: set[str] = set()
        self._asked: dict[str, tuple[str, ...]] = {}

    def expand(self, loaded: Loaded) -> Loaded:
        """`loaded` with everything expanded; what was said of files that are now a Kustomization's
        is not said of them as plain manifests."""
        done = self._settled(loaded)
        done += self._of_profiles(loaded, done)
        done += self._of_management(loaded)
        kept = [f for f in loaded.findings if not self._is_consumed(f.path)]
        return msgspec.structs.replace(
            loaded,
            documents=tuple(done),
            findings=tuple(
                sorted(
                    [*kept, *self._findings, *self._releases.findings, *self._values.findings],
                    key=lambda f: (f.path, f.line),
                )
            ),
            overlays=(),
            renderers=tuple(sorted(self._jobs.tools)),
            charts=tuple(sorted(self._releases.charts)),
            sources=tuple(sorted(self._sources.used | self._values.used)),
            orders=tuple(sorted(self._orders)),
        )

    def _settled(self, loaded: Loaded) -> list[LoadedDocument]:
        """Expanded level by level: Kustomizations first, since they say which files are theirs."""
        done: list[LoadedDocument] = []
        seen: set[tuple[str, ...]] = set()
        waiting = list(loaded.documents)
        overlays = list(loaded.overlays)
        for _ in range(_LEVELS):
            waiting = [_at_home(d) if is_input(d) else d for d in waiting]
            for document in waiting:
                self._index.add(document)
            done += [d for d in waiting if not is_input(d)]
            inputs = _first_of_each((d for d in waiting if is_input(d)), seen)
            kustomizations = [d for d in inputs if group_kind(d) == KUSTOMIZATION]
            others = [d for d in inputs if group_kind(d) != KUSTOMIZATION]
            if kustomizations:
                seen.update(map(_key, kustomizations))
                made = list(self._run(self._kustomized(kustomizations)))
                done = [d for d in done if not self._taken(d)]
                waiting = [*made, *(d for d in others if not self._taken(d))]
            elif overlays:
                mine = [o for o in overlays if not self._is_consumed(o.folder)]
                overlays = []
                waiting = [*self._run(map(self._kustomizations.overlay, mine)), *others]
            elif others:
                seen.update(map(_key, others))
                waiting = list(self._run(self._released(others)))
            else:
                return done
        self._findings.append(
            Finding(
                severity="error",
                code="expand-loop",
                summary=f"releases lead to releases more than {_LEVELS} levels deep",
                path=loaded.fleet.path or ".",
            )
        )
        return done

    def _run(self, jobs: Iterable[Job]) -> Iterator[LoadedDocument]:
        for outcome in self._jobs.run(list(jobs)):
            self._findings += outcome.findings
            self._orders.update(outcome.job.orders)
            yield from documents(outcome.manifests, outcome.job.source)

    def _kustomized(self, found: Iterable[LoadedDocument]) -> Iterator[Job]:
        for document in found:
            job = self._caught(document, self._kustomizations.flux)
            if job is None:
                continue
            if job.files is not None and self._sources.is_own(job.files):
                self._consumed.add(job.folder)
            yield job

    def _released(self, found: Iterable[LoadedDocument]) -> Iterator[Job]:
        for document in found:
            kind = group_kind(document)
            if kind.group == flux_sources.GROUP:
                continue
            make = self._of_workload if kind == WORKLOAD_CLUSTER else self._releases.job
            job = self._caught(document, make)
            if job is not None:
                yield job

    def _of_workload(self, document: LoadedDocument, _: Index) -> Job:
        job, workload = self._blueprints.workload(document)
        self._asked[f"{document.management}/{workload.namespace}/{workload.name}"] = (
            workload.profiles
        )
        return job

    def _caught(
        self, document: LoadedDocument, make: Callable[[LoadedDocument, Index], Job]
    ) -> Job | None:
        try:
            return make(document, self._index)
        except ClusterformError as error:
            self._findings.append(_said(error, document))
            return None

    # ------------------------------------------------------------------ other values

    def read_chart(self, folder: str) -> None:
        """Read a chart of the repository with all that it depends on. Raises ClusterformError."""
        self._releases.folder_chart(folder, "")

    def variants(self, wanted: Iterable[Edit | Alone], pins: Pins) -> Iterator[Variant]:
        """What releases and charts come to with other values, in their order, after `expand`."""
        made = [self._varied(each, pins) for each in wanted]
        outcomes = self._jobs.run([job for job in made if isinstance(job, Job)])
        for job in made:
            if isinstance(job, Finding):
                yield Variant(findings=(job,))
                continue
            outcome = next(outcomes)
            found = tuple(documents(outcome.manifests, outcome.job.source))
            yield Variant(documents=found, findings=tuple(outcome.findings))

    def _varied(self, wanted: Edit | Alone, pins: Pins) -> Job | Finding:
        if isinstance(wanted, Alone):
            try:
                return self._blueprints.chart_alone(wanted)
            except ClusterformError as error:
                return as_finding(error, f"chart {wanted.chart}", wanted.origin)
        found = self._index.release(wanted.release)
        if found is None:
            summary = f"the repository has no release {wanted.release}"
            hint = "write NAMESPACE/NAME of a HelmRelease or WorkloadCluster"
            return Finding(severity="error", code="no-release", summary=summary, path="", hint=hint)
        try:
            document = wanted.apply(found, pins)
            if group_kind(document) == WORKLOAD_CLUSTER:
                return self._blueprints.workload(document)[0]
            return self._releases.job(document, self._index)
        except ClusterformError as error:
            return _said(error, found)

    # ------------------------------------------------------------------ profiles

    def _of_profiles(self, loaded: Loaded, found: Iterable[LoadedDocument]) -> list[LoadedDocument]:
        """The objects of every profile, once for each cluster that gets it."""
        if not loaded.fleet.profiles:
            return []
        try:
            chosen = list(profiles.wanted(loaded.fleet, found, self._asked))
        except ClusterformError as error:
            self._findings.append(
                Finding(
                    severity="error",
                    code=error.code,
                    summary=error.brief,
                    path=error.where or loaded.fleet.path,
                    hint=error.hint,
                )
            )
            return []
        used = sorted({p.name for _, mine in chosen for p in mine})
        by_name = {p.name: p for p in loaded.fleet.profiles}
        rendered = [name for name in used if by_name[name].through != "helmChartProxy"]
        jobs = [self._blueprints.profile(by_name[name]) for name in rendered]
        outcomes = {o.job.source.release.name: o for o in self._jobs.run(jobs)}
        made: list[LoadedDocument] = []
        for outcome in outcomes.values():
            self._findings += outcome.findings
        for cluster, mine in chosen:
            self._orders.update(profiles.orders(cluster, mine))
            for profile in mine:
                if not profile.handed_over:
                    made += self._of_cluster(outcomes[profile.name], profile, cluster)
        for name, where in profiles.places(chosen).items():
            profile = by_name[name]
            for (management, namespace), version in sorted(where.items()):
                parts, source = self._handed_over(profile, outcomes.get(name), loaded.fleet.path)
                source = msgspec.structs.replace(
                    source,
                    management=management,
                    release=msgspec.structs.replace(source.release, namespace=namespace),
                )
                made += profiles.placed(documents(parts, source), namespace, version)
        return made

    def _handed_over(
        self, profile: Profile, outcome: Done | None, path: str
    ) -> tuple[tuple[Manifest, ...], Source]:
        """What an add-on provider gets: rendered objects in a set, or the name of a chart."""
        if outcome is not None:
            return outcome.manifests, outcome.job.source
        parts, findings = checked(chart_proxy(profile), path, (), sensitive)
        self._findings += findings
        return parts, profiles.chart_source(profile, path)

    def _of_cluster(
        self, outcome: Done, profile: Profile, cluster: LoadedDocument
    ) -> list[LoadedDocument]:
        """The objects of a profile for one cluster; only `gitops` differs between clusters."""
        namespace = cluster.home
        source = msgspec.structs.replace(
            outcome.job.source,
            management=cluster.management,
            cluster=f"{namespace}/{cluster.name}",
        )
        return self._with_sync(outcome, profile.gitops, source, namespace, cluster.name)

    def _with_sync(
        self, outcome: Done, gitops: Gitops | None, source: Source, namespace: str, name: str
    ) -> list[LoadedDocument]:
        made = list(documents(outcome.manifests, source))
        if gitops is None:
            return made
        parts, findings = checked(sync(gitops, namespace, name), source.origin.path, (), sensitive)
        self._findings += findings
        own = msgspec.structs.replace(source, traced=False)
        return [*pointed(made, gitops, namespace, name), *documents(parts, own)]

    def _of_management(self, loaded: Loaded) -> list[LoadedDocument]:
        """Flux in the management clusters themselves, pointed at this repository."""
        made: list[LoadedDocument] = []
        for entry in loaded.fleet.management:
            if entry.gitops is None:
                continue
            profile = Profile(name="gitops", gitops=entry.gitops)
            for outcome in self._jobs.run([self._blueprints.profile(profile)]):
                self._findings += outcome.findings
                source = msgspec.structs.replace(outcome.job.source, management=entry.name)
                made += self._with_sync(outcome, entry.gitops, source, "", entry.name)
        return made

    # ------------------------------------------------------------------ what belongs to whom

    def _taken(self, document: LoadedDocument) -> bool:
        """Read as a plain manifest, though a Kustomization has it."""
        return not document.origin.via and self._is_consumed(document.origin.path)

    def _is_consumed(self, path: str) -> bool:
        return any(
            path == folder or path.startswith(f"{folder}/") or folder == "."
            for folder in self._consumed
        )


def _said(error: ClusterformError, document: LoadedDocument) -> Finding:
    what = f"{document.kind} {document.home}/{document.name}"
    found = as_finding(error, what, document.origin)
    if error.code == UNKNOWN:
        found = msgspec.structs.replace(found, severity="warning")
    return found


def _key(document: LoadedDocument) -> tuple[str, ...]:
    kind = group_kind(document)
    return (document.management, str(kind), document.home, document.name)


def _at_home(document: LoadedDocument) -> LoadedDocument:
    """An input with its namespace written out: what reads it does not know its release."""
    if document.namespace:
        return document
    body = msgspec.json.decode(document.body)
    body["metadata"]["namespace"] = document.home
    return msgspec.structs.replace(document, namespace=document.home, body=canonical(body))


def _first_of_each(
    found: Iterable[LoadedDocument], seen: set[tuple[str, ...]]
) -> list[LoadedDocument]:
    """Inputs that were not expanded yet, each once: a Kustomization also builds itself."""
    first: dict[tuple[str, ...], LoadedDocument] = {}
    for document in found:
        if _key(document) not in seen:
            first.setdefault(_key(document), document)
    return list(first.values())
