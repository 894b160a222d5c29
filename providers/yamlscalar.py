"""Which value a plain YAML scalar stands for: exactly what kubectl makes of it.

kubectl reads manifests with sigs.k8s.io/yaml, that is go-yaml v2's YAML 1.1 table without base-60
numbers (`22:22` is a string) and without dates, then goes through JSON: a float without a fraction
comes out as an integer, an integer beyond 64 bits as a float. PyYAML's own resolver differs in all
of these. Source: go-yaml v2 `resolve.go`, sigs.k8s.io/yaml `convertToJSONableObject`; the judge is
`tests/unit/load/test_scalars.py`, which asks kubectl for every row.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import date

Scalar = str | int | float | bool | None

NUMBER_CHARACTERS = 64
"""Longer number literals are refused: turning them into numbers is quadratic in Python."""

AMBIGUOUS = frozenset(
    word
    for base in ("y", "n", "yes", "no", "on", "off")
    for word in (base, base.capitalize(), base.upper())
)
"""Plain words that are booleans to kubectl and text to most people."""

SUSPECT = frozenset("+-.0123456789yYnNtTfFoO~")
"""A plain scalar that starts with anything else is text."""

_VALUES: tuple[tuple[Scalar, tuple[str, ...]], ...] = (
    (True, ("y", "yes", "true", "on")),
    (False, ("n", "no", "false", "off")),
    (None, ("null",)),
)
_WORDS: dict[str, Scalar] = {
    form: value
    for value, words in _VALUES
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_WORDS.update({"": None, "~": None})
_NOT_JSON = frozenset(
    sign + form
    for sign, word in (("", "inf"), ("+", "inf"), ("-", "inf"))
    for form in (f".{word}", f".{word.capitalize()}", f".{word.upper()}")
) | {".nan", ".NaN", ".NAN"}

_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)"
    r"|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOT_FLOAT = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}


class NotJson(ValueError):
    """The scalar has no JSON value (`.inf`, `.nan`) or is a number of absurd length."""


def resolve(text: str) -> Scalar:
    """The value of a plain, untagged scalar. Raises NotJson."""
    if not text or text[0] not in SUSPECT:
        return text or None
    value = _yaml_value(text)
    return through_json(value) if isinstance(value, float) else value


def resolve_by_kustomize(text: str) -> Scalar:
    """The same for what kustomize has read and written again, as Flux does with every chart.

    It knows go-yaml v3's table: `yes`, `no`, `on` and the like are text, and a
    day is a time; a time stays what it is (measured on helm-controller 1.6).
    """
    if text in AMBIGUOUS:
        return text
    return _day(text) if _DAY.fullmatch(text) else resolve(text)


def _day(text: str) -> str:
    """As Go writes a day in JSON (RFC 3339); the text itself where there is no such day."""
    year, month, day = map(int, text.split("-"))
    try:
        date(year, month, day)
    except ValueError:
        return text
    return f"{year:04}-{month:02}-{day:02}T00:00:00Z"


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with one of the core tags (`!!int "12"`). Raises NotJson."""
    kind = tag.removeprefix("tag:yaml.org,2002:")
    if kind in ("str", "timestamp"):
        return text
    value = resolve(text)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "null": value is None,
    }
    if not fits.get(kind, False):
        raise NotJson(f"the tag !!{kind} does not fit the value")
    return value


def through_json(value: float) -> int | float:
    """A float as it comes back from JSON: an integer where it is one and fits 64 bits."""
    if value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return int(value)
    return value


def key_text(text: str) -> str:
    """The JSON object key that a plain scalar becomes. Raises NotJson for null."""
    value = _yaml_value(text)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None:
        raise NotJson("null cannot be a key")
    return _float_key(value)


def _yaml_value(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text in _NOT_JSON:
        raise NotJson("JSON has no infinity and no NaN")
    if text[0] == ".":
        return _decimal(text, _DOT_FLOAT, text)
    if text[0] in "+-0123456789":
        return _digits(text)
    return text


def _digits(text: str) -> Scalar:
    plain = text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found is None or len(plain) > NUMBER_CHARACTERS:
        return _decimal(text, _FLOAT, plain)
    base = found.lastgroup or "dec"
    value = int(found["sign"] + found[base], _BASES[base])
    if -(2**63) <= value < 2**63:
        return value
    if found["sign"] or value >= 2**64:
        # Go's ParseInt and ParseUint fail here; what looks like a decimal float becomes one.
        return _decimal(text, _FLOAT, plain)
    return float(value)


def _decimal(text: str, pattern: re.Pattern[str], plain: str) -> Scalar:
    if pattern.fullmatch(plain) is None:
        return text
    if len(plain) > NUMBER_CHARACTERS:
        raise NotJson(
            f"a number of more than {NUMBER_CHARACTERS} characters; quote it if it is text"
        )
    value = float(plain)
    return text if math.isinf(value) else value


def _float_key(value: float) -> str:
    """Go's `FormatFloat(value, 'g', -1, 32)`: the shortest text that gives the same float32."""
    single = struct.pack("f", value)
    (rounded,) = struct.unpack("f", single)
    shortest = (f"{rounded:.{digits}e}" for digits in range(17))
    mantissa, _, exponent = next(
        text for text in shortest if struct.pack("f", float(text)) == single
    ).partition("e")
    power = int(exponent)
    if not -4 <= power < 6:
        return f"{mantissa}e{power:+03d}"
    decimals = len(mantissa.lstrip("-").replace(".", "")) - 1 - power
    return f"{float(f'{mantissa}e{exponent}'):.{max(decimals, 0)}f}"
