"""Objects that are live or recorded and not in Git: deleted, pruned, forgotten, or refused.

Only what is ours by label and entry is ever deleted (docs/semantics.md 3, 8, 18, 32).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from planner.changes import (
    ActionId,
    Change,
    Finding,
    Verb,
)
from planner.decide import Decision, Fate, Row, Seen, decide
from planner.expansions import release_key
from planner.named import spelling
from planner.outcome import Context, Decider, Outcome
from planner.planned import Planned
from planner.standing import ALLOW_DESTROY, Fates, seen
from planner.units import ADDONS, is_workload
from providers.capi import CLUSTER, made_by_topology
from state.live import Observation, Present, Unreadable
from state.resource import ResourceId

_KEEPING = (
    ("helm.sh/resource-policy", "keep"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
)
"""Annotations of live objects that Helm and Flux heed (flux-real: prune looks at the live copy)."""


class Unwanted(Decider):
    """Decides what happens to one object that Git does not have."""

    def __init__(self, context: Context, fates: Fates, paused: Collection[str] = ()) -> None:
        """`paused`: keys of releases that Git suspends."""
        super().__init__(context, fates)
        self._paused = paused
        self._left: Counter[tuple[str, str]] = Counter()
        """(unit, profile) → objects that are left to an add-on provider."""

    def decide_all(
        self, gone: Iterable[ResourceId], unit_of: Mapping[ResourceId, str], out: Outcome
    ) -> None:
        """Plan all objects that Git does not have, each in its unit."""
        for id_ in sorted(gone):
            self.decide(id_, unit_of.get(id_, id_.cluster), out)
        self._say_left(out)

    def decide(self, id_: ResourceId, unit: str, out: Outcome) -> None:
        """Plan an object that is live or recorded, and not in Git."""
        live = self._context.observe(id_)
        if isinstance(live, Present) and made_by_topology(id_.group_kind, live.labels):
            return  # made by a topology controller that copied our label
        goes = self._fates.of_unit(unit) is Fate.GOES  # then the cascade takes it, whatever it says
        if not goes and (profile := self._handed_over(id_, live)):
            self._left[unit, profile] += 1
            return
        if not goes and (why := self._keeps(id_, live)):
            out.findings.append(
                Finding(
                    kind="kept",
                    summary=f"{id_} is not in Git any more and stays as it is: {why}",
                    unit=unit,
                    hint=f"clusterform destroy --target kind={id_.kind} removes it on purpose",
                )
            )
            return
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
                if self._held(live, unit, out):
                    return
                verb = Verb.PRUNE if row.then is Decision.PRUNE else Verb.DELETE
                reason = "named on the command line" if id_ in self._context.named else row.reason
                change = self._removal(id_, live, unit, verb, reason)
                out.planned.append(Planned(change=change, after=None, live=live))
            case _:
                pass

    def _held(self, live: Present, unit: str, out: Outcome) -> bool:
        """Its release is not ours to change now: then what leaves it stays as well."""
        id_ = live.id
        recorded = self._context.records.get(id_)
        release = recorded.release if recorded is not None else None
        hold = self._context.hold_of_removal(live, unit)
        if hold is not None:
            held = out.blocked if hold.unread else out.refused
            held[id_] = hold.reason
            if hold.unread:
                out.unread.add(id_)
        elif id_ in self._context.named or release is None:
            return False
        elif release_key(id_.cluster, release) in self._paused:
            out.suspended[id_] = f"{release.text} is suspended"
        else:
            return False
        self._phantom_removal(id_, unit, live, out)
        return True

    def _say_left(self, out: Outcome) -> None:
        """What is left to add-on providers: once for each profile and cluster."""
        for (unit, profile), count in sorted(self._left.items()):
            way = self._context.handed_over[profile]
            what = "1 object" if count == 1 else f"{count} objects"
            out.findings.append(
                Finding(
                    kind="kept",
                    summary=f"profile {profile} is handed over to {way}: {what} of it in"
                    f" {unit.removesuffix(ADDONS)} left to it, and not deleted",
                    unit=unit,
                    hint="what is not in the profile any more is deleted by hand, or by"
                    " clusterform destroy --target",
                )
            )

    def _handed_over(self, id_: ResourceId, live: Observation) -> str:
        """The profile that brought an object into a workload cluster and is now handed over."""
        recorded = self._context.records.get(id_)
        if not isinstance(live, Present) or recorded is None or recorded.release is None:
            return ""
        if not is_workload(id_.cluster) or id_ in self._context.named:
            return ""
        release = recorded.release
        ours = release.kind == "profile" and seen(live, self._context.fleet) is Seen.OURS
        return release.name if ours and release.name in self._context.handed_over else ""

    def _keeps(self, id_: ResourceId, live: Observation) -> str:
        """Why Helm or Flux would leave it alone; `""` where nothing says so."""
        if not isinstance(live, Present) or id_ in self._context.named:
            return ""
        recorded = self._context.records.get(id_)
        if recorded is not None and recorded.release is not None and recorded.release.keeps:
            return f"{recorded.release.text} removes nothing"
        return next(
            (
                f"annotation {name}: {value}"
                for name, value in _KEEPING
                if live.annotations.get(name) == value
            ),
            "",
        )

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

    def _phantom_removal(self, id_: ResourceId, unit: str, live: Observation, out: Outcome) -> None:
        if isinstance(live, Present):
            change = self._removal(id_, live, unit, Verb.DELETE, "held back")
            out.phantoms.append(Planned(change=change, after=None, live=live, phantom=True))
