"""What an identity may not do and what that costs the plan: said once, not for each object.

Which right is for what: docs/security.md, "Rights".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from planner.changes import ClusterIdentity, Finding
from state.resource import GroupKind

_NAMED = 3


def no_dry_run(refused: Collection[tuple[str, GroupKind]]) -> list[Finding]:
    """One finding for all (cluster, kind) whose dry-runs were forbidden."""
    if not refused:
        return []
    kinds = _some(sorted({kind.kind for _, kind in refused}))
    clusters = _some(sorted({cluster for cluster, _ in refused}))
    return [
        Finding(
            kind="warning",
            summary=f"no right to dry-run {kinds} in {clusters}: what changes there is computed"
            " here (static), or cannot be told (unproven)",
            hint="a dry-run needs the right to patch: docs/rbac/plan-dry-run.yaml",
        )
    ]


def unidentified(identities: Iterable[ClusterIdentity]) -> list[Finding]:
    """One finding for all clusters that do not say which one they are."""
    unknown = [i.cluster for i in identities if not i.uid]
    if not unknown:
        return []
    return [
        Finding(
            kind="warning",
            summary=f"which cluster {_some(unknown)} is cannot be read, so a saved plan would be"
            " applied to another one under that name, too",
            hint="grant get on the namespace kube-system: docs/rbac/plan.yaml",
        )
    ]


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
