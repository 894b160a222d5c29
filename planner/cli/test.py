"""test: the clusters repo's own tests."""

from __future__ import annotations

import os
from pathlib import Path

import click

from planner.cli.settings import Global
from state.errors import ClusterformError, Exit


@click.command(
    epilog="""\b
Examples:
  clusterform test
  clusterform test --junit report.xml          for CI
  clusterform test --ref origin/main
  clusterform test --jobs 1                    edits one after the other
"""
)
@click.option("--ref", metavar="REV", help="Test a revision instead of the working tree.")
@click.option(
    "--tests", "folder", default="tests", show_default=True, metavar="DIR", help="Test files."
)
@click.option("--junit", "report", type=click.Path(path_type=Path), metavar="FILE", help="JUnit.")
@click.option(
    *("-j", "--jobs"),
    type=click.IntRange(min=1),
    metavar="N",
    help="Edits that are tried at a time.  [default: one for each core]",
)
@click.pass_obj
def test(
    settings: Global, ref: str | None, folder: str, report: Path | None, jobs: int | None
) -> int:
    """Render and check every release and chart, and test what the repository expects of them.

    Needs no cluster. Charts are rendered with their ci/*-values.yaml. Files of `kind: Test` say
    which other values charts and releases are rendered with, which fields objects must have, and
    what an edit may do to machines: it is tried on a cluster in memory (docs/testing.md). Exits 1
    if a test fails.
    """
    from planner.testing import run
    from planner.views.tests import junit, tests_text

    cases = run(settings.workspace(ref, offline=True), folder, jobs or os.cpu_count() or 1)
    if report is not None:
        try:
            report.write_text(junit(cases))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ClusterformError("cannot-write", f"cannot write {report}: {why}") from None
    click.echo(tests_text(cases), nl=False)
    return Exit.OK if all(case.passed for case in cases) else Exit.ERROR
