"""How clusters are doing, as data: a tree for each Cluster, the deepest failing condition first.

Reads management clusters, and the API of a workload cluster only to look for its add-ons. What
cannot be read is said in its place and never counts as ready.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from planner.facts import Around, FactReader
from planner.lookup import find_cluster, live_clusters
from planner.units import ADDONS, cluster_unit
from planner.workspace import Workspace
from providers.base import APPLIED, Health, references, value
from providers.builtin import Served
from providers.capi import CLUSTER, CONTROL_PLANE, DEPLOYMENT_NAME, MACHINE_DEPLOYMENT, MACHINE_POOL
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.readiness import Relatives, check, conditions, relatives_of
from providers.registry import rules
from state.errors import ClusterformError
from state.live import Absent, Present, Unreadable
from state.recorded import Records
from state.resource import JsonObject, ResourceId, split_api_version

_DETAILED = 12
"""Up to so many clusters, all are shown with their parts; more only by their line and trouble."""
_MACHINE_CONDITIONS = ("BootstrapConfigReady", "InfrastructureReady", "NodeHealthy", "Ready")
"""From the cause to its consequences: the first that fails explains the others."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the tree. `state`: ready, waiting, blocked, deleting or unknown."""

    kind: str
    name: str
    state: str
    text: str = ""
    children: tuple[Node, ...] = ()


class Ratio(msgspec.Struct, frozen=True):
    """`ready` of `wanted`."""

    ready: int
    wanted: int


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster. `state`: READY, ROLLING, CREATING, WAITING, PAUSED, DELETING or UNKNOWN."""

    management: str
    namespace: str
    name: str
    version: str
    state: str
    text: str = ""
    """The deepest failing condition, where it is not ready."""
    control_plane: Ratio
    workers: Ratio
    addons: Ratio | None = None
    children: tuple[Node, ...] = ()


class StatusTree(msgspec.Struct, frozen=True, kw_only=True):
    """All clusters that were asked for, and what could not be read at all."""

    clusters: tuple[ClusterStatus, ...]
    unreadable: tuple[str, ...] = ()
    detailed: bool = True


def read_status(workspace: Workspace, selector_cluster: str | None = None) -> StatusTree:
    """Read one cluster (`[management/]namespace/name`), or all. Raises 'no-cluster'."""
    wanted = find_cluster(workspace, selector_cluster) if selector_cluster else None
    found: list[tuple[_Kinds, Present]] = []
    unreadable: list[str] = []
    for management in [wanted.cluster] if wanted else workspace.managements():
        try:
            client = workspace.api(management)
            kinds = _Kinds(client)
            found += [(kinds, c) for c in live_clusters(client) if wanted in (None, c.id)]
        except ClusterformError as error:
            unreadable.append(f"{management}: {error.brief}")
    detailed = len(found) <= _DETAILED
    records = _addon_records(workspace, unreadable) if detailed else {}
    clusters = [
        _ClusterReader(workspace, kinds, cluster, records).read()
        for kinds, cluster in sorted(found, key=lambda item: item[1].id)
    ]
    return StatusTree(
        clusters=tuple(clusters), unreadable=tuple(sorted(unreadable)), detailed=detailed
    )


def _addon_records(workspace: Workspace, unreadable: list[str]) -> Records:
    try:
        _, records = workspace.records()
    except ClusterformError as error:
        unreadable.append(f"records: {error.brief}")
        return {}
    return {i: r for i, r in records.items() if r.unit.endswith(ADDONS)}


class _Kinds:
    """apiVersion and URL name of kinds by discovery, each group asked once."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self._versions: dict[str, str] | None = None
        self._served: dict[str, dict[str, Served]] = {}

    def of(self, id_: ResourceId) -> tuple[str, Served] | None:
        """How to read an object; None while its kind is not served in the preferred version."""
        if self._versions is None:
            self._versions = {}
            for version in self.client.api_versions():
                self._versions.setdefault(split_api_version(version)[0], version)
        version = self._versions.get(id_.group, "")
        if version and version not in self._served:
            self._served[version] = self.client.served(version)
        served = self._served.get(version, {}).get(id_.kind)
        return (version, served) if served else None


class _ClusterReader:
    """Reads everything around one Cluster."""

    def __init__(
        self, workspace: Workspace, kinds: _Kinds, cluster: Present, records: Records
    ) -> None:
        self._workspace = workspace
        self._kinds = kinds
        self._client = kinds.client
        self._cluster = cluster
        self._unit = cluster_unit(cluster.id.cluster, cluster.id.namespace, cluster.id.name)
        self._addons = [i for i, r in sorted(records.items()) if r.unit == self._unit + ADDONS]
        self._facts = FactReader(lambda _: kinds.client)

    def read(self) -> ClusterStatus:
        """The status, its parts in order: infrastructure, control plane, pools, add-ons."""
        around = self._facts.around(self._unit)
        owners = [*self._referenced(), *self._pools()]
        parts = [self._owner(o, around) for o in owners]
        planes = [m for m in around.machines if _is_plane(m)]
        workers = [m for m in around.machines if not _is_plane(m)]
        ratio, node = self._addon_status()
        children = (*parts, *self._loose(around, owners), *([node] if node else []))
        state, text = self._state(around, children)
        return ClusterStatus(
            management=self._cluster.id.cluster,
            namespace=self._cluster.id.namespace,
            name=self._cluster.id.name,
            version=_version(owners, around, self._cluster.body),
            state=state,
            text=text,
            control_plane=_ratio(planes, owners, plane=True),
            workers=_ratio(workers, owners, plane=False),
            addons=ratio,
            children=children,
        )

    # ------------------------------------------------------------------ parts

    def _referenced(self) -> Iterator[Present | ResourceId]:
        """Infrastructure and control plane, live, or the id of what is not there."""
        kind_rules = rules(CLUSTER.group, CLUSTER.kind)
        for reference in references(self._cluster.body, self._cluster.id, kind_rules):
            if reference.path[:2] in (
                ("f:spec", "f:infrastructureRef"),
                ("f:spec", "f:controlPlaneRef"),
            ):
                yield self._get(reference.target)

    def _get(self, id_: ResourceId) -> Present | ResourceId:
        how = self._kinds.of(id_)
        found = self._client.get(id_, *how) if how else Absent(id_)
        return found if isinstance(found, Present) else id_

    def _pools(self) -> Iterator[Present]:
        """MachineDeployments and MachinePools of the cluster, by name."""
        home = self._cluster.id
        for kind in (MACHINE_DEPLOYMENT, MACHINE_POOL):
            example = ResourceId(home.cluster, kind.group, kind.kind, home.namespace, "")
            how = self._kinds.of(example)
            if how is None:
                continue
            listed = self._client.objects(how[0], kind.kind, how[1], namespace=home.namespace)
            mine = [p for p in listed if value(p.body, "spec.clusterName") == home.name]
            yield from sorted(mine, key=lambda p: p.id)

    def _owner(self, owner: Present | ResourceId, around: Around) -> Node:
        if isinstance(owner, ResourceId):
            return Node(kind=owner.kind, name=owner.name, state="waiting", text="not there yet")
        id_ = owner.id
        if owner.deleting:
            return Node(kind=id_.kind, name=id_.name, state="deleting", text="is being deleted")
        machines = _of_owner(id_, around) if relatives_of(id_.group_kind) else []
        ready = rules(id_.group, id_.kind).ready or APPLIED
        relatives = Relatives(machine_sets=around.machine_sets, machines=machines)
        found = check(ready, owner.body, relatives)
        state = {Health.REACHED: "ready", Health.BLOCKED: "blocked"}.get(found.health, "waiting")
        text = _counts(owner.body) if found.health is Health.REACHED else found.message
        if found.health is Health.WAITING:
            text = own_words(owner.body) or text
        nodes = tuple(machine_nodes(machines))
        return Node(kind=id_.kind, name=id_.name, state=state, text=text, children=nodes)

    def _loose(self, around: Around, owners: Iterable[Present | ResourceId]) -> list[Node]:
        """Machines that belong to none of the owners."""
        ids = [o.id if isinstance(o, Present) else o for o in owners]
        owned = {m["metadata"]["name"] for i in ids for m in _of_owner(i, around)}
        return machine_nodes([m for m in around.machines if m["metadata"]["name"] not in owned])

    # ------------------------------------------------------------------ add-ons

    def _addon_status(self) -> tuple[Ratio | None, Node | None]:
        """How many of the recorded add-ons are there and ready, and which are not."""
        if not self._addons:
            return None, None
        wanted = len(self._addons)
        api = self._workspace.kube.api(self._unit)
        if not isinstance(api, KubeClient):
            node = Node(kind="", name="add-ons", state="unknown", text=api.reason)
            return Ratio(0, wanted), node
        try:
            kinds = _Kinds(api)
            missing = [t for i in self._addons if (t := _addon_trouble(kinds, i))]
        except ApiError as error:
            node = Node(kind="", name="add-ons", state="unknown", text=error.brief)
            return Ratio(0, wanted), node
        ready = wanted - len(missing)
        state = "waiting" if missing else "ready"
        places = Counter(i.namespace or i.kind for i in self._addons)
        text = ", ".join(f"{where} {count}" for where, count in sorted(places.items()))
        return Ratio(ready, wanted), Node(
            kind="", name="add-ons", state=state, text=text, children=tuple(missing)
        )

    # ------------------------------------------------------------------ the whole

    def _state(self, around: Around, children: Iterable[Node]) -> tuple[str, str]:
        body = self._cluster.body
        if self._cluster.deleting:
            return "DELETING", f"{len(around.machines)} machines left"
        if around.unreadable:
            return "UNKNOWN", around.unreadable
        ready = rules(CLUSTER.group, CLUSTER.kind).ready or APPLIED
        found = check(ready, body, Relatives(machines=around.machines))
        if found.health is Health.BLOCKED:
            return "PAUSED", found.message
        trouble = deepest_trouble(children)
        if found.health is Health.REACHED and trouble is None:
            return "READY", ""
        message = f"{trouble.kind} {trouble.name}: {trouble.text}" if trouble else found.message
        message = message.strip()
        if value(body, "status.initialization.controlPlaneInitialized") is not True:
            return "CREATING", message
        rolling = any(n.state == "waiting" and n.children for n in children)
        return ("ROLLING" if rolling else "WAITING"), message


def deepest_trouble(nodes: Iterable[Node]) -> Node | None:
    """The first node that is not ready, or the one below it that explains it."""
    for node in nodes:
        below = deepest_trouble(node.children)
        if below is not None or node.state != "ready":
            return below or node
    return None


def own_words(body: JsonObject) -> str:
    """Why an object without counters is not ready, in the words of its own `Ready` condition."""
    if isinstance(value(body, "spec.replicas"), int):
        return ""
    condition = conditions(body).get("Ready", {})
    if condition.get("status") != "False":
        return ""
    parts = (condition.get("reason"), condition.get("message"))
    return ": ".join(" ".join(str(part).split()) for part in parts if part)


def _addon_trouble(kinds: _Kinds, id_: ResourceId) -> Node | None:
    how = kinds.of(id_)
    found = kinds.client.get(id_, *how) if how else Absent(id_)
    name = id_.qualified_name
    if isinstance(found, Unreadable):
        return Node(kind=id_.kind, name=name, state="unknown", text=found.reason)
    if not isinstance(found, Present):
        return Node(kind=id_.kind, name=name, state="waiting", text="is not there")
    ready = rules(id_.group, id_.kind).ready
    if ready is None:
        return None
    state = check(ready, found.body, Relatives())
    if state.health is Health.REACHED:
        return None
    return Node(kind=id_.kind, name=name, state="waiting", text=state.message)


def machine_nodes(machines: Iterable[JsonObject]) -> list[Node]:
    """Machines in trouble one by one, first; those that are ready as one line."""
    ready: list[str] = []
    nodes: list[Node] = []
    for machine in sorted(machines, key=lambda m: str(m["metadata"]["name"])):
        name = str(machine["metadata"]["name"])
        state, text = machine_state(machine)
        if state == "ready":
            ready.append(name)
        else:
            nodes.append(Node(kind="Machine", name=name, state=state, text=text))
    if ready:
        noun = "machine" if len(ready) == 1 else "machines"
        listed = _suffixes(ready)
        nodes.append(
            Node(kind="", name=f"{len(ready)} {noun}", state="ready", text=f"ready: {listed}")
        )
    return nodes


def machine_state(machine: JsonObject) -> tuple[str, str]:
    """(state, why): the first failing condition from the cause to its consequences."""
    if machine["metadata"].get("deletionTimestamp"):
        return "deleting", "is being deleted"
    found = conditions(machine)
    for kind in _MACHINE_CONDITIONS:
        condition = found.get(kind)
        if condition is not None and condition.get("status") != "True":
            reason = str(condition.get("reason") or kind)
            message = " ".join(str(condition.get("message") or "").split())
            return "waiting", f"{kind}: {reason}" + (f": {message}" if message else "")
    if "Ready" in found or value(machine, "status.phase") == "Running":
        return "ready", ""
    return "waiting", f"phase {value(machine, 'status.phase') or 'unknown'}"


_SHOWN = 6
_SUFFIX = re.compile(r"-[a-z0-9]+$")


def _suffixes(names: list[str]) -> str:
    """`shop-prod-2lq8f, -9xkzw, -x7k2p`: what repeats is left out."""
    first, *rest = names[:_SHOWN]
    stem = _SUFFIX.sub("", first)
    texts = [first]
    texts += [n.removeprefix(stem) if n.startswith(f"{stem}-") else n for n in rest]
    if len(names) > _SHOWN:
        texts.append(f"{len(names) - _SHOWN} more")
    return ", ".join(texts)


def _of_owner(owner: ResourceId, around: Around) -> list[JsonObject]:
    if owner.group_kind == MACHINE_DEPLOYMENT:
        return [
            m
            for m in around.machines
            if (m["metadata"].get("labels") or {}).get(DEPLOYMENT_NAME) == owner.name
        ]
    if owner.group_kind == MACHINE_POOL:
        label = "cluster.x-k8s.io/pool-name"
        return [
            m
            for m in around.machines
            if (m["metadata"].get("labels") or {}).get(label) == owner.name
        ]
    if rules(owner.group, owner.kind).machines:
        return [m for m in around.machines if _is_plane(m)]
    return []


def _is_plane(machine: JsonObject) -> bool:
    return CONTROL_PLANE in (machine["metadata"].get("labels") or {})


def _counts(body: JsonObject) -> str:
    wanted = value(body, "spec.replicas")
    if isinstance(wanted, int):
        current = value(body, "status.upToDateReplicas")
        if not isinstance(current, int):
            current = wanted
        return f"{current} of {wanted} up to date"
    return "provisioned"


def _ratio(
    machines: list[JsonObject], owners: Iterable[Present | ResourceId], *, plane: bool
) -> Ratio:
    """Machines that are ready, of those that the owners want."""
    wanted = 0
    for owner in owners:
        if not isinstance(owner, Present) or not rules(owner.id.group, owner.id.kind).machines:
            continue
        if (owner.id.group_kind not in (MACHINE_DEPLOYMENT, MACHINE_POOL)) is plane:
            replicas = value(owner.body, "spec.replicas", 1)
            wanted += replicas if isinstance(replicas, int) else 1
    ready = sum(1 for m in machines if machine_state(m)[0] == "ready")
    return Ratio(ready, wanted or len(machines))


def _version(owners: Iterable[Present | ResourceId], around: Around, cluster: JsonObject) -> str:
    """The Kubernetes version of the control plane: its own, else that of its machines."""
    for owner in owners:
        if isinstance(owner, Present):
            found = value(owner.body, "status.version") or value(owner.body, "spec.version")
            if isinstance(found, str):
                return found
    versions = sorted({str(value(m, "spec.version") or "") for m in around.machines} - {""})
    return str(value(cluster, "spec.topology.version") or (versions[0] if versions else ""))
