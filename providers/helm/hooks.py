"""Hooks of a chart: objects that are applied at a moment of a release, not as part of it.

Source: helm/helm v4.2, pkg/release/v1/util/manifest_sorter.go and pkg/release/v1/hook.go;
https://helm.sh/docs/topics/charts_hooks.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

from state.resource import JsonObject

ANNOTATION = "helm.sh/hook"
_WEIGHT = "helm.sh/hook-weight"
_DELETE = "helm.sh/hook-delete-policy"
RUN = ("pre-install", "post-install", "pre-upgrade", "post-upgrade")
"""Events of an install or an upgrade."""
_TESTS = ("test", "test-success")
NOT_RUN = ("pre-delete", "post-delete", "pre-rollback", "post-rollback")
_KNOWN = frozenset((*RUN, *NOT_RUN, *_TESTS))
_DEFAULT_DELETE = "before-hook-creation"


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """When an object of a chart is applied, and when it is removed again."""

    events: tuple[str, ...]
    """Of `RUN`, as the chart lists them."""
    weight: int = 0
    """Lower ones come first."""
    delete: tuple[str, ...] = (_DEFAULT_DELETE,)
    """`before-hook-creation`, `hook-succeeded`, `hook-failed`."""

    @property
    def text(self) -> str:
        """`pre-install,pre-upgrade weight -5 before-hook-creation`."""
        return f"{','.join(self.events)} weight {self.weight} {','.join(self.delete)}"


def annotations_of(body: JsonObject) -> dict[str, Any]:
    """Annotations of an object that nobody has checked yet."""
    metadata = body.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def events_of(body: JsonObject) -> tuple[str, ...] | None:
    """What a hook waits for; None: an ordinary object; empty: Helm leaves it out.

    Helm drops an object with an event that it does not know, such as Helm 2's `crd-install`.
    """
    said = annotations_of(body).get(ANNOTATION)
    if said is None:
        return None
    events = tuple(part.strip().lower() for part in str(said).split(","))
    return events if _KNOWN.issuperset(events) else ()


def hook_of(body: JsonObject, events: tuple[str, ...], allowed: Collection[str]) -> Hook | None:
    """The hook of an object with such events; None where none of them is run."""
    mine = tuple(event for event in events if event in allowed)
    if not mine:
        return None
    found = annotations_of(body)
    delete = tuple(
        part.strip().lower() for part in str(found.get(_DELETE, "")).split(",") if part.strip()
    )
    return Hook(
        events=mine,
        weight=_number(found.get(_WEIGHT)),
        delete=delete or (_DEFAULT_DELETE,),
    )


def skipped_text(body: JsonObject, events: Collection[str]) -> str:
    """A hook that is not run, for people: `Job cleanup (pre-delete)`; `""`: nothing to say.

    Tests are left out as `--skip-tests` leaves them out.
    """
    unrun = [event for event in events if event in NOT_RUN]
    metadata = body.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    if not unrun and events:
        return ""
    why = ", ".join(unrun) if events else f"unknown hook {annotations_of(body)[ANNOTATION]}"
    return f"{body.get('kind', '')} {name} ({why})"


_HOOK = re.compile(r"^[^#\n]*?\bhelm\.sh/hook[\"']?[ \t]*:[ \t]*([^\n}]*)", re.MULTILINE)


def tests_in(template: str) -> int:
    """Objects of a template that are tests and nothing else, by what it says before it renders."""
    found = 0
    for said in _HOOK.findall(template):
        events = {part.strip(" \t\"'") for part in said.partition("#")[0].lower().split(",")}
        found += events.issubset(_TESTS)
    return found


def _number(said: object) -> int:
    """Go's Atoi, zero where that fails."""
    try:
        return int(str(said)) if said is not None and str(said).strip() == str(said) else 0
    except ValueError:
        return 0
