"""What came from the network, and which version of many is meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from providers.helm.constraint import satisfies, version_key
from state.errors import ClusterformError


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A source at the revision that it resolved to."""

    resolved: str
    """As `providers.locked.Locked.resolved`."""
    content: bytes
    """The archive."""
    form: Literal["files", "chart"] = "files"


def newest(versions: Iterable[str], constraint: str, what: str, where: str) -> str:
    """The newest version that fits; a version that is named exactly is taken as it is.

    Raises ClusterformError('no-version', 'bad-constraint').
    """
    known = list(versions)
    if constraint in known:
        return constraint
    fitting = [v for v in known if satisfies(v, constraint or "*")]
    if not fitting:
        shown = ", ".join(sorted(known, key=version_key)[-5:]) or "none"
        raise ClusterformError(
            "no-version",
            f"no version of {where} fits {what}",
            detail=f"the newest versions there: {shown}",
        )
    return max(fitting, key=lambda version: (version_key(version), version))
