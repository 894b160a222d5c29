"""Cluster API on a test server: its CRDs from its Go modules, and its controllers as processes.

    python -m tests.realcluster.capi        runs one until Ctrl-C and prints its kubeconfig

The controllers are Cluster API's own four managers with all their webhooks; the dev provider makes
machines in memory, each with an API server and nodes of its own (Cluster API v1.14.0,
test/infrastructure/docker). No cert-manager and no containers: the managers listen on loopback and
the webhook configurations name their addresses.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from providers.kube.api import APPLY_PATCH, Request, Transport
from providers.kube.http import from_access
from providers.kube.kubeconfig import parse
from tests.realcluster.binaries import alone, module_folder
from tests.realcluster.keeper import free_ports
from tests.realcluster.server import ControlPlane

_CORE_MODULE = "sigs.k8s.io/cluster-api"
_TEST_MODULE = "sigs.k8s.io/cluster-api/test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One manager: its binary, where its manifests lie in which Go module, its feature gates."""

    binary: str
    module: str
    folder: str
    gates: str


COMPONENTS = (
    Component(
        binary="capi-core",
        module=_CORE_MODULE,
        folder="core",
        gates="ClusterTopology=true,MachinePool=true",
    ),
    Component(
        binary="capi-bootstrap",
        module=_CORE_MODULE,
        folder="bootstrap/kubeadm",
        gates="MachinePool=true",
    ),
    Component(
        binary="capi-control-plane",
        module=_CORE_MODULE,
        folder="controlplane/kubeadm",
        gates="ClusterTopology=true",
    ),
    Component(
        binary="capi-dev",
        module=_TEST_MODULE,
        folder="infrastructure/docker",
        gates="ClusterTopology=true,MachinePool=true",
    ),
)
_CONTRACTS = {f"cluster.x-k8s.io/{version}": version for version in ("v1beta1", "v1beta2")}
"""Labels by which Cluster API finds the version of a provider's kind; core CRDs carry none."""


def definitions(ports: Mapping[str, int] | None = None, ca: str = "") -> Iterator[dict[str, Any]]:
    """The CRDs of all components. `ports`: component → webhook port, for conversion."""
    for component in COMPONENTS:
        bases = module_folder("capi", component.module) / component.folder / "config/crd/bases"
        for file in sorted(bases.glob("*.yaml")):
            body = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
            if body["spec"]["group"] != "cluster.x-k8s.io":
                body["metadata"]["labels"] = dict(_CONTRACTS)
            body.pop("status", None)
            if ports and len(body["spec"]["versions"]) > 1:
                client = {"url": _url(ports[component.binary], "/convert"), "caBundle": ca}
                body["spec"]["conversion"] = {
                    "strategy": "Webhook",
                    "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client},
                }
            yield body


def install(server: Transport, ports: Mapping[str, int] | None = None, ca: str = "") -> None:
    """Apply Cluster API's CRDs and wait until each is served."""
    put(server, definitions(ports, ca))


def put(server: Transport, crds: Iterable[dict[str, Any]]) -> None:
    """Apply CRDs and wait until each is served."""
    paths = []
    for body in crds:
        name = body["metadata"]["name"]
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        _apply(server, path, body)
        paths.append(path)
    for path in paths:
        _until_served(server, path)


_LOCK = ("controllers", "another run has its controllers")


@contextmanager
def managed() -> Iterator[ControlPlane]:
    """A control plane with Cluster API's CRDs, webhooks and running controllers.

    One at a time on a machine: the dev provider listens on fixed ports (19000, and 20000 and on for
    the clusters that it makes). A second one waits.
    """
    with alone(*_LOCK), ControlPlane.started() as plane:
        server = from_access(parse(json.dumps(plane.config()).encode()))
        ca = str(plane.config()["clusters"][0]["cluster"]["certificate-authority-data"])
        certificates = plane.folder / "webhooks"
        certificates.mkdir()
        shutil.copy(plane.folder / "server.crt", certificates / "tls.crt")
        shutil.copy(plane.folder / "server.key", certificates / "tls.key")
        numbers = free_ports(3 * len(COMPONENTS))
        ports = dict(zip((c.binary for c in COMPONENTS), numbers, strict=False))
        install(server, ports, ca)
        for number, component in enumerate(COMPONENTS):
            _run(plane, component, ports[component.binary], numbers[4 + 2 * number :])
        for component in COMPONENTS:
            for body in _webhooks(component, ports[component.binary], ca):
                kind = body["kind"].lower() + "s"
                path = f"/apis/admissionregistration.k8s.io/v1/{kind}/{body['metadata']['name']}"
                _apply(server, path, body)
        yield plane


def _run(plane: ControlPlane, component: Component, webhook: int, others: list[int]) -> None:
    health, diagnostics = others[:2]
    plane.add(
        {
            "name": component.binary,
            "flags": [
                f"--kubeconfig={plane.kubeconfig}",
                f"--webhook-port={webhook}",
                f"--webhook-cert-dir={plane.folder}/webhooks",
                f"--health-addr=127.0.0.1:{health}",
                f"--diagnostics-address=127.0.0.1:{diagnostics}",
                "--insecure-diagnostics=true",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                f"--feature-gates={component.gates}",
            ],
            "environment": {
                "POD_NAMESPACE": "capi-system",
                "POD_NAME": "local",
                "POD_UID": "local",
                "POD_IP": "127.0.0.1",
            },
            "ready": f"http://127.0.0.1:{health}/readyz",
        }
    )


def _webhooks(component: Component, port: int, ca: str) -> Iterator[dict[str, Any]]:
    """A component's webhook configurations, their services replaced by its address."""
    folder = module_folder("capi", component.module) / component.folder
    text = (folder / "config/webhook/manifests.yaml").read_text(encoding="utf-8")
    for body in yaml.load_all(text, yaml.CSafeLoader):
        body["metadata"]["name"] = f"{component.binary}-{body['metadata']['name']}"
        for webhook in body["webhooks"]:
            path = webhook["clientConfig"].pop("service")["path"]
            webhook["clientConfig"] = {"url": _url(port, path), "caBundle": ca}
        yield body


def _url(port: int, path: str) -> str:
    return f"https://127.0.0.1:{port}{path}"


def _apply(server: Transport, path: str, body: dict[str, Any]) -> None:
    answer = server.request(
        Request(
            method="PATCH",
            path=path,
            query=(("fieldManager", "clusterctl"), ("force", "true")),
            body=json.dumps(body).encode(),
            content_type=APPLY_PATCH,
        )
    )
    assert answer.status in (200, 201), answer.body


def _until_served(server: Transport, path: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        body = json.loads(server.request(Request(method="GET", path=path)).body)
        conditions = (body.get("status") or {}).get("conditions") or ()  # null right after creation
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not served within 60 s")


def main() -> int:
    """Run one for trying things out; ends with Ctrl-C or the end of stdin."""
    with managed() as plane:
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)
        print(f"export {MANAGED_FOLDER}={plane.folder}:{plane.port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


MANAGED_FOLDER = "CLUSTERFORM_REAL_MANAGED"
"""Where the suites find the server with controllers; set beforehand, that one is used."""


def found(variable: str) -> ControlPlane:
    """The server that the environment names: `folder:port`."""
    folder, _, port = os.environ[variable].rpartition(":")
    return ControlPlane(folder=Path(folder), port=int(port))


if __name__ == "__main__":
    sys.exit(main())
