"""A real control plane for a test: etcd, kube-apiserver and kube-controller-manager on loopback.

with ControlPlane.started() as server:
    server.kubeconfig            # of an administrator
    server.token("reader-1")     # one of the extra identities, without any right
"""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.realcluster.keeper import Order, free_ports

ROOT = Path(__file__).parents[2]
ADMIN = "admin-token"
IDENTITIES = tuple(f"user-{number}" for number in range(32))
"""Users without rights until a test binds a role to one."""


class NotStarted(Exception):
    """The control plane did not come up; the message has the servers' last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """A running control plane, reachable by any process of this machine."""

    folder: Path
    port: int
    keeper: "subprocess.Popen[str] | None" = field(default=None, compare=False, repr=False)
    """The process that holds the servers; None in everybody but the starter."""

    @property
    def server(self) -> str:
        """Its address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its context is `real`."""
        return self.folder / "kubeconfig"

    @property
    def ca(self) -> bytes:
        """The authority that signed the serving certificate, as PEM."""
        return (self.folder / "ca.crt").read_bytes()

    def add(self, order: Order) -> None:
        """Run one more server beside it, until it is ready; only the starter can.

        Raises: NotStarted.
        """
        assert self.keeper is not None
        assert self.keeper.stdin is not None
        assert self.keeper.stdout is not None
        self.keeper.stdin.write(json.dumps(order) + "\n")
        self.keeper.stdin.flush()
        _await_ready(self.keeper)

    def config(
        self, *, user: str = "", server: str = "", certificate: bool = False
    ) -> dict[str, Any]:
        """A kubeconfig of the administrator, by token or certificate, or of `user-N`."""
        login: dict[str, str] = {"token": f"{user}-token" if user else ADMIN}
        if certificate:
            login = {
                "client-certificate-data": _encoded(self.folder / "admin.crt"),
                "client-key-data": _encoded(self.folder / "admin.key"),
            }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "clusters": [
                {
                    "name": "real",
                    "cluster": {
                        "server": server or self.server,
                        "certificate-authority-data": base64.b64encode(self.ca).decode(),
                    },
                }
            ],
            "users": [{"name": "me", "user": login}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "me"}}],
        }

    @classmethod
    @contextmanager
    def started(cls, *flags: str, controllers: bool = True) -> Iterator["ControlPlane"]:
        """Start one, with more flags of kube-apiserver; it ends with the block or this process.

        Raises: NotStarted.
        """
        folder = Path(tempfile.mkdtemp(prefix="clusterform-real-"))
        ports = free_ports(3)
        _make_identities(folder)
        bare = cls(folder=folder, port=ports[0])
        bare.kubeconfig.write_text(json.dumps(bare.config()))
        order = [str(folder), ",".join(map(str, ports)), "yes" if controllers else "no", *flags]
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.realcluster.keeper", *order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "HOME": str(Path.home())} | _cache_choice(),
        )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            _await_ready(keeper)
            yield cls(folder=folder, port=ports[0], keeper=keeper)
        finally:
            keeper.stdin.close()
            keeper.wait(30)
            keeper.stdout.close()


def _await_ready(keeper: "subprocess.Popen[str]") -> None:
    assert keeper.stdout is not None
    said = keeper.stdout.readline().strip()
    if said != "ready":
        raise NotStarted(said + "\n" + keeper.stdout.read())


def _cache_choice() -> dict[str, str]:
    import os

    return {
        name: os.environ[name]
        for name in ("CLUSTERFORM_REAL_CACHE", "XDG_CACHE_HOME")
        if name in os.environ
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _make_identities(at: Path) -> None:
    """An authority, certificates of server and administrator, service account keys, tokens."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _openssl(
        at,
        "req",
        "-x509",
        *curve,
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-subj",
        "/CN=clusterform-test",
    )
    for name, subject, extra in (
        ("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        ("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth"),
    ):
        (at / f"{name}.ext").write_text(extra)
        _openssl(
            at,
            "req",
            "-new",
            *curve[:-2],
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            subject,
        )
        signing = [
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            f"{name}.ext",
        ]
        _openssl(at, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.crt")
    _openssl(at, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sa.key")
    _openssl(at, "ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")
    rows = [f'{ADMIN},admin,admin,"system:masters"']
    rows += [f'{name}-token,{name},{name},"testers"' for name in IDENTITIES]
    (at / "tokens.csv").write_text("\n".join(rows) + "\n")


def _openssl(at: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments], cwd=at, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotStarted(f"openssl {arguments[0]} failed: {done.stderr[-500:]}")
