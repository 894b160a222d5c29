"""Objects that the user named on the command line: `--allow-destroy`, and `destroy --target`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.select import Selector, nothing_matches
from providers.capi import CLUSTER
from state.errors import ClusterformError
from state.resource import ResourceId


def spelling(id_: ResourceId) -> str:
    """How `--allow-destroy` names an object: Clusters by `namespace/name`, others by kind too."""
    name = id_.qualified_name
    return name if id_.group_kind == CLUSTER else f"{id_.kind}/{name}"


def allowed(texts: Iterable[str], known: Iterable[ResourceId]) -> set[ResourceId]:
    """The objects that `--allow-destroy` names; raises 'no-match' for a name without one."""
    spelled: dict[str, set[ResourceId]] = {}
    for id_ in known:
        spelled.setdefault(spelling(id_), set()).add(id_)
    found: set[ResourceId] = set()
    for text in texts:
        if text not in spelled:
            raise ClusterformError(
                "no-match",
                f"--allow-destroy {text}: there is no such object",
                hint="write NAMESPACE/NAME of a Cluster, or KIND/NAMESPACE/NAME of anything else",
            )
        found |= spelled[text]
    return found


def targeted(
    selectors: tuple[Selector, ...],
    known: Mapping[ResourceId, tuple[str, dict[str, str]]],
) -> set[ResourceId]:
    """What `destroy` removes: objects by (unit, labels); every selector must match something."""
    found: set[ResourceId] = set()
    for selector in selectors:
        mine = {id_ for id_, (unit, labels) in known.items() if selector.matches(id_, unit, labels)}
        if not mine:
            raise nothing_matches((selector,), "clusterform state list shows what there is")
        found |= mine
    return found
