"""Where a field of a rendered object comes from: found by experiment, not by reading templates.

Each value that goes into a render is changed, one at a time, and the chart rendered again: the
values that move the field are the ones it comes from. A template may do anything with a value, so
nothing shorter is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from state.fields import value_at
from state.resource import FieldPath, JsonObject

_LIMIT = 200
"""Values that are tried; a chart with more is traced by the first ones."""

Render = Callable[[list[JsonObject]], Iterable[JsonObject | None]]
"""The object, rendered with each of some values; None where that fails or it is not there."""


def sources(values: JsonObject, field: FieldPath, before: Any, render: Render) -> list[FieldPath]:
    """The paths of the values that a field depends on, sorted."""
    tried = list(_leaves(values, ()))[:_LIMIT]
    changed = [_with(values, path, _other(value)) for path, value in tried]
    found = []
    for (path, _), body in zip(tried, render(changed), strict=True):
        if body is not None and value_at(body, field) != before:
            found.append(path)
    return sorted(found)


def count(values: JsonObject) -> int:
    """How many values are tried."""
    return min(sum(1 for _ in _leaves(values, ())), _LIMIT)


def _leaves(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    if isinstance(value, dict) and value:
        for name in sorted(value):
            yield from _leaves(value[name], (*path, f"f:{name}"))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, f"i:{index}"))
    elif path:
        yield path, value


def _other(value: Any) -> Any:
    """Another value of the same type: types are what schemas and templates insist on."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return _other_text(value)
    return "changed"


def _other_text(text: str) -> str:
    """A text of the same form: the last digit or letter is moved, so versions stay versions."""
    for index in range(len(text) - 1, -1, -1):
        char = text[index]
        if char.isdigit():
            return text[:index] + str((int(char) + 1) % 10) + text[index + 1 :]
        if char.isascii() and char.isalpha():
            moved = "a" if char in "zZ" else chr(ord(char) + 1)
            return text[:index] + moved + text[index + 1 :]
    return text + "x"


def _with(values: Any, path: FieldPath, value: Any) -> Any:
    """A copy with one leaf replaced; shares everything beside the path."""
    if not path:
        return value
    element, rest = path[0], path[1:]
    if isinstance(values, Mapping):
        name = element[2:]
        return {**values, name: _with(values[name], rest, value)}
    index = int(element[2:])
    return [_with(v, rest, value) if i == index else v for i, v in enumerate(values)]
