"""Renders charts in processes of their own, within limits of time and memory.

Each worker is started when it is needed and ended with the renderer; one that passes a limit is
ended at once and replaced.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import msgspec

from providers.helm import binary, hooks
from providers.helm.chart import Chart
from providers.helm.made import Made
from providers.helm.messages import bounded
from providers.helm.worker import NO_MEMORY, Answer, Ask, send
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import JsonObject

WORKERS = 2
SECONDS = 10.0
"""Of one render; the largest public cluster charts take 0.16 (gitops-helm.md, 2.3)."""
_SAID = 64 << 10
"""Bytes of a broken worker's own words that are looked at."""


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
    crds: str = "Create"
    """`Skip`, `Create` or `CreateReplace`."""
    capabilities: Capabilities | None = None
    hooks: tuple[str, ...] = hooks.RUN
    """Events of hooks that are run; the others are not given."""
    by_kustomize: bool = False
    """Of a release of Flux, which sends every chart through kustomize (`providers.yamlscalar`)."""
    secret_values: tuple[str, ...] = ()
    """Texts that no message may show."""

    @property
    def identity(self) -> str:
        """What a render depends on beside names and values, which stand in the release."""
        asked = self.capabilities if self.chart.asks_capabilities(self.values) else None
        return f"{self.chart.digest} {msgspec.json.encode(asked).decode()}"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: objects in the order of their templates, CRDs first."""

    objects: tuple[Made, ...] = ()
    skipped: tuple[str, ...] = ()
    """Hooks that are not run: `Job cleanup (pre-delete)`."""
    renderer: str = ""
    findings: tuple[Finding, ...] = ()


class Renderer:
    """Two workers, and the charts that they read from a private folder."""

    def __init__(self, seconds: float = SECONDS) -> None:
        if not _has_engine():
            try:
                binary.find_tool()
            except ClusterformError:
                raise ClusterformError(
                    "no-helm",
                    "charts are rendered by Helm's engine, which is not installed, and there is no "
                    "helm on PATH",
                    hint="pip install 'clusterform[charts]'",
                ) from None
        self._folder = tempfile.mkdtemp(prefix="clusterform-helm-")
        self._seconds = seconds
        self._charts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self._workers: list[_Worker] = []
        self._pool = ThreadPoolExecutor(WORKERS)
        # Also where nobody closes it: a render for one secret value, at the end of an apply.
        self._ended = weakref.finalize(self, _end, self._workers, self._folder)

    def close(self) -> None:
        """End the workers and remove the charts."""
        self._pool.shutdown(cancel_futures=True)
        self._ended()

    def render(self, requests: Iterable[Request]) -> Iterator[Result]:
        """All renders, in the order of the requests. What cannot be rendered gives findings."""
        return self._pool.map(self._one, requests)

    def _one(self, request: Request) -> Result:
        try:
            folder = self._placed(request.chart)
        except OSError as error:
            why = error.strerror or type(error).__name__
            chart = f"chart {request.chart.name} {request.chart.version}"
            return Result(findings=(_finding("render", f"{chart} cannot be unpacked: {why}"),))
        ask = Ask(
            chart=folder,
            name=request.name,
            namespace=request.namespace,
            values=request.values,
            crds=request.crds != "Skip",
            events=request.hooks,
            by_kustomize=request.by_kustomize,
            seconds=max(1, round(self._seconds)),
        )
        try:
            title = renderer_of(request)
        except ClusterformError as error:
            return Result(findings=(_finding(error.code, error.brief, error.hint),))
        asks = request.chart.asks_capabilities(request.values)
        if asks or not _has_engine():
            ask.helm = binary.find_tool().path
        if asks:
            assert request.capabilities is not None
            ask.kube_version = request.capabilities.kube_version
            ask.api_versions = request.capabilities.api_versions
        answer = self._worker().ask(ask, self._seconds)
        if answer.problem:
            said = bounded(answer.problem, request.values, request.secret_values)
            chart = f"chart {request.chart.name} {request.chart.version}"
            found = _finding("render", f"{chart} cannot be rendered: {said}")
            return Result(renderer=title, findings=(found,))
        return Result(objects=tuple(answer.objects), skipped=answer.skipped, renderer=title)

    def _worker(self) -> _Worker:
        found: _Worker | None = getattr(self._local, "worker", None)
        if found is None:
            with self._lock:
                home = Path(self._folder) / f"worker-{len(self._workers)}"
                home.mkdir()
                found = self._local.worker = _Worker(home)
                self._workers.append(found)
        return found

    def _placed(self, chart: Chart) -> str:
        """The folder of a chart, written once."""
        with self._lock:
            if chart.digest not in self._charts:
                base = Path(self._folder) / chart.digest / chart.name
                for path, content in chart.files.items():
                    target = base / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                self._charts[chart.digest] = str(base)
            return self._charts[chart.digest]


def renderer_of(request: Request) -> str:
    """What renders it, with its version. Raises ClusterformError('no-capabilities', 'no-helm')."""
    chart = request.chart
    asks = chart.asks_capabilities(request.values)
    if asks and request.capabilities is None:
        raise ClusterformError(
            "no-capabilities",
            f"chart {chart.name} {chart.version} asks for the cluster's versions (.Capabilities or "
            "kubeVersion), and clusterform.lock has none",
            hint="clusterform sources lock",
        )
    return binary.find_tool().title if asks or not _has_engine() else _engine()


@lru_cache(maxsize=1)
def _has_engine() -> bool:
    return find_spec("helm_python") is not None


@lru_cache(maxsize=1)
def _engine() -> str:
    return f"helm-python-sdk {metadata.version('helm-python-sdk')}"


def _end(workers: list[_Worker], folder: str) -> None:
    for worker in workers:
        worker.end()
    shutil.rmtree(folder, ignore_errors=True)


class _Late(Exception):
    """The answer did not come in time."""


class _Worker:
    """One process, and its replacement when it dies."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._said = home / "said"
        self._process: subprocess.Popen[bytes] | None = None
        self._decoder = msgspec.msgpack.Decoder(Answer)

    def ask(self, ask: Ask, seconds: float) -> Answer:
        """Its answer, or why there is none; then the next one goes to a new process."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        try:
            send(process.stdin, msgspec.msgpack.encode(ask))
            size = int.from_bytes(_read(process.stdout.fileno(), 8, deadline), "big")
            return self._decoder.decode(_read(process.stdout.fileno(), size, deadline))
        except _Late:
            self.end()
            return Answer(problem=f"it took more than {seconds:g} s")
        except (BrokenPipeError, EOFError):
            why = self._ended(process, seconds)
            self.end()
            return Answer(problem=why)

    def _ended(self, process: subprocess.Popen[bytes], seconds: float) -> str:
        """Why it ended by itself; what it printed stays here."""
        code = process.wait()
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"it took more than {seconds:g} s of CPU time"
        if code == NO_MEMORY:
            return "rendering it needs more memory than it may"
        with self._said.open("rb") as said:
            return binary.crash(said.read(_SAID))

    def end(self) -> None:
        """End the process and what it started, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            with self._said.open("wb") as said:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "providers.helm.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    bufsize=0,
                    cwd=self._home,
                    env={
                        **binary.environment(str(self._home)),
                        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                    },
                    start_new_session=True,
                )
        return self._process


def _read(file: int, size: int, deadline: float) -> bytes:
    """Exactly so many bytes. Raises _Late, EOFError."""
    found = bytearray()
    while len(found) < size:
        if not select.select([file], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise _Late
        part = os.read(file, min(size - len(found), 1 << 20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _finding(code: str, summary: str, hint: str = "") -> Finding:
    return Finding(severity="error", code=code, summary=summary, path="", hint=hint)
