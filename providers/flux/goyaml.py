"""A JSON value as the YAML text that Flux substitutes in: byte for byte what go-yaml v2 writes.

Substitution is done on text, and the text is read again. So it matters where quotes stand, where a
long line is folded and that keys are sorted. Flux writes it with sigs.k8s.io/yaml (`JSONToYAML`),
that is go.yaml.in/yaml/v2 v2.4.4: encode.go, emitterc.go, sorter.go. Held to them by
`tests/data/flux-substitute.json`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from providers.yamlscalar import NotJson, resolve
from state.resource import JsonObject, canonical

_WIDTH = 80
_PLAIN = re.compile(r"[A-Za-z/$][A-Za-z0-9_./${}-]{0,60}")
"""Texts that need no look, unless they are words that YAML knows."""
_NUMERIC = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9].*")
"""Base-60 numbers and times: written in quotes, and read as text all the same."""
_UNPRINTABLE = re.compile("[^\n -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_BREAKS = "\r\n\x85\u2028\u2029"
_BLANKS = f" \t{_BREAKS}\0"
_SIMPLE_KEY = 128
_ESCAPES = {
    "\0": "0", "\x07": "a", "\x08": "b", "\t": "t", "\n": "n", "\x0b": "v", "\x0c": "f",
    "\r": "r", "\x1b": "e", '"': '"', "\\": "\\", "\x85": "N", "\xa0": "_",
    "\u2028": "L", "\u2029": "P",
}  # fmt: skip


def emit(body: JsonObject) -> str:
    """The YAML document of an object."""
    emitter = _Emitter()
    emitter.mapping(body, -1)
    emitter.finish()
    return "".join(emitter.out)


class _Emitter:
    """libyaml's emitter, as far as block style needs it."""

    __slots__ = ("column", "indention", "out", "whitespace")

    def __init__(self) -> None:
        self.out: list[str] = []
        self.column = 0
        self.whitespace = True
        self.indention = True

    def put(self, text: str) -> None:
        self.out.append(text)
        self.column += len(text)

    def line_break(self) -> None:
        self.out.append("\n")
        self.column = 0

    def finish(self) -> None:
        if self.column:
            self.line_break()

    def write_indent(self, indent: int) -> None:
        indent = max(indent, 0)
        at = self.column
        if not self.indention or at > indent or (at == indent and not self.whitespace):
            self.line_break()
        if self.column < indent:
            self.put(" " * (indent - self.column))
        self.whitespace = self.indention = True

    def indicator(self, text: str, *, space: bool, indention: bool = False) -> None:
        if space and not self.whitespace:
            self.put(" ")
        self.put(text)
        self.whitespace = False
        self.indention = self.indention and indention

    def value(self, value: Any, indent: int, *, in_mapping: bool) -> None:
        """A node whose parent collection stands at `indent`."""
        if isinstance(value, dict) and value:
            self.mapping(value, indent)
        elif isinstance(value, list) and value:
            deeper = not (in_mapping and not self.indention)
            self.sequence(value, indent + 2 if deeper else indent)
        elif isinstance(value, str):
            self.text(value, indent + 2)
        elif isinstance(value, dict | list):
            # An empty flow collection: its brackets are two indicators.
            self.indicator("{}" if isinstance(value, dict) else "[]", space=True)
        else:
            self.indicator(_scalar(value), space=True)

    def mapping(self, value: JsonObject, parent: int) -> None:
        indent = 0 if parent < 0 else parent + 2
        for key in _sorted_keys(value):
            self.write_indent(indent)
            simple = len(key.encode()) <= _SIMPLE_KEY and not _has_break(key)
            if simple:
                self.text(key, indent + 2, key=True)
                self.indicator(":", space=False)
            else:
                self.indicator("?", space=True, indention=True)
                self.text(key, indent + 2)
                self.write_indent(indent)
                self.indicator(":", space=True, indention=True)
            self.value(value[key], indent, in_mapping=True)

    def sequence(self, value: list[Any], indent: int) -> None:
        for item in value:
            self.write_indent(indent)
            self.indicator("-", space=True, indention=True)
            self.value(item, indent, in_mapping=False)

    def text(self, value: str, indent: int, *, key: bool = False) -> None:
        """A string; `indent` is where its further lines begin."""
        if _PLAIN.fullmatch(value) and _is_text(value):
            self.indicator(value, space=True)
            return
        style = _style(value, key)
        if style == "|":
            self.literal(value, indent)
            return
        if style == '"':
            self.double(value, indent, fold=not key)
        else:
            self.indicator(style, space=True)
            self.folded(value, indent, quote=style, fold=not key)
            self.put(style)
        self.whitespace = self.indention = False

    def folded(self, value: str, indent: int, *, quote: str, fold: bool) -> None:
        """A plain or single-quoted text; a line ends at the first single space beyond the width."""
        short = not fold or self.column + len(value) <= _WIDTH
        if short and not _has_break(value):
            self.put(value.replace("'", "''") if quote else value)
            return
        spaces = breaks = False
        last = len(value) - 1
        for at, char in enumerate(value):
            if char == " ":
                after = value[at + 1 : at + 2]
                inner = not quote or 0 < at < last
                if fold and not spaces and self.column > _WIDTH and inner and after != " ":
                    self.indention = False
                    self.write_indent(indent)
                else:
                    self.put(char)
                spaces = True
            elif char in _BREAKS:
                if not breaks and char == "\n":
                    self.line_break()
                self.out.append(char)
                self.column = 0
                self.indention = breaks = True
            else:
                if breaks:
                    self.write_indent(indent)
                self.put("''" if quote and char == "'" else char)
                self.indention = spaces = breaks = False

    def double(self, value: str, indent: int, *, fold: bool) -> None:
        self.indicator('"', space=True)
        spaces = False
        # go-yaml looks for a byte order mark at the start only, and then escapes everything.
        marked = value.startswith("\ufeff")
        last = len(value) - 1
        for at, char in enumerate(value):
            if marked or char in '"\\' or char in _BREAKS or _UNPRINTABLE.match(char):
                self.put(_escaped(char))
                spaces = False
            elif char == " ":
                if fold and not spaces and self.column > _WIDTH and 0 < at < last:
                    self.indention = False
                    self.write_indent(indent)
                    if value[at + 1 : at + 2] == " ":
                        self.put("\\")
                else:
                    self.put(char)
                spaces = True
            else:
                self.put(char)
                spaces = False
        self.put('"')

    def literal(self, value: str, indent: int) -> None:
        hint = "2" if value[0] == " " or value[0] in _BREAKS else ""
        if value[-1] not in _BREAKS:
            hint += "-"
        elif len(value) == 1 or value[-2] in _BREAKS:
            hint += "+"
        self.indicator(f"|{hint}", space=True)
        self.line_break()
        self.whitespace = self.indention = True
        pad = " " * indent
        for line in value.removesuffix("\n").split("\n"):
            self.out.append(f"{pad}{line}\n" if line else "\n")
        if value[-1] != "\n":
            # The last line is open; whatever follows ends it.
            self.out[-1] = self.out[-1].removesuffix("\n")
            self.column = 1
            self.indention = False


def _sorted_keys(value: JsonObject) -> list[str]:
    keys = sorted(value)
    if all(key.isalpha() for key in keys):
        return keys
    return sorted(keys, key=cmp_to_key(_order))


def _less(left: str, right: str) -> bool:
    """go-yaml's order of keys: letters after the rest, runs of digits by their number."""
    for at in range(min(len(left), len(right))):
        if left[at] == right[at]:
            continue
        a, b = left[at], right[at]
        if a.isalpha() and b.isalpha():
            return a < b
        if a.isalpha() or b.isalpha():
            return b.isalpha()
        return _digits_less(left, right, at)
    return len(left) < len(right)


def _digits_less(left: str, right: str, at: int) -> bool:
    lead = 0
    if "0" in (left[at], right[at]):
        before = at - 1
        while before >= 0 and left[before].isdecimal():
            if left[before] != "0":
                lead = 1
                break
            before -= 1
    first, first_end = _run(left, at, lead)
    second, second_end = _run(right, at, lead)
    if first != second:
        return first < second
    if first_end != second_end:
        return first_end < second_end
    return left[at] < right[at]


def _run(text: str, at: int, number: int) -> tuple[int, int]:
    while at < len(text) and text[at].isdecimal():
        # 64 bits that wrap around, as in Go.
        number = (number * 10 + ord(text[at]) - 48 + 2**63) % 2**64 - 2**63
        at += 1
    return number, at


def _order(left: str, right: str) -> int:
    return -1 if _less(left, right) else int(_less(right, left))


def _scalar(value: Any) -> str:
    return _float(value) if isinstance(value, float) else canonical(value).decode()


def _float(value: float) -> str:
    """Go's `FormatFloat(value, 'g', -1, 64)`: an exponent from a million on."""
    sign, digits, power = Decimal(repr(value)).normalize().as_tuple()
    exponent = len(digits) + int(power) - 1
    if -4 <= exponent < 6:
        return f"{Decimal(repr(value)).normalize():f}"
    first, rest = digits[0], "".join(map(str, digits[1:]))
    mantissa = f"{first}.{rest}" if rest else f"{first}"
    return f"{'-' if sign else ''}{mantissa}e{exponent:+03d}"


def _is_text(value: str) -> bool:
    """A plain scalar of this text is read as text."""
    try:
        return isinstance(resolve(value), str)
    except NotJson:
        return False


def _has_break(value: str) -> bool:
    return any(char in value for char in _BREAKS)


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return f"\\{_ESCAPES[char]}"
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _style(value: str, key: bool) -> str:
    """`""` plain, `'`, `"` or `|`: what go-yaml asks for, and what the text allows."""
    if "\n" in value:
        return "|" if not key and _block_allowed(value) else '"'
    if not value or not _is_text(value) or _NUMERIC.fullmatch(value):
        return '"'
    if _special(value):
        return '"'
    if value[0] in " " + _BREAKS or value[-1] in " " + _BREAKS or _has_break(value):
        return '"' if any(f"{b} " in value for b in _BREAKS) else "'"
    return "'" if _indicators(value) else ""


def _special(value: str) -> bool:
    """A character that no YAML style but double quotes can hold, or a space before a break."""
    return bool(_UNPRINTABLE.search(value)) or any(f" {b}" in value for b in _BREAKS)


def _block_allowed(value: str) -> bool:
    return value[-1] != " " and not _special(value)


def _indicators(value: str) -> bool:
    """Something in it would be read as YAML's own."""
    if value.startswith(("---", "...")) or value[0] in "#,[]{}&*!|>'\"%@`":
        return True
    if value[0] in "?:-" and (len(value) == 1 or value[1] in _BLANKS):
        return True
    for at, char in enumerate(value):
        if char == ":" and at and (at + 1 == len(value) or value[at + 1] in " \t"):
            return True
        if char == "#" and at and value[at - 1] in _BLANKS:
            return True
    return False
