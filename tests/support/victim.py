"""A process that applies and is killed on cue.

    python -m tests.support.victim ROOT MODE KILL START

MODE is `apply` or a run to resume; KILL is the number of the journal commit after which the process
kills itself (0: never); START is where its simulated clock begins.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from planner import app
from planner.app import ApplyOptions
from planner.workspace import Ids, Workspace
from providers.kube.sandbox.clock import ManualClock
from state.journal import Journal


def main(root: str, mode: str, kill: int, start: float) -> int:
    """Apply or resume; prints how many journal commits there were."""
    clock = ManualClock(start)
    commits = 0
    append = Journal.append

    def counting(self: Journal, *arguments: object) -> None:
        nonlocal commits
        append(self, *arguments)  # type: ignore[arg-type]
        commits += 1
        if commits == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.append = counting  # type: ignore[method-assign,assignment]
    ids = Ids(clock.now, clock.now, clock.sleep, lambda: "killed01", "victim@test", "test")
    workspace = Workspace(Path(root), ids=ids, clock=clock)
    options = ApplyOptions(parallel=3)
    if mode == "apply":
        plan = app.plan(workspace)
        done = app.apply(workspace, plan, None, options, _quiet, _quiet)
    else:
        done = app.resume(workspace, mode, options, _quiet, _quiet)
    sys.stdout.write(f"{commits} {done.count('done')} {len(done.results)}\n")
    for result in done.results:
        if result.outcome != "done":
            sys.stdout.write(f"{result}\n")
    return 0 if done.count("done") == len(done.results) else 1


def _quiet(_: object) -> None:
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
