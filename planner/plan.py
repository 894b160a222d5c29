"""Everything together: what Git wants and what is live → a `Plan`. Reads clusters, writes nothing.

The phases follow ARCHITECTURE.md; each is a function of the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from planner import (
    classes,
    deadlines,
    digests,
    edges,
    held,
    named,
    policy,
    provided,
    prunes,
    reinstalls,
    rights,
    stages,
)
from planner.basis import (
    basis_of,
    empty_input,
    incomplete,
    loading_findings,
    suspended_findings,
)
from planner.changes import (
    Change,
    Confidence,
    Graph,
    Plan,
    Totals,
    Verb,
)
from planner.checks import Around, Checks
from planner.compare import Candidate, Comparer, Comparison
from planner.dryrun import DryRunner
from planner.edges import World
from planner.expansions import release_key
from planner.facts import FactReader
from planner.hookruns import Hooks
from planner.impact import read_before, with_impact
from planner.keepers import Keepers
from planner.load import Loaded
from planner.noops import NoOps
from planner.outcome import Context, Outcome
from planner.planned import Planned
from planner.reached import Reached, holders
from planner.refresh import KubeFleet, Reader, Wanted
from planner.reinstalls import Reinstall
from planner.render import Rendered, Scopes, cluster_key, declared_kinds, render
from planner.resolve import Naming, Resolver, Reveal, belongs, resolved
from planner.rotation import describe_rotations, trigger
from planner.select import Selector
from planner.standing import Fates
from planner.takeover import Agreed, Takeovers
from planner.targets import cut, only, without_idle
from planner.topologies import Surroundings
from planner.units import assign, cluster_unit, is_workload, machine_owners
from planner.unwanted import Unwanted
from planner.work import Declared
from providers.capi import CLUSTER
from providers.management import NAMESPACE
from providers.registry import rules
from state.errors import ClusterformError
from state.live import Present
from state.recorded import Recorded, Records
from state.resource import FieldPath, GroupKind, JsonObject, Resource, ResourceId

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
    adopt: tuple[str, ...] = ()
    """Patterns over `KIND/NAMESPACE/NAME` of releases that are taken over."""
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
    trace: Callable[[Change], Change] = lambda change: change
    """Fills in where the fields of rendered objects come from."""
    now: float = 0.0
    """Seconds since 1970, for what will happen by the clock alone; never in a digest."""


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
        self.facts = FactReader(self.reader.client, lambda: inputs.now)
        self.dry_run = DryRunner(
            self.reader.client, self.scopes, refresh=self.options.refresh, noops=self.noops
        )
        self.reinstalls: list[Reinstall] = []
        self.asked: set[ResourceId] = set()
        """What may be removed because it was named on the command line."""

    def run(self) -> Plan:
        rendered = self._render()
        self._refresh(rendered)
        desired, removed = self._select_desired(rendered.resources)
        unit_of = self._units(desired)
        self.reinstalls = reinstalls.reinstalls(desired, self.inputs.records)
        self.asked = self._asked({r.id for r in desired}, removed, unit_of)
        names = self._name_templates(desired)
        physical = [resolved(r, names, unit_of[r.id]) for r in desired]
        self._work(physical, names, unit_of)
        self.noops.save()
        self._stage()
        self._explain()
        everything, flips = classes.split([*self.out.planned, *self.out.phantoms])
        everything = self._ruled(everything, physical)
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
            there = {*unit_of, *self.live.objects, *(r.id for r in self.reinstalls)}
            return named.allowed(self.options.allow_destroy, there)
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
        agreed = Agreed(self.options.adopt)
        agreed.check(physical, self.inputs.records)
        keepers = Keepers(self.reader.client)
        takeovers = Takeovers(keepers, self.reader.client, self.inputs.records, agreed)
        context = self._context(keepers, takeovers)
        fates = Fates(
            fleet=context.fleet,
            observe=context.observe,
            desired=wanted,
            named=context.named,
            destroy_clusters=context.destroy_clusters,
        )
        Declared(context, fates, wanted).compare_all(physical, names, self._in_threads, self.out)
        Hooks(context, fates, wanted).run(physical, self.out)
        gone = {p.id for p in self._owned_elsewhere(wanted)}
        gone |= {id_ for id_ in self.inputs.records if id_ not in wanted}
        paused = {
            release_key(r.id.cluster, r.release)
            for r in physical
            if r.release and r.release.suspended
        }
        Unwanted(context, fates, paused).decide_all(gone, unit_of, self.out)
        self.out.planned += takeovers.steps()
        self.out.findings += [*takeovers.held(), *takeovers.findings]

    def _context(self, keepers: Keepers, takeovers: Takeovers) -> Context:
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
                recorded=records.get,
                line_of=self.inputs.line_of,
                always=self.options.refresh == "full",
            ),
            keeper_of=keepers.of,
            hold_of=takeovers.hold,
            hold_of_removal=takeovers.hold_removal,
            decrypts=bool(self.fleet.decryption),
            named=self.asked,
            destroy_clusters=self.fleet.guards.destroy_clusters,
            empty_clusters=self.live.empty,
            handed_over={p.name: p.through for p in self.fleet.profiles if p.handed_over},
        )

    def _in_threads(
        self, settle: Callable[[Candidate], Comparison], candidates: list[Candidate]
    ) -> Iterable[Comparison]:
        """In input order. Threads only where a dry-run may wait for a server."""
        if self.options.refresh == "off" or len(candidates) < 2:
            return [settle(candidate) for candidate in candidates]
        with ThreadPoolExecutor(self.options.parallel) as pool:
            return list(pool.map(settle, candidates))

    def _ruled(self, everything: list[Planned], physical: list[Resource]) -> list[Planned]:
        """The rules of validation, over what changes (docs/validation.md)."""
        around = Around(reader=self.reader, scopes=self.scopes, facts=self.facts)
        checks = Checks(around, physical, self.out, self.inputs.line_of)
        return checks.run(everything, self.inputs.loaded.providers, self.inputs.now)

    def _unheld(self, everything: list[Planned], world: World) -> list[Planned]:
        """Without what waits for something that is blocked, refused or unreadable."""
        reasons = {**self.out.suspended, **self.out.blocked, **self.out.refused}
        planned = [p for p in everything if not p.phantom]
        phantoms = [p for p in everything if p.phantom]
        kept, findings = held.spread(planned, phantoms, world, reasons, self.out.unread)
        kept, held_back = prunes.without_held(
            kept, self.live.unreadable, self.live.of_kind, self.facts
        )
        self.out.findings += [*findings, *held_back]
        return kept

    # ------------------------------------------------------------------ effects, order

    def _stage(self) -> None:
        """Upgrades over several minors become a step for each."""
        bodies = {p.change.id: p.after for p in self.out.planned if p.after is not None}

        def body_of(id_: ResourceId) -> JsonObject | None:
            live = self.live.observe(id_)
            return bodies.get(id_) or (live.body if isinstance(live, Present) else None)

        self.out.planned, chosen = stages.split(self.out.planned, body_of)
        self.out.findings += chosen

    def _explain(self) -> None:
        describe_rotations(
            self.out.planned,
            self.live.observe,
            self.inputs.reveal,
            self.inputs.line_of,
            self.inputs.records,
        )
        rotated = {
            (p.change.id.group_kind, p.change.id.name): p.change.logical
            for p in self.out.planned
            if p.change.verb is Verb.ROTATE
        }
        self.facts.prepare(read_before(self.out.planned, self._live_clusters))
        bodies = {p.change.id: p.after for p in self.out.planned if p.after is not None}
        around = Surroundings(facts=self.facts, clusters=self._live_clusters, planned=bodies.get)
        for item in self.out.planned:
            item.change = with_impact(item, around)
            item.change = trigger(item.change, rotated)

    def _live_clusters(self, management: str) -> Iterable[Present]:
        return self.live.of_kind(management, CLUSTER)

    def _world(
        self, rendered: Rendered, physical: list[Resource], flips: Mapping[ResourceId, str]
    ) -> World:
        owners, planes = machine_owners(physical)
        return World(
            records=self.inputs.records,
            empty_clusters=tuple(self.live.empty),
            providers=self.inputs.loaded.providers,
            provider_of=rendered.provider_of,
            owners=owners,
            planes=planes,
            deadlines=deadlines.of_plan(physical, self.live.objects, self.out.planned),
            class_flips=flips,
            class_users=classes.users(self.out.planned, self._live_clusters),
            sets=holders(physical),
            orders=self.inputs.loaded.orders,
        )

    def _machines_of(self, id_: ResourceId) -> int | None:
        """The machines of a live Cluster; None for what is none."""
        if id_.group_kind != CLUSTER or not isinstance(self.live.observe(id_), Present):
            return None
        unit = cluster_unit(id_.cluster, id_.namespace, id_.name)
        return len(self.facts.of_owner(id_, unit).machines)

    def _selectors(self) -> tuple[str, ...]:
        return (
            *(f"--target {s.text}" for s in self.options.targets),
            *(f"--exclude {s.text}" for s in self.options.excludes),
        )

    def _assemble(
        self,
        rendered: Rendered,
        planned: list[Planned],
        physical: list[Resource],
        graph: Graph,
    ) -> Plan:
        trace = self.inputs.trace
        ordered = sorted((p.change for p in planned), key=lambda c: c.action)
        changes = tuple(trace(change) for change in ordered)
        cleared = self.out.cleared
        if self.options.mode == "destroy":
            changes, graph = only(changes, graph, self.asked)
            cleared = []
        else:
            changes, graph, cleared = cut(
                changes, graph, cleared, physical, self.targets, self.options.excludes
            )
        changes, graph = without_idle(changes, graph)
        basis = basis_of(
            self.inputs.loaded, self.reader.client, changes, self._selectors(), self.inputs.tool
        )
        findings = (
            *rendered.findings,
            *loading_findings(self.inputs.loaded),
            *provided.warnings(rendered.resources),
            *Reached(physical, planned, self._live_clusters, self.live.observe).findings(),
            *self.out.findings,
            *suspended_findings(self.out.suspended, physical),
            *rights.no_dry_run(self.dry_run.forbidden),
            *rights.unidentified(basis.clusters),
        )
        unit_list = digests.units(changes, cleared, graph, incomplete(self.out.findings))
        return Plan(
            format_version=FORMAT_VERSION,
            mode=self.options.mode,
            basis=basis,
            units=unit_list,
            changes=changes,
            graph=graph,
            findings=tuple(sorted(findings, key=lambda f: (f.kind, f.unit, f.summary))),
            refusals=(
                *empty_input(physical, changes, self.options.mode),
                *policy.refusals(
                    changes,
                    self.fleet.guards,
                    recorded=len(self.inputs.records),
                    named=self.asked,
                ),
                *reinstalls.refusals(self.reinstalls, self._machines_of, self.asked),
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
