"""V20: nothing goes that a Cluster still lives from.

The API server deletes a referenced object without a question; what is left is a cluster whose
machines nobody can replace, or cloud resources that nobody can delete (CAPA#2606, CAPI#1566).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from planner.rules.subject import Subject
from providers.base import references
from providers.capi import CLUSTER, GROUP
from providers.management import NAMESPACE
from providers.registry import rules as rules_of
from state.resource import ResourceId


def users(
    going: Collection[ResourceId], staying: Iterable[Subject]
) -> dict[ResourceId, tuple[ResourceId, ...]]:
    """What goes → who still uses it among what stays: by reference, or by living in a namespace.

    Only references of Cluster API's and its providers' objects count, and only those that need
    their target for as long as they live.
    """
    homes = {(id_.cluster, id_.name): id_ for id_ in going if id_.group_kind == NAMESPACE}
    found: dict[ResourceId, set[ResourceId]] = {}
    for subject in staying:
        if not subject.id.group.endswith(GROUP):
            continue
        kind_rules = rules_of(subject.id.group, subject.id.kind)
        for reference in references(subject.body, subject.id, kind_rules):
            target = reference.target
            if target in going and reference.rule.lifeline and target.group_kind != CLUSTER:
                found.setdefault(target, set()).add(subject.id)
        home = homes.get((subject.id.cluster, subject.id.namespace))
        if home is not None and subject.id.group_kind == CLUSTER:
            found.setdefault(home, set()).add(subject.id)
    return {id_: tuple(sorted(by)) for id_, by in found.items()}


def reason(by: tuple[ResourceId, ...]) -> str:
    """Who uses it, in words."""
    more = f" and {len(by) - 1} more" if len(by) > 1 else ""
    return f"{by[0]}{more} still uses it" if not more else f"{by[0]}{more} still use it"
