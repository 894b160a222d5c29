"""Canonical spelling of resource quantities (apimachinery `pkg/api/resource/quantity.go`)."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_SPELLING = re.compile(r"^([+-]?[0-9.]+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?|[eE][+-]?[0-9]+)$")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS = {suffix: power for power, suffix in _DECIMAL.items()}


def canonical_quantity(value: str | int | float) -> str:
    """`1000m` → `1`, `1024Mi` → `1Gi`, 1 → `1`. What is no quantity stays as it is."""
    found = _SPELLING.match(str(value))
    if found is None:
        return str(value)
    number, suffix = Decimal(found[1]), found[2]
    if suffix in _BINARY[1:]:
        return _binary(number * 1024 ** _BINARY.index(suffix))
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return _exponent(number * Decimal(10) ** int(suffix[1:]))
    return _decimal(number * Decimal(10) ** _POWERS[suffix])


def _binary(number: Decimal) -> str:
    if number != number.to_integral_value() or abs(number) < 1024:
        return _decimal(number)
    whole, step = int(number), 0
    while whole and whole % 1024 == 0 and step < len(_BINARY) - 1:
        whole, step = whole // 1024, step + 1
    return f"{whole}{_BINARY[step]}"


def _decimal(number: Decimal) -> str:
    mantissa, power = _scaled(number)
    return f"{mantissa}{_DECIMAL[power]}"


def _exponent(number: Decimal) -> str:
    mantissa, power = _scaled(number)
    return f"{mantissa}e{power}" if power else str(mantissa)


def _scaled(number: Decimal) -> tuple[int, int]:
    """The largest power of 1000 that leaves a whole mantissa; below nano is rounded up."""
    for power in sorted(_DECIMAL, reverse=True):
        scaled = number.scaleb(-power)
        if scaled == scaled.to_integral_value() and (scaled or power == 0):
            return int(scaled), power
    return int(number.scaleb(9).to_integral_value(ROUND_CEILING)), -9
