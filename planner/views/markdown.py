"""thin"""

from __future__ import annotations
from planner.changes import Plan
from planner.views.text import plan_text


def plan_markdown(plan: Plan, *, limit: int = 65_000) -> str:
    return f"```\n{plan_text(plan, verbose=False, color=False)}```\n"[:limit]
