"""The command line as a user meets it: exit codes, messages, and what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.cli.main import run
from state.errors import Exit
from tests.support.manifests import cluster

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of manifests without Git and without a Fleet file."""
    root = tmp_path / "repo"
    root.mkdir()
    (root / "settings.yaml").write_text(CONFIG_MAP)
    return root


def clusterform(folder: Path, *arguments: str) -> int:
    return run(["-C", str(folder), *arguments])


def test_plan_apply_plan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = folder / "plan.json"
    assert clusterform(folder, "plan", "--detailed-exitcode", "-o", str(plan)) == Exit.CHANGES
    assert "Plan: 1 to add" in capsys.readouterr().out
    assert clusterform(folder, "-q", "apply", str(plan)) == Exit.OK
    assert "Done 1" in capsys.readouterr().out
    assert clusterform(folder, "plan", "--detailed-exitcode") == Exit.OK
    assert "No changes." in capsys.readouterr().out


def test_a_saved_plan_is_shown_without_cluster_and_repository(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.json"
    clusterform(folder, "plan", "-o", str(plan))
    planned = capsys.readouterr().out.splitlines()[0]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert clusterform(elsewhere, "show", str(plan)) == Exit.OK
    assert capsys.readouterr().out.splitlines()[0] == planned
    assert list(elsewhere.iterdir()) == []


def test_the_json_of_a_plan_is_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clusterform(folder, "plan", "--format", "json")
    shown = json.loads(capsys.readouterr().out)
    assert [c["actions"] for c in shown["changes"]] == [["create"]]
    assert shown["applyable"] is True


def test_apply_without_anybody_to_ask_is_refused(folder: Path) -> None:
    assert clusterform(folder, "apply") == Exit.REFUSED


def test_a_plan_is_refused_when_another_was_approved(folder: Path) -> None:
    arguments = ("apply", "--auto-approve", "--expect-digest")
    assert clusterform(folder, *arguments, "0" * 64) == Exit.REFUSED
    assert clusterform(folder, *arguments, "0000-0000") == Exit.REFUSED


def test_a_plan_is_applied_when_its_digest_was_approved(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clusterform(folder, "plan", "--format", "json")
    digest = json.loads(capsys.readouterr().out)["digest"]
    assert clusterform(folder, "-q", "apply", "--auto-approve", "--expect-digest", digest) == 0


def test_a_stale_plan_writes_nothing(folder: Path) -> None:
    plan = str(folder / "plan.json")
    clusterform(folder, "plan", "-o", plan)
    clusterform(folder, "-q", "apply", "--auto-approve")
    assert clusterform(folder, "-q", "apply", plan) == Exit.STALE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--target", "kind=Foo"), "nothing matches 'kind=Foo'"),
        (("plan", "--target", "nonsense"), "cannot read the selector"),
        (("plan", "--ref", "no-such-branch"), "error"),
        (("plan", "--allow-destroy", "a/b"), "there is no such object"),
        (("show", "missing.json"), "this plan cannot be used"),
        (("apply", "--resume", "x"), "there is no run x"),
        (("kubeconfig", "a/b"), "there is no cluster a/b"),
        (("state", "show", "Kind/x"), "nothing is recorded as Kind/x"),
        (("state", "unlock", "x"), "nobody holds the lock"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_errors_say_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert clusterform(folder, *arguments) == Exit.ERROR
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_broken_file_is_named_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.yaml").write_text("kind: [}\n")
    assert clusterform(folder, "plan") == Exit.ERROR
    assert "broken.yaml:1" in capsys.readouterr().err
    assert clusterform(folder, "validate") == Exit.ERROR


def test_an_empty_folder_is_no_error_but_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clusterform(tmp_path, "plan") == Exit.OK
    assert "no manifests were found" in capsys.readouterr().out


def test_what_stands_in_the_way_is_in_the_exit_code(folder: Path) -> None:
    away = CONFIG_MAP.replace("settings", "settings, namespace: nowhere")
    (folder / "away.yaml").write_text(away)
    assert clusterform(folder, "plan") == Exit.ERROR
    assert clusterform(folder, "-q", "apply", "--auto-approve") == Exit.PARTIAL
    assert clusterform(folder, "-q", "apply", "--auto-approve") == Exit.ERROR


def test_resume_without_a_run_is_a_usage_error(folder: Path) -> None:
    assert clusterform(folder, "apply", "--auto-approve", "--resume", "") == Exit.ERROR


def test_validate_names_a_reference_that_git_lacks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "cluster.yaml").write_text(cluster().replace("    name: c1-cp\n", "    name: typo\n"))
    clusterform(folder, "validate")
    shown = capsys.readouterr()
    told = " ".join((shown.out + shown.err).split())
    assert "refers to DevMachineTemplate team-a/typo, which is not in Git" in told
