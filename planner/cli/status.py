"""status: how clusters are doing, once or on and on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.cli.settings import Global
from state.errors import ClusterformError, Exit

if TYPE_CHECKING:
    from planner.statustree import StatusTree
    from planner.workspace import Workspace

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@click.command(
    epilog="""\b
Examples:
  clusterform status                      a line for each cluster
  clusterform status team-a/shop-prod     one, with its machines and what holds them up
  clusterform status team-a/shop-prod --watch
"""
)
@click.argument("cluster", required=False)
@click.option("--tree", is_flag=True, help="Every cluster with its parts.")
@click.option("-w", "--watch", is_flag=True, help="Go on looking, until Ctrl-C (exit 130).")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "-o",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it to a file instead of stdout.",
)
@click.pass_obj
def status(
    settings: Global, cluster: str | None, tree: bool, watch: bool, form: str, out: Path | None
) -> int:
    """Show how clusters are doing: the deepest failing condition first.

    Marks: ⋯ waiting, ✖ needs somebody, ‖ held back (paused), - being deleted, ? could not be read.
    With --watch a terminal is drawn anew; elsewhere a new tree is printed when something changed.
    """
    from planner.status import read_status

    if watch and out is not None:
        raise click.UsageError("--watch and -o do not go together")
    workspace = settings.workspace()
    if watch:
        return _watch(settings, workspace, cluster, tree, form)
    text = _text(settings, workspace, read_status(workspace, cluster, parts=tree), form, out)
    if out is None:
        click.echo(text, nl=False)
        return Exit.OK
    try:
        out.write_text(text)
    except OSError as error:
        raise ClusterformError(
            "output", f"{out} cannot be written: {error.strerror}", where=str(out)
        ) from None
    return Exit.OK


def _text(
    settings: Global, workspace: Workspace, found: StatusTree, form: str, out: Path | None = None
) -> str:
    from planner.views.status import status_json, status_text

    if form == "json":
        return status_json(found)
    color = settings.colored() and out is None
    return status_text(found, color=color, now=workspace.ids.wall())


def _watch(
    settings: Global, workspace: Workspace, cluster: str | None, parts: bool, form: str
) -> int:
    """Print what changed; a terminal shows only the newest, with ages that go on."""
    from planner.follow import follow

    drawn = sys.stdout.isatty() and form == "text"
    last: StatusTree | None = None
    shown = ""
    try:
        for found in follow(workspace, cluster, parts=parts):
            text = _text(settings, workspace, found, form)
            if drawn and text != shown:
                click.echo(f"{_CLEAR}{text}", nl=False)
            elif not drawn and found != last:
                click.echo(text if last is None or form == "json" else f"\n{text}", nl=False)
            last, shown = found, text
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK
