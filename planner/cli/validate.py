"""validate: checking a repository without a cluster, and explaining its rules."""

from __future__ import annotations

import click

from planner.cli.settings import Global
from state.errors import Exit

FORMATS = click.Choice(["text", "json", "sarif", "github"])


@click.command(
    epilog="""\b
Examples:
  clusterform validate
  clusterform validate --ref origin/main
  clusterform validate --format github         annotations on the lines of a pull request
  clusterform validate --format sarif > findings.sarif
  clusterform validate --explain V4            what a rule asks for, why, and the way out
"""
)
@click.option("--ref", metavar="REV", help="Check a revision instead of the working tree.")
@click.option("--format", "form", type=FORMATS, default="text", show_default=True)
@click.option("--explain", metavar="RULE", help="Explain a rule, V1 to V26, and check nothing.")
@click.pass_obj
def validate(settings: Global, ref: str | None, form: str, explain: str | None) -> int:
    """Check the repository without a cluster: parse, schemas of CRDs at hand, references, rules."""
    if explain is not None:
        from planner.rules.table import find
        from planner.views.rules import rule_text

        click.echo(rule_text(find(explain)), nl=False)
        return Exit.OK
    from planner.lockedcrds import noted
    from planner.validate import all_findings
    from planner.views import findings as views

    workspace = settings.workspace(ref, offline=True)
    found = all_findings(workspace.loaded, workspace.line_of, noted(workspace.tree))
    documents = len(workspace.loaded.documents)
    click.echo(views.rendered(found, form, documents), nl=False)
    return Exit.ERROR if any(f.severity == "error" for f in found) else Exit.OK
