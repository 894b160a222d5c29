"""Inspecting and repairing what clusterform remembers."""

from __future__ import annotations

import click

from planner import repair, select
from planner.cli.settings import Global
from planner.lookup import find_record
from planner.resolve import FLEET_LABEL
from state import lock
from state.errors import Exit


@click.group()
def state() -> None:
    """What clusterform remembers: records in the management cluster, runs on this machine.

    Losing all of it costs 'state rebuild', not clusters: what we own is marked on every object.
    """


@state.command("list", epilog="\b\nExample:\n  clusterform state list --target cluster=team-a/*")
@click.option("--target", "targets", multiple=True, metavar="SELECTOR", help="Only what matches.")
@click.pass_obj
def list_(settings: Global, targets: tuple[str, ...]) -> int:
    """List the objects that clusterform manages."""
    from planner.views.records import list_text

    workspace = settings.workspace()
    _, records = workspace.records()
    selectors = [select.parse(t) for t in targets]
    wanted = [
        r
        for _, r in sorted(records.items())
        if not selectors or any(s.matches(r.id, r.unit, {}) for s in selectors)
    ]
    if selectors and not wanted:
        raise select.nothing_matches(selectors, "clusterform state list shows all")
    click.echo(list_text(wanted), nl=False)
    return Exit.OK


@state.command(epilog="\b\nExample:\n  clusterform state show mgmt/Cluster/team-a/shop-prod")
@click.argument("object_id", metavar="OBJECT")
@click.pass_obj
def show(settings: Global, object_id: str) -> int:
    """Show one record beside its live object. OBJECT: [CLUSTER/]KIND/[NAMESPACE/]NAME."""
    from planner.views.records import show_text

    workspace = settings.workspace()
    _, records = workspace.records()
    recorded = find_record(records, object_id)
    needed_by = sorted(i for i, r in records.items() if recorded.id in r.depends_on)
    live = repair.observe(workspace, recorded)
    click.echo(show_text(recorded, live, needed_by), nl=False)
    return Exit.OK


@state.command()
@click.pass_obj
def history(settings: Global) -> int:
    """List past runs, newest first."""
    from planner.views.records import history_text

    workspace = settings.workspace()
    heads, _ = workspace.records()
    runs = {run.run: run for head in heads.values() for run in head.runs}
    unfinished = [r for r in workspace.journal.runs(workspace.fleet_name) if not r.finished]
    ordered = sorted(runs.values(), key=lambda r: r.started, reverse=True)
    click.echo(history_text(ordered, unfinished), nl=False)
    return Exit.OK


@state.command()
@click.pass_obj
def rebuild(settings: Global) -> int:
    """Recreate the records from the live objects that carry our label and our ownership."""
    workspace = settings.workspace()
    count = repair.rebuild(workspace)
    click.echo(
        f"{count} records rebuilt from live objects labelled {FLEET_LABEL}={workspace.fleet_name}"
    )
    return Exit.OK


@state.command(epilog="\b\nExample:\n  clusterform state unlock 0192f3a1b2c3")
@click.argument("run")
@click.pass_obj
def unlock(settings: Global, run: str) -> int:
    """Break the lock of a run that is dead. Its writes are refused from then on."""
    workspace = settings.workspace()
    for management in workspace.managements():
        store, fence = workspace.store(management), workspace.record_store(management).fence
        broken = lock.unlock(store, workspace.fleet_name, run, fence)
        click.echo(f"unlocked {management}: {broken.holder} held it, epoch {broken.epoch}")
    return Exit.OK
