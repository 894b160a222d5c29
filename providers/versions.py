"""Kubernetes versions: how far one is from another, and which ones a Cluster API release supports.

Sources: Cluster API v1.14.0, util/version (the accepted form) and the book's "Version support"
(docs/book/src/reference/versions.md); Kubernetes version skew policy.
"""

from __future__ import annotations

import enum
import re

import msgspec

_NUMBER = r"(0|[1-9][0-9]*)"
_STRICT = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}((?:[-+][-0-9A-Za-z_.+]*)?)")
_LOOSE = re.compile(r"v?([0-9]+)\.([0-9]+)(?:\.([0-9]+))?([-+].*)?")


class Version(msgspec.Struct, frozen=True, gc=False):
    """A version taken apart. `pre` is what follows a `-`; build metadata (`+…`) never orders."""

    major: int
    minor: int
    patch: int = 0
    pre: str = ""

    @property
    def series(self) -> tuple[int, int]:
        """Major and minor: what skew is counted in."""
        return self.major, self.minor

    @property
    def order(self) -> tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]:
        """Sorts by semver's precedence: a pre-release comes before its release."""
        parts = tuple(_identifier(part) for part in self.pre.split(".")) if self.pre else ()
        return self.major, self.minor, self.patch, 0 if self.pre else 1, parts

    @property
    def short(self) -> str:
        """`1.35`."""
        return f"{self.major}.{self.minor}"


def _identifier(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


def parse(text: object) -> Version | None:
    """A version as Cluster API takes it, the leading `v` optional; None for anything else."""
    return _version(_STRICT.fullmatch(text)) if isinstance(text, str) else None


def parse_loosely(text: object) -> Version | None:
    """Also `v1.35`, as managed control planes and image tags write it."""
    return _version(_LOOSE.fullmatch(text)) if isinstance(text, str) else None


def _version(found: re.Match[str] | None) -> Version | None:
    if found is None or any(len(number or "") > 6 for number in found.groups()[:3]):
        return None
    major, minor, patch, rest = found.groups()
    before_build = (rest or "").partition("+")[0]
    return Version(int(major), int(minor), int(patch or 0), before_build.removeprefix("-"))


class Step(enum.Enum):
    """How far a wanted version is from the live one."""

    SAME = "same"
    PATCH = "patch"
    MINOR = "minor"
    """The next minor version, whatever the patch."""
    SKIPS = "skips"
    """More than one minor version at once."""
    DOWNGRADE = "downgrade"
    UNKNOWN = "unknown"
    """One of the two is no version."""


def version_step(live: object, wanted: object) -> Step:
    """Classify the way from a live version to a wanted one; both as they stand in the objects."""
    before, after = parse_loosely(live), parse_loosely(wanted)
    if before is None or after is None:
        return Step.UNKNOWN
    if after.order < before.order:
        return Step.DOWNGRADE
    if after.series == before.series:
        same = str(live).removeprefix("v") == str(wanted).removeprefix("v")
        return Step.SAME if same else Step.PATCH
    one_more = after.major == before.major and after.minor == before.minor + 1
    return Step.MINOR if one_more else Step.SKIPS


class Support(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which Kubernetes versions one minor release of Cluster API supports, both ends included."""

    capi: tuple[int, int]
    management: tuple[tuple[int, int], tuple[int, int]]
    workload: tuple[tuple[int, int], tuple[int, int]]
    since: tuple[tuple[tuple[int, int], int], ...] = ()
    """Kubernetes minor → the patch release of Cluster API that added it."""


MATRIX: tuple[Support, ...] = (
    Support(capi=(1, 14), management=((1, 33), (1, 36)), workload=((1, 31), (1, 36))),
    Support(
        capi=(1, 13),
        management=((1, 32), (1, 36)),
        workload=((1, 30), (1, 36)),
        since=(((1, 36), 1),),
    ),
    Support(
        capi=(1, 12),
        management=((1, 31), (1, 36)),
        workload=((1, 29), (1, 36)),
        since=(((1, 35), 1), ((1, 36), 8)),
    ),
)
"""docs/book/src/reference/versions.md of v1.14.0. Patch releases raise the upper ends."""


def unsupported(capi: Version, kubernetes: Version, *, management: bool) -> str:
    """Why this release of Cluster API does not support a Kubernetes version; `""`: it does.

    Also `""` for releases that the table does not know: nothing is claimed about them.
    """
    row = next((r for r in MATRIX if r.capi == capi.series), None)
    if row is None:
        return ""
    low, high = row.management if management else row.workload
    span = f"{low[0]}.{low[1]} to {high[0]}.{high[1]}"
    if not low <= kubernetes.series <= high:
        return f"Cluster API {capi.short} supports {span}"
    patch = dict(row.since).get(kubernetes.series, 0)
    if capi.patch < patch:
        return f"Cluster API supports {kubernetes.short} from v{capi.short}.{patch}"
    return ""
