"""Errors and findings as text: what, where, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable

from planner.views.clean import clean, clean_lines
from providers.yamldoc import Finding
from state.errors import ClusterformError


def error_text(error: ClusterformError) -> str:
    """An error for stderr: `error[code]: brief`, the place, the reason, the way out."""
    return _block(
        f"error[{clean(error.code)}]: {clean(error.brief)}", error.where, error.detail, error.hint
    )


def findings_text(findings: Iterable[Finding]) -> str:
    """All findings of `validate` in the same look, errors first, then by place; `""` for none."""
    ordered = sorted(findings, key=lambda f: (f.severity != "error", f.path, f.line, f.column))
    return "".join(
        _block(f"{f.severity}[{clean(f.code)}]: {clean(f.summary)}", f.where, f.detail, f.hint)
        + "\n\n"
        for f in ordered
    )


def _block(first: str, where: str, detail: str, hint: str) -> str:
    lines = [first]
    if where:
        lines.append(f"  --> {clean(where)}")
    for text in (detail, hint):
        lines += [f"  {line}".rstrip() for line in clean_lines(text).split("\n") if line.strip()]
    return "\n".join(lines)
