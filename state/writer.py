"""Whom an object is written as: the field manager of its server-side applies.

Whether an apply would be a no-op depends on who sends it: the proof, the dry-run and what counts as
somebody else's field all take the manager from the resource (docs/server-side-apply.md).
"""

from __future__ import annotations

import msgspec

MANAGER = "clusterform"
"""The field manager of every write of ours. One stable name, always by server-side apply."""


class Writer(msgspec.Struct, frozen=True, gc=False):
    """Who writes an object."""

    manager: str = MANAGER


OURS = Writer()
"""clusterform itself: what a plan that it applies is made for."""
