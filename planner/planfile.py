"""A plan as a file: an envelope around canonical JSON (docs/semantics.md 21 to 23).

`{"created", "expires", "host", "tool", "plan": {…}}`. The inner plan is sorted and byte-identical
for identical input; the file's own checksum finds accidental damage, and the digests are computed
anew from the changes when it is read, so that an edited plan does not pass for the approved one.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from planner import digests
from planner.changes import Plan
from state.errors import ClusterformError
from state.resource import canonical, digest

LIFETIME = 24 * 3600.0
"""Seconds until a saved plan expires."""
_MAJOR = "1"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around the plan and is not part of it."""

    created: float
    expires: float
    tool: str
    host: str
    checksum: str
    plan: msgspec.Raw


_DECODE = msgspec.json.Decoder(Envelope, strict=True)
_PLAN = msgspec.json.Decoder(Plan, strict=True)


def encode_plan(plan: Plan) -> bytes:
    """The plan alone, canonical."""
    return canonical(plan)


def encode(plan: Plan, *, created: float, tool: str, host: str) -> bytes:
    """The whole file."""
    body = encode_plan(plan)
    envelope = Envelope(
        created=created,
        expires=created + LIFETIME,
        tool=tool,
        host=host,
        checksum=digest(body),
        plan=msgspec.Raw(body),
    )
    return msgspec.json.encode(envelope) + b"\n"


def decode(content: bytes, where: str) -> tuple[Plan, Envelope]:
    """The plan of a file; raises 'bad-plan' for anything that is not one, whole and unedited."""
    try:
        envelope = _DECODE.decode(content)
        version = msgspec.json.decode(envelope.plan, type=_Version).format_version
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _bad(where, f"it is no clusterform plan: {error}") from None
    if version.partition(".")[0] != _MAJOR:
        raise _bad(where, f"its format is {version}, this version reads {_MAJOR}.x")
    if digest(bytes(envelope.plan)) != envelope.checksum:
        raise _bad(where, "its content does not match its checksum")
    try:
        plan = _PLAN.decode(envelope.plan)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _bad(where, f"its plan cannot be read: {error}") from None
    _check_digests(plan, where)
    return plan, envelope


class _Version(msgspec.Struct):
    format_version: str


def _check_digests(plan: Plan, where: str) -> None:
    incomplete = {u.key: u.why_not for u in plan.units if not u.complete}
    candidates = [(u.key, c) for u in plan.units for c in u.cleared]
    units = digests.units(plan.changes, candidates, plan.graph, incomplete)
    if digests.plan_digest(units) != plan.digest or units != plan.units:
        raise _bad(where, "its actions are not those of its digest")


def read(path: Path) -> tuple[Plan, Envelope]:
    """The plan in a file on disk."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _bad(str(path), f"it cannot be read: {error.strerror}") from None
    return decode(content, str(path))


def _bad(where: str, why: str) -> ClusterformError:
    return ClusterformError(
        "bad-plan",
        "this plan cannot be used",
        detail=why,
        hint="make a new one: clusterform plan -o plan.json",
        where=where,
    )
