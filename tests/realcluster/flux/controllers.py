"""Flux's kustomize- and helm-controller as processes beside a real API server, fed with artifacts.

No Git and no source-controller: artifacts are ExternalArtifact objects whose files a server of this
process has. The kinds of source-controller are stand-ins without a schema; the controllers only
watch them. Source: knowledge of Flux run as plain processes (docs/gitops.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from providers.kube.api import Request, Response, Transport
from tests.realcluster import capi
from tests.realcluster.binaries import module_folder
from tests.realcluster.keeper import free_ports
from tests.realcluster.lab import transport_of
from tests.realcluster.server import ControlPlane

Body = dict[str, Any]
NAMESPACE = "flux-system"
CONTROLLERS = ("kustomize-controller", "helm-controller")
_SOURCES = {
    "GitRepository": "gitrepositories",
    "OCIRepository": "ocirepositories",
    "HelmRepository": "helmrepositories",
    "HelmChart": "helmcharts",
    "Bucket": "buckets",
    "ExternalArtifact": "externalartifacts",
}
_PLURALS = {
    "Kustomization": "kustomizations",
    "HelmRelease": "helmreleases",
    **_SOURCES,
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Namespace": "namespaces",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Deployment": "deployments",
    "KubeadmConfigTemplate": "kubeadmconfigtemplates",
    "Gizmo": "gizmos",
}


class NotReady(AssertionError):
    """A Flux object is not where it was waited for; the message has its conditions."""


@dataclass(frozen=True, slots=True)
class Flux:
    """A server with running controllers."""

    plane: ControlPlane
    server: Transport
    port: int
    files: dict[str, bytes]
    """What the artifact server has, by path."""

    def request(self, method: str, path: str, body: Any = None, **query: str) -> Response:
        """One request as administrator."""
        kind = "application/json" if body is not None else ""
        if method == "PATCH":
            kind = "application/apply-patch+yaml"
        return self.server.request(
            Request(
                method=method,
                path=path,
                query=tuple(query.items()),
                body=json.dumps(body).encode() if body is not None else b"",
                content_type=kind,
            )
        )

    def make(self, body: Body) -> None:
        """Create an object; must succeed, or be there already."""
        answer = self.request("POST", path_of(body).rpartition("/")[0], body)
        assert answer.status in (201, 409), answer.body

    def get(self, body: Body) -> Body:
        """The live object; must be there."""
        answer = self.request("GET", path_of(body))
        assert answer.status == 200, answer.body
        found: Body = json.loads(answer.body)
        return found

    def artifact(self, namespace: str, name: str, content: bytes) -> None:
        """An ExternalArtifact of a packed file."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"/{digest}.tar.gz"] = content
        body: Body = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "ExternalArtifact",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {},
        }
        self.make(body)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        live = self.get(body)
        live["status"] = {
            "artifact": {
                "url": f"http://127.0.0.1:{self.port}/{digest}.tar.gz",
                "path": f"{namespace}/{name}.tar.gz",
                "digest": f"sha256:{digest}",
                "revision": f"latest@sha256:{digest}",
                "lastUpdateTime": now,
                "size": len(content),
            },
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Succeeded",
                    "message": "",
                    "lastTransitionTime": now,
                    "observedGeneration": live["metadata"]["generation"],
                }
            ],
        }
        answer = self.request("PUT", f"{path_of(body)}/status", live)
        assert answer.status == 200, answer.body

    def settled(self, body: Body, seconds: float = 60) -> Body:
        """The object once it is Ready, or has failed, at its generation."""
        until = time.monotonic() + seconds
        while True:
            live = self.get(body)
            conditions = {
                one["type"]: one for one in (live.get("status") or {}).get("conditions") or ()
            }
            ready = conditions.get("Ready", {})
            seen = live["status"].get("observedGeneration") if live.get("status") else None
            if ready.get("status") == "True" and seen == live["metadata"]["generation"]:
                return live
            if ready.get("status") == "False" and ready["reason"] in _FAILED:
                return live
            if time.monotonic() > until:
                raise NotReady(f"{path_of(body)}: {json.dumps(conditions, indent=1)}")
            time.sleep(0.1)


_FAILED = ("BuildFailed", "ReconciliationFailed", "ArtifactFailed", "InstallFailed", "ValuesError")


def packed(files: Mapping[str, bytes], folder: str = "") -> bytes:
    """A .tar.gz of the files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{path}" if folder else path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def path_of(body: Body) -> str:
    """Where an object lies."""
    version, metadata = body["apiVersion"], body["metadata"]
    namespace = metadata.get("namespace")
    path = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path += f"/namespaces/{namespace}" if namespace else ""
    return f"{path}/{_PLURALS[body['kind']]}/{metadata['name']}"


def make_data(
    flux: Flux,
    namespace: str,
    config_maps: Mapping[str, Mapping[str, str]],
    secrets: Mapping[str, Mapping[str, str]],
) -> None:
    """ConfigMaps and Secrets by name."""
    for kind, field, found in (
        ("ConfigMap", "data", config_maps),
        ("Secret", "stringData", secrets),
    ):
        for name, data in found.items():
            metadata = {"namespace": namespace, "name": name}
            flux.make({"apiVersion": "v1", "kind": kind, "metadata": metadata, field: dict(data)})


def entry(body: Body) -> str:
    """As `status.inventory` names an object."""
    group = body["apiVersion"].rpartition("/")[0]
    metadata = body["metadata"]
    return f"{metadata.get('namespace', '')}_{metadata['name']}_{group}_{body['kind']}"


def assert_owned(flux: Flux, sent: Body, manager: str) -> None:
    """What the manager applied is `sent`: applied again by it, nothing changes on the server.

    A field too many, too few or of another value would change the object or who owns what.
    """
    live = flux.get(sent)
    owned = [one for one in live["metadata"]["managedFields"] if one["manager"] == manager]
    assert [one["operation"] for one in owned] == ["Apply"]
    answer = flux.request("PATCH", path_of(sent), sent, fieldManager=manager, dryRun="All")
    assert answer.status == 200, answer.body
    assert _comparable(json.loads(answer.body)) == _comparable(live)


def _comparable(body: Body) -> Body:
    """With its managed fields as text, for a difference that can be read."""
    body["metadata"]["managedFields"] = [
        json.dumps(one.get("fieldsV1"), sort_keys=True) for one in body["metadata"]["managedFields"]
    ]
    return body


def definitions() -> Iterator[Body]:
    """The CRDs of the two controllers, and stand-ins for those of source-controller."""
    for name in CONTROLLERS:
        bases = module_folder("flux", f"github.com/fluxcd/{name}") / "config/crd/bases"
        for file in sorted(bases.glob("*.yaml")):
            body: Body = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
            body.pop("status", None)
            yield body
    group = "source.toolkit.fluxcd.io"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    for kind, plural in _SOURCES.items():
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "schema": {"openAPIV3Schema": anything},
                    }
                ],
            },
        }


@contextmanager
def running() -> Iterator[Flux]:
    """A control plane of its own with Cluster API's CRDs, Flux's, and its controllers."""
    with ControlPlane.started(controllers=False) as plane, _served() as (port, files):
        flux = Flux(plane, transport_of(plane), port, files)
        capi.install(flux.server)
        capi.put(flux.server, definitions())
        flux.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for name in CONTROLLERS:
            _run(plane, name)
        yield flux


def _run(plane: ControlPlane, name: str) -> None:
    metrics, health = free_ports(2)
    for folder in ("home", "tmp"):
        (plane.folder / folder).mkdir(exist_ok=True)
    plane.add(
        {
            "name": name,
            "flags": [
                "--events-addr=",
                "--watch-all-namespaces=true",
                "--enable-leader-election=false",
                "--log-level=error",
                "--log-encoding=json",
                "--requeue-dependency=3s",
                "--feature-gates=ExternalArtifact=true",
                f"--metrics-addr=127.0.0.1:{metrics}",
                f"--health-addr=127.0.0.1:{health}",
            ],
            "environment": {
                "KUBECONFIG": str(plane.kubeconfig),
                "RUNTIME_NAMESPACE": NAMESPACE,
                "HOME": str(plane.folder / "home"),
                "TMPDIR": str(plane.folder / "tmp"),
            },
            "ready": f"http://127.0.0.1:{health}/readyz",
        }
    )


@contextmanager
def _served() -> Iterator[tuple[int, dict[str, bytes]]]:
    """An HTTP server of a dict, on loopback, as long as the block."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
