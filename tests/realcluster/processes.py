"""clusterform as processes of their own on a real server, and what their records went through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from providers.kube.api import Request, Response, Transport, TransportError
from providers.kube.http import HttpTransport
from tests.realcluster.lab import RealLab

CLUSTERFORM = Path(sys.executable).with_name("clusterform")
SYSTEM = "/api/v1/namespaces/clusterform-system"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/clusterform-system/leases"


class Processes:
    """Runs the command in a lab's repository; every process ends with the test."""

    def __init__(self, lab: RealLab) -> None:
        self.lab = lab
        self._started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command."""
        process = subprocess.Popen(
            [CLUSTERFORM, "-C", self.lab.root, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        self._started.append(process)
        return process

    def finish(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Run a command to its end: exit code, and all that it said."""
        return outcome(self.run(*arguments, **env))

    def end(self) -> None:
        """Kill what still runs, stopped processes too."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a process that ends by itself."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def until(what: Callable[[], Any], why: str = "waited in vain", seconds: float = 30) -> Any:
    """The first truthy answer within `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, why
        time.sleep(0.02)


class Meddled:
    """A transport that a test may hold up before a request, or rob of an answer after it."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.before: Callable[[Request], None] = lambda _: None
        self.lose: Callable[[Request], bool] = lambda _: False

    def request(self, request: Request) -> Response:
        """Send it, unless the test does something else."""
        self.before(request)
        answer = self.inner.request(request)
        if self.lose(request):
            raise TransportError("the connection broke", sent=True)
        return answer

    def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
        """Never meddled with."""
        return self.inner.watch(request, timeout=timeout)


class History:
    """Every version of one object, by a watch from before it was there."""

    def __init__(self) -> None:
        self.versions: list[dict[str, Any]] = []


@contextmanager
def watched(server: HttpTransport, collection: str, name: str) -> Iterator[History]:
    """Record the versions of an object while the block runs, and until the last one is seen."""
    made, over, started = History(), threading.Event(), threading.Event()

    def latest() -> str:
        answer = server.request(Request(method="GET", path=collection))
        return str(msgspec.json.decode(answer.body)["metadata"]["resourceVersion"])

    since = latest()

    def follow(version: str) -> None:
        query = (("watch", "1"), ("fieldSelector", f"metadata.name={name}"))
        while not over.is_set():
            request = Request(
                method="GET", path=collection, query=(*query, ("resourceVersion", version))
            )
            started.set()
            for line in server.watch(request, timeout=1):
                event = msgspec.json.decode(line)
                assert event["type"] != "ERROR", event
                made.versions.append(event["object"])
                version = event["object"]["metadata"]["resourceVersion"]

    thread = threading.Thread(target=follow, args=(since,), daemon=True)
    thread.start()
    started.wait()
    try:
        yield made
        time.sleep(0.3)
    finally:
        over.set()
        thread.join(10)
