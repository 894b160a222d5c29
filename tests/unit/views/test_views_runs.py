"""Progress, report, errors, records and status as text."""

from __future__ import annotations

import io
import json
import sys
import threading

import pytest

from planner import events
from planner.views.board import Board
from planner.views.problems import error_text, findings_text
from planner.views.progress import open_progress
from planner.views.records import history_text, list_text, show_text
from planner.views.report import clock, report_text
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.live import Absent, Unreadable
from state.recorded import Recorded
from state.records import RunSummary
from state.resource import ResourceId

RUN = "0192f3a1b2c3d4e5f6a7b8c9"
STARTED = events.RunStarted(run=RUN, fleet="acme", epoch=41, actions=3)
STORY: tuple[events.Event, ...] = (
    STARTED,
    events.Started(action="KubeadmControlPlane team-a/shop", verb="update"),
    events.Done(action="KubeadmControlPlane team-a/shop", verb="update"),
    events.Waiting(
        resource="KubeadmControlPlane team-a/shop",
        milestone="rolled-out",
        message="2 of 3 machines up to date",
    ),
    events.Started(action="ConfigMap kube-system/cni", verb="create"),
    events.Failed(action="ConfigMap kube-system/cni", code="api-invalid", message="no\x1b[2J"),
    events.Skipped(action="DaemonSet kube-system/cni", because="needs ConfigMap kube-system/cni"),
    events.Reached(resource="KubeadmControlPlane team-a/shop", milestone="rolled-out"),
)


# ---------------------------------------------------------------------- report


def _result(action: str, outcome: str, message: str = "", unit: str = "") -> events.Result:
    return events.Result(action=action, verb="update", outcome=outcome, message=message, unit=unit)


def test_the_report_lists_what_is_not_done_and_how_to_go_on() -> None:
    finished = events.RunFinished(
        run=RUN,
        seconds=843.2,
        results=(
            _result("Cluster a/x", "done"),
            _result("MachineDeployment team-c/edge-7-md0", "failed", "denied the request"),
            _result(
                "ConfigMap fluent-bit/config",
                "skipped",
                "needs MachineDeployment team-c/edge-7-md0",
                "mgmt-eu/team-c/edge-7:addons",
            ),
        ),
    )
    assert report_text(finished) == (
        "Done 1 · failed 1 · skipped 1 · not started 0 in 14:03\n"
        " ✖ MachineDeployment team-c/edge-7-md0: denied the request\n"
        " ↷ ConfigMap fluent-bit/config in team-c/edge-7:"
        " skipped, needs MachineDeployment team-c/edge-7-md0\n"
        f"Resume with: clusterform apply --resume {RUN}\n"
    )


def test_a_report_of_success_is_one_line() -> None:
    finished = events.RunFinished(run=RUN, seconds=7, results=(_result("Cluster a/x", "done"),))
    assert report_text(finished) == "Done 1 · failed 0 · skipped 0 · not started 0 in 00:07\n"


def test_failures_are_all_listed_and_the_rest_is_folded() -> None:
    results = [_result(f"ConfigMap a/f{n}", "failed", "no") for n in range(50)]
    results += [_result(f"ConfigMap a/s{n}", "skipped", "needs it") for n in range(50)]
    text = report_text(events.RunFinished(run=RUN, seconds=1, results=tuple(results)))
    assert text.count("✖") == 50
    assert "↷ and 30 more" in text


def test_clock() -> None:
    assert [clock(s) for s in (0, 65, 3661)] == ["00:00", "01:05", "1:01:01"]


# ---------------------------------------------------------------------- progress


def _shown(form: str, *, quiet: bool = False) -> str:
    stream = io.StringIO()
    with open_progress(form=form, quiet=quiet, color="auto", stream=stream) as progress:
        for event in STORY:
            progress.emit(event)
    return stream.getvalue()


def test_plain_progress_is_one_line_for_each_change_of_state() -> None:
    lines = _shown("text").splitlines()
    assert [line.partition(" ")[2] for line in lines] == [
        f"lock acme epoch 41 · run {RUN} · 3 actions",
        "✔ update KubeadmControlPlane team-a/shop",
        "⋯ KubeadmControlPlane team-a/shop: 2 of 3 machines up to date",
        "✖ ConfigMap kube-system/cni: no\\x1b[2J [api-invalid]",
        "↷ DaemonSet kube-system/cni: skipped, needs ConfigMap kube-system/cni",
        "✔ KubeadmControlPlane team-a/shop: rolled out",
    ]


def test_json_progress_is_every_event_with_its_type() -> None:
    found = [json.loads(line) for line in _shown("json").splitlines()]
    assert [f["type"] for f in found] == [
        "run_started",
        "started",
        "done",
        "waiting",
        "started",
        "failed",
        "skipped",
        "reached",
    ]
    assert all(f["elapsed"] >= 0 for f in found)


def test_quiet_shows_nothing_but_json_was_asked_for() -> None:
    assert _shown("text", quiet=True) == ""
    assert _shown("json", quiet=True)


def test_lines_of_many_threads_stay_whole() -> None:
    stream = io.StringIO()
    with open_progress(form="text", quiet=False, color="auto", stream=stream) as progress:
        threads = [
            threading.Thread(
                target=lambda n=n: [
                    progress.emit(events.Done(action=f"ConfigMap a/c{n}", verb="create"))
                    for _ in range(200)
                ]
            )
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1600
    assert all(line[6:].startswith("✔ create ConfigMap a/c") for line in lines)


def test_the_board_counts_and_fits_its_terminal() -> None:
    board = Board()
    for event in STORY[:-1]:
        board.note(event)
    lines = board.lines(elapsed=372, width=60, height=8)
    assert lines[0].startswith("lock acme epoch 41")
    assert lines[1] == " ✔ 1 done   ▶ 1 running   ⋯ 0 waiting   ✖ 1   ↷ 1   ⏱ 06:12"
    assert any("2 of 3 machines" in line for line in lines)
    assert "Ctrl-C" in lines[-1]
    for number in range(100):
        board.note(events.Started(action=f"ConfigMap a/c{number}", verb="create"))
    lines = board.lines(elapsed=1, width=60, height=8)
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 60
    assert any(line.startswith(" … ") for line in lines)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_live_board_and_is_left_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = _Terminal()
    with open_progress(form="text", quiet=False, color="never", stream=stream) as progress:
        for event in STORY[:4]:
            progress.emit(event)
    shown = stream.getvalue()
    assert "lock acme epoch 41" in shown
    assert shown.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in shown


def test_rich_is_imported_by_the_live_view_alone() -> None:
    importers = {
        name
        for name, module in sys.modules.items()
        if name.startswith("planner.") and any(k.startswith("Rich") for k in vars(module))
    }
    assert importers <= {"planner.views.live"}


# ---------------------------------------------------------------------- problems


def test_an_error_says_what_where_why_and_what_to_do() -> None:
    error = ClusterformError(
        "stale",
        "KubeadmControlPlane team-a/shop-prod is not what this plan was made from",
        where="clusters/a.yaml:3",
        detail="spec.replicas was 3, is 5 now\nand \x1b[31mred",
        hint="Make a new plan: clusterform plan -o plan.json",
    )
    assert error_text(error) == (
        "error[stale]: KubeadmControlPlane team-a/shop-prod is not what this plan was made from\n"
        "  --> clusters/a.yaml:3\n"
        "  spec.replicas was 3, is 5 now\n"
        "  and \\x1b[31mred\n"
        "  Make a new plan: clusterform plan -o plan.json"
    )


def test_findings_come_errors_first_then_by_place() -> None:
    found = [
        Finding(severity="warning", code="w", summary="yes", path="a.yaml", line=1),
        Finding(severity="error", code="e", summary="twice", path="b.yaml", line=9, hint="once"),
    ]
    assert findings_text(found) == (
        "error[e]: twice\n  --> b.yaml:9\n  once\n\nwarning[w]: yes\n  --> a.yaml:1\n\n"
    )
    assert findings_text([]) == ""


# ---------------------------------------------------------------------- records

ID = ResourceId("mgmt-eu", "cluster.x-k8s.io", "Cluster", "team-a", "shop-prod")
RECORDED = Recorded(
    id=ID,
    version="cluster.x-k8s.io/v1beta2",
    uid="u1",
    run=RUN,
    commit="4f2c9e1" + "0" * 33,
    at=1_800_000_000.0,
    origin="clusters/a.yaml:1",
)


def test_records_are_one_line_each() -> None:
    assert list_text([RECORDED]) == (
        "mgmt-eu  cluster.x-k8s.io/Cluster team-a/shop-prod  applied 4f2c9e1"
        "  2027-01-15 08:00Z  run 0192f3a1b2c3\n"
    )
    assert list_text([]) == "Nothing is recorded.\n"


@pytest.mark.parametrize(
    ("live", "words"),
    [(Absent(ID), "not there"), (Unreadable(ID, "forbidden"), "could not be read: forbidden")],
)
def test_a_record_beside_its_live_object(live: Absent | Unreadable, words: str) -> None:
    text = show_text(RECORDED, live, [ID])
    assert f"live          {words}\n" in text
    assert "needed by     1\n              Cluster team-a/shop-prod\n" in text


def test_history_is_one_line_a_run() -> None:
    run = RunSummary(
        run=RUN,
        started=1_800_000_000.0,
        finished=1_800_000_090.0,
        who="a@b",
        outcome="done",
        done=3,
    )
    assert history_text([run]).startswith(f"{RUN}  2027-01-15 08:00Z  done  done 3, failed 0")
    assert history_text([]) == "Nothing has been applied yet.\n"
