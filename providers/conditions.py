"""Conditions of an object in either form, and what they say in a line.

Cluster API writes conditions twice. Served as v1beta2 an object has the new ones in
`status.conditions` and the old ones in `status.deprecated.v1beta1`; served as v1beta1 the old ones
are in `status.conditions` and the new ones, since v1.9, in `status.v1beta2.conditions`. A kind of
a provider may be called v1beta2 and still write old ones. Source: Cluster API v1.14.0,
api/core/{v1beta1,v1beta2} (status types), util/conditions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from providers.base import value
from state.resource import JsonObject


class Condition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One condition. `severity` is of old ones only: Error, Warning or Info."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    since: str = ""
    """When the status last changed (RFC 3339)."""
    severity: str = ""
    generation: int | None = None
    """The generation that it is about, where it says so."""

    @property
    def text(self) -> str:
        """The message in one line, its innermost point first where it is nested."""
        return innermost(self.message)

    @property
    def said(self) -> str:
        """`Reason: message`, or what there is of the two."""
        plain = self.reason in ("", f"Not{self.type}", self.type, *_PLAIN)
        parts = ("" if plain and self.text else self.reason, self.text)
        return ": ".join(part for part in parts if part)


NONE = Condition(type="")
_PLAIN = ("NotAvailable", "NotProvisioned", "NotReady", "NotUpToDate")
"""Reasons that only repeat that the condition is False."""


def conditions(body: JsonObject) -> dict[str, Condition]:
    """By type; new ones where the object has them. What is no list of conditions reads as none.

    A CRD that has just been made has `conditions: null`.
    """
    return {item["type"]: _read(item) for item in _listed(body)}


def has_new_form(body: JsonObject) -> bool:
    """Whether the conditions are of the new form: each with a reason, none with a severity.

    Judged by what stands there, not by the version's name: `AWSCluster` is served as v1beta2 and
    has old ones. In the new form a reason is required also where the status is True.
    """
    found = conditions(body).values()
    return bool(found) and all(c.reason and not c.severity for c in found)


def condition(body: JsonObject, kind: str) -> Condition:
    """The condition of a type; without one, all fields of the answer are empty."""
    for item in reversed(_listed(body)):
        if item["type"] == kind:
            return _read(item)
    return NONE


def _listed(body: JsonObject) -> list[JsonObject]:
    """What stands in the list that counts, as it stands there."""
    for path in ("status.v1beta2.conditions", "status.conditions"):
        found = value(body, path)
        if isinstance(found, list):
            listed = [c for c in found if isinstance(c, dict) and _text(c.get("type"))]
            if listed:
                return listed
    return []


def _read(item: JsonObject) -> Condition:
    generation = item.get("observedGeneration")
    return Condition(
        type=_text(item.get("type")),
        status=_text(item.get("status")),
        reason=_text(item.get("reason")),
        message=_text(item.get("message")),
        since=_text(item.get("lastTransitionTime")),
        severity=_text(item.get("severity")),
        generation=generation if isinstance(generation, int) else None,
    )


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def innermost(message: str) -> str:
    """The innermost point of a nested message, without its bullets.

    `* Machine x:\\n  * NodeHealthy: kubelet down` gives `NodeHealthy: kubelet down`.
    """
    lines = [line.strip().lstrip("* ").strip() for line in message.strip().splitlines()]
    lines = [line for line in lines if line]
    return lines[-1].rpartition(": * ")[2] if lines else ""


def first_failing(body: JsonObject, kinds: Iterable[str]) -> Condition | None:
    """The first of these types that is there and not True."""
    found = conditions(body)
    return next((c for k in kinds if (c := found.get(k)) is not None and c.status != "True"), None)


def integer(body: JsonObject, path: str) -> int | None:
    """A whole number at a path, or None."""
    found = value(body, path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def annotations_of(body: JsonObject) -> JsonObject:
    """The object's annotations."""
    found = value(body, "metadata.annotations")
    return found if isinstance(found, dict) else {}


def labels_of(body: JsonObject) -> JsonObject:
    """The object's labels."""
    found = value(body, "metadata.labels")
    return found if isinstance(found, dict) else {}


def name_of(body: JsonObject) -> str:
    """The object's name."""
    return str(value(body, "metadata.name") or "")


def leaving(body: JsonObject) -> bool:
    """It is being deleted."""
    return bool(value(body, "metadata.deletionTimestamp"))


def by_name(bodies: Iterable[JsonObject]) -> list[JsonObject]:
    """Sorted by name."""
    return sorted(bodies, key=name_of)
