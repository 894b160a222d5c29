"""Looking at clusters on and on: a status after each pause, from watches where the server has them.

With watches a look costs no request; without (rights, the built-in cluster) it is a read.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.lookup import find_cluster
from planner.status import StatusReader
from planner.statustree import StatusTree
from planner.workspace import Workspace
from providers.kube.client import KubeClient
from state.errors import ClusterformError

PAUSE = 2.0
"""Seconds between two looks."""
_ADDONS_EVERY = 30.0


def follow(
    workspace: Workspace, cluster: str | None = None, *, parts: bool = False
) -> Iterator[StatusTree]:
    """The status now, and again after each pause; ends when the one cluster is gone.

    Raises 'no-cluster' at the beginning. What cannot be read later is said in the tree.
    """
    wanted = find_cluster(workspace, cluster) if cluster else None

    def way(management: str) -> KubeClient:
        found = workspace.kube.glance(management)
        if isinstance(found, KubeClient):
            return found
        raise ClusterformError("unreachable", f"{management} cannot be reached: {found.reason}")

    reader = StatusReader(workspace, way, wanted, parts=parts, addons_every=_ADDONS_EVERY)
    try:
        while True:
            tree = reader.read()
            yield tree
            if wanted is not None and not tree.clusters and not tree.unreadable:
                return
            workspace.ids.sleep(PAUSE)
    finally:
        workspace.kube.end_watches()
