"""The one exception type that clusterform raises on purpose, and how it maps to exit codes.

A library's own exceptions stop at its door (see ARCHITECTURE.md, rule 2) and are turned into a
`ClusterformError` there. The command line prints it as

    error[code]: brief
      --> where
      detail
      hint
"""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit codes of every command (documented in README.md)."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    REFUSED = 3
    STALE = 4
    PARTIAL = 5
    INTERRUPTED = 130


_EXITS = {
    "refused": Exit.REFUSED,
    "lock-held": Exit.REFUSED,
    "stale": Exit.STALE,
    "partial": Exit.PARTIAL,
    "interrupted": Exit.INTERRUPTED,
}


class ClusterformError(Exception):
    """Something the user can act on: what, where, why, and what to do next.

    `code` is stable and machine-readable (kebab-case); `brief` is one line; `detail` says why;
    `hint` says the way out; `where` is `file:line[:column]` or an object such as
    `MachineDeployment team-a/shop-md0`. None of them may hold a secret value.
    """

    def __init__(
        self, code: str, brief: str, *, detail: str = "", hint: str = "", where: str = ""
    ) -> None:
        super().__init__(brief)
        self.code = code
        self.brief = brief
        self.detail = detail
        self.hint = hint
        self.where = where

    @property
    def exit(self) -> Exit:
        """The process exit code for this error; `Exit.ERROR` unless its code has its own."""
        return _EXITS.get(self.code, Exit.ERROR)

    def __str__(self) -> str:
        lines = [self.brief]
        if self.where:
            lines.append(f"  --> {self.where}")
        lines += [f"  {line}" for line in (*self.detail.splitlines(), *self.hint.splitlines())]
        return "\n".join(lines)
