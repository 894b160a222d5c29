"""Who else is at work: a running Flux, a topology; by the labels of an object, or by its release.

Flux labels what it applies with the name of its Kustomization or HelmRelease. While that object is
there and not suspended it would write back whatever we change. Source: Flux, kustomize-controller
and helm-controller owner labels; the Helm Operator has no way to suspend a release.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.base import value
from providers.capi import CLUSTER_NAME, made_by_topology
from providers.flux.kustomization import KUSTOMIZATION
from providers.helm import release as helm
from providers.kube.client import KubeClient
from state.errors import ClusterformError
from state.live import Present
from state.resource import GroupKind, Release, ResourceId

_FLUX = (KUSTOMIZATION, helm.FLUX)
_RUNNING = {
    "Kustomization": (KUSTOMIZATION,),
    "HelmRelease": (helm.FLUX, helm.OPERATOR),
}
"""By the kind of a release: the live kinds that would be running it."""

Known = dict[tuple[str, str], Present]


class Keeper(msgspec.Struct, frozen=True):
    """Who keeps an object, in words; `unreadable` says why that is not known."""

    name: str = ""
    unreadable: str = ""


class Runner(msgspec.Struct, frozen=True):
    """The live object behind a release; None where there is none."""

    live: Present | None = None
    unreadable: str = ""

    @property
    def running(self) -> bool:
        """Its controller would act on it."""
        return self.live is not None and value(self.live.body, "spec.suspend") is not True


class Keepers:
    """Looks up owners in the object's cluster and in its management cluster: one LIST a kind."""

    def __init__(self, client: Callable[[str], KubeClient | None]) -> None:
        self._client = client
        self._known: dict[tuple[str, GroupKind], Known | str] = {}

    def of(self, live: Present, release: Release | None = None) -> Keeper:
        """The running owner that an object's labels name; empty: there is none.

        `release`: of the object in Git. What runs that in the management cluster is for
        planner.takeover to refuse or to suspend; any other owner would go on.
        """
        if made_by_topology(live.id.group_kind, live.labels):
            return Keeper(name=f"the topology of Cluster {live.labels.get(CLUSTER_NAME, '')}")
        for kind in _FLUX:
            name = live.labels.get(f"{kind.group}/name")
            namespace = live.labels.get(f"{kind.group}/namespace")
            if not name or not namespace:
                continue
            for cluster in dict.fromkeys((live.id.cluster, live.id.cluster.partition("/")[0])):
                id_ = ResourceId(cluster, kind.group, kind.kind, namespace, name)
                if release is not None and id_ == _stands_for(release, kind, live.id.cluster):
                    continue
                found = self._runner(id_)
                if found.unreadable:
                    return Keeper(unreadable=found.unreadable)
                if found.running:
                    return Keeper(name=f"Flux {id_.kind} {id_.qualified_name}")
        return Keeper()

    def runner(self, management: str, release: Release) -> Runner:
        """The live object that stands for a release of Git; one that runs comes first."""
        found = self.runners(management, release)
        for wanted in (lambda r: r.unreadable or r.running, lambda r: r.live is not None):
            for runner in found:
                if wanted(runner):
                    return runner
        return Runner()

    def runners(self, management: str, release: Release) -> list[Runner]:
        """One for each kind: Flux and the Helm Operator may both have one of that name."""
        return [
            self._runner(ResourceId(management, k.group, k.kind, release.namespace, release.name))
            for k in _RUNNING.get(release.kind, ())
        ]

    def _runner(self, id_: ResourceId) -> Runner:
        key = (id_.cluster, id_.group_kind)
        if key not in self._known:
            self._known[key] = self._list(*key)
        found = self._known[key]
        if isinstance(found, str):
            return Runner(unreadable=found)
        return Runner(live=found.get((id_.namespace, id_.name)))

    def _list(self, cluster: str, kind: GroupKind) -> Known | str:
        client = self._client(cluster)
        if client is None:
            return f"{cluster} cannot be read"
        try:
            how = client.find(kind)
            if how is None:
                return {}
            version, served = how
            found = client.objects(version, kind.kind, served)
            return {(p.id.namespace, p.id.name): p for p in found}
        except ClusterformError as error:
            return error.brief


def _stands_for(release: Release, kind: GroupKind, cluster: str) -> ResourceId | None:
    if kind not in _RUNNING.get(release.kind, ()):
        return None
    management = cluster.partition("/")[0]
    return ResourceId(management, kind.group, kind.kind, release.namespace, release.name)
