"""What to do with one object: one total table (docs/semantics.md 8).

The first row that matches decides. tests/unit/planner/test_decide.py enumerates the product of the
axes and fails on a cell without a row and on a row that no cell reaches.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import cache

import msgspec


class Seen(enum.Enum):
    """What is live under the id. Ours means: the fleet's label *and* our Apply entry."""

    ABSENT = "absent"
    OURS = "ours"
    ENTRY_ONLY = "our entry without the label"
    LABEL_ONLY = "our label without our entry"
    FOREIGN = "somebody else's"
    OTHER_FLEET = "another fleet's"
    """Its marks name another fleet, or another workload cluster of this one."""
    KEPT = "somebody else's, who still applies it"
    DELETING = "being deleted"
    UNREADABLE = "unreadable"


class Compared(enum.Enum):
    """Desired against live, where both are there."""

    UNCHANGED = "unchanged"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    IMMUTABLE = "an immutable field differs"
    NOT_COMPARED = "-"


class Nature(enum.Enum):
    """What the kind's rules say about removing it."""

    PLAIN = "plain"
    REPLACEABLE = "replaceable"
    TEMPLATE = "template"
    PROTECTED = "protected"
    VITAL = "its cluster lives from it"
    """Control plane and cluster infrastructure: go with their Cluster, and never without it."""
    CASCADED = "goes with its cluster"


class Fate(enum.Enum):
    """What happens to the Cluster that the object belongs to."""

    STAYS = "stays"
    GOES = "goes"
    REFUSED = "its removal is refused"
    UNKNOWN = "unknown"


class Decision(enum.Enum):
    """The outcome. `IGNORE`: not ours to act on, nothing to say."""

    NOOP = "no-op"
    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    REPLACE = "replace"
    DELETE = "delete"
    PRUNE = "prune"
    CASCADE = "cascade"
    FORGET = "forget"
    BLOCKED = "blocked"
    REFUSED = "refused"
    IGNORE = "ignore"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One cell: where an object stands on every axis."""

    desired: bool
    seen: Seen
    recorded: bool
    compared: Compared
    nature: Nature
    fate: Fate
    permitted: bool
    """Removing a protected object is allowed, live or on the command line (semantics 32)."""


class Row(msgspec.Struct, frozen=True):
    """One line of the table. `reason` is printed wherever the outcome is not obvious."""

    name: str
    when: Callable[[Case], bool]
    then: Decision
    reason: str = ""


_MINE = (Seen.OURS, Seen.ENTRY_ONLY)
_NOT_MINE = (Seen.FOREIGN, Seen.KEPT, Seen.OTHER_FLEET, Seen.LABEL_ONLY, Seen.ENTRY_ONLY)
_LEAVES = (Seen.OURS,)

TABLE: tuple[Row, ...] = (
    # ---- nothing desired, nothing there, or nothing known
    Row(
        "gone",
        lambda c: not c.desired and c.seen is Seen.ABSENT and not c.recorded,
        Decision.IGNORE,
    ),
    Row(
        "gone but recorded",
        lambda c: not c.desired and c.seen is Seen.ABSENT,
        Decision.FORGET,
        "is gone already",
    ),
    Row(
        "unreadable stranger",
        lambda c: not c.desired and c.seen is Seen.UNREADABLE and not c.recorded,
        Decision.IGNORE,
    ),
    Row("unreadable", lambda c: c.seen is Seen.UNREADABLE, Decision.BLOCKED, "could not be read"),
    # ---- no longer desired, and not ours: never deleted
    Row(
        "not ours",
        lambda c: not c.desired and c.seen in _NOT_MINE and not c.recorded,
        Decision.IGNORE,
    ),
    Row(
        "no longer ours",
        lambda c: not c.desired and c.seen in _NOT_MINE,
        Decision.FORGET,
        "is not ours any more: label or ownership was removed",
    ),
    Row("going already", lambda c: not c.desired and c.seen is Seen.DELETING, Decision.IGNORE),
    # ---- the fate of its cluster
    Row(
        "cluster unknown",
        lambda c: c.fate is Fate.UNKNOWN,
        Decision.BLOCKED,
        "whether its Cluster stays could not be read",
    ),
    Row(
        "protected cluster",
        lambda c: c.fate is Fate.REFUSED and not c.desired and c.nature is Nature.PROTECTED,
        Decision.REFUSED,
        "its removal is not allowed",
    ),
    Row(
        "cluster refused",
        lambda c: c.fate is Fate.REFUSED,
        Decision.BLOCKED,
        "the removal of its Cluster is refused",
    ),
    Row(
        "wanted in a cluster that goes",
        lambda c: c.desired and c.fate is Fate.GOES,
        Decision.BLOCKED,
        "stands in Git, but its Cluster does not",
    ),
    # ---- desired
    Row("new", lambda c: c.desired and c.seen is Seen.ABSENT, Decision.CREATE),
    Row(
        "being deleted",
        lambda c: c.desired and c.seen is Seen.DELETING,
        Decision.BLOCKED,
        "is being deleted: plan again once it is gone",
    ),
    Row(
        "another fleet's",
        lambda c: c.desired and c.seen is Seen.OTHER_FLEET,
        Decision.REFUSED,
        "belongs to another fleet or cluster",
    ),
    Row(
        "kept",
        lambda c: c.desired and c.seen is Seen.KEPT,
        Decision.REFUSED,
        "is applied by",
    ),
    Row(
        "replaceable",
        lambda c: (
            c.desired
            and c.compared is Compared.IMMUTABLE
            and c.nature is Nature.REPLACEABLE
            and c.seen is Seen.OURS
        ),
        Decision.REPLACE,
        "an immutable field changes",
    ),
    Row(
        "immutable",
        lambda c: c.desired and c.compared is Compared.IMMUTABLE,
        Decision.REFUSED,
        "an immutable field changes, and the object must not be replaced",
    ),
    Row(
        "foreign",
        lambda c: c.desired and c.seen in (Seen.FOREIGN, Seen.LABEL_ONLY),
        Decision.ADOPT,
        "was made by somebody else",
    ),
    Row("unchanged", lambda c: c.desired and c.compared is Compared.UNCHANGED, Decision.NOOP),
    Row("different", lambda c: c.desired, Decision.UPDATE),
    # ---- ours, and no longer desired
    Row(
        "goes with its cluster",
        lambda c: (
            c.fate is Fate.GOES and c.nature in (Nature.CASCADED, Nature.TEMPLATE, Nature.VITAL)
        ),
        Decision.CASCADE,
        "goes with its Cluster",
    ),
    Row(
        "protected",
        lambda c: c.nature in (Nature.PROTECTED, Nature.VITAL) and not c.permitted,
        Decision.REFUSED,
        "its removal is not allowed",
    ),
    Row("template", lambda c: c.nature is Nature.TEMPLATE, Decision.PRUNE, "nothing uses it"),
    Row("removed", lambda c: c.seen in _LEAVES, Decision.DELETE, "is not in Git any more"),
)


@cache
def decide(case: Case) -> Row:
    """The row that decides. Total over all cases."""
    for row in TABLE:
        if row.when(case):
            return row
    raise AssertionError(f"the decision table has no row for {case}")
