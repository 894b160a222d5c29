"""How clusters are doing, as data: a tree for each Cluster, the deepest failing condition first.

Reads management clusters, and the API of a workload cluster only to look for its add-ons. What
cannot be read is said in its place and never counts as ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from planner.contracts import Contracts
from planner.lookup import find_cluster
from planner.statusaddons import Addons
from planner.statusparts import (
    machine_nodes,
    machine_state,
    object_node,
    settled_since,
)
from planner.statusread import Inventory, Kinds
from planner.statustree import ClusterStatus, Node, Ratio, StatusTree, deepest_trouble
from planner.units import cluster_unit
from planner.workspace import Workspace
from providers.base import ABSENT, APPLIED, Health, references, value
from providers.capi import (
    ADDONS,
    CLUSTER,
    CONTROL_PLANE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
    MACHINE_SET,
)
from providers.conditions import conditions, labels_of, name_of
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.readiness import CHART_PROXY, HEALTH_CHECK, RESOURCE_SET, Relatives, check, of_owner
from providers.registry import rules
from providers.rollouts import wanted_replicas
from providers.selected import selected
from state.errors import ClusterformError
from state.live import Present
from state.resource import GroupKind, JsonObject, ResourceId

_ADDONS_OF = 12
"""Up to so many clusters, their own APIs are asked for add-ons too."""
_BINDING = GroupKind(ADDONS, "ClusterResourceSetBinding")
_RELEASE = GroupKind(ADDONS, "HelmReleaseProxy")
_OWNERS = (MACHINE_DEPLOYMENT, MACHINE_POOL)
Way = Callable[[str], KubeClient]
"""From a management cluster's name to its client; raises where there is none."""


def read_status(
    workspace: Workspace, cluster: str | None = None, *, parts: bool = False
) -> StatusTree:
    """Read one cluster (`[management/]namespace/name`) with its parts, or all, a line for each.

    `parts`: all with their parts. Raises 'no-cluster'.
    """
    wanted = find_cluster(workspace, cluster) if cluster else None
    return StatusReader(workspace, workspace.api, wanted, parts=parts).read()


class StatusReader:
    """Reads the same status again and again; what does not change is asked once."""

    def __init__(
        self,
        workspace: Workspace,
        way: Way,
        only: ResourceId | None = None,
        *,
        parts: bool = False,
        addons_every: float = 0.0,
    ) -> None:
        """`way`: clients that read, or that watch. `only`: the one Cluster that is asked about."""
        self._workspace = workspace
        self._way = way
        self._only = only
        self._parts = parts
        self._addons = Addons(workspace, addons_every)
        self._contracts = Contracts(_readers(workspace))
        self._kinds: Kinds = {}

    def read(self) -> StatusTree:
        """The status now."""
        found: list[tuple[Inventory, Present]] = []
        unreadable: list[str] = []
        only = self._only
        for management in [only.cluster] if only else self._workspace.managements():
            try:
                inventory = Inventory(self._way(management), only, self._kinds)
                found += [(inventory, present) for present in inventory.clusters()]
            except ClusterformError as error:
                unreadable.append(f"{management}: {error.brief}")
        asked = self._addons if len(found) <= _ADDONS_OF else None
        if asked and found and asked.problem():
            unreadable.append(asked.problem())
        clusters = [
            _ClusterReader(inventory, present, self._contracts).read(asked)
            for inventory, present in sorted(found, key=lambda item: item[1].id)
        ]
        return StatusTree(
            clusters=tuple(clusters),
            unreadable=tuple(sorted(unreadable)),
            detailed=self._parts or only is not None,
        )


def _readers(workspace: Workspace) -> Callable[[str], KubeClient | None]:
    def client(cluster: str) -> KubeClient | None:
        found = workspace.kube.api(cluster)
        return found if isinstance(found, KubeClient) else None

    return client


class _Around(msgspec.Struct, frozen=True, kw_only=True):
    """What was read around one Cluster."""

    machines: tuple[JsonObject, ...] = ()
    machine_sets: tuple[JsonObject, ...] = ()
    referenced: tuple[Present | ResourceId, ...] = ()
    """Infrastructure and control plane, live, or the id of what is not there."""
    pools: tuple[Present, ...] = ()

    @property
    def owners(self) -> list[Present]:
        """What owns machines and is there."""
        mine = [
            p
            for p in self.referenced
            if isinstance(p, Present) and rules(p.id.group, p.id.kind).machines
        ]
        return [*mine, *self.pools]


class _ClusterReader:
    """Reads everything around one Cluster."""

    def __init__(self, inventory: Inventory, cluster: Present, contracts: Contracts) -> None:
        self._inventory = inventory
        self._cluster = cluster
        self._contracts = contracts
        self._unit = cluster_unit(cluster.id.cluster, cluster.id.namespace, cluster.id.name)

    def read(self, addons: Addons | None) -> ClusterStatus:
        """The status, its parts in the order of clusterctl."""
        problem = ""
        try:
            around = self._around()
        except ApiError as error:
            around, problem = _Around(), f"it could not be read: {error.brief}"
        ratio, node = addons.of(self._unit) if addons else (None, None)
        children = [n for n in (*self._parts(around), node) if n is not None]
        state, text, since = self._state(around, children, problem)
        planes = [m for m in around.machines if CONTROL_PLANE in labels_of(m)]
        workers = [m for m in around.machines if CONTROL_PLANE not in labels_of(m)]
        return ClusterStatus(
            management=self._cluster.id.cluster,
            namespace=self._cluster.id.namespace,
            name=self._cluster.id.name,
            version=_version(around, self._cluster.body),
            state=state,
            text=text,
            since=since,
            control_plane=_ratio(planes, [o for o in around.owners if not _is_pool(o)]),
            workers=_ratio(workers, around.pools),
            addons=ratio,
            children=tuple(children),
        )

    def _around(self) -> _Around:
        home, inventory = self._cluster.id, self._inventory

        def bodies(kind: GroupKind) -> tuple[JsonObject, ...]:
            return tuple(p.body for p in inventory.of_cluster(kind, home, labelled=True))

        return _Around(
            machines=bodies(MACHINE),
            machine_sets=bodies(MACHINE_SET),
            referenced=tuple(self._referenced()),
            pools=tuple(p for kind in _OWNERS for p in inventory.of_cluster(kind, home)),
        )

    def _referenced(self) -> Iterator[Present | ResourceId]:
        kind_rules = rules(CLUSTER.group, CLUSTER.kind)
        for reference in references(self._cluster.body, self._cluster.id, kind_rules):
            if reference.path[:2] in (
                ("f:spec", "f:infrastructureRef"),
                ("f:spec", "f:controlPlaneRef"),
            ):
                yield self._inventory.get(reference.target) or reference.target

    # ------------------------------------------------------------------ parts

    def _parts(self, around: _Around) -> Iterator[Node | None]:
        for part in around.referenced:
            yield self._part(part, around)
        pools = [self._owner(p, around, "pool") for p in around.pools]
        yield _group("workers", "workers", pools)
        yield _group("health checks", "healthChecks", self._health_checks())
        yield _group("resource sets", "resourceSets", self._resource_sets())
        yield _group("charts", "charts", self._charts())
        owned = {name_of(m) for o in around.owners for m in of_owner(o.body, around.machines)}
        loose = machine_nodes(m for m in around.machines if name_of(m) not in owned)
        yield _group("other", "other", loose)

    def _part(self, part: Present | ResourceId, around: _Around) -> Node:
        id_ = part.id if isinstance(part, Present) else part
        infrastructure = id_.group.startswith("infrastructure.")
        role = "infrastructure" if infrastructure else "controlPlane"
        if isinstance(part, ResourceId):
            text = "not there yet"
            return Node(kind=id_.kind, name=id_.name, state="waiting", text=text, role=role)
        return self._owner(part, around, role)

    def _owner(self, owner: Present, around: _Around, role: str) -> Node:
        owns = role == "controlPlane" or _is_pool(owner)
        machines = of_owner(owner.body, around.machines) if owns else []
        served = self._inventory.served(owner.id.group_kind)
        contract = self._contracts.of(owner.id, served, owner.body) if served else ""
        relatives = Relatives(
            machine_sets=around.machine_sets,
            machines=machines,
            cluster=None if "Paused" in conditions(owner.body) else self._cluster.body,
            contract=contract,
        )
        nodes = machine_nodes(machines)
        return object_node(owner.id, owner.body, relatives, role=role, children=nodes)

    def _health_checks(self) -> Iterator[Node]:
        """Those that remediate, or may not."""
        for found in self._optional(HEALTH_CHECK):
            node = object_node(found.id, found.body, Relatives())
            if node.state != "ready":
                yield node

    def _resource_sets(self) -> Iterator[Node]:
        """ClusterResourceSets that select the cluster, by what its binding says was applied."""
        sets = [s for s in self._in_namespace(RESOURCE_SET) if self._selected(s)]
        bindings = self._in_namespace(_BINDING) if sets else []
        home = self._cluster.id.name
        mine = [b for b in bindings if (value(b.body, "spec.clusterName") or b.id.name) == home]
        for found in sets:
            node = object_node(found.id, found.body, Relatives())
            told = [_applied(found, mine), "" if node.state == "ready" else node.text]
            yield msgspec.structs.replace(node, text=" · ".join(filter(None, told)))

    def _charts(self) -> Iterator[Node]:
        """HelmChartProxies that select the cluster, each with its release here."""
        charts = [c for c in self._in_namespace(CHART_PROXY) if self._selected(c)]
        releases = self._optional(_RELEASE) if charts else []
        for found in charts:
            mine = [r for r in releases if _owned_by(r.body, found)]
            nodes = [object_node(r.id, r.body, Relatives()) for r in mine]
            yield object_node(found.id, found.body, Relatives(), children=nodes)

    def _selected(self, found: Present) -> bool:
        return selected(found.body, labels_of(self._cluster.body))

    def _optional(self, kind: GroupKind) -> list[Present]:
        """What need not be readable: nothing of it is said then."""
        try:
            return self._inventory.of_cluster(kind, self._cluster.id)
        except ApiError:
            return []

    def _in_namespace(self, kind: GroupKind) -> list[Present]:
        try:
            return self._inventory.in_namespace(kind, self._cluster.id.namespace)
        except ApiError:
            return []

    # ------------------------------------------------------------------ the whole

    def _state(
        self, around: _Around, children: Iterable[Node], problem: str
    ) -> tuple[str, str, str]:
        """(state, why, since when)."""
        body = self._cluster.body
        if problem:
            return "UNKNOWN", problem, ""
        relatives = Relatives(
            machines=around.machines,
            machine_sets=around.machine_sets,
            owners=[o.body for o in around.owners],
        )
        if self._cluster.deleting:
            left = check(ABSENT, body, relatives)
            state = "PAUSED" if left.health is Health.BLOCKED else "DELETING"
            return state, left.message, left.since
        found = check(rules(CLUSTER.group, CLUSTER.kind).ready or APPLIED, body, relatives)
        if found.reason == "Paused":
            return "PAUSED", found.message, found.since
        trouble = deepest_trouble(children)
        if found.health is Health.REACHED and trouble is None:
            return "READY", "", settled_since(body)
        failing = trouble is not None and trouble.state == "failing"
        message, since = found.message, found.since
        if trouble is not None and (failing or not found.trouble):
            message, since = f"{trouble.kind} {trouble.name}: {trouble.text}".strip(), trouble.since
        if failing or found.trouble:
            return "FAILING", message, since
        if found.health is Health.BLOCKED:
            return "HELD", found.message, found.since
        if trouble is not None and trouble.state == "blocked":
            return "HELD", message, since
        initialized = ("status.initialization.controlPlaneInitialized", "status.controlPlaneReady")
        if all(value(body, path) is not True for path in initialized):
            return "CREATING", message, since
        pools = [n for n in children if n.role == "workers" or n.role == "controlPlane"]
        rolling = any(n.state == "waiting" for n in pools)
        return ("ROLLING" if rolling else "WAITING"), message, since


def _group(name: str, role: str, nodes: Iterable[Node]) -> Node | None:
    """A line above nodes of one sort; None without any. It is as far as the worst of them."""
    children = tuple(nodes)
    if not children:
        return None
    worst = deepest_trouble(msgspec.structs.replace(n, children=()) for n in children)
    state = worst.state if worst else "ready"
    return Node(kind="", name=name, state=state, role=role, children=children)


def _is_pool(owner: Present) -> bool:
    return owner.id.group_kind in _OWNERS


def _applied(resource_set: Present, bindings: Iterable[Present]) -> str:
    """`2 of 3 applied here`, by the cluster's ClusterResourceSetBinding."""
    for binding in bindings:
        for entry in value(binding.body, "spec.bindings") or ():
            if entry.get("clusterResourceSetName") == resource_set.id.name:
                listed = entry.get("resources") or ()
                done = sum(1 for r in listed if r.get("applied") is True)
                return f"{done} of {len(listed)} applied here"
    return ""


def _owned_by(release: JsonObject, chart: Present) -> bool:
    owners = value(release, "metadata.ownerReferences") or ()
    return any(isinstance(o, dict) and o.get("name") == chart.id.name for o in owners)


def _ratio(machines: list[JsonObject], owners: Iterable[Present]) -> Ratio:
    """Machines that are ready, of those that the owners want."""
    wanted = sum(wanted_replicas(owner.body) for owner in owners)
    ready = sum(1 for m in machines if machine_state(m).health is Health.REACHED)
    return Ratio(ready, wanted or len(machines))


def _version(around: _Around, cluster: JsonObject) -> str:
    """The Kubernetes version of the control plane: its own, else that of its machines."""
    for owner in around.owners:
        found = value(owner.body, "status.version") or value(owner.body, "spec.version")
        if isinstance(found, str):
            return found
    versions = sorted({str(value(m, "spec.version") or "") for m in around.machines} - {""})
    return str(value(cluster, "spec.topology.version") or (versions[0] if versions else ""))
