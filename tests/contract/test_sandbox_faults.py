"""Faults on cue, several processes, the simulated clock, workload servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from providers.kube.api import Request, TransportError
from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.faults import Fault
from providers.kube.sandbox.server import Sandbox, open_sandbox
from providers.kube.sandbox.world import Key, World

WIDGETS = "/apis/t.cform.test/v1beta2/widgets"


def test_fault_hits_as_often_as_it_says(client: Any, file: Any) -> None:
    file.fault(Fault(kind="status", method="GET", path=WIDGETS, status=503, count=2, skip=1))
    statuses = [client.send("GET", WIDGETS).status for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert file.faults() == []


def test_conflict_fault_has_no_causes(client: Any, file: Any, widget: Any) -> None:
    file.fault(Fault(kind="conflict", method="PATCH"))
    answer = client.apply(widget())
    assert (answer.status, "details" in answer.body) == (409, False)


@pytest.mark.parametrize(
    ("kind", "sent", "found"), [("drop-before", False, 404), ("drop-after", True, 200)]
)
def test_dropped_connection(
    client: Any, file: Any, widget: Any, kind: Any, sent: bool, found: int
) -> None:
    file.fault(Fault(kind=kind, method="PATCH"))
    with pytest.raises(TransportError) as error:
        client.apply(widget())
    assert error.value.sent is sent
    assert client.get(widget()).status == found


def test_delay_passes_on_the_clock(client: Any, file: Any, clock: ManualClock) -> None:
    file.fault(Fault(kind="delay", seconds=5))
    before = clock.now()
    client.send("GET", WIDGETS)
    assert clock.now() - before == 5


def test_second_page_can_fail(client: Any, file: Any, widget: Any) -> None:
    client.apply(widget("a"))
    client.apply(widget("b"))
    file.fault(Fault(kind="truncate"))
    token = client.send("GET", WIDGETS, limit="1").body["metadata"]["continue"]
    assert client.send("GET", WIDGETS, limit="1", **{"continue": token}).status == 410


def test_log_says_who_did_what_and_never_what_was_in_it(
    client: Any, file: Any, config_map: Any
) -> None:
    client.apply(config_map(data={"k": "planted-secret"}), dryRun="All")
    uid = client.apply(config_map(data={"k": "planted-secret"})).metadata["uid"]
    dry, real = file.requests()[-2:]
    assert (dry.dry_run, dry.created, real.dry_run, real.created) == (True, False, False, True)
    assert (real.uid, real.field_manager, real.status) == (uid, "clusterform", 201)
    assert "planted-secret" not in str(file.requests())


_OTHER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from providers.kube.api import APPLY_PATCH, Request
from providers.kube.sandbox.clock import WallClock
from providers.kube.sandbox.server import open_sandbox
file = open_sandbox(Path(sys.argv[1]), clock=WallClock(), reconcilers={})
for number in range(int(sys.argv[3])):
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}'
    path = f"/api/v1/namespaces/default/configmaps/{sys.argv[2]}-{number}"
    query = (("fieldManager", "m"),)
    file.management().request(
        Request(method="PATCH", path=path, query=query, body=body, content_type=APPLY_PATCH)
    )
"""


def _other(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(path), name, str(count)],
        env={**os.environ, "PYTHONPATH": here},
    )


def _maps(path: Path) -> int:
    file = open_sandbox(path, clock=ManualClock(1.8e9), reconcilers={})
    request = Request(method="GET", path="/api/v1/namespaces/default/configmaps")
    found = file.management().request(request).body.count(b'"uid"')
    file.close()
    return found


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    assert _maps(path) == 0
    running = [_other(path, name, 25) for name in ("a", "b")]
    assert [process.wait(30) for process in running] == [0, 0]
    assert _maps(path) == 50
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("after", "left"), [(False, 2), (True, 3)])
def test_crash_before_or_after_the_third_write(tmp_path: Path, after: bool, left: int) -> None:
    path = tmp_path / "crash.db"
    file = open_sandbox(path, clock=ManualClock(1.8e9), reconcilers={})
    file.fault(Fault(kind="crash", method="PATCH", skip=2, after=after))
    file.close()
    assert _other(path, "c", 10).wait(30) == -signal.SIGKILL
    assert _maps(path) == left


def _count_to_three(world: World, key: Key) -> None:
    """Writes its ticks into the status, one a second; a stuck object never ticks."""
    widget = world.get(*key)
    if widget is None or world.stuck(key):
        return
    ticks = (widget.get("status") or {}).get("n", 0)
    if ticks < 3:
        widget["status"] = {"n": ticks + 1, "phase": str(int(world.now))}
        world.update_status(widget, manager="ticker")
        world.wake(key, 1.0)


@pytest.fixture
def simulated(tmp_path: Path, clock: ManualClock, client: Any, recorded: Any) -> Any:
    reconcilers = {("t.cform.test", "Widget"): _count_to_three}
    file = open_sandbox(tmp_path / "simulated.db", clock=clock, reconcilers=reconcilers)
    found = type(client)(file.management())
    found.apply(recorded["crd"])
    found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sem"}})
    yield found, file
    file.close()


def test_controllers_follow_the_clock(simulated: Any, clock: ManualClock, widget: Any) -> None:
    client, _ = simulated
    client.apply(widget())
    start = clock.now()
    assert client.get(widget()).body["status"]["n"] == 3, "every change wakes its own object"
    clock.sleep(10)
    assert client.get(widget()).body["status"]["phase"] == str(int(start))


def test_stuck_object_never_becomes_ready(simulated: Any, clock: ManualClock, widget: Any) -> None:
    client, file = simulated
    file.fault(Fault(kind="stuck", path="t.cform.test/Widget/sem/a", count=None))
    client.apply(widget())
    clock.sleep(10)
    assert "status" not in client.get(widget()).body


def test_watch_lets_simulated_time_pass(simulated: Any, widget: Any) -> None:
    client, _ = simulated
    client.apply(widget())
    request = Request(method="GET", path=WIDGETS, query=(("resourceVersion", "1"),))
    assert len(list(client.transport.watch(request, timeout=3))) == 4


def _bring_up(world: World, key: Key) -> None:
    workload = world.workload(key[2], key[3], "secret-token")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    if workload.get("", "Node", "", "n1") is None:
        workload.create(node, manager="kubelet")


def test_workload_servers_answer_to_their_token(
    tmp_path: Path, clock: ManualClock, client: Any, recorded: Any, widget: Any
) -> None:
    reconcilers = {("t.cform.test", "Widget"): _bring_up}
    file = open_sandbox(tmp_path / "workload.db", clock=clock, reconcilers=reconcilers)
    management = type(client)(file.management())
    management.apply(recorded["crd"])
    management.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sem"}})
    management.apply(widget())
    management.get(widget())
    url = "https://sem-a.sandbox.invalid:6443"
    statuses = [_nodes(client, file.workload(url, token)) for token in ("secret-token", "wrong")]
    assert statuses == [200, 401]
    assert file.workload("https://nobody.sandbox.invalid:6443", "x") is None
    file.close()


def _nodes(client: Any, server: Sandbox | None) -> int:
    assert server is not None
    return int(type(client)(server).send("GET", "/api/v1/nodes").status)


def test_threads_share_a_server(client: Any, config_map: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.apply, [config_map(f"t{n}") for n in range(40)]))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.metadata["resourceVersion"] for answer in answers}) == 40
