"""Version constraints as Helm reads them (Masterminds/semver v3, README "Checking Version
Constraints"): `1.4.x`, `~1.4`, `^1.2`, `>=1.2 <2`, `1.2 - 1.4`, `||`.

The tests hold it to the engine's own `semverCompare`, with what is odd there: `>x` is `>0.0.0`.
"""

from __future__ import annotations

import re

from providers.versions import Version
from state.errors import ClusterformError

_ONE = (
    r"v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?"
    r"(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_TERM = re.compile(rf"(=|!=|>=|=>|<=|=<|>|<|~>?|\^)?\s*{_ONE}(?=[\s,]|\Z)")
_BETWEEN = re.compile(r"\s*,\s*|\s+|\Z")
_HYPHEN = re.compile(rf"\s*(?P<low>{_ONE})\s+-\s+(?P<high>{_ONE})\s*")
_VERSION = re.compile(rf"{_ONE.replace('[xX*]', '(?!)')}")

_NUMBERS = 2**64
_VERSION_LENGTH, _CONSTRAINT_LENGTH = 256, 512
"""What Masterminds/semver takes; more is an error there, too (measured with the engine)."""

_Term = tuple[str, list[int | None], str]
"""Operator, the three numbers as far as they are given, pre-release."""


def satisfies(version: str, constraint: str) -> bool:
    """The version fits. Raises ClusterformError('bad-constraint')."""
    if len(constraint) > _CONSTRAINT_LENGTH:
        raise _bad(constraint)
    found = _parsed(version)
    groups = [_terms(part, constraint) for part in constraint.split("||")]
    if found is None:
        return False
    # A pre-release is taken only where one of the terms beside each other names one.
    return any(
        (not found.pre or any(pre for _, _, pre in terms))
        and all(_fits(found, term) for term in terms)
        for terms in groups
    )


def _parsed(text: str) -> Version | None:
    """A version with one, two or three numbers."""
    match = _VERSION.fullmatch(text) if len(text) <= _VERSION_LENGTH else None
    if match is None:
        return None
    major, minor, patch = (int(n or 0) for n in match.group(1, 2, 3))
    if max(major, minor, patch) >= _NUMBERS:
        return None
    return Version(major, minor, patch, (match[4] or "")[1:])


def version_key(version: str) -> tuple[object, ...]:
    """Sorts versions by their precedence; what is none comes first."""
    found = _parsed(version)
    return (1, *found.order) if found else (0,)


def _bad(constraint: str) -> ClusterformError:
    shown = constraint if len(constraint) <= _VERSION_LENGTH else f"{constraint[:40]}…"
    return ClusterformError("bad-constraint", f"{shown!r} is no version constraint")


def _terms(part: str, constraint: str) -> list[_Term]:
    hyphen = _HYPHEN.fullmatch(part)
    text = f">={hyphen['low']} <={hyphen['high']}" if hyphen else part.strip()
    found: list[_Term] = []
    at = 0
    while at < len(text) or not found:
        match = _TERM.match(text, at)
        between = _BETWEEN.match(text, match.end()) if match else None
        if match is None or between is None or (between.end() == len(text) > match.end()):
            raise _bad(constraint)
        if match.end() - match.start(2) > _VERSION_LENGTH:
            raise _bad(constraint)
        numbers: list[int | None] = []
        for number in match.group(2, 3, 4):  # what stands behind an x counts for nothing
            given = bool(number) and number not in "xX*" and None not in numbers
            numbers.append(int(number) if given else None)
        if any(number is not None and number >= _NUMBERS for number in numbers):
            raise _bad(constraint)
        found.append((match[1] or "", numbers, (match[5] or "")[1:]))
        at = between.end()
    return found


def _fits(version: Version, term: _Term) -> bool:
    operator, numbers, pre = term
    major, minor, patch = (n or 0 for n in numbers)
    low = Version(major, minor, patch, pre)
    given = next((i for i, n in enumerate(numbers) if n is None), 3)
    if operator in ("", "=") and given == 3:
        return version.order == low.order
    if operator == "!=":
        exact = given in (0, 3)
        return version.order != low.order if exact else not _within(version, low, given)
    if operator in ("", "=", "~", "~>"):
        width = min(given, 2) if operator.startswith("~") else given
        return _within(version, low, width)
    if operator == "^":
        first = next((i for i, n in enumerate(numbers) if n), max(given - 1, 0))
        return _within(version, low, min(first + 1, max(given, 1)) if given else 3)
    if operator in (">=", "=>"):
        return version.order >= low.order
    if operator == ">":
        partial = given in (1, 2)
        return version.order >= _above(low, given).order if partial else version.order > low.order
    if operator in ("<=", "=<"):
        if given == 3:
            return version.order <= low.order
        return version.order < _above(low, given or 2).order
    return version.order < low.order


def _within(version: Version, low: Version, width: int) -> bool:
    """At least `low`, and the same in its first `width` numbers."""
    parts, base = (version.major, version.minor, version.patch), (low.major, low.minor, low.patch)
    return version.order >= low.order and parts[:width] == base[:width]


def _above(low: Version, given: int) -> Version:
    """The first version behind everything that a partial one stands for."""
    return Version(low.major + 1, 0) if given == 1 else Version(low.major, low.minor + 1)
