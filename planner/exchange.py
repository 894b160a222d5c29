"""WorkloadClusters as the HelmReleases that do the same: nobody is locked in."""

from __future__ import annotations

import msgspec

from planner.expand.workload import WORKLOAD_CLUSTER, Workload, read_workload
from planner.load import load
from planner.workspace import Workspace
from providers.flux import goyaml
from providers.git import remote_url
from state.errors import ClusterformError
from state.resource import JsonObject, split_api_version


def as_releases(workspace: Workspace, cluster: str | None, form: str) -> str:
    """HelmReleases (`helmrelease-v1`, `helmrelease-v2`) for the WorkloadClusters of a repository.

    Raises ClusterformError('no-cluster', 'no-release').
    """
    loaded = load(workspace.tree, key_dir=workspace.local)
    found = []
    for document in loaded.documents:
        group = split_api_version(document.version)[0]
        if (group, document.kind) != (WORKLOAD_CLUSTER.group, WORKLOAD_CLUSTER.kind):
            continue
        workload = read_workload(msgspec.json.decode(document.body), loaded.fleet)
        if cluster in (None, f"{workload.namespace}/{workload.name}"):
            found.append(workload)
    if not found:
        raise ClusterformError(
            "no-cluster", f"there is no WorkloadCluster {cluster or ''}".rstrip()
        )
    url = remote_url(workspace.root) or "https://git.example.org/fleet"
    return "".join(f"---\n{goyaml.emit(_release(each, form, url))}" for each in found)


def _release(workload: Workload, form: str, url: str) -> JsonObject:
    blueprint = workload.blueprint
    if not blueprint.chart:
        raise ClusterformError(
            "no-release",
            f"blueprint {blueprint.name} is no chart: its clusters cannot be HelmReleases",
            hint="clusterform render --as objects prints what they come to",
        )
    metadata: JsonObject = {"name": workload.name, "namespace": workload.namespace}
    if workload.labels:
        metadata["labels"] = workload.labels
    if form == "helmrelease-v1":
        return {
            "apiVersion": "helm.fluxcd.io/v1",
            "kind": "HelmRelease",
            "metadata": metadata,
            "spec": {
                "releaseName": workload.name,
                "chart": {"git": url, "path": blueprint.chart},
                "values": workload.values,
            },
        }
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": metadata,
        "spec": {
            "interval": "10m",
            "releaseName": workload.name,
            "chart": {
                "spec": {
                    "chart": f"./{blueprint.chart}",
                    "sourceRef": {
                        "kind": "GitRepository",
                        "name": "flux-system",
                        "namespace": "flux-system",
                    },
                }
            },
            "values": workload.values,
        },
    }
