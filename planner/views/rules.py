"""The rules of validation for people: one explained on the terminal, all of them as Markdown."""

from __future__ import annotations

import textwrap

from planner.rules.table import TABLE, Entry, explanation

_WIDTH = 96


def rule_text(entry: Entry) -> str:
    """What `validate --explain` prints."""
    lines = [f"{entry.id} {entry.name}", f"  {entry.summary}", ""]
    for label, text in explanation(entry):
        indent = " " * 20
        first = f"  {label + ':':<18}"
        lines += textwrap.wrap(
            text,
            _WIDTH,
            initial_indent=first,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
    return "\n".join(lines) + "\n"


def rules_markdown() -> str:
    """docs/validation.md below its introduction: a table, then each rule."""
    lines = ["| rule | asks that | severity | looked at in |", "|---|---|---|---|"]
    lines += [
        f"| [{e.id}](#{e.id.lower()}-{e.name}) `{e.name}` | {e.summary} | {e.severity}"
        f" | {e.where.value} |"
        for e in TABLE
    ]
    for entry in TABLE:
        lines += ["", f"## {entry.id} {entry.name}", entry.summary, ""]
        lines += [f"- **{label}**: {text}" for label, text in explanation(entry)]
    return "\n".join(lines) + "\n"
