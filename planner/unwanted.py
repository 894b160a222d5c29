"""Objects that are live or recorded and not in Git: deleted, pruned, forgotten, or refused.

Only what is ours by label and entry is ever deleted (docs/semantics.md 3, 8, 18, 32).
"""

from __future__ import annotations

from planner.changes import (
    ActionId,
    Change,
    Finding,
    Verb,
)
from planner.decide import Decision, Fate, Row, decide
from planner.named import spelling
from planner.outcome import Decider, Outcome
from planner.planned import Planned
from planner.standing import ALLOW_DESTROY
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

    def decide(self, id_: ResourceId, unit: str, out: Outcome) -> None:
        """Plan an object that is live or recorded, and not in Git."""
        live = self._context.observe(id_)
        if isinstance(live, Present) and made_by_topology(id_.group_kind, live.labels):
            return  # made by a topology controller that copied our label
        goes = self._fates.of_unit(unit) is Fate.GOES  # then the cascade takes it, whatever it says
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
                verb = Verb.PRUNE if row.then is Decision.PRUNE else Verb.DELETE
                reason = "named on the command line" if id_ in self._context.named else row.reason
                change = self._removal(id_, live, unit, verb, reason)
                out.planned.append(Planned(change=change, after=None, live=live))
            case _:
                pass

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
