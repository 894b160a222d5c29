"""The options before the command. Imports nothing heavy: `--help` of every command passes here."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Global:
    """The options before the command."""

    root: Path
    fleet: str | None
    color: str
    verbose: int
    quiet: bool
    log_format: str

    def workspace(self, ref: str | None = None, *, offline: bool = False) -> Workspace:
        """The checkout at a revision. `offline`: no cluster is asked for what Git lacks."""
        from planner.workspace import Workspace

        return Workspace(self.root, fleet_file=self.fleet, ref=ref, offline=offline)

    def colored(self) -> bool:
        """Whether results on stdout may carry colour."""
        if self.color != "auto":
            return self.color == "always"
        return sys.stdout.isatty()
