"""V26: rollouts that happen without any change in Git: expiring certificates, `rollout.after`.

Source: Cluster API v1.14.0, controlplane/kubeadm/pkg/filters.go (ShouldRolloutBefore,
ShouldRolloutAfter); a Machine's `status.certificatesExpiryDate` is set for control-plane machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from planner.rules.subject import either, number_at, text_at
from providers.base import moment, value
from state.resource import JsonObject

DAY = 86_400.0
HORIZON = 14 * DAY
"""How far ahead a plan looks."""
_CENTURY = 36_500
_AFTER = ("spec.rollout.after", "spec.rolloutAfter")
_BEFORE = (
    "spec.rollout.before.certificatesExpiryDays",
    "spec.rolloutBefore.certificatesExpiryDays",
)


class Due(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One machine that its owner replaces by itself, or whose certificates just run out."""

    at: float
    """Seconds since 1970."""
    machine: str
    why: str
    replaced: bool
    """False: nothing replaces it, and its certificates expire."""


def due(owner: JsonObject, machines: Iterable[JsonObject], now: float) -> tuple[Due, ...]:
    """Machines of an owner (control plane or pool) that are due by now or within the horizon."""
    _, after_text = either(owner, *_AFTER)
    after = moment(after_text) or None
    days = next((d for p in _BEFORE if (d := number_at(owner, p)) is not None), None)
    days = None if days is None else min(max(days, 0), _CENTURY)
    found = []
    for machine in machines:
        if value(machine, "metadata.deletionTimestamp"):
            continue
        name = text_at(machine, "metadata.name")
        made = moment(value(machine, "metadata.creationTimestamp")) or None
        expiry = moment(value(machine, "status.certificatesExpiryDate")) or None
        if after is not None and made is not None and made < after <= now + HORIZON:
            found.append(Due(at=after, machine=name, why="rollout.after", replaced=True))
        elif expiry is not None and days is not None and expiry - days * DAY <= now + HORIZON:
            at = expiry - days * DAY
            why = f"certificates expire on {day(expiry)}, rollout.before is {days} days"
            found.append(Due(at=at, machine=name, why=why, replaced=True))
        elif expiry is not None and days is None and expiry <= now + HORIZON:
            why = f"certificates expire on {day(expiry)}, and rollout.before is not set"
            found.append(Due(at=expiry, machine=name, why=why, replaced=False))
    return tuple(sorted(found))


def summary(found: tuple[Due, ...], now: float) -> str:
    """One sentence over all machines of an owner that are due."""
    first = found[0]
    machines = "1 machine" if len(found) == 1 else f"{len(found)} machines"
    when = "now" if first.at <= now else f"from {day(first.at)} on"
    verb = "is" if len(found) == 1 else "are"
    if not first.replaced:
        return f"{machines}: {first.why}"
    return f"{machines} {verb} replaced {when} without any change: {first.why}"


def day(at: float) -> str:
    """A date for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
