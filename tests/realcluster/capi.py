"""Cluster API's own CRDs, read from its Go modules and put into a server; no controllers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from providers.kube.api import APPLY_PATCH, Request, Transport
from tests.realcluster.binaries import module_folder

_BASES = (
    ("sigs.k8s.io/cluster-api", "core/config/crd/bases"),
    ("sigs.k8s.io/cluster-api", "bootstrap/kubeadm/config/crd/bases"),
    ("sigs.k8s.io/cluster-api", "controlplane/kubeadm/config/crd/bases"),
    ("sigs.k8s.io/cluster-api/test", "infrastructure/docker/config/crd/bases"),
)
_CONTRACTS = {f"cluster.x-k8s.io/{version}": version for version in ("v1beta1", "v1beta2")}
"""Labels by which Cluster API finds the version of a provider's kind; core CRDs carry none."""


def definitions() -> Iterator[dict[str, Any]]:
    """The CRDs of core, kubeadm bootstrap and control plane, and the dev provider."""
    for module, folder in _BASES:
        for file in sorted((module_folder("capi", module) / folder).glob("*.yaml")):
            body = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
            if body["spec"]["group"] != "cluster.x-k8s.io":
                body["metadata"]["labels"] = dict(_CONTRACTS)
            body.pop("status", None)
            yield body


def install(server: Transport) -> None:
    """Apply Cluster API's CRDs and wait until each is served."""
    put(server, definitions())


def put(server: Transport, crds: Iterable[dict[str, Any]]) -> None:
    """Apply CRDs and wait until each is served."""
    paths = []
    for body in crds:
        name = body["metadata"]["name"]
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
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
        paths.append(path)
    for path in paths:
        _until_served(server, path)


def _until_served(server: Transport, path: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        body = json.loads(server.request(Request(method="GET", path=path)).body)
        conditions = (body.get("status") or {}).get("conditions") or ()  # null right after creation
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not served within 60 s")
