"""Holds the processes of one control plane, and ends them when its starter is gone.

    python -m tests.realcluster.keeper FOLDER PORTS yes|no [FLAG …]

Speaks over its pipes: one line on stdout once the API answers (`ready` or `failed: …`). A line on
stdin is the order to run one more server beside it (a JSON `Order`), answered in the same way. The
end of its stdin is the order to stop, and comes by itself when the parent dies, however it dies.
The folder goes last.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TypedDict

from tests.realcluster.binaries import ALL, where

_START_SECONDS = 120.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class Died(Exception):
    """A server ended while it was waited for; the message has the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Order(TypedDict):
    """One more server: a built binary by name, its flags, its environment, where it says ready."""

    name: str
    flags: list[str]
    environment: dict[str, str]
    ready: str


class Keeper:
    """The servers of one control plane; the controller manager only where asked for."""

    def __init__(self, folder: Path, *, controllers: bool, flags: tuple[str, ...]) -> None:
        self.folder = folder
        self._controllers = controllers
        self._flags = flags
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, ports: list[int]) -> None:
        """Start them in order, each once the one before it accepts connections.

        The API server before etcd would wait out its back-off of 1 to 10 seconds (measured).
        """
        api, client, peer = ports
        etcd = f"http://127.0.0.1:{client}"
        self._spawn(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            "--name=default",
            "--unsafe-no-fsync",
            "--log-level=error",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--heartbeat-interval=20",
            "--election-timeout=100",
            "--quota-backend-bytes=8589934592",
        )
        self._until_open(client)
        at = self.folder
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={api}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--tls-cert-file={at}/server.crt",
            f"--tls-private-key-file={at}/server.key",
            f"--client-ca-file={at}/ca.crt",
            f"--token-auth-file={at}/tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={at}/sa.pub",
            f"--service-account-signing-key-file={at}/sa.key",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,DefaultStorageClass,"
            "StorageObjectInUseProtection,RuntimeClass",
            "--allow-privileged=true",
            "--profiling=false",
            "--shutdown-delay-duration=0s",
            *self._flags,
        )
        self._until_ready(api)
        if self._controllers:
            self._spawn(
                "kube-controller-manager",
                f"--kubeconfig={at}/kubeconfig",
                "--leader-elect=false",
                "--secure-port=0",
                "--controllers=garbage-collector-controller,namespace-controller",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            )

    def add(self, order: Order) -> None:
        """Run one more server and wait until the address `ready` answers 200."""
        self._spawn(order["name"], *order["flags"], environment=order["environment"])
        until = time.monotonic() + _START_SECONDS
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            with contextlib.suppress(OSError), opener.open(order["ready"], timeout=2):
                return
            self._check(until)
            time.sleep(0.1)

    def stop(self) -> None:
        """End them by their pids, at once: what they hold goes with the folder."""
        for process in reversed(self._running):
            process.kill()
        for process in reversed(self._running):
            process.wait()
        self._running.clear()

    def _spawn(self, name: str, *flags: str, environment: dict[str, str] | None = None) -> None:
        binary = where(next(tool for tool in ALL if tool.name == name))
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running.append(
                subprocess.Popen(
                    [str(binary), *flags],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env={**os.environ, **(environment or {})},
                    preexec_fn=_die_with_parent,
                )
            )

    def _until_open(self, port: int) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            self._check(until)
            time.sleep(0.02)

    def _until_ready(self, port: int) -> None:
        import ssl

        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        token = (self.folder / "tokens.csv").read_text().partition(",")[0]
        request = urllib.request.Request(
            f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {token}"}
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        until = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError), opener.open(request, timeout=2):
                return
            self._check(until)
            time.sleep(0.1)

    def _check(self, until: float) -> None:
        for process in self._running:
            if process.poll() is not None:
                raise Died(f"{Path(str(process.args[0])).name} ended with {process.returncode}")  # type: ignore[index]
        if time.monotonic() > until:
            raise Died(f"not ready within {_START_SECONDS:.0f} s")


def _die_with_parent() -> None:
    """Linux: the kernel ends the server with its keeper, even one that is killed."""
    os.setpgid(0, 0)  # a Ctrl-C in the terminal is the keeper's affair
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def main(folder: str, ports: str, controllers: str, *flags: str) -> int:
    """Start, say so, wait for the end of stdin, stop, remove the folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keeper = Keeper(Path(folder), controllers=controllers == "yes", flags=flags)
    try:
        keeper.start([int(port) for port in ports.split(",")])
        print("ready", flush=True)
        for line in sys.stdin:
            keeper.add(json.loads(line))
            print("ready", flush=True)
    except Died as death:
        logs = "\n".join(
            f"{log.name}: {log.read_text(errors='replace')[-1500:]}"
            for log in sorted(Path(folder).glob("*.log"))
        )
        print(f"failed: {death}\n{logs}", flush=True)
        return 1
    finally:
        keeper.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
