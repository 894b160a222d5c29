"""Where the sandbox does not answer like a real server, and why that is left as it is.

A listed step that no longer differs fails the suite, as does one that differs and is not listed.
"""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """One step of one trace."""

    trace: str
    step: str
    why: str


DIFFERENCES: tuple[Difference, ...] = ()
