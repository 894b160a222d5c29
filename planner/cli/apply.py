"""apply and destroy: they write. Signals, prompts and exit codes are here."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from planner import app, events, planfile
from planner.app import ApplyOptions
from planner.changes import Plan
from planner.cli.options import applying, plan_options, planning, selection
from planner.cli.plan import render_plan
from planner.cli.settings import Global
from planner.planfile import Envelope
from planner.workspace import Workspace
from state.errors import ClusterformError, Exit


@click.command(
    epilog="""\b
Examples:
  clusterform apply plan.json              do exactly this plan
  clusterform apply                        plan, show, ask, apply
  clusterform apply --resume 0192f3        finish an interrupted run
  clusterform apply --auto-approve --expect-digest approved.json
"""
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--resume", metavar="RUN", help="Finish an interrupted run.")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option(
    "--expect-digest",
    default="",
    metavar="DIGEST|FILE",
    help="Refuse any other plan: the full digest, a saved plan, or a file of"
    " 'unit digest machines' lines.",
)
@planning
@selection
@applying
@click.pass_obj
def apply(
    settings: Global,
    file: Path | None,
    resume: str | None,
    auto_approve: bool,
    expect_digest: str,
    ref: str | None,
    refresh: str,
    allow_destroy: tuple[str, ...],
    adopt: tuple[str, ...],
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    parallelism: int,
    timeout: float,
    lock_timeout: float,
    no_wait: bool,
) -> int:
    """Do what a plan says, in dependency order, and wait for it.

    With a saved plan it asks nothing and refuses whatever moved since. Without one it plans, shows
    the plan and asks. Ctrl-C once: nothing new starts; twice: leave at once, the journal is safe.
    """
    options = ApplyOptions(
        parallel=parallelism,
        wait=not no_wait,
        timeout=timeout,
        lock_timeout=lock_timeout,
        expect_digest=expect_digest,
    )
    workspace = settings.workspace(ref)
    if resume is not None:
        if not resume:
            raise click.UsageError("--resume needs a run; clusterform state history lists them")
        if file or targets or excludes:
            raise click.UsageError("--resume performs the plan of that run: give nothing else")
        return _perform(
            settings, lambda emit, stop: app.resume(workspace, resume, options, emit, stop)
        )
    if file is not None:
        if targets or excludes or allow_destroy or adopt or ref:
            raise click.UsageError("a saved plan is applied whole: cut it when you make it")
        made, envelope = planfile.read(file)
        return _run(settings, workspace, made, envelope, options)
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
    click.echo(render_plan(made, "text", settings), nl=False)
    if not made.writes:
        return Exit.REFUSED if _refused(made) else Exit.ERROR if _blocked(made) else Exit.OK
    if not auto_approve and not made.refusals:
        _ask("Apply this plan? Only 'yes' is a yes", "yes")
    return _run(settings, workspace, made, None, options)


@click.command(
    epilog="""\b
Example:
  clusterform destroy --target cluster=team-a/shop-dev
"""
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="SELECTOR",
    help="What goes. Repeatable.",
)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@applying
@click.pass_obj
def destroy(
    settings: Global,
    targets: tuple[str, ...],
    auto_approve: bool,
    parallelism: int,
    timeout: float,
    lock_timeout: float,
    no_wait: bool,
) -> int:
    """Remove what --target names, in reverse order, after a typed confirmation.

    Of a cluster only the Cluster object is deleted; Cluster API tears the rest down. Remove it from
    Git as well, or the next plan makes it again.
    """
    workspace = settings.workspace()
    made = app.plan(workspace, plan_options(mode="destroy", targets=targets))
    click.echo(render_plan(made, "text", settings), nl=False)
    if not made.writes:
        return Exit.OK
    if not auto_approve and not made.refusals:
        names = ",".join(t.partition("=")[2] for t in targets)
        _ask(f"This cannot be undone. Type {names!r} to destroy", names)
    options = ApplyOptions(
        parallel=parallelism, wait=not no_wait, timeout=timeout, lock_timeout=lock_timeout
    )
    return _run(settings, workspace, made, None, options)


def _ask(question: str, answer: str) -> None:
    if not sys.stdin.isatty():
        raise ClusterformError(
            "refused",
            "nobody is there to confirm this plan",
            hint="save it and apply the file, or give --auto-approve",
        )
    if click.prompt(question, default="", show_default=False, err=True) != answer:
        raise ClusterformError("refused", "not confirmed: nothing was written")


def _run(
    settings: Global,
    workspace: Workspace,
    made: Plan,
    envelope: Envelope | None,
    options: ApplyOptions,
) -> int:
    if not made.writes and not made.refusals:
        click.echo("No changes: there is nothing to apply.")
        return Exit.REFUSED if _refused(made) else Exit.OK
    code = _perform(
        settings,
        lambda emit, stop: app.apply(workspace, made, envelope, options, emit, stop),
    )
    if code != Exit.OK:
        return code
    if _refused(made):
        return Exit.REFUSED
    return Exit.PARTIAL if _blocked(made) else code


def _refused(made: Plan) -> bool:
    return bool(made.refusals) or any(f.kind == "refused" for f in made.findings)


def _blocked(made: Plan) -> bool:
    """Something of Git could not be planned because something stands in its way."""
    return any(f.kind == "blocked" for f in made.findings)


Performance = Callable[[app.Emit, app.Interrupts], events.RunFinished]


def _perform(settings: Global, perform: Performance) -> int:
    """Run with progress on stderr and the report on stdout."""
    from planner.views.progress import open_progress
    from planner.views.report import report_text

    with (
        open_progress(
            form=settings.log_format, quiet=settings.quiet, color=settings.color
        ) as progress,
        _Signals() as signals,
    ):
        finished = perform(progress.emit, signals.connect)
    click.echo(report_text(finished), nl=False)
    return exit_of(finished)


def exit_of(finished: events.RunFinished) -> int:
    """The exit code of a run."""
    if finished.stopped_by == "signal" and not finished.count("failed"):
        return Exit.INTERRUPTED
    failed = [r for r in finished.results if r.outcome == "failed"]
    if not (failed or finished.unsettled or finished.count("skipped") or finished.stopped_by):
        return Exit.OK
    if finished.count("done"):
        return Exit.PARTIAL
    if failed and all(r.code == "stale" for r in failed):
        return Exit.STALE
    return Exit.ERROR


class _Signals:
    """Interrupt 1 stops starting; interrupt 2 leaves at once: what is journalled is durable."""

    def __init__(self) -> None:
        self._interrupt: Callable[[], None] | None = None
        self._count = 0
        self._before: dict[signal.Signals, object] = {}

    def connect(self, interrupt: Callable[[], None]) -> None:
        """What the first signal does."""
        self._interrupt = interrupt
        if self._count:
            interrupt()

    def __enter__(self) -> _Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() returned

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._count += 1
        if self._count > 1:
            import os

            os.write(2, b"\nleaving at once; finish with clusterform apply --resume\n")
            os._exit(Exit.INTERRUPTED)
        if self._interrupt is not None:
            self._interrupt()
