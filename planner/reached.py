"""What add-on providers make of a plan: which clusters it reaches through them, and what stays.

A plan is exact about the objects in the management cluster; what is in the clusters is written by
Cluster API or CAAPH, later and on their terms. So it says whom they reach, and what they will not
do. Sources: Cluster API v1.14.0, core/reconcilers/clusterresourceset (nothing is ever deleted,
ApplyOnce never looks again); cluster-api-addon-provider-helm v0.6, controllers/helmchartproxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from planner.changes import Finding, Verb
from planner.planned import Planned
from providers.base import value
from providers.capi import CLUSTER
from providers.resourcesets import Source, sources_of
from providers.selected import CHART_PROXY, RESOURCE_SET, SELECTING, selected
from state.live import Observation, Present
from state.resource import JsonObject, Resource, ResourceId

Sets = Mapping[ResourceId, tuple[ResourceId, ...]]
"""ConfigMap or Secret → the ClusterResourceSets of its namespace that name it."""
_EXACT = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+([-+].*)?")
_KEY = re.compile(r"[0-9]-(.+)\.json")
"""As `planner.expand.handover` names what a set holds."""
_REINSTALLS = ("chartName", "repoURL", "releaseName", "namespace")
_NAMED = 4


def holders(resources: Iterable[Resource]) -> dict[ResourceId, tuple[ResourceId, ...]]:
    """Which sets in Git name which ConfigMap or Secret."""
    found: dict[ResourceId, tuple[ResourceId, ...]] = {}
    for resource in resources:
        if resource.id.group_kind == RESOURCE_SET:
            for source in sources_of(resource.decoded()):
                held = _source(resource.id, source)
                found[held] = (*found.get(held, ()), resource.id)
    return found


class Reached:
    """One look at the add-on objects of a plan."""

    def __init__(
        self,
        resources: Iterable[Resource],
        planned: Iterable[Planned],
        clusters: Callable[[str], Iterable[Present]],
        observe: Callable[[ResourceId], Observation],
    ) -> None:
        """`clusters`: the live Clusters of a management cluster."""
        self._resources = {r.id: r for r in resources}
        self._planned: dict[ResourceId, list[Planned]] = {}
        for item in planned:
            self._planned.setdefault(item.change.id, []).append(item)
        self._written: dict[tuple[str, str], list[ResourceId]] = {}
        for id_ in self._planned:
            if id_.group_kind == CLUSTER:
                self._written.setdefault((id_.cluster, id_.namespace), []).append(id_)
        self._clusters = clusters
        self._near: dict[str, dict[str, dict[ResourceId, JsonObject]]] = {}
        self._observe = observe

    def findings(self) -> Iterator[Finding]:
        """For every add-on object that changes, or that a change of others acts through."""
        sets = holders(self._resources.values())
        wanted = {id_ for id_ in self._planned if id_.group_kind in SELECTING}
        wanted |= {holder for id_ in self._planned for holder in sets.get(id_, ())}
        written = (i for ids in self._written.values() for i in ids)
        new = [i for i in written if self._verb(i) is Verb.CREATE]
        if new:
            wanted |= {
                i for i in self._resources if i.group_kind in SELECTING and self._any(i, new)
            }
        for id_ in sorted(wanted):
            body = self._after(id_)
            yield from self._removal(id_) if body is None else self._change(id_, body)

    def _verb(self, id_: ResourceId) -> Verb | None:
        return self._planned[id_][-1].change.verb if id_ in self._planned else None

    def _after(self, id_: ResourceId) -> JsonObject | None:
        items = self._planned.get(id_)
        if items:
            return items[-1].after
        resource = self._resources.get(id_)
        return resource.decoded() if resource is not None else None

    def _before(self, id_: ResourceId) -> JsonObject | None:
        live = self._observe(id_)
        return live.body if isinstance(live, Present) else None

    def _any(self, id_: ResourceId, clusters: Iterable[ResourceId]) -> bool:
        body = self._resources[id_].decoded()
        return any(self._selects(id_, body, c, self._after(c)) for c in clusters)

    def _selects(
        self, id_: ResourceId, body: JsonObject, cluster: ResourceId, after: JsonObject | None
    ) -> bool:
        if after is None or (cluster.cluster, cluster.namespace) != (id_.cluster, id_.namespace):
            return False
        return selected(body, value(after, "metadata.labels") or {})

    # ------------------------------------------------------------------ whom it reaches

    def _counts(self, id_: ResourceId, body: JsonObject) -> tuple[int, int, int]:
        """(live, new in this plan, live and not in Git) Clusters that it will act on."""
        live = self._beside(id_)
        written = self._written.get((id_.cluster, id_.namespace), ())
        planned = {i: self._after(i) for i in written}
        mine = [i for i, b in {**live, **planned}.items() if self._selects(id_, body, i, b)]
        there = [i for i in mine if i in live]
        return len(there), len(mine) - len(there), sum(i not in self._resources for i in there)

    def _beside(self, id_: ResourceId) -> Mapping[ResourceId, JsonObject]:
        """The live Clusters of a namespace; all of a management cluster are looked at once."""
        if id_.cluster not in self._near:
            found = self._near[id_.cluster] = {}
            for one in self._clusters(id_.cluster):
                if not one.deleting:
                    body = {"metadata": {"labels": one.labels}}
                    found.setdefault(one.id.namespace, {})[one.id] = body
        return self._near[id_.cluster].get(id_.namespace, {})

    def _change(self, id_: ResourceId, body: JsonObject) -> Iterator[Finding]:
        live, new, elsewhere = self._counts(id_, body)
        parts = [f"{live} live"] * bool(live) + [f"{new} in this plan"] * bool(new)
        more = f", {elsewhere} of them not in Git" if elsewhere else ""
        by = "CAAPH" if id_.group_kind == CHART_PROXY else "Cluster API"
        count = _clusters(live + new)
        which = f" ({' and '.join(parts)}{more})" if parts else ""
        yield self._say(
            id_,
            f"reaches {count}{which}; what is in them is written by {by}, not by this run",
            kind="handed-over",
        )
        if id_.group_kind == CHART_PROXY:
            yield from self._chart(id_, body, live)
        else:
            yield from self._set(id_, body, live)

    # ------------------------------------------------------------------ what will not happen

    def _set(self, id_: ResourceId, body: JsonObject, live: int) -> Iterator[Finding]:
        before = self._before(id_)
        if before is None or not live:
            return
        once = value(body, "spec.strategy", "ApplyOnce") == "ApplyOnce"
        edited = any(self._verb(_source(id_, s)) is Verb.UPDATE for s in sources_of(body))
        if once and edited:
            yield self._say(
                id_,
                f"ApplyOnce: this edit does not reach {_clusters(live)} that may have it already",
                hint="strategy: Reconcile makes it a set that follows its edits",
            )
        gone = sorted(self._live_keys(id_, before) - self._keys(id_, body))
        if gone:
            names = ", ".join(_KEY.sub(r"\1", key) for key in gone[:_NAMED])
            more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
            yield self._say(
                id_,
                f"{names}{more} left it and {'stays' if len(gone) == 1 else 'stay'} in"
                f" {_clusters(live)}: a ClusterResourceSet deletes nothing",
                hint="delete it in the clusters by hand",
            )

    def _live_keys(self, id_: ResourceId, before: JsonObject) -> set[str]:
        """The objects that a set holds, by their keys; of Secrets no value is looked at."""
        held = (self._before(_source(id_, source)) for source in sources_of(before))
        return {key for body in held if body is not None for key in body.get("data") or ()}

    def _keys(self, id_: ResourceId, body: JsonObject) -> set[str]:
        """The same in Git, where the values of a Secret are references."""
        found: set[str] = set()
        for source in sources_of(body):
            resource = self._resources.get(_source(id_, source))
            if resource is not None:
                found |= set(resource.decoded().get("data") or ())
                found |= {path[1][2:] for path, _ in resource.secrets if path[0] == "f:data"}
        return found

    def _chart(self, id_: ResourceId, body: JsonObject, live: int) -> Iterator[Finding]:
        version = str(value(body, "spec.version") or "")
        if not _EXACT.fullmatch(version):
            said = f"version {version}" if version else "without a version, the newest"
            yield self._say(
                id_,
                f"{said} is resolved by CAAPH when it applies: this plan does not know which",
                hint="write an exact version",
            )
        before = self._before(id_)
        if before is None or not live or self._verb(id_) is not Verb.UPDATE:
            return
        moved = [f for f in _REINSTALLS if _spec(before, f) != _spec(body, f)]
        if _spec(body, "reconcileStrategy") == "InstallOnce":
            yield self._say(
                id_, "InstallOnce: this edit does not reach clusters that have the chart"
            )
        elif moved:
            yield self._say(
                id_, f"{', '.join(moved)}: uninstalled and installed again in {_clusters(live)}"
            )

    def _removal(self, id_: ResourceId) -> Iterator[Finding]:
        before = self._before(id_)
        live = self._counts(id_, before)[0] if before is not None else 0
        if before is None or not live:
            return
        if id_.group_kind == RESOURCE_SET:
            yield self._say(
                id_,
                f"goes; what it applied stays in {_clusters(live)}: a ClusterResourceSet deletes"
                " nothing",
                hint="what nobody applies any more is deleted in the clusters by hand",
            )
        elif _spec(before, "reconcileStrategy") != "InstallOnce":
            chart = _spec(before, "chartName")
            yield self._say(id_, f"goes; CAAPH uninstalls {chart} from {_clusters(live)}")

    def _say(self, id_: ResourceId, text: str, *, kind: str = "warning", hint: str = "") -> Finding:
        resource = self._resources.get(id_)
        where = str(resource.origin) if resource is not None else ""
        return Finding(
            kind=kind, summary=f"{id_}: {text}", unit=id_.cluster, where=where, hint=hint
        )


def _source(resource_set: ResourceId, source: Source) -> ResourceId:
    kind, name = source
    return ResourceId(resource_set.cluster, "", kind, resource_set.namespace, name)


def _spec(body: JsonObject, field: str) -> str:
    return str(value(body, f"spec.{field}") or "")


def _clusters(count: int) -> str:
    return f"{count} cluster{'' if count == 1 else 's'}" if count else "no cluster"
