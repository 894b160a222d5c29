"""ClusterClasses that gain and lose in one plan: the fleet-wide step (docs/semantics.md 15).

The class webhook refuses to drop what a Cluster still uses, and the Cluster webhook refuses what
the class does not offer yet. So a class grows before its clusters change and shrinks after; one
that does both is written twice: first everything of both, then what Git says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec

from planner.changes import ActionId, AfterAction, Change, FieldChange, Verb
from planner.planned import Planned
from planner.topologies import users_of
from providers.base import Impact, references, value
from providers.capi import CLUSTER, CLUSTER_CLASS
from providers.registry import rules
from state.fields import set_at
from state.live import Present
from state.resource import FieldPath, JsonObject, ResourceId, canonical

_NAMED_LISTS = (
    ("spec.workers.machineDeployments", "class"),
    ("spec.workers.machinePools", "class"),
    ("spec.variables", "name"),
)


def _address(path: str) -> FieldPath:
    return tuple(f"f:{name}" for name in path.split("."))


_LISTS = tuple(_address(path) for path, _ in _NAMED_LISTS)


def split(planned: list[Planned]) -> tuple[list[Planned], dict[ResourceId, str]]:
    """Planned changes with two-step classes split, and how each class flips.

    Only classes count whose using Clusters change in the same plan.
    """
    used = _classes_of_changing_clusters(planned)
    result: list[Planned] = []
    flips: dict[ResourceId, str] = {}
    for item in planned:
        if item.change.id not in used or item.live is None or item.after is None:
            result.append(item)
            continue
        flip = _flip(item.live.body, item.after)
        flips[item.change.id] = flip
        result += _two_steps(item) if flip == "both" else [item]
    return result, flips


def moving_together(changing: Mapping[ResourceId, tuple[JsonObject, ...]]) -> set[ResourceId]:
    """Clusters and classes that change in one plan: a dry-run judges each by the old other.

    `changing`: the bodies, live and desired, of every Cluster and ClusterClass that differs.
    """
    found: set[ResourceId] = set()
    for id_, bodies in changing.items():
        if id_.group_kind != CLUSTER:
            continue
        for body in bodies:
            for reference in references(body, id_, rules(CLUSTER.group, CLUSTER.kind)):
                if reference.target.group_kind == CLUSTER_CLASS and reference.target in changing:
                    found |= {id_, reference.target}
    return found


def _classes_of_changing_clusters(planned: Iterable[Planned]) -> set[ResourceId]:
    used: set[ResourceId] = set()
    for item in planned:
        if item.change.id.group_kind != CLUSTER:
            continue
        bodies = [b for b in (item.after, item.live.body if item.live else None) if b]
        for body in bodies:
            for reference in references(body, item.change.id, rules(CLUSTER.group, CLUSTER.kind)):
                if reference.target.group_kind == CLUSTER_CLASS:
                    used.add(reference.target)
    return used


def _flip(before: JsonObject, after: JsonObject) -> str:
    gains = loses = False
    for path, key in _NAMED_LISTS:
        old, new = _names(before, path, key), _names(after, path, key)
        gains = gains or bool(new - old)
        loses = loses or bool(old - new)
    return "both" if gains and loses else "shrinks" if loses else "grows"


def _names(body: JsonObject, path: str, key: str) -> set[str]:
    return {str(item.get(key)) for item in value(body, path, []) or ()}


def _two_steps(item: Planned) -> list[Planned]:
    """Step 0: Git's form with what the live class still offers; step 1: Git's form alone.

    Each shows its own fields.
    """
    assert item.live is not None
    change = item.change
    dropped = tuple(f for f in change.fields if _drops(f))
    joined: JsonObject = msgspec.json.decode(change.body)
    live: JsonObject = msgspec.json.decode(item.live.raw)
    for path, key in _NAMED_LISTS:
        _join(joined, live, path, key)
    first: Change = msgspec.structs.replace(
        change,
        body=msgspec.Raw(canonical(joined)),
        fields=tuple(f for f in change.fields if f not in dropped),
        steps=2,
        reason="grows first, so that its clusters can move",
    )
    second: Change = msgspec.structs.replace(
        change,
        action=ActionId(change.id, 1),
        verb=Verb.UPDATE,
        steps=2,
        takes=(),
        fields=dropped,
        impact=Impact(),
        precondition=AfterAction(action=change.action),
        reason="shrinks once its clusters have moved",
    )
    return [
        Planned(change=first, after=joined, live=item.live),
        Planned(change=second, after=item.after, live=item.live),
    ]


def _drops(field: FieldChange) -> bool:
    """An item of the lists that goes, or all of them: it goes with the second write."""
    path = field.path
    return field.after is msgspec.UNSET and any(
        path[:-1] == below or path == below[: len(path)] for below in _LISTS
    )


def _join(joined: JsonObject, live: JsonObject, path: str, key: str) -> None:
    """Add what only the live class offers: on its way out, so without defaults and examples.

    Those may be secrets, and of what Git does not name nothing says so.
    """
    wanted: list[Any] = value(joined, path) or []
    offered = {item.get(key) for item in wanted}
    leaving = [item for item in value(live, path, []) or () if item.get(key) not in offered]
    for item in leaving:
        schema = value(item, "schema.openAPIV3Schema")
        for name in ("default", "example") if isinstance(schema, dict) else ():
            schema.pop(name, None)
    if leaving:
        set_at(joined, _address(path), [*wanted, *leaving])


def users(
    planned: Collection[Planned], clusters: Callable[[str], Iterable[Present]]
) -> dict[ResourceId, tuple[ResourceId, ...]]:
    """The live clusters of every class that a plan writes, but for those that it deletes.

    `clusters` gives the live Clusters of a management cluster.
    """
    written = {
        p.change.id
        for p in planned
        if p.change.id.group_kind == CLUSTER_CLASS and not p.change.deletes
    }
    gone = {p.change.id for p in planned if p.change.deletes}
    return {
        id_: tuple(u.id for u in users_of(id_, clusters(id_.cluster)) if u.id not in gone)
        for id_ in written
    }
