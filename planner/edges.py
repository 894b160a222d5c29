"""The order of a plan: edges between actions and gates, each with a reason.

Nodes are writes (`ActionId`) and gates, never objects, because the direction of an edge depends on
the change: a class is extended before its clusters use it and cut down after they stopped. Sources
of the rules: docs/semantics.md 18 to 20; Cluster API book, "Reference graph and ordering".
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from planner.changes import (
    AfterAction,
    Change,
    Edge,
    Gate,
    Graph,
    Verb,
)
from planner.deadlines import Deadlines, within
from planner.expansions import Order
from planner.graph import Node, check_acyclic, node_key
from planner.hookorder import order_hooks
from planner.planned import Planned
from planner.releaseorder import order_releases, order_sets, order_suspensions
from planner.units import ADDONS, cluster_of_unit, is_workload
from providers.base import ABSENT, APPLIED, Milestone, references, value
from providers.capi import (
    CLUSTER,
    CLUSTER_CLASS,
    FOLLOWED,
    INITIALIZED,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
)
from providers.management import CRD, DEPLOYMENT, ESTABLISHED, EXISTS, NAMESPACE, SECRET, SERVING
from providers.readiness import told_to_pause
from providers.registry import rules
from state.desired import ProviderSpec
from state.fields import value_at
from state.recorded import Records
from state.resource import GroupKind, JsonObject, ResourceId

DEPENDS_ON = "config.kubernetes.io/depends-on"
"""Annotation with explicit prerequisites: `group/namespaces/ns/Kind/name`, comma-separated."""
_ANNOTATION = ("f:metadata", "f:annotations", f"f:{DEPENDS_ON}")


class World(msgspec.Struct, kw_only=True):
    """What the order depends on beside the changes themselves."""

    records: Records = {}
    empty_clusters: Collection[str] = ()
    """Workload clusters (keys) that have no API yet."""
    providers: tuple[ProviderSpec, ...] = ()
    provider_of: Mapping[ResourceId, str] = {}
    owners: Mapping[str, tuple[ResourceId, ...]] = {}
    """Unit → its desired machine owners (MachineDeployments, control planes)."""
    planes: Mapping[str, tuple[ResourceId, ...]] = {}
    """Unit → its desired control planes, managed ones too."""
    deadlines: Deadlines = {}
    class_flips: Mapping[ResourceId, str] = {}
    """ClusterClass → `grows`, `shrinks` or `both` (then it has two steps)."""
    class_users: Mapping[ResourceId, tuple[ResourceId, ...]] = {}
    """ClusterClass → the live Clusters made from it, but for those that go."""
    sets: Mapping[ResourceId, tuple[ResourceId, ...]] = {}
    """ConfigMap or Secret → the ClusterResourceSets that name it."""
    orders: tuple[Order, ...] = ()
    """What releases, Kustomizations and profiles say of their order."""


def build(planned: Iterable[Planned], world: World) -> Graph:
    """The graph of all changes; raises ClusterformError('cycle') naming the whole cycle."""
    builder = _Builder(list(planned), world)
    builder.run()
    graph = builder.graph()
    check_acyclic(graph, [p.change for p in builder.planned])
    return graph


class _Builder:
    def __init__(self, planned: list[Planned], world: World) -> None:
        self.planned = planned
        self.world = world
        self.writes: dict[ResourceId, list[Change]] = {}
        self.removals: dict[ResourceId, Change] = {}
        for item in planned:
            change = item.change
            if change.deletes:
                if not item.phantom:
                    self.removals[change.id] = change
            elif change.verb is not Verb.FORGET:
                self.writes.setdefault(change.id, []).append(change)
        self._units: dict[Node, str] = {p.change.action: p.change.unit for p in self.planned}
        self._edges: dict[tuple[Node, Node], Edge] = {}
        self._gates: dict[str, Gate] = {}

    def run(self) -> None:
        """All rules, each on its own."""
        for item in self.planned:
            if not item.change.deletes and item.change.verb is not Verb.FORGET:
                self._body_references(item)
                self._declared(item)
                self._namespace_and_kind(item.change)
        self._steps()
        self._removal_order()
        self._upgrades()
        self._prunes()
        self._provider_gates()
        self._reachable_clusters()
        empty = self.world.empty_clusters
        order_releases(self.world.orders, self.writes, empty, self._gate, self.edge)
        order_sets(self.world.sets, self.writes, self._gate, self.edge)
        order_hooks(self.writes, self._gate, self.edge)
        order_suspensions(self.writes, self.removals.values(), self.world.records, self.edge)
        self._convergence()

    def graph(self) -> Graph:
        """Sorted: the same rules give the same bytes."""
        keys = {node: node_key(node) for pair in self._edges for node in pair}
        edges = sorted(self._edges.values(), key=lambda e: (keys[e.before], keys[e.after]))
        gates = sorted(self._gates.values(), key=lambda g: g.name)
        return Graph(gates=tuple(gates), edges=tuple(edges))

    def edge(self, before: Node, after: Node, reason: str, until: Milestone = APPLIED) -> None:
        """Note an edge; of two between the same nodes the one that waits longer stays."""
        if before == after:
            return
        until = within(until, self._units.get(before, ""), self.world.deadlines)
        known = self._edges.get((before, after))
        if known is None or (known.until == APPLIED and until != APPLIED):
            self._edges[before, after] = Edge(
                before=before, after=after, until=until, reason=reason
            )

    def _last(self, id_: ResourceId) -> Change | None:
        changes = self.writes.get(id_)
        return changes[-1] if changes else None

    # ------------------------------------------------------------------ creates and updates

    def _body_references(self, item: Planned) -> None:
        change = item.change
        body = msgspec.json.decode(change.body)
        for reference in references(body, change.id, rules(change.id.group, change.id.kind)):
            targets = self.writes.get(reference.target)
            if not targets:
                continue
            if reference.target.group_kind == CLUSTER_CLASS:
                self._class_edge(change, reference.target, targets)
            else:
                reason = f"{change.id.kind} {reference.rule.reason}"
                self.edge(targets[-1].action, change.action, reason)

    def _class_edge(self, cluster: Change, target: ResourceId, steps: list[Change]) -> None:
        """A class grows before its clusters use it and shrinks after they stopped (CAPI#11932)."""
        flip = self.world.class_flips.get(target, "grows")
        if flip in ("grows", "both"):
            self.edge(steps[0].action, cluster.action, "the class must offer what the cluster uses")
        if flip in ("shrinks", "both"):
            self.edge(
                cluster.action, steps[-1].action, "the cluster must stop using what the class drops"
            )

    def _declared(self, item: Planned) -> None:
        body = msgspec.json.decode(item.change.body)
        text = value_at(body, _ANNOTATION)
        if not isinstance(text, str):
            return
        for target in depends_on(text, item.change.id):
            before = self._last(target)
            if before is not None:
                until = rules(target.group, target.kind).ready or APPLIED
                self.edge(before.action, item.change.action, f"{DEPENDS_ON} says so", until)

    def _namespace_and_kind(self, change: Change) -> None:
        id_ = change.id
        if id_.namespace:
            home = self._last(ResourceId(id_.cluster, "", NAMESPACE.kind, "", id_.namespace))
            if home is not None:
                self.edge(home.action, change.action, "its namespace")
        crd = self._crds.get((id_.cluster, id_.group_kind))
        if crd is not None:
            self.edge(crd.action, change.action, "its kind must be served", ESTABLISHED)

    @property
    def _crds(self) -> dict[tuple[str, GroupKind], Change]:
        found = self.__dict__.get("_crd_index")
        if found is None:
            found = self.__dict__["_crd_index"] = dict(_crd_index(self.writes))
        return found

    def _steps(self) -> None:
        """Several writes to one object run in order; what comes after something says so itself."""
        for changes in self.writes.values():
            for earlier, later in itertools.pairwise(changes):
                until = rules(later.id.group, later.id.kind).ready or APPLIED
                self.edge(earlier.action, later.action, "the next step of the same object", until)
        for item in self.planned:
            before = item.change.precondition
            if isinstance(before, AfterAction) and not item.change.deletes:
                removal = self.removals.get(before.action.resource)
                if removal is not None:
                    self.edge(removal.action, item.change.action, "the old one is gone", ABSENT)

    # ------------------------------------------------------------------ removals

    def _removal_order(self) -> None:
        """Who refers to a thing that goes lets go of it first (live and recorded references)."""
        for item in self.planned:
            for target in self._held_by(item):
                removal = self.removals.get(target)
                if removal is None:
                    continue
                until = ABSENT if item.change.deletes else APPLIED
                if removal.verb is Verb.PRUNE and item.change.id in self.world.class_users:
                    users = self.world.class_users[item.change.id]
                    gate = self._followed(item.change.id, users)
                    self.edge(gate, removal.action, "no cluster is made from it")
                if removal.verb is Verb.PRUNE and not item.change.deletes:
                    until = rules(item.change.id.group, item.change.id.kind).ready or APPLIED
                if item.change.action != removal.action:
                    self.edge(
                        item.change.action, removal.action, f"{item.change.id.kind} uses it", until
                    )
        for removal in self.removals.values():
            self._after_cluster(removal)

    def _held_by(self, item: Planned) -> Iterator[ResourceId]:
        id_ = item.change.id
        if item.live is not None:
            kind_rules = rules(id_.group, id_.kind)
            for reference in references(item.live.body, id_, kind_rules):
                yield reference.target
        recorded = self.world.records.get(id_)
        if recorded is not None:
            yield from recorded.depends_on

    def _after_cluster(self, removal: Change) -> None:
        """Everything else of a cluster goes once the Cluster is gone; namespaces go last."""
        cluster = cluster_of_unit(removal.unit)
        gone = self.removals.get(cluster) if cluster else None
        if gone is not None and gone.action != removal.action:
            self.edge(gone.action, removal.action, "the cluster is torn down with it", ABSENT)
        if removal.id.group_kind == NAMESPACE:
            for other in self.removals.values():
                if other.id.namespace == removal.id.name and other.id.cluster == removal.id.cluster:
                    self.edge(other.action, removal.action, "is in the namespace", ABSENT)

    def _prunes(self) -> None:
        """Old template generations go when their users have rolled out and let go of them."""
        for removal in self.removals.values():
            if removal.verb is not Verb.PRUNE:
                continue
            waits: list[tuple[ResourceId, Milestone]] = []
            for owner in self.world.owners.get(removal.unit, ()):
                change = self._last(owner)
                milestone = rules(owner.group, owner.kind).ready or APPLIED
                if change is not None:
                    self.edge(
                        change.action, removal.action, "no machine is made from it", milestone
                    )
                else:
                    waits.append((owner, milestone))
            if waits:
                gate = self._gate(f"{removal.unit} rolled out", waits, removal.unit)
                self.edge(gate, removal.action, "no machine is made from it")

    # ------------------------------------------------------------------ clusters

    def _upgrades(self) -> None:
        """Workers never run ahead of the control plane (Kubernetes version skew policy)."""
        planes: dict[str, list[Change]] = {}
        workers: dict[str, list[Change]] = {}
        for item in self.planned:
            kind = item.change.id.group_kind
            if rules(kind.group, kind.kind).control_plane and _moves(item, "spec.version"):
                planes.setdefault(item.change.unit, []).append(item.change)
            elif kind in _WORKERS and _moves(item, "spec.template.spec.version"):
                workers.setdefault(item.change.unit, []).append(item.change)
        self._upgrades_before(workers)
        for unit, changed in planes.items():
            for plane in changed:
                until = rules(plane.id.group, plane.id.kind).ready or APPLIED
                for worker in workers.get(unit, ()):
                    self.edge(plane.action, worker.action, "control plane before workers", until)

    def _upgrades_before(self, workers: Mapping[str, list[Change]]) -> None:
        """A control plane that an earlier run left rolling has to finish first, too."""
        for unit, changed in workers.items():
            waits = [
                (plane, ready)
                for plane in self.world.planes.get(unit, ())
                if plane not in self.writes and (ready := rules(plane.group, plane.kind).ready)
            ]
            if waits:
                gate = self._gate(f"{unit} control plane rolled out", waits, unit)
                for worker in changed:
                    self.edge(gate, worker.action, "control plane before workers")

    def _reachable_clusters(self) -> None:
        """Add-ons of a cluster without an API wait for its control plane and its kubeconfig."""
        for id_, changes in sorted(self.writes.items()):
            if not is_workload(id_.cluster) or id_.cluster not in self.world.empty_clusters:
                continue
            cluster = cluster_of_unit(id_.cluster)
            if cluster is None:
                continue
            name = f"{id_.cluster} reachable"
            secret = ResourceId(
                cluster.cluster,
                SECRET.group,
                SECRET.kind,
                cluster.namespace,
                f"{cluster.name}-kubeconfig",
            )
            if name not in self._gates:
                self._gate(name, [(cluster, INITIALIZED), (secret, EXISTS)], id_.cluster)
                made = self._last(cluster)
                if made is not None:
                    self.edge(made.action, name, "the cluster must exist")
            for change in changes:
                self.edge(name, change.action, "its cluster must answer")

    # ------------------------------------------------------------------ providers

    def _provider_gates(self) -> None:
        """A provider's CRDs and webhooks before anything of its kinds; core before the others."""
        by_tag: dict[tuple[str, str], list[Change]] = {}
        for id_, changes in self.writes.items():
            tag = self.world.provider_of.get(id_)
            if tag:
                by_tag.setdefault((id_.cluster, tag), []).extend(changes)
        gates = {key: self._provider_gate(key, changes) for key, changes in sorted(by_tag.items())}
        for (cluster, tag), gate in gates.items():
            for (other_cluster, other), changes in by_tag.items():
                if other_cluster == cluster and self._earlier(tag, other):
                    for change in changes:
                        self.edge(gate, change.action, f"{tag} must serve first")
        self._kinds_after_providers(gates)

    def _provider_gate(self, key: tuple[str, str], changes: list[Change]) -> str:
        cluster, tag = key
        awaits = [
            (c.id, SERVING if c.id.group_kind == DEPLOYMENT else ESTABLISHED)
            for c in changes
            if c.id.group_kind in (DEPLOYMENT, CRD)
        ]
        gate = self._gate(f"{cluster} {tag} serving", awaits, cluster)
        for change in changes:
            self.edge(change.action, gate, f"is part of {tag}")
        return gate

    def _earlier(self, tag: str, other: str) -> bool:
        return tag != other and _stage(tag, self.world.providers) < _stage(
            other, self.world.providers
        )

    def _kinds_after_providers(self, gates: Mapping[tuple[str, str], str]) -> None:
        tag_of = {
            (id_.cluster, _crd_kind(changes[-1])): self.world.provider_of.get(id_, "")
            for id_, changes in self.writes.items()
            if id_.group_kind == CRD
        }
        for id_, changes in self.writes.items():
            gate = gates.get((id_.cluster, tag_of.get((id_.cluster, id_.group_kind), "")))
            if gate and id_ not in self.world.provider_of:
                for change in changes:
                    self.edge(gate, change.action, "its provider must serve")

    # ------------------------------------------------------------------ the end of a run

    def _convergence(self) -> None:
        """What a run waits for at its end; add-ons first, since a node needs its CNI.

        Not for what its writes leave paused: somebody has to resume that.
        """
        paused = self._paused()
        awaits: dict[str, list[Change]] = {}
        for id_, changes in self.writes.items():
            if rules(id_.group, id_.kind).ready is None or {id_, changes[-1].unit} & paused:
                continue
            if not _gated(changes[-1], self.world):
                awaits.setdefault(changes[-1].unit, []).append(changes[-1])
        for removal in self.removals.values():
            if _awaited_removal(removal):
                gate = self._gate(f"{removal.unit} gone", [(removal.id, ABSENT)], removal.unit)
                self.edge(removal.action, gate, "its machines have to go")
        addons: dict[str, list[Change]] = {}
        for id_, changes in self.writes.items():
            if changes[-1].unit == id_.cluster + ADDONS:
                addons.setdefault(id_.cluster, []).append(changes[-1])
        for unit, changes in sorted(awaits.items()):
            wanted = [
                (c.id, m) for c in changes if (m := rules(c.id.group, c.id.kind).ready) is not None
            ]
            gate = self._gate(f"{unit} converged", wanted, unit)
            for change in changes:
                self.edge(change.action, gate, "has to settle")
            if any(c.id.group_kind == CLUSTER for c in changes):
                for addon in addons.get(unit, ()):
                    self.edge(addon.action, gate, "nodes become ready with their add-ons")

        for id_, changes in sorted(self.writes.items()):
            users = [u for u in self.world.class_users.get(id_, ()) if u not in paused]
            if users:
                self.edge(changes[-1].action, self._followed(id_, users), "its clusters follow")

    def _paused(self) -> set[ResourceId | str]:
        """Written objects that controllers are told to leave alone; a Cluster with its unit."""
        found: set[ResourceId | str] = set()
        for item in self.planned:
            if not item.change.deletes and item.after and told_to_pause(item.after):
                found.add(item.change.id)
                if item.change.id.group_kind == CLUSTER:
                    found.add(item.change.unit)
        return found

    def _followed(self, class_id: ResourceId, users: Collection[ResourceId]) -> str:
        """A class is done when every cluster of it is: nothing in the class itself says so."""
        name = f"{class_id.cluster} {class_id.namespace}/{class_id.name} followed"
        gate = self._gate(name, [(user, FOLLOWED) for user in users], class_id.cluster)
        for user in users:
            change = self._last(user)
            if change is not None:
                self.edge(change.action, gate, "changes with its class")
        return gate

    def _gate(self, name: str, awaits: Iterable[tuple[ResourceId, Milestone]], unit: str) -> str:
        known = self._gates.get(name)
        timed = ((id_, within(m, unit, self.world.deadlines)) for id_, m in awaits)
        merged = {*(known.awaits if known else ()), *timed}
        ordered = tuple(sorted(merged, key=lambda a: (a[0], a[1].name, a[1].cluster)))
        self._gates[name] = Gate(name=name, awaits=ordered, unit=unit)
        return name


def _awaited_removal(removal: Change) -> bool:
    """A run ends when the machines of what it removed are gone."""
    kind_rules = rules(removal.id.group, removal.id.kind)
    return removal.verb is Verb.DELETE and (kind_rules.machines or removal.id.group_kind == CLUSTER)


def _gated(change: Change, world: World) -> bool:
    """Components of a provider are awaited by the provider's own gate."""
    return bool(world.provider_of.get(change.id))


def _moves(item: Planned, path: str) -> bool:
    """An update (not a create) that changes the field at `path`; a held one counts as such."""
    if item.phantom:
        return True
    if item.live is None or item.after is None:
        return False
    return bool(value(item.live.body, path) != value(item.after, path))


def _crd_index(
    writes: Mapping[ResourceId, list[Change]],
) -> Iterator[tuple[tuple[str, GroupKind], Change]]:
    for id_, changes in writes.items():
        if id_.group_kind == CRD:
            yield (id_.cluster, _crd_kind(changes[-1])), changes[-1]


def _crd_kind(change: Change) -> GroupKind:
    spec: JsonObject = msgspec.json.decode(change.body).get("spec") or {}
    return GroupKind(str(spec.get("group", "")), str((spec.get("names") or {}).get("kind", "")))


_WORKERS = (MACHINE_DEPLOYMENT, MACHINE_POOL)
_STAGES = ("CertManager", "CoreProvider")


def _stage(tag: str, providers: Iterable[ProviderSpec]) -> int:
    """cert-manager, then core, then everything else (clusterctl's init order)."""
    for spec in providers:
        if spec.tag == tag:
            return _STAGES.index(spec.type) if spec.type in _STAGES else len(_STAGES)
    return len(_STAGES)


def depends_on(text: str, referrer: ResourceId) -> Iterator[ResourceId]:
    """The objects that a depends-on annotation names; malformed entries are passed over."""
    for entry in text.split(","):
        parts = entry.strip().split("/")
        if len(parts) == 5 and parts[1] == "namespaces":
            yield ResourceId(referrer.cluster, parts[0], parts[3], parts[2], parts[4])
        elif len(parts) == 3:
            yield ResourceId(referrer.cluster, parts[0], parts[1], "", parts[2])
