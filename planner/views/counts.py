"""The numbers of a plan: what the summary lines of every view say."""

from __future__ import annotations

from collections import Counter

import msgspec

from planner.changes import Change, Confidence, Plan, Verb
from planner.policy import clusters
from planner.views.effects import Machines, machines
from providers.capi import CLUSTER


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one plan. Verbs count what is written; a replacement counts once."""

    verbs: dict[str, int]
    ownership_only: int
    confidence: dict[str, int]
    machines: Machines
    touched: int
    """Clusters with a change, or made over by a change of their class."""
    clusters: int
    """Clusters in all: those in Git and those that go."""
    unreadable: int

    def of(self, verb: Verb) -> int:
        """How many changes of this kind."""
        return self.verbs.get(verb.value, 0)


def counts(plan: Plan) -> Counts:
    """The counts, in one pass."""
    written = [c for c in plan.changes if is_counted(c)]
    going = sum(1 for c in written if destroys_cluster(c))
    return Counts(
        verbs=dict(Counter(c.verb.value for c in written if not c.ownership_only)),
        ownership_only=sum(1 for c in written if c.ownership_only),
        confidence=dict(Counter(c.confidence.value for c in plan.changes if not is_second_half(c))),
        machines=machines(plan.changes),
        touched=len(set[str]().union(*map(clusters, plan.changes))),
        clusters=plan.totals.clusters + going,
        unreadable=plan.totals.unreadable,
    )


def is_second_half(change: Change) -> bool:
    """The create of a replacement, which is shown and counted with its delete."""
    return change.verb is Verb.REPLACE and change.action.step > 0


def is_counted(change: Change) -> bool:
    """Written under this plan, and not the second half of a replacement."""
    return change.confidence is not Confidence.UNPROVEN and not is_second_half(change)


def destroys_cluster(change: Change) -> bool:
    """The deletion of a whole workload cluster."""
    return change.verb is Verb.DELETE and change.id.group_kind == CLUSTER


_ALWAYS = (
    (Verb.CREATE, "to add"),
    (Verb.UPDATE, "to change"),
    (Verb.ROTATE, "to rotate"),
    (Verb.REPLACE, "to replace"),
    (Verb.DELETE, "to destroy"),
)
_SOMETIMES = (
    (Verb.ADOPT, "to adopt"),
    (Verb.SUSPEND, "to suspend"),
    (Verb.PRUNE, "to prune"),
    (Verb.FORGET, "to forget"),
)


def verb_counts(found: Counts, *, zeros: bool = True) -> list[str]:
    """`56 to add`, …; with `zeros` the five main verbs are always said."""
    texts = [f"{found.of(verb):,} {word}" for verb, word in _ALWAYS if zeros or found.of(verb)]
    texts += [f"{found.of(verb):,} {word}" for verb, word in _SOMETIMES if found.of(verb)]
    if found.ownership_only:
        texts.append(f"{found.ownership_only:,} in ownership only")
    return texts


def confidence_counts(found: Counts) -> list[str]:
    """`exact 315`, `static 56`, `unproven 0`."""
    return [f"{c.value} {found.confidence.get(c.value, 0):,}" for c in Confidence]
