"""kubeconfig: looking without planning."""

from __future__ import annotations

import base64

import click

from planner.cli.settings import Global
from planner.lookup import find_cluster
from providers.base import value
from providers.builtin import KINDS
from providers.management import SECRET
from state.errors import ClusterformError, Exit
from state.live import Present
from state.resource import ResourceId


@click.command(
    epilog="\b\nExample:\n  clusterform kubeconfig team-a/shop-dev > shop-dev.kubeconfig"
)
@click.argument("cluster")
@click.pass_obj
def kubeconfig(settings: Global, cluster: str) -> int:
    """Print the kubeconfig of a workload cluster. It is a credential: mind where it goes."""
    workspace = settings.workspace()
    found = find_cluster(workspace, cluster)
    client = workspace.api(found.cluster)
    name = f"{found.name}-kubeconfig"
    secret_id = ResourceId(found.cluster, "", "Secret", found.namespace, name)
    secret = client.get(secret_id, "v1", KINDS[SECRET])
    if not isinstance(secret, Present):
        reason = getattr(secret, "reason", "it is not there yet")
        raise ClusterformError(
            "no-kubeconfig",
            f"{cluster} has no kubeconfig: {reason}",
            hint=f"clusterform status {cluster} shows how far it is",
        )
    click.echo(base64.b64decode(str(value(secret.body, "data.value", ""))).decode(), nl=False)
    return Exit.OK
