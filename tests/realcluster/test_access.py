"""Who we are towards a real server, and what stays behind when a run ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from providers.builtin import Served
from providers.kube import client as clients
from providers.kube.api import JSON, Request, Response, TransportError
from providers.kube.client import KubeClient
from providers.kube.http import from_context
from tests.realcluster.lab import transport_of
from tests.realcluster.server import ROOT, ControlPlane

WHO = Request(
    method="POST",
    path="/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body=b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
    content_type=JSON,
)


def user_of(path: Path) -> str:
    """Who the server takes us for, by a kubeconfig."""
    answer = from_context("real").request(WHO)
    assert answer.status == 201, (path, answer.body)
    return str(json.loads(answer.body)["status"]["userInfo"]["username"])


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        pytest.param({"certificate": True}, "admin", id="a client certificate"),
        pytest.param({"user": "user-31"}, "user-31", id="a token"),
    ],
)
def test_a_context_logs_in_and_leaves_no_key_behind(
    plane: ControlPlane,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    identity: dict[str, object],
    expected: str,
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(plane.config(**identity)))  # type: ignore[arg-type]
    monkeypatch.setenv("KUBECONFIG", str(path))
    private = tmp_path / "tmp"
    private.mkdir()
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setattr("tempfile.tempdir", str(private))
    assert user_of(path) == expected
    assert user_of(path) == expected, "and again, from the same certificates"
    assert list(private.rglob("*")) == []


def test_a_server_that_shows_another_certificate_gets_nothing(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plane.config()
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(TransportError, match="not signed by the authority") as raised:
        from_context("real").request(WHO)
    assert not raised.value.sent


def test_a_list_of_many_pages_is_whole(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PAGE", 2)
    client = KubeClient("m", transport_of(plane), time.sleep)
    roles = Served("clusterroles", False)
    version = "rbac.authorization.k8s.io/v1"
    pages = [o.id.name for o in client.objects(version, "ClusterRole", roles)]
    monkeypatch.setattr(clients, "PAGE", 5000)
    assert pages == [o.id.name for o in client.objects(version, "ClusterRole", roles)]
    assert len(pages) > 20


_STARTER = """
import sys, time
from tests.realcluster.server import ControlPlane
with ControlPlane.started() as plane:
    print(plane.folder, flush=True)
    time.sleep(600)
"""


def test_servers_end_with_the_process_that_started_them_even_if_it_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert starter.stdout is not None
    folder = Path(starter.stdout.readline().strip())
    assert len(_with(folder)) >= 3, "etcd, API server, controller manager"
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    until = time.monotonic() + 30
    while time.monotonic() < until and (_with(folder) or folder.exists()):
        time.sleep(0.1)
    assert _with(folder) == []
    assert not folder.exists()


def _with(folder: Path) -> list[int]:
    """Processes that name the folder in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in line:
                found.append(int(entry.name))
    return found


def test_a_server_with_too_much_to_do_is_waited_for(own_plane: Callable[..., ControlPlane]) -> None:
    """It answers 429 as text with Retry-After; every request is carried out in the end."""
    busy = own_plane(
        "--max-requests-inflight=1",
        "--max-mutating-requests-inflight=1",
        "--enable-priority-and-fairness=false",
        controllers=False,
    )
    transport = transport_of(busy)
    client = KubeClient("m", transport, time.sleep)
    statuses: Counter[int] = Counter()

    class Counting:
        def request(self, request: Request) -> Response:
            answer = transport.request(request)
            statuses[answer.status] += 1
            return answer

        def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
            return transport.watch(request, timeout=timeout)

    client.transport = Counting()
    roles = Served("clusterroles", False)

    def look(_: int) -> int:
        found = client.objects("rbac.authorization.k8s.io/v1", "ClusterRole", roles)
        return len(list(found))

    with ThreadPoolExecutor(6) as pool:
        seen = set(pool.map(look, range(60)))
    assert len(seen) == 1
    assert statuses[200] == 60
    print(f"429 answers waited out: {statuses[429]}")
