"""Reading what status shows: one LIST for each kind, whether for one cluster or for all.

Of one cluster everything is asked in its namespace; of a fleet each kind once, over all namespaces.
"""

from __future__ import annotations

from providers.base import value
from providers.builtin import Served
from providers.capi import CLUSTER, CLUSTER_NAME
from providers.conditions import labels_of
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from state.live import Present
from state.resource import GroupKind, JsonObject, ResourceId

Kinds = dict[tuple[str, GroupKind], tuple[str, Served] | None]
"""How each server serves a kind; None: it does not."""


class Inventory:
    """The live objects of one management cluster, as far as they were asked for."""

    def __init__(
        self, client: KubeClient, only: ResourceId | None = None, kinds: Kinds | None = None
    ) -> None:
        """`only`: the one Cluster that is asked about. `kinds`: what is known of the server."""
        self.client = client
        self._only = only
        self._kinds = kinds if kinds is not None else {}
        self._found: dict[tuple[GroupKind, bool], dict[tuple[str, str], list[Present]]] = {}
        self._listed: dict[tuple[GroupKind, str], list[Present] | ApiError] = {}
        self._named: dict[GroupKind, dict[tuple[str, str], Present]] = {}

    def clusters(self) -> list[Present]:
        """The Clusters; none where the server does not serve the kind."""
        how = self._how(CLUSTER)
        if how is None:
            return []
        if self._only is None:
            return list(self.client.objects(how[0], CLUSTER.kind, how[1]))
        found = self.client.get(self._only, *how)
        return [found] if isinstance(found, Present) else []

    def of_cluster(
        self, kind: GroupKind, cluster: ResourceId, *, labelled: bool = False
    ) -> list[Present]:
        """Objects of a kind that belong to a Cluster, by name.

        `labelled`: controllers make them, so the label is there and the server can choose by it.
        """
        if (kind, labelled) not in self._found:
            self._found[kind, labelled] = self._index(kind, labelled)
        return self._found[kind, labelled].get((cluster.namespace, cluster.name), [])

    def in_namespace(self, kind: GroupKind, namespace: str) -> list[Present]:
        """All objects of a kind in a namespace, by name."""
        return [p for p in self._objects(kind) if p.id.namespace == namespace]

    def get(self, id_: ResourceId) -> Present | None:
        """One object; None: not there, or not readable for being there."""
        if self._only is None:
            if id_.group_kind not in self._named:
                listed = self._objects(id_.group_kind)
                self._named[id_.group_kind] = {(p.id.namespace, p.id.name): p for p in listed}
            return self._named[id_.group_kind].get((id_.namespace, id_.name))
        how = self._how(id_.group_kind)
        found = self.client.get(id_, *how) if how else None
        return found if isinstance(found, Present) else None

    def served(self, kind: GroupKind) -> Served | None:
        """How the server serves a kind."""
        how = self._how(kind)
        return how[1] if how else None

    def _how(self, kind: GroupKind) -> tuple[str, Served] | None:
        """By discovery, asked once: what the server lacks it is not asked for again and again."""
        key = (self.client.cluster, kind)
        if key not in self._kinds:
            self._kinds[key] = self.client.find(kind)
        return self._kinds[key]

    def _index(self, kind: GroupKind, labelled: bool) -> dict[tuple[str, str], list[Present]]:
        selector = f"{CLUSTER_NAME}={self._only.name}" if self._only and labelled else ""
        found: dict[tuple[str, str], list[Present]] = {}
        for present in self._objects(kind, selector):
            owner = _cluster_of(present.body)
            if owner:
                found.setdefault((present.id.namespace, owner), []).append(present)
        return found

    def _objects(self, kind: GroupKind, selector: str = "") -> list[Present]:
        """Listed once; a refusal, too, is asked for once and then repeated."""
        key = (kind, selector)
        if key not in self._listed:
            try:
                self._listed[key] = self._list(kind, selector)
            except ApiError as error:
                self._listed[key] = error
        found = self._listed[key]
        if isinstance(found, ApiError):
            raise found
        return found

    def _list(self, kind: GroupKind, selector: str) -> list[Present]:
        how = self._how(kind)
        if how is None:
            return []
        namespace = self._only.namespace if self._only else ""
        listed = self.client.objects(
            how[0], kind.kind, how[1], namespace=namespace, selector=selector
        )
        return sorted(listed, key=lambda p: p.id)


def _cluster_of(body: JsonObject) -> str:
    return str(
        value(body, "spec.clusterName")
        or value(body, "spec.clusterRef.name")
        or labels_of(body).get(CLUSTER_NAME)
        or ""
    )
