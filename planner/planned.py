"""A change on its way into the plan: with what impact and order still need beside it."""

from __future__ import annotations

import msgspec

from planner.changes import Change
from state.live import Present
from state.resource import JsonObject


class Planned(msgspec.Struct, kw_only=True):
    """A change with what impact and order still need; `after` may hold secrets, in memory."""

    change: Change
    after: JsonObject | None
    live: Present | None
    phantom: bool = False
    """Held back: it is here only for the edges that say what waits for it."""
