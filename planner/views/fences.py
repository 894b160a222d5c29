"""Data inside Markdown: code spans, fences and table cells that nothing in the data can leave."""

from __future__ import annotations

import html
import re

from planner.views.clean import clean, clean_lines

_BACKTICKS = re.compile("`+")


def fence(content: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    content = clean_lines(content).rstrip("\n")
    mark = "`" * max(3, _longest(content) + 1)
    return f"{mark}{language}\n{content}\n{mark}"


def span(text: str) -> str:
    """A code span: names, values and messages outside of fences; mentions in it are inert."""
    text = clean(text)
    if not text:
        return ""
    mark = "`" * (_longest(text) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " ") else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def cell(text: str) -> str:
    """A code span in a table cell, where a bar would end the cell."""
    return span(text).replace("|", "\\|")


def summary(text: str) -> str:
    """Data inside an HTML `<summary>`, in a code element."""
    return f"<code>{html.escape(clean(text))}</code>"


def _longest(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
