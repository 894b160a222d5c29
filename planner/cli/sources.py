"""sources: pinning and fetching what lies outside the repository."""

from __future__ import annotations

from collections.abc import Callable

import click

from planner.cli.settings import Global
from state.errors import Exit


@click.group()
def sources() -> None:
    """Charts and repositories that are named by URL: pinned in clusterform.lock, kept in a cache.

    The only commands that read them over the network. A plan reads the cache, checks every digest,
    and fetches nothing (docs/sources.md).
    """


@sources.command(
    epilog="""\b
Examples:
  clusterform sources lock                            pin what is new, keep what is pinned
  clusterform sources lock --update metrics           look again for a chart, source or URL
  clusterform sources lock --update '*'               look again for all of them
\b
Exit codes: 0 the lock is complete; 1 a source cannot be resolved, and nothing was written.
"""
)
@click.option(
    "--update",
    multiple=True,
    metavar="NAME|URL",
    help="Resolve this again: a chart, a source object, a URL; * stands for any text.",
)
@click.pass_obj
def lock(settings: Global, update: tuple[str, ...]) -> int:
    """Pin every remote source and what management clusters serve; write clusterform.lock."""
    from planner import locking
    from planner.views.sources import lock_text

    report = locking.lock(settings.workspace(), update, _say(settings))
    click.echo(lock_text(report), nl=False)
    return Exit.OK


@sources.command(
    epilog="""\b
Examples:
  clusterform sources fetch && clusterform plan       in CI, on a new machine
  clusterform sources fetch --prune                   keep only what the lock names
\b
Exit codes: 0 all is there; 1 something is not, or is not what the lock says.
"""
)
@click.option("--prune", is_flag=True, help="Then remove archives that the lock does not name.")
@click.pass_obj
def fetch(settings: Global, prune: bool) -> int:
    """Fill this machine's cache exactly as clusterform.lock says; other content is refused."""
    from planner import locking
    from planner.views.sources import fetch_text

    found = locking.fetch(settings.workspace(), _say(settings), prune=prune)
    click.echo(fetch_text(found), nl=False)
    return Exit.OK


def _say(settings: Global) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not settings.quiet:
            from planner.views.clean import clean

            click.echo(clean(text), err=True)

    return say
