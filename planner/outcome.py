"""What deciding works with and what comes of it: shared by both halves of the planner's work.

`planner.work` decides what Git wants, `planner.unwanted` what Git does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from planner.changes import ActionId, Change, Cleared, Finding, MustBe, Verb
from planner.compare import Comparer, Comparison
from planner.decide import Case, Compared, Fate, Nature
from planner.keepers import Keeper
from planner.planned import Planned
from planner.render import Scopes
from planner.resolve import FLEET_LABEL, Observe, Reveal
from planner.standing import Fates, nature, seen
from planner.takeover import Hold
from planner.units import is_workload
from providers.builtin import Served
from providers.registry import rules
from state.fingerprint import fingerprint
from state.live import Observation, Present
from state.recorded import Records
from state.resource import Release, Resource, ResourceId, canonical, digest


class Context(msgspec.Struct, kw_only=True):
    """What is the same for all objects of one plan."""

    fleet: str
    observe: Observe
    reveal: Reveal
    records: Records
    scopes: Scopes
    comparer: Comparer
    keeper_of: Callable[[Present, Release | None], Keeper] = lambda _, __: Keeper()
    """Who is still at work on a live object, but for its own release."""
    hold_of: Callable[[Resource, Observation], Hold | None] = lambda _, __: None
    """Why nothing of a resource's release may be written."""
    hold_of_removal: Callable[[Present, str], Hold | None] = lambda _, __: None
    """Why an object that left its release (and its unit) is not deleted."""
    decrypts: bool = False
    """An apply writes what SOPS encrypted."""
    named: Collection[ResourceId] = ()
    """Objects whose removal was asked for by name on the command line."""
    destroy_clusters: str = "deny"
    empty_clusters: Collection[str] = ()
    """Workload clusters that have no API yet."""
    handed_over: Mapping[str, str] = {}
    """Profile that an add-on provider applies → which one."""


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
    suspended: dict[ResourceId, str] = {}
    """Objects that would change, but for the release that is suspended; and why."""
    phantoms: list[Planned] = []
    """The held objects as they would be planned, for what waits for them (planner.held)."""
    ignored: int = 0
    unchanged: int = 0


class Decider:
    """What both halves need: the cell of an object in the table, and holding it back."""

    def __init__(self, context: Context, fates: Fates) -> None:
        self._context = context
        self._fates = fates

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

    def _served(self, id_: ResourceId) -> Served | None:
        return self._context.scopes.get(id_.cluster, id_.group_kind)

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


def cleared(change: Change) -> Cleared:
    """What a candidate counts as in its unit's digest."""
    return Cleared(action=change.action, verb=change.verb, body_digest=body_digest(change))


def body_digest(change: Change) -> str:
    """Digest of what would be sent, secrets by their source; `""` for deletes."""
    if change.deletes or change.verb is Verb.FORGET:
        return ""
    return digest(bytes(change.body), canonical(change.secrets))
