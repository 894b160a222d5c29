"""Is this the plan that was approved? (docs/semantics.md 23)"""

from __future__ import annotations

from pathlib import Path

from planner import planfile
from planner.changes import Plan, Unit, Verb
from state.errors import ClusterformError


def check(plan: Plan, expected: str) -> None:
    """Raise 'refused' unless `plan` is what `expected` names; empty accepts everything.

    `expected`: the full digest (all or nothing), a saved plan's file, or a file of
    `unit digest machines` lines (unit by unit; machines must not be more).
    """
    if not expected:
        return
    if len(expected) == 64 and all(c in "0123456789abcdef" for c in expected):
        _whole(plan, expected)
        return
    path = Path(expected)
    if not path.is_file():
        raise ClusterformError(
            "refused",
            f"--expect-digest {expected!r} is neither a full digest nor a file",
            hint="give all 64 digits; the short form is for eyes only",
        )
    _by_unit(plan, _approved(path))


def _whole(plan: Plan, expected: str) -> None:
    if not all(unit.complete for unit in plan.units):
        raise ClusterformError(
            "refused", "part of the fleet could not be read, so the plan has no approvable digest"
        )
    if plan.digest != expected:
        raise ClusterformError(
            "refused",
            "this is not the plan that was approved",
            detail=f"approved {expected}\nplanned  {plan.digest}",
            hint="review the new plan and approve its digest",
        )


def _approved(path: Path) -> dict[str, tuple[str, int]]:
    content = path.read_bytes()
    if content.lstrip().startswith(b"{"):
        made, _ = planfile.decode(content, str(path))
        return {u.key: (u.digest, _machines(u)) for u in made.units if u.complete}
    approved = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3 or not parts[2].isdigit():
            raise ClusterformError(
                "refused",
                "an approval is 'unit digest machines'",
                where=f"{path}:{number}",
            )
        approved[parts[0]] = (parts[1], int(parts[2]))
    return approved


def _machines(unit: Unit) -> int:
    return sum(unit.machines.values())


def _by_unit(plan: Plan, approved: dict[str, tuple[str, int]]) -> None:
    changing = {c.unit for c in plan.changes if c.verb is not Verb.FORGET}
    for unit in plan.units:
        if unit.key not in changing:
            continue
        if not unit.complete:
            raise ClusterformError(
                "refused",
                f"{unit.key} has no approvable digest",
                detail="\n".join(unit.why_not),
            )
        digest, machines = approved.get(unit.key, ("", 0))
        if digest != unit.digest:
            what = "changed since it was approved" if digest else "was not approved"
            raise ClusterformError("refused", f"{unit.key} {what}")
        if _machines(unit) > machines:
            raise ClusterformError(
                "refused",
                f"{unit.key} touches {_machines(unit)} machines, {machines} were approved",
            )
