"""Text from data made safe to print: nothing in it can steer a terminal or a Markdown renderer.

Values, names and messages come from clusters and from Git, so from anybody. Characters that move
the cursor, reorder text or are invisible are shown as their escape. Source of the list:
Unicode UAX #9 (bidirectional controls), TR #36 (zero-width and tag characters), ECMA-48 (C0, C1).
"""

from __future__ import annotations

import re

_BAD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_LINES = re.compile("[\t\n]")
_SHOWN = {"\n": "\\n", "\t": "\\t"}


def clean(text: str) -> str:
    """One line of text: control, bidirectional and invisible characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return _LINES.sub(lambda m: _SHOWN[m.group()], _BAD.sub(_escape, text))


def clean_lines(text: str) -> str:
    """The same, keeping line ends and tabs."""
    return _BAD.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """Lines of at most `width` characters, broken at spaces; later ones begin with `indent`."""
    if len(text) <= width:
        return [text]
    start = len(text) - len(text.lstrip(" "))
    lines, line = [], text[:start]
    for word in text[start:].split(" "):
        if len(line) + len(word) > width and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += word + " "
    lines.append(line.rstrip())
    return lines


def plural(count: int, noun: str) -> str:
    """`1 cluster`, `2,048 clusters`; only nouns that take an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters; what is cut is marked."""
    return text if len(text) <= limit else text[: max(1, limit - 1)] + "…"
