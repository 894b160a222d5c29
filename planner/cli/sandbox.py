"""The built-in management cluster: a Kubernetes API with simulated controllers, in one file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import msgspec

from planner.cli.settings import Global
from planner.workspace import Workspace
from providers.kube.sandbox.faults import Fault
from state.errors import ClusterformError, Exit


@click.group()
def sandbox() -> None:
    """The built-in management cluster, for demos, tests and trying things out."""


@sandbox.command()
@click.pass_obj
def up(settings: Global) -> int:
    """Make the sandboxes of this fleet ready. Commands do so by themselves when they need one."""
    workspace = settings.workspace()
    for name in _sandboxes(workspace):
        client = workspace.api(name)
        click.echo(f"{name}: {client.server_version()} in {workspace.sandbox_path(name)}")
    return Exit.OK


@sandbox.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(settings: Global, yes: bool) -> int:
    """Throw the sandboxes of this fleet away, with everything in them."""
    workspace = settings.workspace()
    names = _sandboxes(workspace)
    if not yes:
        click.confirm(f"Throw away {', '.join(names)}?", abort=True)
    for name in names:
        workspace.remove_sandbox(name)
        click.echo(f"{name}: gone")
    return Exit.OK


@sandbox.command(
    epilog="""\b
Examples:
  clusterform sandbox fault --stuck "Machine team-a/shop-dev-md0-x1b2c"
  clusterform sandbox fault --status 503 --method PATCH --path machinedeployments --count 3
  clusterform sandbox fault --clear
"""
)
@click.option("--stuck", metavar='"KIND NAMESPACE/NAME"', help="This object never becomes ready.")
@click.option("--reason", default="stuck on request", help="What its condition says.")
@click.option("--status", type=click.IntRange(400, 599), help="Answer with this HTTP status.")
@click.option("--conflict", is_flag=True, help="Answer 409: somebody else has written.")
@click.option("--delay", type=float, metavar="SECONDS", help="Answer late.")
@click.option(
    "--drop",
    type=click.Choice(["before", "after"]),
    help="Cut the connection before or after the request is carried out.",
)
@click.option("--method", default="", help="Only this HTTP method.")
@click.option("--path", default="", metavar="REGEX", help="Only requests whose path matches.")
@click.option("--count", type=click.IntRange(1), help="Only so many times; default: until --clear.")
@click.option("--clear", is_flag=True, help="End all faults.")
@click.pass_obj
def fault(
    settings: Global,
    stuck: str | None,
    reason: str,
    status: int | None,
    conflict: bool,
    delay: float | None,
    drop: str | None,
    method: str,
    path: str,
    count: int | None,
    clear: bool,
) -> int:
    """Make requests fail, wait or break off, or objects never ready. Without options: list."""
    wanted = list(_faults(stuck, reason, status, conflict, delay, drop, method, path, count))
    if clear and wanted:
        raise click.UsageError("--clear goes alone")
    workspace = settings.workspace()
    for name in _sandboxes(workspace):
        file = workspace.sandbox(name)
        if clear:
            file.clear_faults()
        for one in wanted:
            file.fault(one)
        for one in file.faults():
            click.echo(f"{name}: {_line(one)}")
    return Exit.OK


def _sandboxes(workspace: Workspace) -> list[str]:
    names = list(workspace.sandboxes())
    if not names:
        raise ClusterformError(
            "no-sandbox",
            "no management cluster of this fleet is a sandbox",
            hint="give one `sandbox: {}` instead of `context` in clusterform.yaml",
        )
    return names


def _faults(
    stuck: str | None,
    reason: str,
    status: int | None,
    conflict: bool,
    delay: float | None,
    drop: str | None,
    method: str,
    path: str,
    count: int | None,
) -> Iterator[Fault]:
    requests = Fault(
        kind="status",
        method=method or ".*",
        path=f".*(?:{path}).*" if path else ".*",
        count=count,
        message="a fault of the sandbox",
    )
    if stuck:
        kind, _, name = stuck.partition(" ")
        if not name:
            raise click.UsageError('--stuck takes "KIND NAMESPACE/NAME"')
        where = f".*/{re.escape(kind)}/{re.escape(name)}"
        yield Fault(kind="stuck", path=where, reason=reason, count=None)
    if status:
        yield msgspec.structs.replace(requests, status=status)
    if conflict:
        yield msgspec.structs.replace(requests, kind="conflict")
    if delay:
        yield msgspec.structs.replace(requests, kind="delay", seconds=delay)
    if drop:
        yield msgspec.structs.replace(requests, kind=f"drop-{drop}")


def _line(fault: Fault) -> str:
    left = "until cleared" if fault.count is None else f"{fault.count} left"
    return f"{fault.kind} {fault.method} {fault.path} ({left})"
