"""Renders charts in processes of their own, within limits of time and memory.

Each worker is started when it is needed and ended with the renderer; one that passes a limit is
ended at once and replaced.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import msgspec

from providers.helm.chart import Chart
from providers.helm.worker import Answer, Ask, Made
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import JsonObject

WORKERS = 2
SECONDS = 20.0
"""Of one render."""
_AHEAD = 64


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart may ask of the cluster that it goes to."""

    kube_version: str
    api_versions: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One render."""

    chart: Chart
    name: str
    namespace: str
    values: JsonObject
    crds: bool = True
    capabilities: Capabilities | None = None

    @property
    def identity(self) -> str:
        """What a render depends on beside names and values, which stand in the release."""
        asked = self.capabilities if self.chart.reads_capabilities else None
        return f"{self.chart.digest} {msgspec.json.encode(asked).decode()}"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: objects in the order of their templates, CRDs first."""

    objects: tuple[Made, ...] = ()
    renderer: str = ""
    findings: tuple[Finding, ...] = ()


class Renderer:
    """Two workers, and the charts that they read from a private folder."""

    def __init__(self) -> None:
        if find_spec("helm_python") is None:
            raise ClusterformError(
                "no-helm",
                "charts are rendered by Helm's engine, which is not installed",
                hint="pip install 'clusterform[charts]'",
            )
        self._folder = Path(tempfile.mkdtemp(prefix="clusterform-helm-"))
        self._charts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self._workers: list[_Worker] = []
        self._pool = ThreadPoolExecutor(WORKERS)
        self._end = weakref.finalize(self, _ended, self._folder, self._workers)
        self.title = f"helm-python-sdk {metadata.version('helm-python-sdk')}"

    def close(self) -> None:
        """End the workers and remove the charts; without it that happens with the object."""
        self._pool.shutdown()
        self._end()

    def render(self, requests: Iterable[Request]) -> Iterator[Result]:
        """All renders, in the order of the requests."""
        return self._pool.map(self._one, requests)

    def _one(self, request: Request) -> Result:
        ask = Ask(
            chart=self._placed(request.chart),
            name=request.name,
            namespace=request.namespace,
            values=request.values,
            crds=request.crds,
        )
        answer = self._worker().ask(ask)
        if answer.problem:
            return Result(renderer=self.title, findings=(_finding(request, answer.problem),))
        return Result(objects=tuple(answer.objects), renderer=self.title)

    def _worker(self) -> _Worker:
        found: _Worker | None = getattr(self._local, "worker", None)
        if found is None:
            found = self._local.worker = _Worker(self._folder)
            with self._lock:
                self._workers.append(found)
        return found

    def _placed(self, chart: Chart) -> str:
        """The folder of a chart, written once."""
        with self._lock:
            if chart.digest not in self._charts:
                base = self._folder / chart.digest[:16] / chart.name
                for path, content in chart.files.items():
                    target = base / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                self._charts[chart.digest] = str(base)
            return self._charts[chart.digest]


class _Worker:
    """One process, and its replacement when it dies."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, ask: Ask) -> Answer:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(msgspec.json.encode(ask) + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        late = not timer.is_alive()
        timer.cancel()
        if line.endswith(b"\n"):
            return msgspec.json.decode(line, type=Answer)
        self.end()
        why = f"took more than {SECONDS:.0f} s" if late else "needed more memory than it may"
        return Answer(problem=f"rendering it {why}")

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            nowhere = "http://127.0.0.1:1"
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "providers.helm.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._home,
                env={
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                    "HOME": str(self._home),
                    "TMPDIR": str(self._home),
                    "PATH": "",
                    "HTTP_PROXY": nowhere,
                    "HTTPS_PROXY": nowhere,
                    "GOMAXPROCS": "1",
                    "GOMEMLIMIT": "1GiB",
                },
            )
        return self._process


def _ended(folder: Path, workers: list[_Worker]) -> None:
    for worker in workers:
        worker.end()
    shutil.rmtree(folder, ignore_errors=True)


def _finding(request: Request, problem: str) -> Finding:
    return Finding(
        severity="error",
        code="render",
        summary=f"chart {request.chart.name} {request.chart.version} cannot be rendered: "
        + problem.replace("\n", " "),
        path="",
    )
