"""Every object of a management cluster and its workload clusters → changes and findings.

A function of values but for the dry-runs and secret values that come in as functions: desired
resources, live objects and records in; `Outcome` out. Rules: docs/semantics.md 8 to 18.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from planner.changes import (
    ActionId,
    AfterAction,
    Cause,
    Change,
    Cleared,
    Confidence,
    Finding,
    MustBe,
    MustBeAbsent,
    Precondition,
    Verb,
)
from planner.compare import Candidate, Comparer, Comparison, conflict_text, overall_cause
from planner.decide import Case, Compared, Decision, Fate, Nature, Row, decide
from planner.named import spelling
from planner.planned import Planned
from planner.render import Scopes
from planner.resolve import (
    FLEET_LABEL,
    Naming,
    Observe,
    Reveal,
    desired_body,
    with_secrets,
)
from planner.standing import ALLOW_DESTROY, Fates, nature, seen
from planner.units import ADDONS, cluster_of_unit, is_workload
from providers.base import references, values
from providers.builtin import Served
from providers.capi import CLUSTER, TOPOLOGY_OWNED
from providers.registry import rules
from providers.secrets import sensitive_paths
from state.fingerprint import fingerprint, watched_paths
from state.live import Absent, Observation, Present, Unreadable
from state.recorded import Records
from state.resource import JsonObject, Resource, ResourceId, canonical, digest


class Context(msgspec.Struct, kw_only=True):
    """What is the same for all objects of one plan."""

    fleet: str
    observe: Observe
    reveal: Reveal
    records: Records
    scopes: Scopes
    comparer: Comparer
    named: Collection[ResourceId] = ()
    """Objects whose removal was asked for by name on the command line."""
    destroy_clusters: str = "deny"
    commit: str = ""


class Outcome(msgspec.Struct, kw_only=True):
    """The result for a set of objects."""

    planned: list[Planned] = []
    findings: list[Finding] = []
    cleared: list[tuple[str, Cleared]] = []
    """(unit, candidate) that a dry-run proved to be a no-op."""
    blocked: dict[ResourceId, str] = {}
    """Objects that nothing is planned for, and why; what needs them is blocked too."""
    unread: set[ResourceId] = set()
    """Those of the blocked that could not be read, or that need one which could not."""
    refused: dict[ResourceId, str] = {}
    phantoms: list[Planned] = []
    """The held objects as they would be planned, for what waits for them (planner.held)."""
    ignored: int = 0
    unchanged: int = 0


InThreads = Callable[[Callable[[Candidate], Comparison], list[Candidate]], Iterable[Comparison]]


class Worker:
    """Decides object by object. Fates of clusters are computed once, on demand."""

    def __init__(self, context: Context, desired: Collection[ResourceId]) -> None:
        self._context = context
        self._desired = desired
        self._fates = Fates(
            fleet=context.fleet,
            observe=context.observe,
            desired=desired,
            named=context.named,
            destroy_clusters=context.destroy_clusters,
        )

    # ------------------------------------------------------------------ desired objects

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
        for resource in resources:
            live = self._context.observe(resource.id)
            found = self._compare(resource, live)
            if isinstance(found, Candidate):
                open_.append(found)
                continue
            if found is None or not self._plainly_unchanged(found, resource):
                self._desired_one(resource, found, _naming(resource, by_physical), out)
            else:
                out.unchanged += 1
            if isinstance(live, Present):
                live.release()
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
        full = with_secrets(body, resource, self._context.reveal)
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
        row = decide(self._case(id_, resource.unit, live, comparison, desired=True))
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
                self._refused(id_, resource, row.reason + _owner_note(live, row), out)
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
            precondition=MustBeAbsent(),
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
        if comparison.cleared:
            out.unchanged += 1
            out.cleared.append((resource.unit, cleared(change)))
            return
        change = msgspec.structs.replace(
            change,
            live_refs=comparison.live_refs,
            fields=comparison.fields,
            takes=comparison.takes,
            cause=overall_cause(comparison.fields),
            reason=row.reason,
            ownership_only=comparison.ownership_only
            and comparison.confidence is not Confidence.UNPROVEN,
        )
        out.planned.append(Planned(change=change, after=comparison.after, live=live))

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

    # ------------------------------------------------------------------ what Git does not have

    def undesired(self, id_: ResourceId, unit: str, out: Outcome) -> None:
        """Plan an object that is live or recorded, and not in Git."""
        live = self._context.observe(id_)
        if isinstance(live, Present) and TOPOLOGY_OWNED in live.labels:
            return  # made by a topology controller that copied our label
        row = decide(self._case(id_, unit, live, None, desired=False))
        match row.then:
            case Decision.BLOCKED:
                reason = live.reason if isinstance(live, Unreadable) else row.reason
                self._blocked(id_, unit, reason, out, unread=isinstance(live, Unreadable))
                self._phantom_removal(id_, unit, live, out)
            case Decision.REFUSED:
                self._refuse_removal(id_, unit, out)
                self._phantom_removal(id_, unit, live, out)
            case Decision.FORGET:
                out.planned.append(
                    Planned(change=self._forget(id_, unit, row), after=None, live=None)
                )
            case Decision.DELETE | Decision.PRUNE:
                assert isinstance(live, Present)
                verb = Verb.PRUNE if row.then is Decision.PRUNE else Verb.DELETE
                reason = "named on the command line" if id_ in self._context.named else row.reason
                change = self._removal(id_, live, unit, verb, reason)
                out.planned.append(Planned(change=change, after=None, live=live))
            case _:
                pass

    def _removal(
        self, id_: ResourceId, live: Present, unit: str, verb: Verb, reason: str
    ) -> Change:
        served = self._served(id_) or Served("", bool(id_.namespace))
        recorded = self._context.records.get(id_)
        return Change(
            action=ActionId(id_),
            version=live.version,
            plural=served.plural,
            namespaced=served.namespaced,
            unit=unit,
            verb=verb,
            precondition=self._ours(live),
            reason=reason,
            logical=recorded.logical if recorded else "",
        )

    def _ours(self, live: Present) -> MustBe:
        """A delete needs the same object, still ours: its label and its owners are compared."""
        label = ("f:metadata", "f:labels", f"f:{FLEET_LABEL}")
        return MustBe(uid=live.uid, fingerprint=fingerprint(live, (label,)))

    def _forget(self, id_: ResourceId, unit: str, row: Row) -> Change:
        recorded = self._context.records[id_]
        return Change(
            action=ActionId(id_),
            version=recorded.version,
            plural="",
            namespaced=bool(id_.namespace),
            unit=unit,
            verb=Verb.FORGET,
            reason=row.reason,
        )

    def _refuse_removal(self, id_: ResourceId, unit: str, out: Outcome) -> None:
        out.refused[id_] = "its removal is not allowed"
        hint = f"restore it, or allow it with --allow-destroy {spelling(id_)}"
        if id_.group_kind == CLUSTER:
            hint += f', or with the annotation {ALLOW_DESTROY}: "true" applied beforehand'
        out.findings.append(
            Finding(
                kind="refused",
                summary=f"{id_} is not in Git any more, and nothing allows to destroy it",
                unit=unit,
                hint=hint,
            )
        )

    # ------------------------------------------------------------------ the cell of an object

    def _case(
        self,
        id_: ResourceId,
        unit: str,
        live: Observation,
        comparison: Comparison | None,
        *,
        desired: bool,
    ) -> Case:
        fate = self._fates.of_unit(unit)
        kind = nature(rules(id_.group, id_.kind))
        if is_workload(id_.cluster) and fate is Fate.GOES:
            kind = Nature.CASCADED  # an add-on goes with the cluster that it lives in
        return Case(
            desired=desired,
            seen=seen(live, self._context.fleet),
            recorded=id_ in self._context.records,
            compared=comparison.compared if comparison else Compared.NOT_COMPARED,
            nature=kind,
            fate=fate,
            permitted=self._fates.permitted(id_, live),
        )

    # ------------------------------------------------------------------ pieces

    def _served(self, id_: ResourceId) -> Served | None:
        return self._context.scopes.get(id_.cluster, id_.group_kind)

    def _change(
        self,
        resource: Resource,
        body: JsonObject,
        served: Served,
        *,
        verb: Verb,
        precondition: Precondition,
        confidence: Confidence,
        step: int = 0,
    ) -> Change:
        kind_rules = rules(resource.id.group, resource.id.kind)
        targets = {r.target for r in references(body, resource.id, kind_rules)}
        return Change(
            action=ActionId(resource.id, step),
            version=resource.version,
            plural=served.plural,
            namespaced=served.namespaced,
            unit=resource.unit,
            verb=verb,
            body=msgspec.Raw(canonical(body)),
            secrets=resource.secrets,
            confidence=confidence,
            precondition=precondition,
            origin=resource.origin,
            logical=resource.logical,
            depends_on=tuple(sorted(targets)),
        )

    def _must_be(self, resource: Resource, body: JsonObject, live: Present) -> MustBe:
        id_ = resource.id
        kind_rules = rules(id_.group, id_.kind)
        reads = [path for dotted in kind_rules.reads for path, _ in values(live.body, dotted)]
        sensitive = {path for path, _ in resource.secrets}
        sensitive |= set(sensitive_paths(id_.group, id_.kind, live.body))
        paths = {*watched_paths(body, live, reads), *sensitive}
        return MustBe(
            uid=live.uid,
            fingerprint=fingerprint(live, sorted(paths), sensitive),
            generation=live.metadata.generation if sensitive else 0,
            resource_version=live.resource_version
            if sensitive and not live.metadata.generation
            else "",
        )

    def _homeless(self, resource: Resource) -> bool:
        """An add-on of a cluster that is neither declared nor there: a typo in its annotation."""
        if not is_workload(resource.id.cluster):
            return False
        cluster = cluster_of_unit(resource.unit)
        return (
            cluster is not None
            and cluster not in self._desired
            and isinstance(self._context.observe(cluster), Absent)
        )

    def _phantom_removal(self, id_: ResourceId, unit: str, live: Observation, out: Outcome) -> None:
        if isinstance(live, Present):
            change = self._removal(id_, live, unit, Verb.DELETE, "held back")
            out.phantoms.append(Planned(change=change, after=None, live=live, phantom=True))

    def _phantom(self, resource: Resource, out: Outcome, after: JsonObject | None = None) -> None:
        """A held object of Git, so that the order can say what waits for it."""
        served = self._served(resource.id) or Served("", bool(resource.id.namespace))
        body = desired_body(resource, self._context.fleet)
        change = self._change(
            resource,
            body,
            served,
            verb=Verb.UPDATE,
            precondition=MustBeAbsent(),
            confidence=Confidence.STATIC,
        )
        live = self._context.observe(resource.id)
        out.phantoms.append(
            Planned(
                change=change,
                after=after or body,
                live=live if isinstance(live, Present) else None,
                phantom=True,
            )
        )

    def _blocked(
        self, id_: ResourceId, unit: str, reason: str, out: Outcome, *, unread: bool
    ) -> None:
        """Nothing is planned for it: it, or what decides it, was not read or stands in the way."""
        out.blocked[id_] = reason
        fate = self._fates.of_unit(unit)
        if fate is Fate.REFUSED:
            return  # the refusal of its Cluster says it for all of them
        kind = "unreadable" if unread or fate is Fate.UNKNOWN else "blocked"
        if kind == "unreadable":
            out.unread.add(id_)
        out.findings.append(Finding(kind=kind, summary=f"{id_}: {reason}", unit=unit))

    def _refused(self, id_: ResourceId, resource: Resource, reason: str, out: Outcome) -> None:
        out.refused[id_] = reason
        out.findings.append(
            Finding(
                kind="refused",
                summary=f"{id_}: {reason}",
                unit=resource.unit,
                where=str(resource.origin),
            )
        )


def _naming(
    resource: Resource, by_physical: Mapping[tuple[ResourceId, str], Naming]
) -> Naming | None:
    if not resource.logical:
        return None
    logical = msgspec.structs.replace(resource.id, name=resource.logical)
    return by_physical.get((logical, resource.id.name))


def _owner_note(live: Observation, row: Row) -> str:
    if row.name == "another fleet's" and isinstance(live, Present):
        return f": {live.labels.get(FLEET_LABEL)}"
    return ""


def cleared(change: Change) -> Cleared:
    """What a candidate counts as in its unit's digest."""
    return Cleared(action=change.action, verb=change.verb, body_digest=body_digest(change))


def body_digest(change: Change) -> str:
    """Digest of what would be sent, secrets by their source; `""` for deletes."""
    if change.deletes or change.verb is Verb.FORGET:
        return ""
    return digest(bytes(change.body), canonical(change.secrets))
