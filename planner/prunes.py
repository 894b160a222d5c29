"""Which old template generations have to stay although Git names them no more.

A template that something still makes machines from, or may, is not pruned: a reader that failed
does not say that nothing does (docs/semantics.md 5, 18), and a MachineDeployment with `OnDelete`
keeps its old machines until somebody deletes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from planner.changes import Finding, Verb
from planner.facts import FactReader, in_use, refers
from planner.planned import Planned
from planner.units import direct_unit
from providers.capi import GROUP, MACHINE_DEPLOYMENT, owner_uids
from providers.registry import rules
from providers.rollouts import on_delete
from state.live import Present
from state.resource import GroupKind, JsonObject, ResourceId

LiveOf = Callable[[str, GroupKind], Iterable[Present]]
"""The live objects of a kind in a cluster."""


def without_held(
    planned: list[Planned],
    unreadable: Iterable[tuple[str, GroupKind]],
    live_of: LiveOf,
    facts: FactReader,
) -> tuple[list[Planned], list[Finding]]:
    """What is planned without the prunes that have to wait, and a finding for each of those."""
    unread = {
        cluster: kind for cluster, kind in unreadable if rules(kind.group, kind.kind).references
    }
    after = {p.change.id: p.after for p in planned if p.after is not None}
    kept: list[Planned] = []
    findings: list[Finding] = []
    for item in planned:
        change = item.change
        if change.verb is not Verb.PRUNE:
            kept.append(item)
            continue
        if kind := unread.get(change.id.cluster):
            reason = f"{change.id}: who uses it is not known: {kind.kind} could not be read"
            findings.append(Finding(kind="unreadable", summary=reason, unit=change.unit))
        elif name := _used_on_delete(change.id, after, live_of, facts):
            reason = f"{change.id} stays: {name} rolls on delete, and has machines made from it"
            findings.append(Finding(kind="skipped", summary=reason, unit=change.unit))
        else:
            kept.append(item)
    return kept, findings


def _used_on_delete(
    template: ResourceId,
    after: Mapping[ResourceId, JsonObject],
    live_of: LiveOf,
    facts: FactReader,
) -> str:
    for pool in live_of(template.cluster, MACHINE_DEPLOYMENT):
        if pool.id.namespace != template.namespace or not on_delete(after.get(pool.id, pool.body)):
            continue
        around = facts.around(direct_unit(pool.id, pool.body))
        for one in around.machine_sets:
            if pool.uid in owner_uids(one) and in_use(one) and refers(one, GROUP, template):
                return pool.id.name
    return ""
