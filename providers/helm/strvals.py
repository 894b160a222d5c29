"""Settings in the grammar of `helm --set`: `a.b[0].c=1,list={x,y},dotted\\.name=z`.

Source: helm/helm v4.2, pkg/strvals (parser.go, literal_parser.go) and `helm template --help`; the
tests hold it to the engine's own parser.
"""

from __future__ import annotations

import re
from typing import Any

from state.errors import ClusterformError
from state.resource import JsonObject

MAX_INDEX = 65_536
MAX_DEPTH = 30
_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = 1 << 63


def set_into(values: JsonObject, expression: str, *, strings: bool = False) -> None:
    """Change `values` as `--set EXPRESSION` does, `strings`: as `--set-string`.

    Raises ClusterformError('bad-values') naming the key and never a value.
    """
    _Parser(expression, strings=strings).run(values)


def set_literally(values: JsonObject, path: str, text: str) -> None:
    """Change `values` as `--set-literal PATH=TEXT`: the text as it is, no escapes in the path."""
    _Literal(f"{path}={text}").run(values)


def typed(text: str) -> Any:
    """A value as `--set` reads it: null, booleans, integers of 64 bits, else text."""
    folded = text.lower()
    if folded == "null":
        return None
    if folded in ("true", "false"):
        return folded == "true"
    if text == "0" or (_INTEGER.fullmatch(text) and not text.startswith("0")):
        number = int(text) if len(text) <= 20 else _INT64
        if -_INT64 <= number < _INT64:
            return number
    return text


def _bad(why: str) -> ClusterformError:
    return ClusterformError("bad-values", why)


class _Parser:
    """One expression; every method begins where the one before it ended."""

    stops = "=[,."
    escapes = True

    def __init__(self, text: str, *, strings: bool = False) -> None:
        self._text = text
        self._at = 0
        self._strings = strings

    def run(self, values: JsonObject) -> None:
        while self._at < len(self._text):
            self._key(values, 0)

    def _until(self, stops: str) -> tuple[str, str]:
        """The text before one of `stops`, without escapes, and the stop; `""` at the end."""
        found: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char in stops:
                return "".join(found), char
            if char == "\\" and self.escapes:
                char = self._text[self._at : self._at + 1]
                self._at += 1
            found.append(char)
        return "".join(found), ""

    def _key(self, data: JsonObject, depth: int) -> bool:
        """One setting; false: the text ended before anything was set."""
        name, stop = self._until(self.stops)
        if stop == "[":
            index = self._index()
            known = data.get(name, [])
            if not isinstance(known, list):
                raise _bad(f"{name} is no list")
            _put(data, name, self._item(known, index, depth))
        elif stop == "=":
            ended = self._at >= len(self._text)
            _put(data, name, self._value())
            return not ended
        elif stop == ".":
            return self._below(data, name, depth + 1)
        elif stop or name:
            raise _bad(f'key "{name}" has no value')
        return bool(stop)

    def _below(self, data: JsonObject, name: str, depth: int) -> bool:
        if depth > MAX_DEPTH:
            raise _bad(f"a name has more than {MAX_DEPTH} levels")
        inner = data.get(name)
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            raise _bad(f"{name} is no mapping")
        went_on = self._key(inner, depth)
        if inner:
            _put(data, name, inner)
        elif went_on:
            raise _bad(f'key map "{name}" has no value')
        return went_on

    def _index(self) -> int:
        text, stop = self._until("]")
        if not stop:
            raise _bad("an index ends with ]")
        if not _INTEGER.fullmatch(text):
            raise _bad("an index is a number in brackets")
        if len(text) > 9 or not 0 <= int(text) <= MAX_INDEX:
            raise _bad(f"an index is between 0 and {MAX_INDEX}")
        return int(text)

    def _item(self, items: list[Any], index: int, depth: int) -> list[Any]:
        between, stop = self._until("[.=")
        if between:
            raise _bad("something stands behind an index")
        known = items[index] if index < len(items) else None
        if stop == "=":
            return _at(items, index, self._value())
        if stop == "[":
            inner = self._index()
            if known is not None and not isinstance(known, list):
                raise _bad(f"item {index} is no list")
            return _at(items, index, self._item(known or [], inner, depth))
        if stop == ".":
            if depth + 1 > MAX_DEPTH:
                raise _bad(f"a name has more than {MAX_DEPTH} levels")
            below = known if isinstance(known, dict) else {}
            self._key(below, depth + 1)
            return _at(items, index, below)
        return items

    def _value(self) -> Any:
        if not self._text.startswith("{", self._at):
            return self._typed(self._until(",")[0])
        self._at += 1
        found = []
        while True:
            text, stop = self._until(",}")
            if not stop:
                raise _bad("a list ends with }")
            found.append(self._typed(text))
            if stop == "}":
                if self._text.startswith(",", self._at):
                    self._at += 1
                return found

    def _typed(self, text: str) -> Any:
        return text if self._strings else typed(text)


class _Literal(_Parser):
    """`--set-literal`: only the key has a grammar, and that has no escapes."""

    stops = "=[."
    escapes = False

    def _value(self) -> str:
        rest, self._at = self._text[self._at :], len(self._text)
        return rest


def _put(data: JsonObject, name: str, value: Any) -> None:
    if name:  # Helm drops what has no name
        data[name] = value


def _at(items: list[Any], index: int, value: Any) -> list[Any]:
    found = items + [None] * (index + 1 - len(items))
    found[index] = value
    return found
