"""The console script: check that the installation is whole before anything is imported from it.

The import packages are called `planner`, `providers` and `state`; distributions of these names
exist on PyPI and would overwrite ours without a word from pip (ARCHITECTURE.md, "Packaging").
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PACKAGES = ("planner", "providers", "state")


def main() -> None:
    """Run the command line and exit with its code."""
    problem = collision()
    if problem:
        sys.stderr.write(f"error[install-collision]: {problem}\n")
        sys.exit(1)
    from planner.cli.main import run

    sys.exit(run())


def collision() -> str:
    """Why these packages are not one installation; `""` if they are."""
    home = Path(__file__).resolve().parent.parent
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if found != home:
            return (
                f"the package {name!r} comes from {found or 'nowhere'}, not from {home}:"
                " another distribution has overwritten it; install clusterform on its own"
                " (pipx install clusterform)"
            )
    return ""
