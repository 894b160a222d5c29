"""Runs the edits and prints what was planned beside what was seen.

python -m tests.realcluster.controllers.table [SCRIPT …]     needs CLUSTERFORM_REAL_MANAGED
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.realcluster import capi
from tests.realcluster.controllers.campaign import Campaign, Outcome
from tests.realcluster.controllers.edits import SCRIPTS
from tests.realcluster.controllers.observer import Machines
from tests.realcluster.lab import transport_of


def main(names: list[str]) -> int:
    """Print the table."""
    plane = capi.found(capi.MANAGED_FOLDER)
    os.environ["KUBECONFIG"] = str(plane.kubeconfig)
    machines = Machines(transport_of(plane))
    scripts = [s for s in SCRIPTS if not names or s.name in names]
    with tempfile.TemporaryDirectory() as root:
        Campaign(plane, Path(root), machines, tell=_tell).run(scripts)
    return 0


def _tell(id_: str, outcome: Outcome) -> None:
    print(f"{outcome.seconds:6.1f} s  {id_}")
    if outcome.failure:
        print("      FAILED", outcome.failure[-1500:])
    for line in outcome.said:
        print("      plan:", line)
    for owner in sorted({*outcome.predicted, *outcome.observed}):
        said, seen = outcome.predicted.get(owner), outcome.observed.get(owner)
        print(f"      {owner}:")
        if said:
            print(
                f"        planned  replaced {said.replaced} added {said.added}"
                f" removed {said.removed + said.destroyed} peak {said.peak} floor {said.floor}"
            )
        if seen:
            print(
                f"        observed replaced {seen.replaced} new {seen.new} gone {seen.gone}"
                f" peak {seen.peak} floor {seen.floor}"
            )
    moved = {o: s for o, s in outcome.afterwards.items() if s.gone or s.new}
    if moved:
        print("      AFTERWARDS", moved)
    if outcome.second:
        print("      SECOND PLAN", outcome.second)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
