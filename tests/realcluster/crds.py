"""CRDs of infrastructure providers, read from their Go modules; no controllers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from providers.kube.api import Transport
from providers.registry import PROVIDERS
from tests.realcluster.binaries import module_folder
from tests.realcluster.capi import put

_MODULES = {
    "aws": "sigs.k8s.io/cluster-api-provider-aws/v2",
    "gcp": "sigs.k8s.io/cluster-api-provider-gcp",
}


def definitions(provider: str) -> Iterator[dict[str, Any]]:
    """The CRDs as released, but for what their kustomization adds: webhooks and labels.

    Conversion stays `None`, which serves every version with the fields of the stored one.
    """
    contract = next(p for p in PROVIDERS if p.name == provider).contract
    folder = module_folder(provider, _MODULES[provider]) / "config" / "crd" / "bases"
    for file in sorted(folder.glob("*.yaml")):
        body = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        if body.get("kind") != "CustomResourceDefinition":
            continue
        served = [v["name"] for v in body["spec"]["versions"]]
        body["metadata"]["labels"] = {f"cluster.x-k8s.io/{contract}": "_".join(served)}
        body.pop("status", None)
        yield body


def install(server: Transport, provider: str) -> None:
    """Apply the CRDs of a provider and wait until each is served."""
    put(server, definitions(provider))
