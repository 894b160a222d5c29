"""Watching for milestones: what is awaited, is it there, and if not, what holds it up.

Polls the awaited objects and their relatives; one read of a cluster's machines serves every wait
around it. Which condition means what is in `providers.readiness`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

import msgspec

from planner.contracts import Contracts
from planner.facts import FactReader
from planner.schedule import Wait
from planner.units import cluster_unit, is_workload
from providers.base import ABSENT, Fact, Health, Milestone, Readiness, references, value
from providers.builtin import Served
from providers.capi import (
    ADDONS,
    CLUSTER,
    CLUSTER_CLASS,
    CLUSTER_NAME,
    FOLLOWED,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
    class_reference,
)
from providers.conditions import condition, conditions
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.kube.fleet import NoAccess, NotYet
from providers.readiness import RESOURCE_SET, Relatives, check, relatives_of
from providers.registry import rules
from providers.resourcesets import Reach, missing, sources_of
from state.errors import ClusterformError
from state.live import Observation, Present, Unreadable
from state.resource import GroupKind, JsonObject, ResourceId, split_api_version

Lookup = Callable[[ResourceId], tuple[str, Served] | None]
"""apiVersion and URL name to read an object by; None while its kind is not served."""
Api = Callable[[str], KubeClient | NoAccess | NotYet]


SETTLE_SECONDS = 5.0
_BINDING = GroupKind(ADDONS, "ClusterResourceSetBinding")


class Pending(msgspec.Struct):
    """One wait: since when, and what was last seen."""

    wait: Wait
    since: float
    message: str = ""
    reached: float | None = None
    """Since when the milestone has been reached without a break."""


class Waiter:
    """The waits of a run. Owned by one thread."""

    def __init__(
        self,
        api: Api,
        glance: Api,
        lookup: Lookup,
        steady: Callable[[], float],
        removed: Mapping[ResourceId, str],
        refused: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> None:
        """`removed`: uid of each object that the plan deletes; a successor is not that object.

        `glance` gives clients whose answers may be a moment old: they say when to look, and what
        settles a wait is read through `api`. `refused`: (cluster, kind) that may not be watched.
        """
        self._api = api
        self._glance = glance
        self._lookup = lookup
        self._steady = steady
        self._removed = removed
        self._refused = refused
        self._contracts = Contracts(_clients(api))
        self._told: set[tuple[str, str]] = set()
        self._pending: dict[Wait, Pending] = {}

    def add(self, wait: Wait) -> None:
        """Begin to watch; the deadline counts from now."""
        self._pending[wait] = Pending(wait, self._steady())

    def clear(self) -> None:
        """Give up all waits."""
        self._pending.clear()

    def notes(self) -> Iterable[str]:
        """What has to be said of the waits as a whole, each only once."""
        for cluster, kind in sorted(set(self._refused()) - self._told):
            self._told.add((cluster, kind))
            yield (
                f"no right to watch {kind} in {cluster}: each one that is awaited is read again and"
                " again instead (docs/rbac/apply.yaml)"
            )

    def __len__(self) -> int:
        return len(self._pending)

    def poll(self, between: Callable[[], None]) -> Iterable[tuple[Wait, Readiness, bool]]:
        """(wait, readiness, over) of every wait that is settled or whose message changed.

        `over` is True when the milestone was reached, is blocked, or its deadline has passed.
        """
        look = _Look(self._glance, self._lookup, self._removed, self._contracts)
        confirm = _Look(self._api, self._lookup, self._removed, self._contracts)
        for wait, pending in list(self._pending.items()):
            between()
            if wait not in self._pending:
                return  # the run was stopped meanwhile
            state = look.at(wait)
            if state.health is not Health.WAITING and self._may_be_old(wait[0].cluster):
                state = confirm.at(wait)
            if state.health is Health.REACHED:
                state = self._settled(wait, pending, state)
            else:
                pending.reached = None
            if state.health is Health.WAITING:
                state = self._in_time(wait, pending, state)
            over = state.health is not Health.WAITING
            if over:
                del self._pending[wait]
            if over or state.message != pending.message:
                pending.message = state.message
                yield wait, state, over

    def _settled(self, wait: Wait, pending: Pending, state: Readiness) -> Readiness:
        """Where no field says whether a controller has begun, its word has to hold for a while.

        A patch or a variable of a class renames nothing, so that its clusters have followed it is
        told only by time. How long they take to begin is not measured; the same window of a
        MachineDeployment was 0.7 s, of a Cluster 2 s (docs/cluster-api.md).
        """
        if wait[1].name != FOLLOWED.name:
            return state
        if pending.reached is None:
            pending.reached = self._steady()
        if self._steady() - pending.reached >= SETTLE_SECONDS:
            return state
        return Readiness(Health.WAITING, "Settling", "its class was written a moment ago")

    def _in_time(self, wait: Wait, pending: Pending, state: Readiness) -> Readiness:
        """A wait that goes on, with trouble named as such, or one whose deadline has passed.

        A deadline of 0 never passes; the run's own limit (`--timeout`) does.
        """
        id_, milestone = wait
        message = f"trouble: {state.message}" if state.trouble else state.message
        waited = self._steady() - pending.since
        if not milestone.deadline or waited <= milestone.deadline:
            return msgspec.structs.replace(state, message=message)
        message = f"not within {_duration(milestone.deadline)}: {message}; {_way_out(id_)}"
        return msgspec.structs.replace(state, health=Health.BLOCKED, message=message)

    def _may_be_old(self, cluster: str) -> bool:
        return self._glance(cluster) is not self._api(cluster)


class _Look:
    """One look at everything that is awaited; relatives are read once for all waits around them."""

    def __init__(
        self,
        api: Api,
        lookup: Lookup,
        removed: Mapping[ResourceId, str],
        contracts: Contracts,
    ) -> None:
        self._api = api
        self._lookup = lookup
        self._removed = removed
        self._contracts = contracts
        self._facts = FactReader(_clients(api))
        self._clusters: dict[ResourceId, JsonObject | None] = {}

    def at(self, wait: Wait) -> Readiness:
        """How far the awaited object is; what goes wrong on the way is no end of the wait."""
        try:
            return self._at(wait)
        except ClusterformError as error:
            return Readiness(Health.WAITING, "Unreadable", error.brief)

    def _at(self, wait: Wait) -> Readiness:
        id_, milestone = wait
        client = self._api(id_.cluster)
        if not isinstance(client, KubeClient):
            return Readiness(Health.WAITING, "Unreachable", client.reason)
        how = self._lookup(id_)
        if how is None:
            return Readiness(Health.WAITING, "NotServed", f"{id_.kind} is not served yet")
        found = client.get(id_, *how)
        if isinstance(found, Unreadable):
            return Readiness(Health.WAITING, "Unreadable", found.reason)
        body = found.body if isinstance(found, Present) else None
        if milestone == ABSENT and isinstance(found, Present):
            uid = self._removed.get(id_, found.uid)
            body = body if found.uid == uid else None
        if body is None or is_workload(id_.cluster):
            return check(milestone, body, Relatives())
        relatives = self._relatives(id_, milestone, body)
        contract = self._contracts.of(id_, how[1], body)
        return check(milestone, body, msgspec.structs.replace(relatives, contract=contract))

    def _relatives(self, id_: ResourceId, milestone: Milestone, body: JsonObject) -> Relatives:
        if id_.group_kind == RESOURCE_SET:
            return Relatives(reach=self._reach(id_, milestone, body))
        is_cluster = id_.group_kind == CLUSTER
        cluster = None if is_cluster else self._cluster(id_, body)
        wanted: tuple[GroupKind, ...] = relatives_of(id_.group_kind)
        if not wanted:
            return Relatives(cluster=cluster)
        name = id_.name if is_cluster else _cluster_name(body)
        fact = self._facts.of_owner(id_, cluster_unit(id_.cluster, id_.namespace, name))
        if fact.unreadable:
            raise ClusterformError("api-unavailable", fact.unreadable)
        follows = milestone == FOLLOWED
        judged = is_cluster and (
            follows or (milestone.name == "available" and _may_roll(body, fact))
        )
        owners = tuple(self._owners(id_, body)) if judged else ()
        return Relatives(
            machine_sets=fact.machine_sets,
            machines=fact.machines,
            owners=owners,
            cluster=cluster,
            cluster_class=self._class(id_, body) if follows else None,
            made=tuple(self._made(id_, owners)) if follows else (),
        )

    def _reach(self, id_: ResourceId, milestone: Milestone, body: JsonObject) -> Reach:
        """The Clusters beside a ClusterResourceSet; what it holds only once that can be all."""
        clusters = [
            found
            for found in self._beside(id_, CLUSTER)
            if milestone.cluster in ("", found["metadata"]["name"])
        ]
        reach = Reach(clusters=clusters, bindings=self._beside(id_, _BINDING))
        if missing(body, reach):
            return reach
        held = {key: self._get(_source(id_, *key)) for key in sources_of(body)}
        there = {key: found.body for key, found in held.items() if isinstance(found, Present)}
        return msgspec.structs.replace(reach, sources=there)

    def _beside(self, id_: ResourceId, kind: GroupKind) -> list[JsonObject]:
        client = self._api(id_.cluster)
        how = self._lookup(ResourceId(id_.cluster, kind.group, kind.kind, id_.namespace, ""))
        if how is None or not isinstance(client, KubeClient):
            return []
        found = client.objects(how[0], kind.kind, how[1], namespace=id_.namespace)
        return [present.body for present in found]

    def _class(self, id_: ResourceId, body: JsonObject) -> JsonObject | None:
        reference = class_reference(body)
        if reference is None:
            return None
        home = ResourceId(id_.cluster, CLUSTER_CLASS.group, CLUSTER_CLASS.kind, *reference)
        found = self._get(home)
        return found.body if isinstance(found, Present) else None

    def _made(self, id_: ResourceId, owners: Iterable[JsonObject]) -> Iterator[JsonObject]:
        """The templates that a topology's owners refer to."""
        for owner in owners:
            kind = GroupKind(split_api_version(str(owner.get("apiVersion")))[0], owner["kind"])
            home = ResourceId(
                id_.cluster, kind.group, kind.kind, id_.namespace, owner["metadata"]["name"]
            )
            for reference in references(owner, home, rules(kind.group, kind.kind)):
                if rules(reference.target.group, reference.target.kind).template:
                    found = self._get(reference.target)
                    if isinstance(found, Present):
                        yield found.body

    def _cluster(self, id_: ResourceId, body: JsonObject) -> JsonObject | None:
        """The Cluster around an object that does not say itself whether it is paused."""
        name = _cluster_name(body)
        if not name or not id_.group.endswith(CLUSTER.group) or "Paused" in conditions(body):
            return None
        home = ResourceId(id_.cluster, CLUSTER.group, CLUSTER.kind, id_.namespace, name)
        if home not in self._clusters:
            found = self._get(home)
            self._clusters[home] = found.body if isinstance(found, Present) else None
        return self._clusters[home]

    def _owners(self, id_: ResourceId, body: JsonObject) -> Iterator[JsonObject]:
        """Control plane, MachineDeployments and MachinePools of a Cluster, as far as readable."""
        for reference in references(body, id_, rules(id_.group, id_.kind)):
            if reference.path[1] == "f:controlPlaneRef":
                plane = self._get(reference.target)
                if isinstance(plane, Present):
                    yield plane.body
        client = self._api(id_.cluster)
        for kind in (MACHINE_DEPLOYMENT, MACHINE_POOL):
            how = self._lookup(
                ResourceId(id_.cluster, kind.group, kind.kind, id_.namespace, id_.name)
            )
            if how is None or not isinstance(client, KubeClient):
                continue
            selector = f"{CLUSTER_NAME}={id_.name}"
            with suppress(ApiError):
                for found in client.objects(
                    how[0], kind.kind, how[1], namespace=id_.namespace, selector=selector
                ):
                    yield found.body

    def _get(self, id_: ResourceId) -> Observation | None:
        """An object beside the awaited one; who may not read it waits without it."""
        how = self._lookup(id_)
        client = self._api(id_.cluster)
        if how is None or not isinstance(client, KubeClient):
            return None
        try:
            return client.get(id_, *how)
        except ApiError:
            return None


def _source(resource_set: ResourceId, kind: str, name: str) -> ResourceId:
    return ResourceId(resource_set.cluster, "", kind, resource_set.namespace, name)


def _clients(api: Api) -> Callable[[str], KubeClient | None]:
    def client(cluster: str) -> KubeClient | None:
        found = api(cluster)
        return found if isinstance(found, KubeClient) else None

    return client


def _may_roll(body: JsonObject, fact: Fact) -> bool:
    """Whether the owners have to be looked at: a topology makes them, or a machine is outdated."""
    return value(body, "spec.topology") is not None or any(
        condition(m, "UpToDate").status == "False" for m in fact.machines
    )


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"


def _way_out(id_: ResourceId) -> str:
    """What somebody can do who waited in vain."""
    if id_.group.endswith(CLUSTER.group) and id_.namespace:
        return "clusterform status shows it; when it is mended, plan and apply again"
    return "when it is mended, plan and apply again"


def _cluster_name(body: JsonObject) -> str:
    labels = body["metadata"].get("labels") or {}
    return str(value(body, "spec.clusterName") or labels.get(CLUSTER_NAME) or "")
