"""The second read: machines and machine sets around the owners that change (semantics 7).

Read for changing units only, by cluster-name label, status included. What cannot be read makes the
effect unknown; it never counts as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from planner.units import cluster_of_unit
from providers.base import Fact, references, value
from providers.builtin import Served
from providers.capi import (
    CLONED_FROM,
    CLUSTER,
    CLUSTER_CLASS,
    CLUSTER_NAME,
    CONTROL_PLANE,
    DEPLOYMENT_NAME,
    GROUP,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
    MACHINE_SET,
    is_control_plane,
)
from providers.controlplane import KUBEADM
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.pools import live_machines, owned_by, uncounted_machines
from providers.registry import rules
from providers.selected import SELECTING
from state.live import Absent, Present, Unreadable
from state.resource import GroupKind, JsonObject, ResourceId, split_api_version

_PARALLEL = 8
"""Units read at a time: the server answers in milliseconds, so waiting is most of it."""


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """Everything read around one cluster."""

    machine_sets: tuple[JsonObject, ...] = ()
    machines: tuple[JsonObject, ...] = ()
    infra_machines: tuple[JsonObject, ...] = ()
    configs: tuple[JsonObject, ...] = ()
    unreadable: str = ""


class FactReader:
    """Reads the machines of clusters, once each. `client` gives a management cluster's API.

    `now` is the wall clock in seconds; without one nothing is ever due.
    """

    def __init__(
        self, client: Callable[[str], KubeClient | None], now: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._client = client
        self._now = now
        self._around: dict[str, Around] = {}
        self._pools: dict[str, tuple[JsonObject, ...]] = {}
        self._selecting: dict[tuple[str, str], list[JsonObject]] = {}
        self._objects: dict[ResourceId, JsonObject | None] = {}
        self._found: dict[tuple[str, GroupKind], tuple[str, Served] | None] = {}

    def forget(self, unit: str) -> None:
        """Read this unit anew: at apply, facts are compared with those of the plan."""
        self._around.pop(unit, None)
        self._pools.pop(unit, None)
        self._objects.clear()

    def of_owner(self, owner: ResourceId, unit: str, *, pools: bool = False) -> Fact:
        """The facts around one owner of machines in its cluster's unit.

        `pools`: with the live MachinePools of the cluster, which is one more LIST.
        """
        around = self.around(unit)
        if around.unreadable:
            return Fact(unreadable=around.unreadable)
        try:
            read = self._pools_of(unit) if pools else ()
        except ApiError as error:
            return Fact(unreadable=f"machine pools could not be read: {error.brief}")
        mine = _selector(owner)
        return Fact(
            machine_sets=tuple(m for m in around.machine_sets if mine(m)),
            machines=tuple(m for m in around.machines if mine(m)),
            infra_machines=around.infra_machines,
            configs=around.configs,
            pools=read,
            now=self._now(),
        )

    def destroyed(self, owner: ResourceId, unit: str, body: JsonObject) -> tuple[int, str]:
        """(machines that go with a live owner, why that is not known)."""
        whole = owner.group_kind == CLUSTER
        fact = self.of_owner(owner, unit, pools=whole)
        if fact.unreadable:
            return 0, fact.unreadable
        if whole:
            return len(fact.machines) + uncounted_machines(fact.pools, fact.machines), ""
        return live_machines(owner.group_kind, body, fact), ""

    def _pools_of(self, unit: str) -> tuple[JsonObject, ...]:
        cluster = cluster_of_unit(unit)
        client = self._client(cluster.cluster) if cluster else None
        if cluster is None or client is None:
            raise ApiError("api-unavailable", "its management cluster cannot be read")
        if unit not in self._pools:
            selector = f"{CLUSTER_NAME}={cluster.name}"
            self._pools[unit] = tuple(
                self._list(client, cluster.namespace, GROUP, MACHINE_POOL.kind, selector=selector)
            )
        return self._pools[unit]

    def object(self, id_: ResourceId) -> JsonObject | None:
        """One live object of a management cluster, read once; None if it is not there.

        Raises: ApiError when that cannot be known.
        """
        if id_ not in self._objects:
            client = self._client(id_.cluster)
            if client is None:
                raise ApiError("api-unavailable", "its management cluster cannot be read")
            how = client.find(id_.group_kind)
            found = client.get(id_, *how) if how else Absent(id_)
            if isinstance(found, Unreadable):
                raise ApiError("api-unavailable", found.reason)
            self._objects[id_] = found.body if isinstance(found, Present) else None
        return self._objects[id_]

    def selecting(self, cluster: ResourceId) -> list[JsonObject]:
        """Objects that act on Clusters by label, near this one. Raises: ApiError."""
        client = self._client(cluster.cluster)
        if client is None:
            raise ApiError("api-unavailable", "its management cluster cannot be read")
        key = (cluster.cluster, cluster.namespace)
        if key not in self._selecting:
            self._selecting[key] = [
                body
                for kind in SELECTING
                for body in self._in_namespace(client, cluster, kind.group, kind.kind)
            ]
        return self._selecting[key]

    def users_of(self, template: ResourceId) -> list[str]:
        """What still refers to a template, in words; raises `ApiError` if that cannot be known.

        Looked up anew: MachineSets with machines, machines cloned from it, and whatever else has a
        reference to templates (ClusterClasses, health checks, the owners of machines).
        """
        client = self._client(template.cluster)
        if client is None:
            raise ApiError("api-unavailable", "its management cluster cannot be read")
        users: list[str] = []
        for group, kind in _REFERRERS:
            users += [
                f"{kind} {body['metadata']['name']}"
                for body in self._in_namespace(client, template, group, kind)
                if refers(body, group, template) and in_use(body)
            ]
        made = template.kind.removesuffix("Template")
        for body in self._in_namespace(client, template, template.group, made):
            annotations = body["metadata"].get("annotations") or {}
            if annotations.get(CLONED_FROM) == template.name:
                users.append(f"{made} {body['metadata']['name']}")
        return users

    def _in_namespace(
        self, client: KubeClient, near: ResourceId, group: str, kind: str
    ) -> list[JsonObject]:
        return self._list(client, near.namespace, group, kind, selector="")

    def prepare(self, units: Iterable[str]) -> None:
        """Read these units beside each other: each costs two or three small LISTs."""
        todo = sorted({unit for unit in units if unit not in self._around})
        with ThreadPoolExecutor(_PARALLEL) as pool:
            self._around.update(zip(todo, pool.map(self._read, todo), strict=True))

    def around(self, unit: str) -> Around:
        """Machine sets, machines and infrastructure machines of a cluster's unit."""
        found = self._around.get(unit)
        if found is None:
            found = self._around[unit] = self._read(unit)
        return found

    def _read(self, unit: str) -> Around:
        cluster = cluster_of_unit(unit)
        client = self._client(cluster.cluster) if cluster else None
        if cluster is None or client is None:
            return Around(unreadable="its management cluster cannot be read")
        try:
            selector = f"{CLUSTER_NAME}={cluster.name}"
            machines = self._list(client, cluster.namespace, GROUP, "Machine", selector=selector)
            planes = [m for m in machines if is_control_plane(m)]
            infra, configs = (
                tuple(
                    m
                    for group, kind in _kinds_at(owners, path)
                    for m in self._list(client, cluster.namespace, group, kind, selector=selector)
                )
                for owners, path in (
                    (machines, "spec.infrastructureRef"),
                    (planes, "spec.bootstrap.configRef"),
                )
            )
            sets = self._list(client, cluster.namespace, GROUP, "MachineSet", selector=selector)
        except ApiError as error:
            return Around(unreadable=f"machines could not be read: {error.brief}")
        return Around(
            machine_sets=tuple(sets),
            machines=tuple(machines),
            infra_machines=infra,
            configs=configs,
        )

    def _list(
        self, client: KubeClient, namespace: str, group: str, kind: str, *, selector: str
    ) -> list[JsonObject]:
        key = (client.cluster, GroupKind(group, kind))
        if key not in self._found:
            self._found[key] = client.find(key[1])
        how = self._found[key]
        if how is None:
            return []  # the server does not serve the kind: there is none of it
        found = client.objects(how[0], kind, how[1], namespace=namespace, selector=selector)
        return [present.body for present in found]


_REFERRERS = (
    *((k.group, k.kind) for k in (CLUSTER_CLASS, MACHINE_DEPLOYMENT, MACHINE_POOL, MACHINE_SET)),
    (GROUP, "MachineHealthCheck"),
    (KUBEADM.group, KUBEADM.kind),
)


def refers(body: JsonObject, group: str, template: ResourceId) -> bool:
    """One of the references of an object of `group` leads to the template."""
    kind = str(body.get("kind"))
    id_ = ResourceId(template.cluster, group, kind, template.namespace, "")
    return any(r.target == template for r in references(body, id_, rules(group, kind)))


def in_use(body: JsonObject) -> bool:
    """A MachineSet without machines is history; everything else that refers counts."""
    if body.get("kind") != MACHINE_SET.kind:
        return True
    return bool(value(body, "spec.replicas", 0) or value(body, "status.replicas", 0))


def _kinds_at(machines: Iterable[JsonObject], path: str) -> list[tuple[str, str]]:
    """(group, kind) that the machines refer to at `path`."""
    found = (value(m, path) for m in machines)
    return sorted({(_group(ref), str(ref.get("kind"))) for ref in found if ref})


def _group(reference: JsonObject) -> str:
    group = reference.get("apiGroup")
    return str(group) if group else split_api_version(str(reference.get("apiVersion", "")))[0]


def _is(body: JsonObject, kind: GroupKind, name: str) -> bool:
    return body.get("kind") == kind.kind and body["metadata"]["name"] == name


def _selector(owner: ResourceId) -> Callable[[JsonObject], bool]:
    def labels(body: JsonObject) -> JsonObject:
        return body["metadata"].get("labels") or {}

    kind = owner.group_kind
    if kind == MACHINE_DEPLOYMENT:
        return lambda body: labels(body).get(DEPLOYMENT_NAME) == owner.name
    if kind in (MACHINE_SET, MACHINE_POOL):
        owned = owned_by(kind, owner.name)
        return lambda body: owned(body) or _is(body, kind, owner.name)
    if rules(kind.group, kind.kind).control_plane:
        return lambda body: CONTROL_PLANE in labels(body)
    if kind in (CLUSTER, CLUSTER_CLASS):
        return lambda _: True
    return lambda body: body["metadata"]["name"] == owner.name
