"""Telling rotations: what differs between the generations, and which references they trigger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from planner.changes import Cause, Change, FieldChange, Verb
from planner.compare import overall_cause
from planner.diff import differences, masked
from planner.planned import Planned
from planner.resolve import Observe, Reveal, named, with_secrets
from planner.ssa import comparable, merged
from providers.secrets import hidden_paths
from state.live import Present
from state.recorded import Records
from state.resource import FieldPath, GroupKind, JsonObject, Resource, canonical

LineOf = Callable[[Resource, FieldPath], str]


def describe_rotations(
    planned: Iterable[Planned],
    observe: Observe,
    reveal: Reveal,
    line_of: LineOf,
    records: Records,
) -> None:
    """Give every rotation the fields in which the new generation differs from the old."""
    for item in planned:
        change = item.change
        if change.verb is not Verb.ROTATE or change.origin is None:
            continue
        old = observe(named(change.id, change.predecessor))
        if isinstance(old, Present):
            recorded = records.get(old.id)
            once = recorded.hidden if recorded else ()
            item.change = msgspec.structs.replace(
                change, fields=_fields(change, old, reveal, line_of, once), cause=Cause.GIT
            )


def _fields(
    change: Change,
    old: Present,
    reveal: Reveal,
    line_of: LineOf,
    once: Iterable[FieldPath],
) -> tuple[FieldChange, ...]:
    resource = Resource(
        id=change.id,
        version=change.version,
        body=bytes(change.body),
        origin=change.origin,  # type: ignore[arg-type]  # checked by the caller
        secrets=change.secrets,
    )
    full = with_secrets(resource.decoded(), resource, reveal, old)
    before = _spec(comparable(old.body))
    after = _spec(merged(old, full))
    hidden = hidden_paths(change.id, before, after, change.secrets, once)
    masked(before, after, hidden)
    return tuple(
        FieldChange(
            path=path,
            before=was,
            after=becomes,
            origin=line_of(resource, path),
            sensitive=path in hidden,
        )
        for path, was, becomes in differences(before, after, old)
    )


def _spec(body: JsonObject) -> JsonObject:
    kept: JsonObject = msgspec.json.decode(canonical({"spec": body.get("spec"), "metadata": {}}))
    return kept


def trigger(change: Change, rotated: Mapping[tuple[GroupKind, str], str]) -> Change:
    """Mark the references that change because a template was rotated, and by which."""
    if change.verb is Verb.ROTATE or not change.fields or not rotated:
        return change
    names = {name: (kind, logical) for (kind, name), logical in rotated.items()}
    fields = tuple(_triggered(f, names) for f in change.fields)
    return msgspec.structs.replace(change, fields=fields, cause=overall_cause(fields))


def _triggered(field: FieldChange, names: Mapping[str, tuple[GroupKind, str]]) -> FieldChange:
    after: Any = field.after
    if field.path[-1] != "f:name" or not isinstance(after, str) or after not in names:
        return field
    kind, logical = names[after]
    return msgspec.structs.replace(
        field, cause=Cause.TRIGGERED, by=f"{kind.kind} {logical}", origin=""
    )
