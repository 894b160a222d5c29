"""The records of one run: claimed before its first write, and what came of it afterwards.

A crash orphans nothing: what the run may create is recorded before it is created
(docs/semantics.md 20, 27).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from planner.changes import ActionId, Change, MustBe, Plan, Verb
from planner.events import RunFinished
from planner.outcome import body_digest
from planner.workspace import Workspace
from planner.write import Written
from providers.capi import CLUSTER
from providers.registry import rules
from providers.secrets import told_by_kind
from state.errors import ClusterformError
from state.fields import MISSING, value_at
from state.lock import FleetLock
from state.recorded import Recorded, Records
from state.records import Head, RunSummary
from state.resource import FieldPath
from state.store import Moved

CLAIMS = 5
"""Times that a run takes up the records before it gives way to whoever keeps writing them."""


class RunRecords:
    """Reads and writes them for one run."""

    def __init__(
        self,
        workspace: Workspace,
        plan: Plan,
        run: str,
        results: Mapping[ActionId, Written],
        lock: FleetLock,
    ) -> None:
        """`results` is filled by the run while it goes on."""
        self._workspace = workspace
        self._plan = plan
        self._run = run
        self._results = results
        self._lock = lock

    def claim(self) -> Records:
        """The records, grown and written under this run's epoch: earlier holders are fenced off.

        One that woke up late may have written between the read and the swap; then what it left is
        read again, so nothing that it recorded is lost.
        """
        for _ in range(CLAIMS):
            heads, records = self._workspace.records()
            grown = self._grown(records)
            try:
                self._write(grown, None, heads)
            except Moved:
                continue
            return grown
        raise ClusterformError("lock-lost", f"the records were changed {CLAIMS} times by others")

    def _grown(self, records: Records) -> Records:
        """With everything that this run may create: a crash orphans nothing."""
        grown = dict(records)
        for change in self._plan.writes:
            if not change.deletes and change.recorded and change.id not in grown:
                grown[change.id] = self._recorded(change, Written())
        return grown

    def _shrunk(self, records: Records, finished: RunFinished) -> Records:
        """With what came of it: written objects as written, removed ones gone."""
        maybe = {r.action for r in finished.results if r.code in _MAYBE_WRITTEN}
        final = dict(records)
        for change in self._plan.writes:
            written = self._results.get(change.action)
            if written is None:
                made = change.id in final and not final[change.id].uid and not change.deletes
                if made and str(change.action) not in maybe:
                    del final[change.id]
                continue
            replaced = change.verb is Verb.REPLACE and change.action.step == 0
            if change.verb is Verb.FORGET or (change.deletes and not replaced):
                final.pop(change.id, None)
            elif not change.deletes and change.recorded:
                final[change.id] = self._recorded(change, written)
        gone = {c.unit for c in self._plan.writes if self._cluster_gone(c)}
        return {i: r for i, r in final.items() if not _went_with(r, gone)}

    def _cluster_gone(self, change: Change) -> bool:
        return change.deletes and change.id.group_kind == CLUSTER and change.action in self._results

    def _recorded(self, change: Change, written: Written) -> Recorded:
        return Recorded(
            id=change.id,
            version=change.version,
            uid=written.uid,
            unit=change.unit,
            logical=change.logical,
            digest=body_digest(change),
            leaves=written.leaves,
            hidden=_hidden(change),
            depends_on=change.depends_on,
            origin=str(change.origin) if change.origin else "",
            release=change.release,
            run=self._run,
            commit=self._plan.basis.commit,
            at=self._workspace.ids.wall(),
        )

    def finish(self, records: Records, finished: RunFinished, summary: RunSummary) -> None:
        """What came of the run, with the run itself."""
        self._write(self._shrunk(records, finished), summary)

    def _write(
        self,
        records: Records,
        summary: RunSummary | None,
        heads: Mapping[str, Head] | None = None,
    ) -> None:
        for management in self._workspace.managements():
            mine = {i: r for i, r in records.items() if i.cluster.partition("/")[0] == management}
            store = self._workspace.record_store(management, self._lock.holds)
            store.write(
                mine,
                epoch=self._lock.epoch(management),
                by=self._run,
                base=heads[management] if heads else None,
                run=summary,
            )


_MAYBE_WRITTEN = frozenset(("api-ambiguous", "api-unavailable", "lock-lost", "bug"))
"""Failures that do not prove that nothing was written: the record stays, and a plan looks."""


def _hidden(change: Change) -> tuple[FieldPath, ...]:
    """Where the object holds secret values now: what is sent, and what held one and is not sent.

    That may be there still, left to others or as it was (`ignore`).
    """
    sent = tuple(p for p, _ in change.secrets if not told_by_kind(change.id, p))
    before = change.precondition.hidden if isinstance(change.precondition, MustBe) else ()
    if not set(before) - set(sent):
        return sent
    body = msgspec.json.decode(change.body)
    left = (p for p in before if p not in sent and value_at(body, p) is MISSING)
    return (*sent, *left)


def _went_with(recorded: Recorded, gone: set[str]) -> bool:
    """Objects that the cascade of a deleted Cluster takes, and its add-ons."""
    unit = recorded.unit.removesuffix(":addons")
    if unit not in gone:
        return False
    kind_rules = rules(recorded.id.group, recorded.id.kind)
    return recorded.unit.endswith(":addons") or kind_rules.cascaded or kind_rules.template
