"""Every object of a management cluster and its workload clusters → changes and findings.

A function of values but for the dry-runs and secret values that come in as functions: desired
resources, live objects and records in; `Outcome` out. Rules: docs/semantics.md 8 to 18.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from planner import classes
from planner.changes import (
    AfterAction,
    Cause,
    Confidence,
    Finding,
    Verb,
)
from planner.compare import Candidate, Comparison, conflict_text, overall_cause
from planner.decide import Compared, Decision, Fate, Row, Seen, decide
from planner.keepers import Keeper
from planner.making import Maker
from planner.manifest import CLUSTER_ANNOTATION
from planner.outcome import Outcome, cleared
from planner.planned import Planned
from planner.resolve import (
    FLEET_LABEL,
    Naming,
    desired_body,
    with_live_values,
    with_secrets,
)
from planner.stages import skips
from planner.units import ADDONS
from providers.builtin import Served
from providers.capi import CLUSTER, CLUSTER_CLASS
from providers.registry import rules
from state.live import Absent, Observation, Present, Unreadable
from state.resource import JsonObject, Resource, ResourceId

InThreads = Callable[[Callable[[Candidate], Comparison], list[Candidate]], Iterable[Comparison]]


_WRITES = (Decision.CREATE, Decision.UPDATE, Decision.ADOPT, Decision.REPLACE)
_JUDGED = "what it is judged by changes in the same plan"


class Declared(Maker):
    """Decides object by object. Fates of clusters are computed once, on demand."""

    def compare_all(
        self,
        resources: Iterable[Resource],
        names: Mapping[ResourceId, Naming],
        in_threads: InThreads,
        out: Outcome,
    ) -> None:
        """Plan every desired resource; only what a server is asked about goes to threads."""
        by_physical = {(n.logical, n.physical): n for n in names.values()}
        open_: list[Candidate] = []
        changing: dict[ResourceId, tuple[JsonObject, ...]] = {}
        for resource in resources:
            if resource.hook is not None:
                continue  # decided with its release (planner.hookruns)
            live = self._context.observe(resource.id)
            if resource.sealed and not self._opens(resource):
                self._sealed(resource, live, out)
                continue
            if resource.once and isinstance(live, Present) and not live.deleting:
                out.unchanged += 1
                continue
            found = self._compare(resource, live)
            if resource.id.group_kind in (CLUSTER, CLUSTER_CLASS):
                changing |= _changing(resource, live, found)
            if isinstance(found, Candidate):
                open_.append(found)
                continue
            if found is None or not self._plainly_unchanged(found, resource):
                if _suspended(resource) and not isinstance(live, Unreadable):
                    self._suspend(resource, out)
                    continue
                self._desired_one(resource, found, _naming(resource, by_physical), out)
            else:
                out.unchanged += 1
            if isinstance(live, Present):
                live.release()
        together = classes.moving_together(changing)
        open_ = [msgspec.structs.replace(c, together=_unjudged(c, together)) for c in open_]
        for candidate in [c for c in open_ if _suspended(c.resource)]:
            self._suspend(candidate.resource, out)
        open_ = [c for c in open_ if not _suspended(c.resource)]
        for candidate, comparison in zip(
            open_, in_threads(self._context.comparer.settle, open_), strict=True
        ):
            resource = candidate.resource
            self._desired_one(resource, comparison, _naming(resource, by_physical), out)

    def _plainly_unchanged(self, found: Comparison, resource: Resource) -> bool:
        """The table's answer for nearly every object of a fleet, without building its cell.

        A proof needs our label and our entry, so the object is ours; then only the fate of its
        cluster can make it anything but a no-op (tests/unit/planner/test_decide.py).
        """
        return (
            found.compared is Compared.UNCHANGED
            and not found.conflicts
            and not found.ignored
            and self._fates.of_unit(resource.unit) is Fate.STAYS
        )

    def _compare(self, resource: Resource, live: Observation) -> Comparison | Candidate | None:
        if not isinstance(live, Present) or live.deleting:
            return None
        body = desired_body(resource, self._context.fleet)
        if resource.sealed:
            full = with_live_values(body, resource, live)
        else:
            full = with_secrets(body, resource, self._context.reveal, live)
        kind_rules = rules(resource.id.group, resource.id.kind)
        return self._context.comparer.compare(resource, body, full, live, kind_rules)

    def _desired_one(
        self,
        resource: Resource,
        comparison: Comparison | None,
        naming: Naming | None,
        out: Outcome,
    ) -> None:
        id_ = resource.id
        live = self._context.observe(id_)
        if naming is not None and naming.blocked:
            why = f"its template name: {naming.blocked}"
            self._blocked(id_, resource.unit, why, out, unread=True)
            self._phantom(resource, out)
            return
        case = self._case(id_, resource.unit, live, comparison, desired=True)
        row = decide(case)
        if _touched(row, comparison):
            hold = self._context.hold_of(resource, live)
            if hold is not None:
                self._hold(resource, hold, out)
                return
        keeper = Keeper()
        if isinstance(live, Present):
            keeper = self._context.keeper_of(live, resource.release)
        if keeper.unreadable:
            why = f"whether somebody else applies it: {keeper.unreadable}"
            self._blocked(id_, resource.unit, why, out, unread=True)
            self._phantom(resource, out)
            return
        if keeper.name and case.seen is not Seen.DELETING:
            row = decide(msgspec.structs.replace(case, seen=Seen.KEPT))
        if comparison is not None:
            out.ignored += comparison.ignored
            for conflict in comparison.conflicts:
                out.findings.append(
                    Finding(
                        kind="conflict",
                        summary=f"{id_}: {conflict_text(conflict)}",
                        unit=resource.unit,
                        where=str(resource.origin),
                        hint="left as it is; remove the field from Git, or list it under ignore",
                    )
                )
            if comparison.denied and row.then is not Decision.REPLACE:
                self._refused(id_, resource, f"the server refuses it: {comparison.denied}", out)
                self._phantom(resource, out, comparison.after)
                return
        match row.then:
            case Decision.NOOP:
                out.unchanged += 1
            case Decision.BLOCKED:
                reason = live.reason if isinstance(live, Unreadable) else row.reason
                unread = isinstance(live, Unreadable)
                self._blocked(id_, resource.unit, reason, out, unread=unread)
                self._phantom(resource, out)
            case Decision.REFUSED:
                self._refused(id_, resource, row.reason + _owner_note(live, row, keeper), out)
                self._phantom(resource, out, comparison.after if comparison else None)
            case Decision.CREATE:
                self._create(resource, naming, out)
            case Decision.REPLACE:
                assert isinstance(live, Present)
                assert comparison is not None
                self._replace(resource, live, comparison, row, out)
            case _:
                assert isinstance(live, Present)
                assert comparison is not None
                self._update(resource, live, comparison, row, out)

    def _create(self, resource: Resource, naming: Naming | None, out: Outcome) -> None:
        served = self._served(resource.id)
        if served is None:
            why = f"no server knows {resource.version} {resource.id.kind}, and no CRD in Git does"
            self._blocked(resource.id, resource.unit, why, out, unread=False)
            self._phantom(resource, out)
            return
        if why := self._nowhere(resource):
            self._blocked(resource.id, resource.unit, why, out, unread=False)
            self._phantom(resource, out)
            return
        if self._homeless(resource):
            why = f"there is no Cluster {resource.unit.removesuffix(ADDONS)}, in Git or live"
            self._blocked(resource.id, resource.unit, why, out, unread=False)
            return
        body = desired_body(resource, self._context.fleet)
        rotates = naming is not None and bool(naming.predecessor)
        change = self._change(
            resource,
            body,
            served,
            verb=Verb.ROTATE if rotates else Verb.CREATE,
            precondition=self._before_create(resource.id),
            confidence=Confidence.STATIC,
        )
        if naming is not None and naming.predecessor:
            change = msgspec.structs.replace(change, predecessor=naming.predecessor)
        recorded = self._context.records.get(resource.id)
        if recorded is not None and recorded.uid:
            change = msgspec.structs.replace(
                change, cause=Cause.DRIFT, reason="was deleted live by somebody"
            )
        out.planned.append(Planned(change=change, after=body, live=None))
        out.findings += self._dangling(resource)

    def _update(
        self, resource: Resource, live: Present, comparison: Comparison, row: Row, out: Outcome
    ) -> None:
        served = self._served(resource.id) or Served("", bool(resource.id.namespace))
        verb = Verb.ADOPT if row.then is Decision.ADOPT else Verb.UPDATE
        change = self._change(
            resource,
            comparison.body,
            served,
            verb=verb,
            precondition=self._must_be(resource, comparison.body, live),
            confidence=comparison.confidence,
        )
        change = msgspec.structs.replace(change, secrets=comparison.secrets)
        if comparison.cleared:
            out.unchanged += 1
            out.cleared.append((resource.unit, cleared(change)))
            return
        change = msgspec.structs.replace(
            change,
            live_refs=comparison.live_refs,
            fields=comparison.fields,
            takes=comparison.takes,
            releases=comparison.releases,
            cause=overall_cause(comparison.fields),
            reason=_with_unasked(row.reason, comparison.unasked),
            ownership_only=comparison.ownership_only
            and comparison.confidence is not Confidence.UNPROVEN,
        )
        out.planned.append(Planned(change=change, after=comparison.after, live=live))
        out.findings += self._dangling(resource)

    def _replace(
        self, resource: Resource, live: Present, comparison: Comparison, row: Row, out: Outcome
    ) -> None:
        """Two changes, shown as one: the delete carries the reason, the create the body."""
        served = self._served(resource.id) or Served("", bool(resource.id.namespace))
        removal = self._removal(resource.id, live, resource.unit, Verb.REPLACE, row.reason)
        body = desired_body(resource, self._context.fleet)
        create = self._change(
            resource,
            body,
            served,
            verb=Verb.REPLACE,
            precondition=AfterAction(action=removal.action),
            confidence=Confidence.STATIC,
            step=1,
        )
        create = msgspec.structs.replace(
            create,
            fields=comparison.fields,
            cause=overall_cause(comparison.fields),
            reason=row.reason,
        )
        out.planned.append(Planned(change=removal, after=None, live=live))
        out.planned.append(Planned(change=create, after=body, live=live))


def _unjudged(candidate: Candidate, together: Collection[ResourceId]) -> str:
    """Why a refusal of a dry-run means nothing for this one; `""`: it does."""
    if candidate.resource.sealed:
        return "its values are encrypted by SOPS"
    if candidate.resource.id in together:
        return _JUDGED
    return skips(candidate.live.body, candidate.full)


def _touched(row: Row, comparison: Comparison | None) -> bool:
    """Something would be written, or is not because somebody else holds it."""
    if comparison is None:
        return row.then in _WRITES
    return bool(comparison.conflicts) or (row.then in _WRITES and not comparison.cleared)


def _suspended(resource: Resource) -> bool:
    return resource.release is not None and resource.release.suspended


def _changing(
    resource: Resource, live: Observation, found: Comparison | Candidate | None
) -> dict[ResourceId, tuple[JsonObject, ...]]:
    """The bodies of an object that is not what Git says; nothing if it is."""
    if isinstance(found, Candidate):
        return {resource.id: (found.full, found.live.body)}
    return {resource.id: (resource.decoded(),)} if isinstance(live, Absent) else {}


def _naming(
    resource: Resource, by_physical: Mapping[tuple[ResourceId, str], Naming]
) -> Naming | None:
    if not resource.logical:
        return None
    logical = msgspec.structs.replace(resource.id, name=resource.logical)
    return by_physical.get((logical, resource.id.name))


def _with_unasked(reason: str, unasked: str) -> str:
    """A change that the server did not judge says why."""
    return "; ".join(part for part in (reason, f"not dry-run: {unasked}" * bool(unasked)) if part)


def _owner_note(live: Observation, row: Row, keeper: Keeper) -> str:
    if row.name == "kept":
        suspend = "suspend it, or " if keeper.name.startswith("Flux") else ""
        return f" {keeper.name}: {suspend}leave the object out of Git"
    if row.name == "another fleet's" and isinstance(live, Present):
        home = live.annotations.get(CLUSTER_ANNOTATION)
        return f": {live.labels.get(FLEET_LABEL)}" + (f", cluster {home}" if home else "")
    return ""
