"""How units, clusters and objects are called: as short as they can be without doubt."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from planner.changes import Change
from planner.units import ADDONS
from planner.views.clean import clean
from state.resource import ResourceId

_NAMED = 3
"""Clusters of one namespace that are listed by name before they are folded."""
_GROUPS = 12
"""Names and namespaces in one list before the rest is counted."""


class Names:
    """Names in one plan: with one management cluster, it is not repeated everywhere."""

    def __init__(self, units: Iterable[str]) -> None:
        managements = {unit.split("/", 1)[0].removesuffix(ADDONS) for unit in units if unit}
        self._single = len(managements) <= 1

    def cluster(self, unit: str) -> str:
        """`team-a/shop-prod`, `shared`; in front the management cluster where there are two."""
        management, _, cluster = unit.removesuffix(ADDONS).partition("/")
        if self._single:
            return clean(cluster or "shared")
        return clean(f"{management}/{cluster}" if cluster else f"{management} shared")

    def unit(self, unit: str) -> str:
        """The same, add-ons said."""
        return self.cluster(unit) + (" add-ons" if unit.endswith(ADDONS) else "")

    def clusters(self, units: Iterable[str], *, verbose: bool = False) -> str:
        """A list of clusters: `team-c/* (40), team-d/* (271)`, or all names."""
        folded = fold({self.cluster(unit) for unit in units}, named=0 if verbose else None)
        if not verbose and len(folded) > _GROUPS:
            folded = [*folded[:_GROUPS], f"{len(folded) - _GROUPS:,} more"]
        return ", ".join(folded)


def fold(names: Iterable[str], *, named: int | None = None) -> list[str]:
    """Names by their namespace; many of one namespace as `namespace/* (n)`. `named=0`: all."""
    limit = _NAMED if named is None else named
    folded: list[str] = []
    for namespace, group in groupby(sorted(names), lambda n: n.rpartition("/")[0]):
        listed = list(group)
        if not limit or not namespace or len(listed) <= limit:
            folded += listed
        else:
            folded.append(f"{namespace}/* ({len(listed):,})")
    return folded


def step_text(change: Change) -> str:
    """`, step 1 of 2` behind the name of what a plan writes more than once; else `""`."""
    return f", step {change.action.step + 1} of {change.steps}" if change.steps > 1 else ""


def is_shared(unit: str) -> bool:
    """The unit of a management cluster's shared objects."""
    return "/" not in unit


def cluster_name(unit: str) -> str:
    """The bare name of the cluster behind a unit, `""` for shared units."""
    return unit.rpartition("/")[2].partition(":")[0] if "/" in unit else ""


def object_name(id_: ResourceId, unit: str) -> str:
    """The object's name; its namespace only where it is not that of the cluster."""
    home = unit.split("/")[1] if "/" in unit and not unit.endswith(ADDONS) else ""
    own = id_.name if id_.namespace == home and home else id_.qualified_name
    return clean(own)


def pattern_name(change: Change) -> tuple[str, str]:
    """(namespace, name) with the cluster's own taken out: equal for equal objects of clusters.

    Templates go by their name in Git, because their own carries a hash.
    """
    id_, unit = change.id, change.unit
    cluster = cluster_name(unit)
    name = change.logical or id_.name
    if unit.endswith(ADDONS):
        return id_.namespace, name
    home = unit.split("/")[1] if cluster else ""
    return "" if id_.namespace == home else id_.namespace, without_cluster(name, cluster)


def without_cluster(text: str, cluster: str) -> str:
    """`shop-prod-md0` of `shop-prod` → `*-md0`; only whole words between dashes count."""
    if not cluster or cluster not in text:
        return text
    if text == cluster:
        return "*"
    if text.startswith(f"{cluster}-"):
        return "*" + text[len(cluster) :]
    if text.endswith(f"-{cluster}"):
        return text[: -len(cluster)] + "*"
    return text.replace(f"-{cluster}-", "-*-")
