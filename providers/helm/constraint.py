"""Version constraints as Helm reads them (Masterminds/semver v3, README "Checking Version
Constraints"): `1.4.x`, `~1.4`, `^1.2`, `>=1.2 <2`, `1.2 - 1.4`, `||`."""

from __future__ import annotations

import re

from providers.versions import Version, parse_loosely
from state.errors import ClusterformError

_TERM = re.compile(
    r"(=|!=|>=|=>|<=|=<|>|<|~>?|\^)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?"
    r"(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
)
_HYPHEN = re.compile(r"\s*(v?[\d.xX*]+)\s+-\s+(v?[\d.xX*]+)\s*")


def satisfies(version: str, constraint: str) -> bool:
    """The version fits. Raises ClusterformError('bad-constraint')."""
    found = parse_loosely(version)
    if found is None:
        return False
    return any(
        all(_fits(found, term) for term in _terms(part, constraint))
        for part in constraint.split("||")
    )


def version_key(version: str) -> tuple[object, ...]:
    """Sorts versions by their precedence; what is none comes first."""
    found = parse_loosely(version)
    return (1, *found.order) if found else (0,)


def _terms(part: str, constraint: str) -> list[tuple[str, list[int | None], str]]:
    hyphen = _HYPHEN.fullmatch(part)
    text = f">={hyphen[1]} <={hyphen[2]}" if hyphen else part.replace(",", " ")
    found, rest = [], text
    while rest := rest.strip():
        match = _TERM.match(rest)
        if match is None:
            raise ClusterformError("bad-constraint", f"{constraint!r} is no version constraint")
        numbers = [int(n) if n and n.isdecimal() else None for n in match.group(2, 3, 4)]
        found.append((match[1] or "", numbers, (match[5] or "")[1:]))
        rest = rest[match.end() :]
    return found or [("", [None, None, None], "")]


def _fits(version: Version, term: tuple[str, list[int | None], str]) -> bool:
    operator, numbers, pre = term
    if version.pre and not pre:
        return False  # a pre-release is taken only where the constraint names one
    major, minor, patch = (n or 0 for n in numbers)
    low = Version(major, minor, patch, pre)
    given = next((i for i, n in enumerate(numbers) if n is None), 3)
    if operator in ("", "=") and given == 3:
        return version.order == low.order
    if operator == "!=":
        return version.order != low.order if given == 3 else not _within(version, low, given)
    if operator in ("", "=", "~", "~>"):
        width = min(given, 2) if operator.startswith("~") else given
        return _within(version, low, width)
    if operator == "^":
        first = next((i for i, n in enumerate(numbers) if n), max(given - 1, 0))
        return _within(version, low, min(first + 1, max(given, 1)))
    if operator in (">=", "=>"):
        return version.order >= low.order
    if operator == ">":
        return version.order >= _above(low, given).order if given < 3 else version.order > low.order
    if operator in ("<=", "=<"):
        return version.order < _above(low, given).order if given < 3 else version.order <= low.order
    return version.order < low.order


def _within(version: Version, low: Version, width: int) -> bool:
    """At least `low`, and the same in its first `width` numbers."""
    parts, base = (version.major, version.minor, version.patch), (low.major, low.minor, low.patch)
    return version.order >= low.order and parts[:width] == base[:width]


def _above(low: Version, given: int) -> Version:
    """The first version behind everything that a partial one stands for."""
    return {
        0: Version(1_000_000, 0),
        1: Version(low.major + 1, 0),
        2: Version(low.major, low.minor + 1),
    }[given]
