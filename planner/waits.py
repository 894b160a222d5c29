"""Watching for milestones: what is awaited, is it there, and if not, what holds it up.

Polls the awaited objects and their relatives; one read of a cluster's machines serves every wait
around it. Which condition means what is in `providers.readiness`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from planner.facts import FactReader
from planner.schedule import Wait
from planner.units import cluster_unit, is_workload
from providers.base import ABSENT, Health, Readiness, value
from providers.builtin import Served
from providers.capi import CLUSTER, CLUSTER_NAME
from providers.kube.client import KubeClient
from providers.kube.fleet import NoAccess, NotYet
from providers.readiness import Relatives, check, relatives_of
from state.errors import ClusterformError
from state.live import Present, Unreadable
from state.resource import GroupKind, JsonObject, ResourceId

Lookup = Callable[[ResourceId], tuple[str, Served] | None]
"""apiVersion and URL name to read an object by; None while its kind is not served."""
Api = Callable[[str], KubeClient | NoAccess | NotYet]


class Pending(msgspec.Struct):
    """One wait: since when, and what was last seen."""

    wait: Wait
    since: float
    message: str = ""


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
        look = _Look(self._glance, self._lookup, self._removed)
        confirm = _Look(self._api, self._lookup, self._removed)
        for wait, pending in list(self._pending.items()):
            between()
            if wait not in self._pending:
                return  # the run was stopped meanwhile
            state = look.at(wait)
            if state.health is not Health.WAITING and self._may_be_old(wait[0].cluster):
                state = confirm.at(wait)
            late = self._steady() - pending.since > wait[1].deadline
            over = state.health is not Health.WAITING or late
            if late and state.health is Health.WAITING:
                message = f"not within {wait[1].deadline} s: {state.message}"
                state = Readiness(Health.BLOCKED, state.reason, message)
            if over:
                del self._pending[wait]
            if over or state.message != pending.message:
                pending.message = state.message
                yield wait, state, over

    def _may_be_old(self, cluster: str) -> bool:
        return self._glance(cluster) is not self._api(cluster)


class _Look:
    """One look at everything that is awaited; relatives are read once for all waits around them."""

    def __init__(self, api: Api, lookup: Lookup, removed: Mapping[ResourceId, str]) -> None:
        self._api = api
        self._lookup = lookup
        self._removed = removed
        self._facts = FactReader(self._management)

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
        return check(milestone, body, self._relatives(id_, body))

    def _management(self, cluster: str) -> KubeClient | None:
        client = self._api(cluster)
        return client if isinstance(client, KubeClient) else None

    def _relatives(self, id_: ResourceId, body: JsonObject | None) -> Relatives:
        wanted: tuple[GroupKind, ...] = relatives_of(id_.group_kind)
        if body is None or not wanted or is_workload(id_.cluster):
            return Relatives()
        name = id_.name if id_.group_kind == CLUSTER else _cluster_name(body)
        fact = self._facts.of_owner(id_, cluster_unit(id_.cluster, id_.namespace, name))
        if fact.unreadable:
            raise ClusterformError("api-unavailable", fact.unreadable)
        return Relatives(machine_sets=fact.machine_sets, machines=fact.machines)


def _cluster_name(body: JsonObject) -> str:
    labels = body["metadata"].get("labels") or {}
    return str(value(body, "spec.clusterName") or labels.get(CLUSTER_NAME) or "")
