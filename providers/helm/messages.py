"""What Helm says of a chart that it cannot render, for people: short, its place, no values.

Helm's messages name every `include` on the way and may quote values (`error calling int: …`,
schema violations, `fail`), which may be secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

LONGEST = 300
_LOOKED_AT = 8_000
"""Characters of a message that are looked at: a quote that is never closed is searched to the end
from each quote in it. What is not looked at is not shown."""
_SHORTEST = 6
"""Characters of a value that is cut out; shorter ones are in every message."""
_WITHHELD = "(value withheld)"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\'\n]*)\'|`([^`]*)`')
_WORD = re.compile(r"[\w+=-]{4,}")
"""Parts of a secret count as it does: a template may take it apart."""
_PREFIX = re.compile(
    r"\s+|(?:template|Error):\s*|(?:execution|parse) error (?:at|in)\s*"
    r"|error calling \w+:\s*"
    r"|error during tpl function execution for \"(?:[^\"\\]|\\.)*\":\s*|gotpl:[\d:]+\s*"
    r"|executing \"[^\"]{0,300}\" at <[^\n]{0,400}?>:\s*"
    r"|executing \"[^\"]{0,300}\" at\s*"
    r"|\(?(?P<place>[\w.-]+/[\w./-]+:\d+)(?::\d+)?\)?:?(?=\s|$)"
)
_NOISE = "Use --debug flag to render out invalid YAML"
_SCHEMA = "the schema(s) in the following chart(s):"


def bounded(raw: str, values: Any, secrets: Collection[str]) -> str:
    """`templates/a.yaml:3: MESSAGE (from templates/b.yaml:1)`, each part at most 300 characters."""
    text = raw.strip().removesuffix(_NOISE)
    if _SCHEMA in text:
        found = withheld(text.partition(_SCHEMA)[2][:_LOOKED_AT], values, secrets)
        lines = [line.strip().removeprefix("- ") for line in found.splitlines() if line.strip()]
        return "the values do not fit values.schema.json: " + _cut("; ".join(lines))
    at, places = 0, []
    while at < len(text) and (match := _PREFIX.match(text, at)) and match.end() > at:
        at = match.end()
        if match["place"]:
            places.append(match["place"].partition("/")[2])
    shown = withheld(text[at : at + _LOOKED_AT], values, secrets)
    message = _cut(" ".join(shown.split()) or "it fails")
    if not places:
        return message
    # A text of the chart may look like a place, so places are held to the same rules.
    last, first = (_cut(withheld(p[:_LOOKED_AT], values, secrets)) for p in (places[-1], places[0]))
    origin = f" (from {first})" if first != last else ""
    return f"{last}: {message}{origin}"


def withheld(text: str, values: Any, secrets: Collection[str]) -> str:
    """Without words of secrets, wherever they stand, and without quoted values of the request."""
    kept = "\n".join(secret for secret in secrets if len(secret) >= _SHORTEST)
    if kept:
        text = _WORD.sub(lambda word: _WITHHELD if word[0] in kept else word[0], text)
    known = set(_scalars(values))

    def shown(match: re.Match[str]) -> str:
        inner = match[1] if match[1] is not None else match[2] if match[2] is not None else match[3]
        return _WITHHELD if inner in known else match[0]

    return _QUOTED.sub(shown, text)


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif value is not None and len(text := str(value)) >= _SHORTEST:
        yield text
        yield msgspec.json.encode(text)[1:-1].decode()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
