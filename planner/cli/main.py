"""The command line: one group, the global options, the error boundary, the exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import click

from planner.cli.settings import Global
from planner.version import VERSION
from state.errors import ClusterformError, Exit

_COMMANDS = {
    "apply": "planner.cli.apply:apply",
    "destroy": "planner.cli.apply:destroy",
    "drift": "planner.cli.plan:drift",
    "explain": "planner.cli.explain:explain",
    "graph": "planner.cli.plan:graph",
    "kubeconfig": "planner.cli.look:kubeconfig",
    "plan": "planner.cli.plan:plan",
    "render": "planner.cli.explain:render",
    "sandbox": "planner.cli.sandbox:sandbox",
    "show": "planner.cli.plan:show",
    "sources": "planner.cli.sources:sources",
    "state": "planner.cli.state:state",
    "status": "planner.cli.status:status",
    "test": "planner.cli.test:test",
    "validate": "planner.cli.validate:validate",
}


class _Lazy(click.Group):
    """Imports a command's module when it is used: `--help` of others stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        where = _COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list without importing anything: summaries stand here."""
        rows = [(name, _SUMMARIES[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


_SUMMARIES = {
    "apply": "Do what a plan says, in order, and wait for it.",
    "destroy": "Plan and apply the removal of what --target names.",
    "drift": "Show what somebody changed live.",
    "explain": "Say where objects and fields come from, to file, line and value.",
    "graph": "Show the order of a plan and why.",
    "kubeconfig": "Print the kubeconfig of a workload cluster.",
    "plan": "Show what would change, why, in what order, and which machines go.",
    "render": "Print the objects as they would be applied, and where they come from.",
    "sandbox": "The built-in management cluster: up, reset, fault.",
    "show": "Show a saved plan; needs no cluster.",
    "sources": "Pin and fetch charts and repositories that are named by URL.",
    "state": "Inspect and repair what clusterform remembers.",
    "status": "Show how clusters are doing.",
    "test": "Test the repository: releases, charts, expectations, edits that must not roll.",
    "validate": "Check the repository without a cluster; explain a rule.",
}


@click.command(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: clusterform plan -o plan.json, then clusterform apply plan.json",
)
@click.version_option(VERSION, prog_name="clusterform")
@click.option(
    "-C",
    "directory",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Work in this folder.",
)
@click.option("--fleet", metavar="FILE", help="The Fleet file, relative to the folder.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour on stdout.",
)
@click.option("-v", "--verbose", count=True, help="Say more.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Progress on stderr as text or JSON lines.",
)
@click.pass_context
def cli(
    ctx: click.Context,
    directory: Path,
    fleet: str | None,
    color: str,
    verbose: int,
    quiet: bool,
    log_format: str,
) -> None:
    """Plan and apply for fleets of Kubernetes clusters.

    Reads clusters from Git, shows what would change and which machines would be replaced, and
    applies exactly that in dependency order.
    """
    if "NO_COLOR" in os.environ and color == "auto":
        color = "never"
    ctx.obj = Global(
        root=directory.resolve(),
        fleet=fleet,
        color=color,
        verbose=verbose,
        quiet=quiet,
        log_format=log_format,
    )


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; every error ends here, as text on stderr and an exit code."""

    try:
        code = cli.main(arguments, prog_name="clusterform", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("interrupted: nothing was written", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as usage:
        usage.show()
        return int(Exit.ERROR)
    except ClusterformError as error:
        _say(error)
        return int(error.exit)
    except BrokenPipeError:
        sys.stderr.close()
        return int(Exit.ERROR)
    except Exception as bug:
        if "-v" in (arguments or sys.argv) or "--verbose" in (arguments or sys.argv):
            raise
        _say(_bug(bug))
        return int(Exit.ERROR)
    return int(code or 0)


def _say(error: ClusterformError) -> None:
    from planner.views.problems import error_text

    click.echo(error_text(error), err=True)


def _bug(error: Exception) -> ClusterformError:
    """What is said of an exception that should not have come here; never its message."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return ClusterformError(
        "bug",
        f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}",
        detail="this is a mistake in clusterform, not in your files",
        hint="please report it; clusterform -v shows where it happened",
    )
