"""SIGKILL at every boundary of the journal, and between request and answer; then `--resume`.

Afterwards everything is as an undisturbed run leaves it, and the server's log has one successful
create for every object.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from providers.kube.sandbox.faults import Fault
from tests.support.lab import START, Lab
from tests.support.manifests import NAMESPACE, addon, cluster

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BEFORE = f"""{NAMESPACE}---
apiVersion: v1
kind: ConfigMap
metadata: {{name: changed, namespace: team-a}}
data: {{value: one}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: removed, namespace: team-a}}
---
apiVersion: v1
kind: Secret
metadata: {{name: replaced, namespace: team-a}}
type: Opaque
stringData: {{key: first}}
"""
AFTER = (
    BEFORE.replace("one", "two")
    .replace("Opaque", "example.org/other")
    .replace(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: removed, namespace: team-a}\n---\n", ""
    )
)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet that is applied once and then changed in Git: create, update, replace, delete."""
    root = tmp_path_factory.mktemp("kill") / "fleet"
    root.mkdir()
    lab = Lab(root)
    lab.write("clusters/c1.yaml", BEFORE)
    lab.commit()
    lab.converge()
    lab.write("clusters/c1.yaml", "---\n".join((AFTER, cluster(), addon("c1"))))
    lab.commit()
    return root


def copy_of(before: Path, target: Path) -> Path:
    root = target / "fleet"
    shutil.copytree(before, root)
    return root


def victim(root: Path, mode: str, kill: int, start: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.support.victim", str(root), mode, str(kill), str(start)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def check_end(root: Path, start: float) -> None:
    again = Lab.reopen(root, start)
    plan = again.plan()
    assert plan.changes == (), [f"{c.verb} {c.id}" for c in plan.changes]
    created = Counter(
        (r.server, r.path)
        for r in again.sandbox.requests()
        if r.created and r.field_manager == "clusterform" and r.method == "PATCH"
    )
    replaced = {path for (_, path), count in created.items() if count == 2}
    assert {path.rsplit("/", 1)[1] for path in replaced} <= {"replaced"}
    assert max(created.values()) <= 2


def boundaries(before: Path, tmp: Path) -> int:
    undisturbed = victim(copy_of(before, tmp), "apply", 0, START + 1000)
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr
    return int(undisturbed.stdout.split()[0])


def test_killed_after_any_journal_commit_a_run_can_be_finished(
    before: Path, tmp_path: Path
) -> None:
    count = boundaries(before, tmp_path / "whole")
    assert count > 10
    for kill in range(1, count + 1):
        root = copy_of(before, tmp_path / f"kill{kill}")
        killed = victim(root, "apply", kill, START + 1000)
        if killed.returncode == 0:
            assert kill > count - 5  # results that come together share a commit
            break
        assert killed.returncode == -signal.SIGKILL
        resumed = victim(root, "killed01", 0, START + 2000)
        assert resumed.returncode == 0, (kill, resumed.stdout, resumed.stderr[-2000:])
        check_end(root, START + 3000)
        shutil.rmtree(root)


@pytest.mark.parametrize("after", [False, True], ids=["request-sent", "request-done"])
def test_killed_between_request_and_answer_a_run_can_be_finished(
    before: Path, tmp_path: Path, after: bool
) -> None:
    for number in range(0, 22, 3):
        root = copy_of(before, tmp_path / f"cut{number}")
        lab = Lab.reopen(root, START + 900)
        lab.sandbox.fault(
            Fault(kind="crash", method="PATCH|DELETE", skip=number, after=after, count=1)
        )
        lab.sandbox.close()
        killed = victim(root, "apply", 0, START + 1000)
        if killed.returncode == 0:
            break  # fewer writes than that
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
        again = Lab.reopen(root, START + 1900)
        again.sandbox.clear_faults()
        again.sandbox.close()
        resumed = victim(root, "killed01", 0, START + 2000)
        if "there is no run" in resumed.stderr:  # it was a dry-run of the plan that was cut
            resumed = victim(root, "apply", 0, START + 2000)
        assert resumed.returncode == 0, (number, resumed.stdout, resumed.stderr[-2000:])
        check_end(root, START + 3000)
        shutil.rmtree(root)
