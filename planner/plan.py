"""Everything together: what Git wants and what is live → a `Plan`. Reads clusters, writes nothing.

The phases follow ARCHITECTURE.md; each is a function of the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from planner import classes, deadlines, digests, edges, held, named, policy, provided, rights
from planner.changes import (
    Basis,
    Change,
    ClusterIdentity,
    Confidence,
    Finding,
    Graph,
    Plan,
    Refusal,
    Totals,
    Verb,
)
from planner.compare import Candidate, Comparer, Comparison
from planner.dryrun import DryRunner
from planner.edges import World
from planner.facts import FactReader
from planner.impact import read_before, with_impact
from planner.keepers import Keepers
from planner.load import Loaded
from planner.noops import NoOps
from planner.outcome import Context, Outcome
from planner.planned import Planned
from planner.refresh import PARALLEL_CLUSTERS, KubeFleet, Reader, Wanted
from planner.render import Rendered, Scopes, cluster_key, declared_kinds, render
from planner.resolve import Naming, Resolver, Reveal, belongs, resolved
from planner.rotation import describe_rotations, trigger
from planner.select import Selector
from planner.standing import Fates
from planner.targets import cut, only
from planner.units import assign, is_workload
from planner.unwanted import Unwanted
from planner.work import Declared
from providers.capi import CLUSTER
from providers.kube.client import KubeClient
from providers.management import NAMESPACE
from providers.registry import rules
from state.errors import ClusterformError
from state.live import Present
from state.recorded import Recorded, Records
from state.resource import FieldPath, GroupKind, Resource, ResourceId

Labels = dict[str, str]
FORMAT_VERSION = "1.0"
PARALLEL_DRY_RUNS = 8
"""More threads gain nothing on a server with two cores (measured)."""
_CAPI_VERSION = "cluster.x-k8s.io/v1beta2"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for."""

    mode: str = "apply"
    targets: tuple[Selector, ...] = ()
    excludes: tuple[Selector, ...] = ()
    refresh: str = "fast"
    """`fast`: dry-run what the proof leaves open · `off`: no dry-run · `full`: all of them."""
    allow_destroy: tuple[str, ...] = ()
    """`namespace/name` of objects that may be removed."""
    parallel: int = PARALLEL_DRY_RUNS


class Inputs(msgspec.Struct, kw_only=True):
    """What a plan is made from; the functions are the doors that the caller opened."""

    loaded: Loaded
    kube: KubeFleet
    records: Records
    reveal: Reveal
    line_of: Callable[[Resource, FieldPath], str]
    tool: str
    options: Options = Options()
    cache: Path | None = None
    """Folder of this machine for what may be learned again."""


def make_plan(inputs: Inputs) -> Plan:
    """The plan. Raises ClusterformError for input that cannot be planned at all."""
    return _Planning(inputs).run()


class _Planning:
    """The state of one planning; each method is one phase."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.options = inputs.options
        self.fleet = inputs.loaded.fleet
        self.scopes = Scopes()
        self.reader = Reader(inputs.kube, self.scopes)
        self.live = self.reader.live
        self.out = Outcome()
        self.noops = NoOps(inputs.cache, ask=self.options.refresh != "full")
        self.facts = FactReader(self.reader.client)
        self.dry_run = DryRunner(
            self.reader.client, self.scopes, refresh=self.options.refresh, noops=self.noops
        )
        self.asked: set[ResourceId] = set()
        """What may be removed because it was named on the command line."""

    def run(self) -> Plan:
        rendered = self._render()
        self._refresh(rendered)
        desired, removed = self._select_desired(rendered.resources)
        unit_of = self._units(desired)
        self.asked = self._asked({r.id for r in desired}, removed, unit_of)
        names = self._name_templates(desired)
        physical = [resolved(r, names, unit_of[r.id]) for r in desired]
        self._work(physical, names, unit_of)
        self.noops.save()
        self._explain()
        everything, flips = classes.split([*self.out.planned, *self.out.phantoms])
        world = self._world(rendered, physical, flips)
        planned = self._unheld(everything, world)
        graph = edges.build(planned, world)
        return self._assemble(rendered, planned, physical, graph)

    # ------------------------------------------------------------------ reading

    def _render(self) -> Rendered:
        loaded = self.inputs.loaded
        declared_kinds(loaded.documents, self.scopes)
        self.reader.discover(sorted({(cluster_key(d), d.version) for d in loaded.documents}))
        rendered = render(loaded.documents, self.scopes)
        errors = [f for f in rendered.findings if f.kind == "error"]
        if errors:
            first, *others = errors
            raise ClusterformError(
                "invalid-input",
                first.summary,
                where=first.where,
                hint=first.hint,
                detail=f"and {len(others)} more: clusterform validate lists them" if others else "",
            )
        return rendered

    def _refresh(self, rendered: Rendered) -> None:
        """Management clusters first: their Clusters say which workload clusters have an API."""
        desired = {(r.id.cluster, r.version, r.id.kind) for r in rendered.resources}
        recorded = {(r.id.cluster, r.version, r.id.kind) for r in self.inputs.records.values()}
        always = {(m.name, _CAPI_VERSION, CLUSTER.kind) for m in self.fleet.management}
        always |= {(m.name, "v1", NAMESPACE.kind) for m in self.fleet.management}
        one_version = _one_version_per_kind(desired, recorded, always)
        self.reader.read(w for w in one_version if not is_workload(w[0]))
        self.reader.read(w for w in one_version if is_workload(w[0]))

    # ------------------------------------------------------------------ desired

    def _select_desired(
        self, resources: tuple[Resource, ...]
    ) -> tuple[list[Resource], dict[ResourceId, Labels]]:
        """Under `destroy`, what is targeted is not desired any more: id → its labels."""
        if self.options.mode != "destroy":
            return list(resources), {}
        unit_of = assign(resources)
        removed: dict[ResourceId, Labels] = {}
        for resource in resources:
            labels = resource.decoded()["metadata"].get("labels") or {}
            if any(s.matches(resource.id, unit_of[resource.id], labels) for s in self.targets):
                removed[resource.id] = labels
        return [r for r in resources if r.id not in removed], removed

    @property
    def targets(self) -> tuple[Selector, ...]:
        """The `--target` selectors."""
        return self.options.targets

    def _asked(
        self,
        desired: Collection[ResourceId],
        removed: Mapping[ResourceId, Labels],
        unit_of: Mapping[ResourceId, str],
    ) -> set[ResourceId]:
        """Objects that were named: by `destroy --target`, live ones included, or one by one."""
        if self.options.mode != "destroy":
            return named.allowed(self.options.allow_destroy, {*unit_of, *self.live.objects})
        known = {id_: (unit_of.get(id_, id_.cluster), labels) for id_, labels in removed.items()}
        for present in self._owned_elsewhere(desired):
            known.setdefault(
                present.id, (unit_of.get(present.id, present.id.cluster), present.labels)
            )
        return named.targeted(self.targets, known)

    def _owned_elsewhere(self, wanted: Collection[ResourceId]) -> list[Present]:
        """Live objects with our label that Git does not have."""
        return [
            present
            for id_, present in self.live.objects.items()
            if id_ not in wanted and belongs(present, self.fleet.name)
        ]

    def _units(self, desired: list[Resource]) -> dict[ResourceId, str]:
        wanted = {r.id for r in desired}
        records = self.inputs.records
        unplaced = [p for p in self._owned_elsewhere(wanted) if not _placed_by(records.get(p.id))]
        found = assign((), unplaced) | assign(desired)
        for id_, recorded in self.inputs.records.items():
            if recorded.unit and id_ not in wanted:
                found[id_] = recorded.unit
        return found

    def _name_templates(self, desired: list[Resource]) -> dict[ResourceId, Naming]:
        return Resolver(desired, self.live.observe, self.inputs.reveal, self.fleet.name).names()

    # ------------------------------------------------------------------ deciding

    def _work(
        self,
        physical: list[Resource],
        names: Mapping[ResourceId, Naming],
        unit_of: Mapping[ResourceId, str],
    ) -> None:
        wanted = {r.id for r in physical}
        context = self._context()
        fates = Fates(
            fleet=context.fleet,
            observe=context.observe,
            desired=wanted,
            named=context.named,
            destroy_clusters=context.destroy_clusters,
        )
        Declared(context, fates, wanted).compare_all(physical, names, self._in_threads, self.out)
        gone = {p.id for p in self._owned_elsewhere(wanted)}
        gone |= {id_ for id_ in self.inputs.records if id_ not in wanted}
        unwanted = Unwanted(context, fates)
        for id_ in sorted(gone):
            unwanted.decide(id_, unit_of.get(id_, id_.cluster), self.out)

    def _context(self) -> Context:
        records = self.inputs.records
        return Context(
            fleet=self.fleet.name,
            observe=self.live.observe,
            reveal=self.inputs.reveal,
            records=records,
            scopes=self.scopes,
            comparer=Comparer(
                ignore=self.fleet.ignore,
                dry_run=self.dry_run,
                recorded_leaf=lambda id_: records[id_].leaves if id_ in records else {},
                line_of=self.inputs.line_of,
                always=self.options.refresh == "full",
            ),
            keeper_of=Keepers(self.reader.client).of,
            named=self.asked,
            destroy_clusters=self.fleet.guards.destroy_clusters,
            empty_clusters=self.live.empty,
        )

    def _in_threads(
        self, settle: Callable[[Candidate], Comparison], candidates: list[Candidate]
    ) -> Iterable[Comparison]:
        """In input order. Threads only where a dry-run may wait for a server."""
        if self.options.refresh == "off" or len(candidates) < 2:
            return [settle(candidate) for candidate in candidates]
        with ThreadPoolExecutor(self.options.parallel) as pool:
            return list(pool.map(settle, candidates))

    def _unheld(self, everything: list[Planned], world: World) -> list[Planned]:
        """Without what waits for something that is blocked, refused or unreadable."""
        reasons = {**self.out.blocked, **self.out.refused}
        planned = [p for p in everything if not p.phantom]
        phantoms = [p for p in everything if p.phantom]
        kept, findings = held.spread(planned, phantoms, world, reasons, self.out.unread)
        self.out.findings += findings
        return self._without_prunes(kept)

    def _without_prunes(self, planned: list[Planned]) -> list[Planned]:
        """A template stays while it is unknown who uses it (semantics 5)."""
        unread = {
            cluster: kind
            for cluster, kind in self.live.unreadable
            if rules(kind.group, kind.kind).references
        }
        kept = []
        for item in planned:
            kind = unread.get(item.change.id.cluster)
            if item.change.verb is not Verb.PRUNE or kind is None:
                kept.append(item)
                continue
            reason = f"{item.change.id}: who uses it is not known: {kind.kind} could not be read"
            self.out.findings.append(
                Finding(kind="unreadable", summary=reason, unit=item.change.unit)
            )
        return kept

    # ------------------------------------------------------------------ effects, order

    def _explain(self) -> None:
        describe_rotations(
            self.out.planned,
            self.live.observe,
            self.inputs.reveal,
            self.inputs.line_of,
        )
        rotated = {
            (p.change.id.group_kind, p.change.id.name): p.change.logical
            for p in self.out.planned
            if p.change.verb is Verb.ROTATE
        }
        self.facts.prepare(read_before(self.out.planned))
        for item in self.out.planned:
            item.change = with_impact(item, self.facts, self._live_clusters)
            item.change = trigger(item.change, rotated)

    def _live_clusters(self, management: str) -> Iterable[Present]:
        return self.live.of_kind(management, CLUSTER)

    def _world(
        self, rendered: Rendered, physical: list[Resource], flips: Mapping[ResourceId, str]
    ) -> World:
        owners: dict[str, tuple[ResourceId, ...]] = {}
        for resource in physical:
            kind_rules = rules(resource.id.group, resource.id.kind)
            if kind_rules.machines and kind_rules.ready is not None:
                owners[resource.unit] = (*owners.get(resource.unit, ()), resource.id)
        return World(
            records=self.inputs.records,
            empty_clusters=tuple(self.live.empty),
            providers=self.inputs.loaded.providers,
            provider_of=rendered.provider_of,
            owners=owners,
            deadlines=deadlines.of_plan(physical, self.live.objects, self.out.planned),
            class_flips=flips,
        )

    def _assemble(
        self,
        rendered: Rendered,
        planned: list[Planned],
        physical: list[Resource],
        graph: Graph,
    ) -> Plan:
        changes = tuple(sorted((p.change for p in planned), key=lambda c: c.action))
        cleared = self.out.cleared
        if self.options.mode == "destroy":
            changes, graph = only(changes, graph, self.asked)
            cleared = []
        else:
            changes, graph, cleared = cut(
                changes, graph, cleared, physical, self.targets, self.options.excludes
            )
        basis = self._basis(changes)
        findings = (
            *rendered.findings,
            *self._loading_findings(),
            *provided.warnings(rendered.resources),
            *self.out.findings,
            *rights.no_dry_run(self.dry_run.forbidden),
            *rights.unidentified(basis.clusters),
        )
        unit_list = digests.units(changes, cleared, graph, self._incomplete())
        return Plan(
            format_version=FORMAT_VERSION,
            mode=self.options.mode,
            basis=basis,
            units=unit_list,
            changes=changes,
            graph=graph,
            findings=tuple(sorted(findings, key=lambda f: (f.kind, f.unit, f.summary))),
            refusals=(
                *self._empty_input(physical, changes),
                *policy.refusals(
                    changes,
                    self.fleet.guards,
                    recorded=len(self.inputs.records),
                    named=self.asked,
                ),
            ),
            totals=Totals(
                clusters=sum(1 for r in physical if r.id.group_kind == CLUSTER),
                resources=len(physical),
                unreadable=sum(1 for f in self.out.findings if f.kind == "unreadable"),
                unproven=sum(1 for c in changes if c.confidence is Confidence.UNPROVEN),
                ignored=self.out.ignored,
            ),
            complete=not any(f.kind in ("unreadable", "blocked") for f in self.out.findings),
            digest=digests.plan_digest(unit_list),
        )

    def _empty_input(
        self, physical: list[Resource], changes: tuple[Change, ...]
    ) -> tuple[Refusal, ...]:
        """Nothing declared is more likely a wrong folder than a wish to delete everything."""
        if self.options.mode == "destroy":
            return ()
        declared = {r.id.cluster.partition("/")[0] for r in physical}
        emptied = {c.id.cluster.partition("/")[0] for c in changes if c.deletes} - declared
        return tuple(
            Refusal(
                code="empty-input",
                summary=f"nothing is declared for {name}, and an empty input deletes nothing",
                units=(name,),
                override="check the folder and the paths; destroy --target removes on purpose",
            )
            for name in sorted(emptied)
        )

    def _loading_findings(self) -> tuple[Finding, ...]:
        loaded = self.inputs.loaded
        found = [
            Finding(
                kind=f.severity,
                summary=f.summary,
                where=f"{f.path}:{f.line}" if f.line else f.path,
                hint=f.hint,
            )
            for f in loaded.findings
        ]
        if not loaded.documents:
            where = ", ".join(path for m in loaded.fleet.management for path in m.paths)
            found.append(
                Finding(
                    kind="warning",
                    summary=f"no manifests were found in {where}",
                    hint="work in the folder of a clusters repo, or name it with -C",
                )
            )
        found += [Finding(kind="skipped", summary=f"left out: {text}") for text in loaded.skipped]
        return tuple(found)

    def _incomplete(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for finding in self.out.findings:
            if finding.kind in ("unreadable", "blocked", "refused"):
                found.setdefault(finding.unit, []).append(finding.summary)
        return {unit: tuple(sorted(reasons)) for unit, reasons in sorted(found.items())}

    def _basis(self, changes: tuple[Change, ...]) -> Basis:
        loaded = self.inputs.loaded
        identities = []
        for spec in sorted(self.fleet.management, key=lambda m: m.name):
            client = self.reader.client(spec.name)
            if client is not None:
                identities.append(
                    ClusterIdentity(
                        cluster=spec.name, uid=client.uid(), version=client.server_version()
                    )
                )
        workload = sorted({c.id.cluster for c in changes if is_workload(c.id.cluster)})
        clients = [client for name in workload if (client := self.reader.client(name)) is not None]
        with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
            for client, uid in zip(clients, pool.map(KubeClient.uid, clients), strict=True):
                identities.append(ClusterIdentity(cluster=client.cluster, uid=uid))
        selectors = (
            *(f"--target {s.text}" for s in self.options.targets),
            *(f"--exclude {s.text}" for s in self.options.excludes),
        )
        return Basis(
            fleet=self.fleet.name,
            commit=loaded.commit,
            uncommitted=loaded.uncommitted,
            label=loaded.label,
            clusters=tuple(identities),
            tool=self.inputs.tool,
            partial=selectors,
        )


def _placed_by(recorded: Recorded | None) -> bool:
    """The record says the unit, and nothing hangs on the object's references: not looked into."""
    if recorded is None or not recorded.unit:
        return False
    return not rules(recorded.id.group, recorded.id.kind).references


def _one_version_per_kind(*wanted: Iterable[Wanted]) -> list[Wanted]:
    """Each kind is listed once: an object read in two versions would be two answers.

    Earlier arguments win: what Git is written in decides before what was recorded.
    """
    chosen: dict[tuple[str, str, GroupKind], Wanted] = {}
    for source in wanted:
        for cluster, version, kind in sorted(source, reverse=True):
            group = version.rpartition("/")[0]
            chosen.setdefault((cluster, kind, GroupKind(group, kind)), (cluster, version, kind))
    return sorted(chosen.values())
