"""Whether a controller is still at work on an object that we would adopt: a running Flux.

Flux labels what it applies with the name of its Kustomization or HelmRelease. While that object is
there and not suspended it would write back whatever we change. Source: Flux, kustomize-controller
and helm-controller owner labels.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.base import value
from providers.capi import CLUSTER_NAME, made_by_topology
from providers.kube.client import KubeClient
from state.errors import ClusterformError
from state.live import Absent, Present, Unreadable
from state.resource import GroupKind, ResourceId

_FLUX = (
    (GroupKind("kustomize.toolkit.fluxcd.io", "Kustomization"), "kustomize.toolkit.fluxcd.io"),
    (GroupKind("helm.toolkit.fluxcd.io", "HelmRelease"), "helm.toolkit.fluxcd.io"),
)


class Keeper(msgspec.Struct, frozen=True):
    """Who keeps an object, in words; `unreadable` says why that is not known."""

    name: str = ""
    unreadable: str = ""


class Keepers:
    """Looks owners up, once each, in the object's cluster and in its management cluster."""

    def __init__(self, client: Callable[[str], KubeClient | None]) -> None:
        self._client = client
        self._known: dict[ResourceId, Keeper] = {}

    def of(self, live: Present) -> Keeper:
        """The running owner that an object's labels name; empty: there is none."""
        if made_by_topology(live.id.group_kind, live.labels):
            return Keeper(name=f"the topology of Cluster {live.labels.get(CLUSTER_NAME, '')}")
        for kind, prefix in _FLUX:
            name = live.labels.get(f"{prefix}/name")
            namespace = live.labels.get(f"{prefix}/namespace")
            if not name or not namespace:
                continue
            for cluster in dict.fromkeys((live.id.cluster, live.id.cluster.partition("/")[0])):
                id_ = ResourceId(cluster, kind.group, kind.kind, namespace, name)
                found = self._keeper(id_)
                if found.name or found.unreadable:
                    return found
        return Keeper()

    def _keeper(self, id_: ResourceId) -> Keeper:
        found = self._known.get(id_)
        if found is None:
            found = self._known[id_] = self._look(id_)
        return found

    def _look(self, id_: ResourceId) -> Keeper:
        client = self._client(id_.cluster)
        if client is None:
            return Keeper(unreadable=f"{id_.cluster} cannot be read")
        try:
            how = client.find(id_.group_kind)
        except ClusterformError as error:
            return Keeper(unreadable=error.brief)
        live = client.get(id_, *how) if how else Absent(id_)
        if isinstance(live, Unreadable):
            return Keeper(unreadable=live.reason)
        if isinstance(live, Absent) or value(live.body, "spec.suspend") is True:
            return Keeper()
        return Keeper(name=f"Flux {id_.kind} {id_.qualified_name}")
