"""Runs edits of clusters through clusterform, several clusters at once, and notes what came of it.

Most of the time of a rollout is sleeping, so a thread for each cluster. An edit is planned, applied
and watched; then nothing may move any more, and a second plan has to be empty.
"""

from __future__ import annotations

import copy
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner.changes import Plan, Verb
from planner.events import Event, RunFinished, Waiting
from planner.views.effects import effect_text
from providers.base import Effect, Impact
from tests.realcluster.controllers.manifests import Docs, text
from tests.realcluster.controllers.observer import Machines, Observed
from tests.realcluster.lab import RealLab
from tests.realcluster.server import ControlPlane

_QUIET = 4.0
"""Seconds after an apply in which no machine may come or go any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of the documents. `live`: something that somebody else does before the plan."""

    id: str
    change: Callable[[Docs], object] = len
    """What is edited; nothing, where somebody else's act is the edit."""
    live: Callable[[RealLab, str], None] | None = None
    apply: Callable[[RealLab, Plan], RunFinished] = RealLab.apply
    options: dict[str, Any] = field(default_factory=dict)
    """Of the plan: what is destroyed."""
    smoke: bool = False
    at_most: str = ""
    """Why it cannot be predicted exactly: words that the plan has to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A cluster and the edits that it lives through, in order."""

    name: str
    make: Callable[[str], Docs]
    edits: tuple[Edit, ...]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What an edit was planned to do to machines, by owner, and what it did."""

    predicted: dict[str, Impact] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)
    afterwards: dict[str, Observed] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    second: list[str] = field(default_factory=list)
    """What a second plan would do."""
    seconds: float = 0.0
    failure: str = ""


def predicted(plan: Plan) -> dict[str, Impact]:
    """Owner, as the observer calls it → what the plan says."""
    found: dict[str, Impact] = {}
    for change in plan.changes:
        cluster = change.unit.rpartition("/")[2]
        kind, impact = change.id.kind, change.impact
        if change.deletes and kind == "Cluster":
            found |= _cascade(change.id.name, change.cascade)
        elif impact.parts:
            prefix = "" if kind == "ClusterClass" else f"{change.id.name} "
            for part in impact.parts:
                owner = prefix + part.owner.rpartition("/")[2]
                found[owner] = _after(found.get(owner), part)
        elif impact.effect in (Effect.NONE, Effect.IN_PLACE):
            continue
        elif kind == "KubeadmControlPlane":
            found[f"{cluster} control plane"] = _after(
                found.get(f"{cluster} control plane"), impact
            )
        elif kind == "MachineDeployment":
            found[f"{cluster} MachineDeployment {change.id.name}"] = impact
        else:
            found[f"{kind} {change.id.name}"] = impact
    return found


def _cascade(cluster: str, lines: tuple[str, ...]) -> dict[str, Impact]:
    """`2 worker machines of md-0` → the owner as the observer calls it."""
    found = {}
    for line in lines:
        count, owner = int(line.split()[0]), line.rpartition(" of ")[2]
        plane = "control-plane" in line
        name = f"{cluster} {'control plane' if plane else f'MachineDeployment {owner}'}"
        found[name] = Impact(effect=Effect.DESTROYS, destroyed=count, live=count, peak=count)
    return found


def _after(first: Impact | None, second: Impact) -> Impact:
    """Two steps of one object: each replaces its machines."""
    if first is None:
        return second
    return Impact(
        effect=second.effect,
        replaced=first.replaced + second.replaced,
        added=first.added + second.added,
        removed=first.removed + second.removed,
        peak=max(first.peak, second.peak),
        floor=min(first.floor, second.floor),
    )


def interrupted(waits: int) -> Callable[[RealLab, Plan], RunFinished]:
    """An apply that is stopped when it has waited for so many things, and then resumed."""

    def apply(lab: RealLab, plan: Plan) -> RunFinished:
        seen: list[Event] = []

        def interrupt(event: Event, stop: Callable[[], None]) -> None:
            if isinstance(event, Waiting):
                seen.append(event)
                if len(seen) == waits:
                    stop()

        first = lab.apply(plan, interrupt=interrupt)
        assert first.interrupted, "it ended before it was interrupted"
        return lab.resume(first.run)

    return apply


class Campaign:
    """All scripts, run at once; `outcomes` by edit id."""

    def __init__(
        self,
        plane: ControlPlane,
        root: Path,
        machines: Machines,
        tell: Callable[[str, Outcome], None] | None = None,
    ) -> None:
        self._plane = plane
        self._root = root
        self._machines = machines
        self._tell = tell
        self._lock = threading.Lock()
        self.outcomes: dict[str, Outcome] = {}

    def run(self, scripts: Iterable[Script], at_once: int = 20) -> None:
        """Every edit of every script; what goes wrong is in its outcome."""
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(self._script, scripts))

    def _script(self, script: Script) -> None:
        name = f"{script.name}-{secrets.token_hex(3)}"
        lab = RealLab(self._root / name, self._plane, fleet=name)
        docs = script.make(name)
        failure = self._step(lab, name, docs, Edit(id=f"{script.name}: made")).failure
        for edit in script.edits:
            if failure:
                self._note(edit.id, Outcome(failure=f"an edit before it failed: {failure}"))
                continue
            try:
                edit.change(docs)
            except (KeyError, TypeError, IndexError):
                self._note(edit.id, Outcome(failure=traceback.format_exc()))
                continue
            failure = self._step(lab, name, docs, edit).failure

    def _note(self, id_: str, outcome: Outcome) -> None:
        with self._lock:
            self.outcomes[id_] = outcome
            if self._tell is not None:
                self._tell(id_, outcome)

    def _step(self, lab: RealLab, namespace: str, docs: Docs, edit: Edit) -> Outcome:
        outcome = Outcome()
        try:
            self._perform(lab, namespace, copy.deepcopy(docs), edit, outcome)
        except Exception:  # noqa: BLE001 - the outcome of a thread, told by its test
            outcome.failure = traceback.format_exc()
        self._note(edit.id, outcome)
        return outcome

    def _perform(
        self, lab: RealLab, namespace: str, docs: Docs, edit: Edit, outcome: Outcome
    ) -> None:
        lab.write("clusters/all.yaml", text(docs))
        lab.commit(edit.id)
        if edit.live is not None:
            edit.live(lab, namespace)
        start = time.monotonic()
        plan = lab.plan(**edit.options)
        outcome.predicted = predicted(plan)
        outcome.said = [
            f"{c.verb} {c.id.kind} {c.id.name}: {effect_text(c.impact)}"
            for c in plan.changes
            if c.verb is not Verb.CREATE
        ]
        finished = edit.apply(lab, plan)
        end = time.monotonic()
        outcome.seconds = end - start
        problems = [f"{r.action}: {r.message}" for r in finished.results if r.outcome != "done"]
        problems += [str(unsettled) for unsettled in finished.unsettled]
        if problems:
            outcome.failure = "\n".join(problems)
        time.sleep(_QUIET)
        outcome.observed = self._machines.between(namespace, start, end)
        outcome.afterwards = self._machines.between(namespace, end, time.monotonic())
        if not edit.options:
            outcome.second = [f"{c.verb} {c.id}" for c in lab.plan().changes]
