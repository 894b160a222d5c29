"""Flux in a cluster, pointed at the cluster's own repository: the last step of a new cluster.

The engine's manifests come from the repository (`flux install --export`, or Flux v1's and the Helm
Operator's deployments); what makes them look at the right place is added here.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from planner.expand.rendered import Part
from planner.load import LoadedDocument
from state.desired import Gitops
from state.resource import JsonObject, canonical

_FLUXD = "flux"
"""Name of Flux v1's deployment and container (fluxcd/flux, deploy/flux-deployment.yaml)."""


def sync(gitops: Gitops, namespace: str, name: str) -> list[Part]:
    """Flux v2's GitRepository and Kustomization for a cluster, as `flux bootstrap` names them."""
    if gitops.engine != "flux2":
        return []
    spec: JsonObject = {
        "interval": "1m",
        "url": gitops.url,
        "ref": {"branch": gitops.branch},
    }
    if gitops.secret:
        spec["secretRef"] = {"name": gitops.secret}
    metadata = {"name": "flux-system", "namespace": gitops.namespace}
    repository = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": dict(metadata),
        "spec": spec,
    }
    kustomization = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": dict(metadata),
        "spec": {
            "interval": "10m",
            "path": f"./{path_of(gitops, namespace, name)}",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
        },
    }
    return [Part(body=repository, by="gitops"), Part(body=kustomization, by="gitops")]


def path_of(gitops: Gitops, namespace: str, name: str) -> str:
    """The folder of a cluster in its repository."""
    return gitops.path.replace("{namespace}", namespace).replace("{name}", name)


def pointed(
    documents: Iterable[LoadedDocument], gitops: Gitops, namespace: str, name: str
) -> list[LoadedDocument]:
    """Flux v1's own deployment with the arguments that name the repository; others as they are."""
    return [
        _pointed(d, gitops, path_of(gitops, namespace, name))
        if gitops.engine == "flux1" and (d.kind, d.name) == ("Deployment", _FLUXD)
        else d
        for d in documents
    ]


def _pointed(document: LoadedDocument, gitops: Gitops, path: str) -> LoadedDocument:
    body = msgspec.json.decode(document.body)
    wanted = {"--git-url": gitops.url, "--git-branch": gitops.branch, "--git-path": path}
    for container in body["spec"]["template"]["spec"]["containers"]:
        if container["name"] == _FLUXD:
            kept = [a for a in container.get("args") or () if a.partition("=")[0] not in wanted]
            container["args"] = [*kept, *(f"{flag}={value}" for flag, value in wanted.items())]
    return msgspec.structs.replace(document, body=canonical(body))
