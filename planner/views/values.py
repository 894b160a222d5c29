"""Field values and their causes in words. A sensitive value is never looked at."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

import msgspec

from planner.changes import Cause, FieldChange
from planner.views.clean import clean
from state.resource import FieldPath, canonical, path_text

LIMIT = 44
"""Characters of one side of a change before it is shortened."""
_MANY_LINES = 400
_SHOWN_LINES = 12
_KEPT = 12
"""Characters that stay in front of the first difference of two long values."""
_NEEDS_QUOTES = re.compile(
    r"^$|^[\s(\"'\[{]|\s$|→|^(true|false|null|[-+]?[0-9][0-9_.eExXoO+-]*)$", re.IGNORECASE
)


def field_path(field: FieldChange) -> str:
    """`spec.replicas`."""
    return _path(field.path)


@lru_cache(maxsize=4096)
def _path(path: FieldPath) -> str:
    """The same few paths change all over a fleet."""
    return clean(path_text(path).removeprefix("."))


def change_text(field: FieldChange, limit: int = LIMIT) -> str:
    """`7 → 5`, `(not set) → 5`, `7 → (removed)`, `(sensitive, changed)`: one line."""
    before, after = sides(field, limit)
    if field.sensitive:
        return after
    return f"{before or '(not set)'} → {after}"


def sides(field: FieldChange, limit: int) -> tuple[str, str]:
    """Both sides in words; the first is `""` where nothing was set or nothing may be shown."""
    gone, new = field.after is msgspec.UNSET, field.before is msgspec.UNSET
    if field.sensitive:
        return "", f"(sensitive, {'removed' if gone else 'new' if new else 'changed'})"
    before, after = pair(field.before, field.after, limit)
    if not field.known:
        after = "(known after apply)"
    elif gone:
        after = "(removed)"
    return ("" if new else before), after


def is_block(field: FieldChange) -> bool:
    """Text of several lines on both sides: shown as its changed lines."""
    before, after = field.before, field.after
    if not isinstance(before, str) or not isinstance(after, str) or field.sensitive:
        return False
    return field.known and ("\n" in before.rstrip("\n") or "\n" in after.rstrip("\n"))


def changed_lines(field: FieldChange) -> list[str]:
    """Of a block: `- old line` and `+ new line`, what is equal left out, long ones cut and said."""
    before, after = field.before.splitlines(), field.after.splitlines()
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    lines = _opcodes(old, new) if len(old) + len(new) <= _MANY_LINES else _plain(old, new)
    if not lines:
        lines = ["(only the line ends differ)"]
    if len(lines) > _SHOWN_LINES:
        hidden = len(lines) - _SHOWN_LINES
        lines = [*lines[:_SHOWN_LINES], f"… {hidden:,} more lines of this change"]
    return [clean(line) for line in lines]


def _common(left: list[str], right: list[str]) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count


def _plain(old: list[str], new: list[str]) -> list[str]:
    return [f"- {line}" for line in old] + [f"+ {line}" for line in new]


def _opcodes(old: list[str], new: list[str]) -> list[str]:
    lines: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            lines += _plain(old[a:b], new[c:d])
    return lines


def value_text(value: Any) -> str:
    """A value in full: strings bare where nothing else looks like them, the rest compact JSON."""
    if isinstance(value, str):
        text = clean(value)
        return f'"{text}"' if text != value or _NEEDS_QUOTES.search(text) else text
    if value is msgspec.UNSET:
        return ""
    return clean(canonical(value).decode())


def pair(before: Any, after: Any, limit: int) -> tuple[str, str]:
    """Both values, shortened around the place where they begin to differ."""
    old, new = value_text(before), value_text(after)
    if isinstance(before, str) and isinstance(after, str) and old[:1] != new[:1]:
        old, new = _alike(old), _alike(new)
    if len(old) <= limit and len(new) <= limit:
        return old, new
    same = 0
    if old and new:
        same = next(
            (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
            min(len(old), len(new)),
        )
    start = max(0, same - _KEPT) if same > limit // 2 else 0
    return _cut(old, start, limit), _cut(new, start, limit)


def _alike(text: str) -> str:
    """Quotes on both sides or on none."""
    return text if text.startswith('"') else f'"{text}"'


def _cut(text: str, start: int, limit: int) -> str:
    head = "…" if start else ""
    rest = text[start:]
    if len(head) + len(rest) <= limit:
        return head + rest
    return f"{head}{rest[: limit - len(head) - 1]}…"


def cause_text(field: FieldChange) -> str:
    """Why the field changes: `git FILE:LINE`, `drift by MANAGER; taken back`, `triggered by …`."""
    by, origin = clean(field.by), clean(field.origin)
    git = f"git {origin}" if origin else "git"
    drift = f"drift by {by}" if by else "drift"
    match field.cause:
        case Cause.DRIFT:
            return f"{drift}; taken back"
        case Cause.BOTH:
            return f"both: {git} and {drift}"
        case Cause.TRIGGERED:
            return f"triggered by {by}" if by else "triggered"
        case Cause.DEFAULT:
            return "default of the server: nobody sets it any more"
        case _:
            return git
