"""Finding what a user named: clusters and records."""

from __future__ import annotations

from planner.workspace import Workspace
from providers.capi import CLUSTER
from providers.kube.client import KubeClient
from state.errors import ClusterformError
from state.live import Present
from state.recorded import Recorded, Records
from state.resource import ResourceId


def live_clusters(client: KubeClient) -> list[Present]:
    """Every Cluster of a management cluster; none where it does not serve the kind."""
    how = client.find(CLUSTER)
    return list(client.objects(how[0], CLUSTER.kind, how[1])) if how else []


def find_cluster(workspace: Workspace, text: str) -> ResourceId:
    """The live Cluster that `[management/]namespace/name` names; raises 'no-cluster'."""
    found = [
        cluster.id
        for management in workspace.managements()
        for cluster in live_clusters(workspace.api(management))
        if text in (cluster.id.qualified_name, f"{management}/{cluster.id.qualified_name}")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ClusterformError(
            "no-cluster",
            f"several management clusters have {text}",
            hint="write MANAGEMENT/NAMESPACE/NAME",
        )
    raise ClusterformError(
        "no-cluster",
        f"there is no cluster {text}",
        hint="clusterform status lists them; write NAMESPACE/NAME",
    )


def find_record(records: Records, text: str) -> Recorded:
    """The record that `[management/][group/]Kind/[namespace/]name` names; raises 'no-record'."""
    found = [r for id_, r in records.items() if text in _spellings(id_)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ClusterformError(
            "no-record",
            f"{text} means {len(found)} objects",
            detail="\n".join(r.id.text for r in found[:10]),
            hint="write it as one of these",
        )
    raise ClusterformError(
        "no-record", f"nothing is recorded as {text}", hint="clusterform state list shows all"
    )


def _spellings(id_: ResourceId) -> set[str]:
    short = f"{id_.kind}/{id_.qualified_name}"
    return {id_.text, short, f"{id_.cluster}/{short}"}
