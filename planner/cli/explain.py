"""render and explain: what the repository comes to, and where each part comes from."""

from __future__ import annotations

import click

from planner.cli.settings import Global
from state.errors import Exit


@click.command(
    epilog="""\b
Examples:
  clusterform render team-a/shop-dev           the objects of one cluster
  clusterform render > all.yaml
  clusterform render team-a/shop-dev --as helmrelease-v2   a WorkloadCluster as Flux reads it
"""
)
@click.argument("cluster", required=False)
@click.option("--ref", metavar="REV", help="Of a revision instead of the working tree.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["objects", "helmrelease-v1", "helmrelease-v2"]),
    default="objects",
    show_default=True,
    help="As plain objects, or WorkloadClusters as HelmReleases of Flux v1 or v2.",
)
@click.pass_obj
def render(settings: Global, cluster: str | None, ref: str | None, form: str) -> int:
    """Print the objects as they would be applied, with comments that say where each comes from.

    Needs no cluster. Sensitive values are withheld.
    """
    from planner.explain import cluster_resources, declared
    from planner.views.manifests import manifests

    workspace = settings.workspace(ref, offline=True)
    if form != "objects":
        from planner.exchange import as_releases

        click.echo(as_releases(workspace, cluster, form), nl=False)
        return Exit.OK
    found = cluster_resources(workspace, cluster) if cluster else declared(workspace)
    click.echo(manifests(found), nl=False)
    return Exit.OK


@click.command(
    epilog="""\b
Examples:
  clusterform explain team-a/shop-prod
  clusterform explain team-a/shop-prod/KubeadmControlPlane
  clusterform explain team-a/shop-prod/MachineDeployment/shop-prod-md0/spec.replicas
"""
)
@click.argument("what", metavar="NAMESPACE/CLUSTER[/KIND[/NAME[/FIELD]]]")
@click.option("--ref", metavar="REV", help="Of a revision instead of the working tree.")
@click.pass_obj
def explain(settings: Global, what: str, ref: str | None) -> int:
    """Say where objects and fields come from: file and line, release, chart, template, values.

    The values behind a field of a chart are found by rendering it with each of them changed.
    """
    from planner.explain import explain as explained
    from planner.views.explained import explained_text

    click.echo(explained_text(explained(settings.workspace(ref, offline=True), what)), nl=False)
    return Exit.OK
