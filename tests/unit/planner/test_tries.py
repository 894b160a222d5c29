"""Edits are tried in copies of this process, where it has no threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys, threading
from planner.tries import Outcome, Result, _in_processes

def work(index):
    return Result(problem=f"{index} {os.getpid() != PARENT}")

PARENT = os.getpid()
done = threading.Event()
if "threads" in sys.argv:
    threading.Thread(target=done.wait).start()
print(*(r.problem for r in _in_processes(work, 4, int(sys.argv[1]))), sep=", ")
done.set()
"""


@pytest.mark.parametrize(
    ("arguments", "copies"),
    [(["2"], True), (["1"], False), (["2", "threads"], False)],
    ids=["two processes", "one", "a process with threads is not copied"],
)
def test_where_edits_are_tried(arguments: list[str], copies: bool) -> None:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == ", ".join(f"{index} {copies}" for index in range(4))
