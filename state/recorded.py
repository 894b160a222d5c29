"""What past runs wrote: enough to order deletes, tell drift from Git, and show history.

Never a secret value and never a copy of the world: losing the records costs `state rebuild`
(docs/semantics.md 3, 20).
"""

from __future__ import annotations

import msgspec

from state.resource import FieldPath, Release, ResourceId


class Recorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One managed object as last written."""

    id: ResourceId
    version: str
    uid: str
    unit: str = ""
    logical: str = ""
    digest: str = ""
    """Of the body that was sent, secrets by reference."""
    leaves: dict[str, str] = {}
    """Path → short hash of the value sent; sensitive paths left out."""
    hidden: tuple[FieldPath, ...] = ()
    """Fields that held a secret value though their kind does not say so: rendered ones."""
    depends_on: tuple[ResourceId, ...] = ()
    origin: str = ""
    release: Release | None = None
    """What it was rendered from when it was written."""
    run: str = ""
    commit: str = ""
    at: float = 0.0
    """Unix seconds of the write; 0 where the record was rebuilt from the live object."""


Records = dict[ResourceId, Recorded]
