"""plan, show, drift, graph: they read and print."""

from __future__ import annotations

from pathlib import Path

import click

from planner import app, planfile
from planner.changes import Plan
from planner.cli.options import plan_options, planning, selection
from planner.cli.settings import Global
from planner.drift import only_drift
from state.errors import Exit

FORMATS = click.Choice(["text", "markdown", "json"])


def render_plan(
    made: Plan,
    form: str,
    settings: Global,
    *,
    saved: Path | None = None,
    next_step: bool = False,
) -> str:
    """A plan in one of the formats. `next_step`: say how to apply it."""
    from planner.views import jsonview, markdown, text

    if form == "json":
        return jsonview.plan_json(made)
    if form == "markdown":
        return markdown.plan_markdown(made)
    return text.plan_text(
        made,
        verbose=settings.verbose > 0,
        color=settings.colored(),
        saved=str(saved or ""),
        next_step=next_step,
    )


@click.command(
    epilog="""\b
Examples:
  clusterform plan                                   what would change now
  clusterform plan -o plan.json                      save it for apply
  clusterform plan --ref origin/main --format markdown > comment.md
  clusterform plan --target cluster=team-a/shop-*    one team's clusters
"""
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan for apply."
)
@click.option("--format", "form", type=FORMATS, default="text", show_default=True)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@planning
@selection
@click.pass_obj
def plan(
    settings: Global,
    out: Path | None,
    form: str,
    detailed_exitcode: bool,
    ref: str | None,
    refresh: str,
    allow_destroy: tuple[str, ...],
    adopt: tuple[str, ...],
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
) -> int:
    """Show what would change, why, in what order, and which machines go. Writes nothing."""
    workspace = settings.workspace(ref)
    made = app.plan(
        workspace,
        plan_options(
            targets=targets,
            excludes=excludes,
            refresh=refresh,
            allow_destroy=allow_destroy,
            adopt=adopt,
        ),
    )
    if out is not None:
        app.save(workspace, made, out)
    click.echo(render_plan(made, form, settings, saved=out, next_step=True), nl=False)
    return exit_of(made, detailed=detailed_exitcode)


def exit_of(made: Plan, *, detailed: bool) -> int:
    """3 where a guard or protection refuses something, 1 where something stands in the way of an
    object of Git, 2 for changes if asked, else 0."""
    kinds = {f.kind for f in made.findings}
    if made.refusals or "refused" in kinds:
        return Exit.REFUSED
    if "blocked" in kinds:
        return Exit.ERROR
    return Exit.CHANGES if detailed and made.changes else Exit.OK


@click.command(epilog="\b\nExample:\n  clusterform show plan.json --format markdown")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=FORMATS, default="text", show_default=True)
@click.pass_obj
def show(settings: Global, file: Path, form: str) -> int:
    """Show a saved plan. Needs no cluster and no repository."""
    made, _ = planfile.read(file)
    click.echo(render_plan(made, form, settings), nl=False)
    return Exit.OK


@click.command(epilog="\b\nExample:\n  clusterform drift --target cluster=team-a/shop-prod")
@click.option("--format", "form", type=FORMATS, default="text", show_default=True)
@selection
@click.pass_obj
def drift(settings: Global, form: str, targets: tuple[str, ...], excludes: tuple[str, ...]) -> int:
    """Show what somebody changed live, and who. Exit 2 when there is any."""
    made = app.plan(settings.workspace(), plan_options(targets=targets, excludes=excludes))
    drifted = only_drift(made)
    click.echo(render_plan(drifted, form, settings), nl=False)
    return Exit.CHANGES if drifted.changes else Exit.OK


@click.command(
    epilog="""\b
Examples:
  clusterform graph                           the order of the plan, with reasons
  clusterform graph plan.json --format dot | dot -Tsvg > plan.svg
"""
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "dot", "mermaid"]),
    default="text",
    show_default=True,
)
@selection
@click.pass_obj
def graph(
    settings: Global,
    file: Path | None,
    form: str,
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
) -> int:
    """Show in which order a plan happens, and the reason of every edge."""
    from planner.views import graphs

    if file is not None:
        made, _ = planfile.read(file)
    else:
        made = app.plan(settings.workspace(), plan_options(targets=targets, excludes=excludes))
    click.echo(graphs.graph_text(made, form), nl=False)
    return Exit.OK
