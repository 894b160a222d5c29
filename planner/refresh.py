"""Reading clusters for a plan: one LIST for each kind, three-valued answers.

Nothing here writes. A kind whose LIST failed is unreadable as a whole, and everything that asks for
an object of it hears so (docs/semantics.md 5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from planner.render import Scopes
from providers.builtin import Served
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.kube.fleet import NoAccess, NotYet
from state.errors import ClusterformError
from state.live import Absent, Observation, Present, Unreadable
from state.resource import GroupKind, ResourceId, split_api_version

PARALLEL_READS = 4
"""LISTs in flight: enough to hide latency; more threads in one process are slower (measured)."""


class KubeFleet(Protocol):
    """The way from a cluster's key to its API."""

    def api(self, cluster: str) -> KubeClient | NoAccess | NotYet:
        """The client of a management cluster, or of a workload cluster `mgmt/namespace/name`."""
        ...


PARALLEL_CLUSTERS = 16
"""Clusters opened and read at a time: each costs a TLS handshake, or the deadline of a dead one."""

Wanted = tuple[str, str, str]
"""(cluster, apiVersion, kind) to list."""


_Discovered = dict[str, dict[str, Served] | ClusterformError] | NoAccess | NotYet | None


def _threads(clusters: Collection[str]) -> int:
    """Few for one server, more where the time goes into waiting for many."""
    return PARALLEL_READS if len(clusters) < 2 else PARALLEL_CLUSTERS


def _forbidden(error: ClusterformError) -> bool:
    return isinstance(error, ApiError) and error.code == "api-forbidden"


class Live:
    """What was read. Ask `observe`; iterate `owned` for what carries the fleet's label."""

    def __init__(self) -> None:
        self.objects: dict[ResourceId, Present] = {}
        self.unreadable: dict[tuple[str, GroupKind], str] = {}
        self.closed: dict[str, str] = {}
        """Clusters without access → reason."""
        self.empty: dict[str, str] = {}
        """Clusters that do not exist yet → reason."""
        self.listed: set[tuple[str, GroupKind]] = set()

    def observe(self, id_: ResourceId) -> Observation:
        """The object, its proven absence, or why neither is known."""
        found = self.objects.get(id_)
        if found is not None:
            return found
        if id_.cluster in self.empty:
            return Absent(id_)
        if id_.cluster in self.closed:
            return Unreadable(id_, self.closed[id_.cluster], id_.cluster)
        key = (id_.cluster, id_.group_kind)
        if key in self.unreadable:
            return Unreadable(id_, self.unreadable[key], f"{id_.kind} in {id_.cluster}")
        if key in self.listed:
            return Absent(id_)
        return Unreadable(id_, "was not looked at", f"{id_.kind} in {id_.cluster}")

    def of_kind(self, cluster: str, kind: GroupKind) -> Iterable[Present]:
        """Every object read of one kind."""
        return (o for i, o in self.objects.items() if i.cluster == cluster and i.group_kind == kind)


class Reader:
    """Reads kinds into a `Live`, at most once each."""

    def __init__(self, fleet: KubeFleet, scopes: Scopes, *, selector: str = "") -> None:
        self._fleet = fleet
        self._scopes = scopes
        self._selector = selector
        self.live = Live()
        self._served: dict[tuple[str, str], dict[str, Served]] = {}

    def client(self, cluster: str) -> KubeClient | None:
        """The cluster's client; None, remembered with its reason, where there is no access."""
        if cluster in self.live.empty or cluster in self.live.closed:
            return None
        api = self._fleet.api(cluster)
        if isinstance(api, NotYet):
            self.live.empty[cluster] = api.reason
        elif isinstance(api, NoAccess):
            self.live.closed[cluster] = api.reason
        else:
            return api
        return None

    def discover(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Learn the served kinds of (cluster, apiVersion) pairs, where they can be asked."""
        asked: dict[str, list[str]] = {}
        for cluster, version in wanted:
            if (cluster, version) not in self._served:
                asked.setdefault(cluster, []).append(version)
        with ThreadPoolExecutor(_threads(asked)) as pool:
            for cluster, found in zip(asked, pool.map(self._ask, asked.items()), strict=True):
                self._learn(cluster, found)

    def _ask(self, asked: tuple[str, list[str]]) -> _Discovered:
        """One cluster: its client, and its answer for each version. Changes nothing of `self`.

        The first error ends it: a dead cluster costs its deadline once, beside the others.
        """
        cluster, versions = asked
        if cluster in self.live.empty or cluster in self.live.closed:
            return None
        api = self._fleet.api(cluster)
        if not isinstance(api, KubeClient):
            return api
        answers: dict[str, dict[str, Served] | ClusterformError] = {}
        for version in versions:
            try:
                answers[version] = api.served(version)
            except ClusterformError as error:
                answers[version] = error
                if not _forbidden(error):
                    break
        return answers

    def _learn(self, cluster: str, found: _Discovered) -> None:
        if found is None:
            return
        if isinstance(found, NotYet):
            self.live.empty[cluster] = found.reason
            return
        if isinstance(found, NoAccess):
            self.live.closed[cluster] = found.reason
            return
        for version, answer in found.items():
            if isinstance(answer, ClusterformError):
                if not _forbidden(answer):  # open to every user of a real server; LIST will tell
                    self.live.closed[cluster] = answer.brief
                    self._served[cluster, version] = {}
                continue
            self._served[cluster, version] = answer
            for kind, how in answer.items():
                self._scopes.add(cluster, GroupKind(split_api_version(version)[0], kind), how)

    def read(self, wanted: Iterable[Wanted]) -> None:
        """List every wanted kind that was not read yet; failures become unreadable kinds."""
        todo = sorted({w for w in wanted if self._key(w) not in self._done()})
        self.discover((cluster, version) for cluster, version, _ in todo)
        with ThreadPoolExecutor(_threads({w[0] for w in todo})) as pool:
            for want, result in zip(todo, pool.map(self._list, todo), strict=True):
                self._keep(want, result)

    def _done(self) -> set[tuple[str, GroupKind]]:
        return self.live.listed | set(self.live.unreadable)

    @staticmethod
    def _key(want: Wanted) -> tuple[str, GroupKind]:
        cluster, version, kind = want
        return cluster, GroupKind(split_api_version(version)[0], kind)

    def _list(self, want: Wanted) -> list[Present] | str:
        cluster, version, kind = want
        client = self.client(cluster)
        if client is None:
            return []
        if (cluster, version) not in self._served:
            return f"{version} could not be discovered"
        served = self._served[cluster, version].get(kind)
        try:
            if served is None:
                return self._not_served(client, want)
            return list(client.objects(version, kind, served, selector=self._selector))
        except ClusterformError as error:
            return error.brief

    def _not_served(self, client: KubeClient, want: Wanted) -> list[Present] | str:
        """A kind that the server does not serve at all has no objects; another version may."""
        _, version, kind = want
        other = client.find(self._key(want)[1])
        return f"{kind} is served as {other[0]}, not as {version}" if other else []

    def _keep(self, want: Wanted, result: list[Present] | str) -> None:
        key = self._key(want)
        if isinstance(result, str):
            self.live.unreadable[key] = result
            return
        if want[0] in self.live.closed:
            return
        self.live.listed.add(key)
        for found in result:
            self.live.objects[found.id] = found
