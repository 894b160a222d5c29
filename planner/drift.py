"""The part of a plan that somebody's live change brought about."""

from __future__ import annotations

import msgspec

from planner import digests
from planner.changes import Cause, Change, Graph, Plan


def only_drift(plan: Plan) -> Plan:
    """The same plan with nothing but drift: for showing, never for applying.

    A change counts if a field of it moved live, or if it would put back what was deleted live.
    """
    changes = tuple(_drifted(c) for c in plan.changes if _is_drift(c))
    units = digests.units(changes, (), Graph(), {u.key: u.why_not for u in plan.units if u.why_not})
    return msgspec.structs.replace(
        plan,
        mode="drift",
        changes=changes,
        graph=Graph(),
        units=units,
        refusals=(),
        digest=digests.plan_digest(units),
    )


def _is_drift(change: Change) -> bool:
    return change.cause in (Cause.DRIFT, Cause.BOTH) or bool(change.takes)


def _drifted(change: Change) -> Change:
    fields = tuple(f for f in change.fields if f.cause in (Cause.DRIFT, Cause.BOTH))
    return msgspec.structs.replace(change, fields=fields)
