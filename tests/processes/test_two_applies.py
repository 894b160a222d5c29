"""Real processes, real signals, the real clock: one apply at a time, and leaving at any moment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planner.workspace import Workspace
from providers.kube.sandbox.clock import WallClock
from providers.kube.sandbox.faults import Fault
from providers.kube.sandbox.server import SandboxFile, open_sandbox
from tests.support.lab import FLEET, Lab

pytestmark = pytest.mark.slow
CLUSTERFORM = Path(sys.executable).with_name("clusterform")
NAMES = [f"map-{n}" for n in range(6)]


class Fleet:
    """Six ConfigMaps one after the other, in a folder that processes work on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen[str]] = []
        lab = Lab(root, fleet=FLEET.replace("[crds, clusters]", "[clusters]"))
        chain = ["apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n"]
        for before, name in zip(["", *NAMES], NAMES, strict=False):
            after = f"config.kubernetes.io/depends-on: /namespaces/team-a/ConfigMap/{before}"
            chain.append(
                "apiVersion: v1\nkind: ConfigMap\ndata: {value: a}\n"
                f"metadata: {{name: {name}, namespace: team-a"
                + (f", annotations: {{{after}}}}}\n" if before else "}\n")
            )
        lab.write("clusters/maps.yaml", "---\n".join(chain))
        lab.commit()

    @property
    def sandbox(self) -> SandboxFile:
        return open_sandbox(self.root / ".clusterform" / "sandbox-mgmt.db", clock=WallClock())

    def run(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [CLUSTERFORM, "-C", self.root, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        self.started.append(process)
        return process

    def finish(self, *arguments: str) -> tuple[int, str]:
        return outcome(self.run(*arguments))

    def slow(self, seconds: float = 1.5, name: str = "map-2") -> None:
        """Hold the write of one ConfigMap open, so that there is a run to disturb."""
        subprocess.run([CLUSTERFORM, "-C", self.root, "sandbox", "up"], check=True)
        path = f".*/configmaps/{name}"
        self.sandbox.fault(Fault(kind="delay", method="PATCH", path=path, seconds=seconds, count=1))

    def writes(self) -> list[str]:
        """Names of the ConfigMaps that were written, in the server's order."""
        found = [r.path.rsplit("/", 1)[1] for r in self.sandbox.requests() if is_write(r)]
        return [name for name in found if name.startswith("map-")]

    def wait_for(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not what():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)


def is_write(request: object) -> bool:
    return (
        getattr(request, "method", "") == "PATCH"
        and not getattr(request, "dry_run", True)
        and getattr(request, "status", 500) < 300
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=40)
    return process.returncode, out + err


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def unfinished(fleet: Fleet) -> str:
    """The id of the latest run in the journal."""
    return Workspace(fleet.root).journal.runs()[0].run


def test_of_two_applies_one_is_refused_and_told_who_holds_the_lock(fleet: Fleet) -> None:
    fleet.slow(5.0)  # as long as the second process may need to start
    first = fleet.run("apply", "--auto-approve")
    fleet.wait_for(lambda: "map-1" in fleet.writes())
    code, said = fleet.finish("apply", "--auto-approve")
    assert code == 3, said
    assert re.search(
        rf"another apply holds the lock: .+ pid {first.pid}, run {unfinished(fleet)}", said
    )
    assert outcome(first)[0] == 0
    assert fleet.writes() == NAMES


def test_a_second_apply_may_wait_for_the_first(fleet: Fleet) -> None:
    fleet.slow()
    first = fleet.run("apply", "--auto-approve")
    fleet.wait_for(lambda: "map-1" in fleet.writes())
    code, said = fleet.finish("apply", "--auto-approve", "--lock-timeout", "20s")
    assert outcome(first)[0] == 0
    assert code in (0, 4, 5), said
    assert sorted(set(fleet.writes())) == NAMES


def test_a_stopped_holder_that_wakes_up_writes_nothing_more(fleet: Fleet) -> None:
    fleet.slow(0.5)
    holder = fleet.run("apply", "--auto-approve", CLUSTERFORM_LEASE_SECONDS="2")
    fleet.wait_for(lambda: "map-1" in fleet.writes())
    holder.send_signal(signal.SIGSTOP)
    time.sleep(2.2)
    assert fleet.finish("state", "unlock", unfinished(fleet))[0] == 0
    before = fleet.writes()
    holder_run = unfinished(fleet)
    code, said = fleet.finish("apply", "--auto-approve")
    assert code == 0, said
    after = fleet.writes()
    records = [r for r in fleet.sandbox.requests() if "clusterform-" in r.path]
    holder.send_signal(signal.SIGCONT)
    code, said = outcome(holder)
    assert code not in (0, 4), said
    assert "lock" in said
    in_flight = fleet.writes()[len(after) :]
    assert in_flight == [] or in_flight == ["map-2"]
    woken = [r for r in fleet.sandbox.requests() if "clusterform-" in r.path][len(records) :]
    assert not [r for r in woken if r.method != "GET" and r.status < 300]
    assert before == NAMES[: len(before)]
    assert holder_run != unfinished(fleet)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_one_signal_stops_starting_and_resume_finishes(
    fleet: Fleet, number: signal.Signals
) -> None:
    fleet.slow()
    running = fleet.run("apply", "--auto-approve")
    fleet.wait_for(lambda: "map-1" in fleet.writes())
    time.sleep(0.2)
    running.send_signal(number)
    code, said = outcome(running)
    assert code == 130, said
    run = unfinished(fleet)
    assert f"--resume {run}" in said
    assert fleet.writes() == NAMES[:3], "the write in flight is finished, nothing new starts"
    phases = [e.phase for e in Workspace(fleet.root).journal.entries(run)]
    assert phases.count("intent") == phases.count("done")
    assert fleet.finish("apply", "--resume", run)[0] == 0
    assert fleet.writes() == NAMES
    assert "No changes" in fleet.finish("plan")[1]


def test_two_signals_leave_at_once_and_resume_finishes(fleet: Fleet) -> None:
    fleet.slow(30)
    running = fleet.run("apply", "--auto-approve")
    fleet.wait_for(lambda: "map-1" in fleet.writes())
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    code, said = outcome(running)
    assert (code, time.monotonic() - began < 2) == (130, True), said
    run = unfinished(fleet)
    fleet.sandbox.clear_faults()
    assert fleet.finish("apply", "--resume", run)[0] == 0
    assert fleet.writes() == NAMES
    assert "No changes" in fleet.finish("plan")[1]
