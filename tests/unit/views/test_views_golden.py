"""The look of plans, compared to the letter. Regenerate with GOLDEN=1 and read the diff."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from plancases import CASES, many

from planner.changes import Plan
from planner.views.graphs import graph_text
from planner.views.jsonview import plan_json
from planner.views.markdown import plan_markdown
from planner.views.text import plan_text

GOLDEN = Path(__file__).parents[2] / "data" / "golden" / "views"
FORMS: dict[str, Callable[[Plan], str]] = {
    "txt": lambda made: plan_text(made, verbose=False, color=False),
    "md": plan_markdown,
    "json": plan_json,
    "verbose.txt": lambda made: plan_text(made, verbose=True, color=False, saved="plan.json"),
    "graph.txt": lambda made: graph_text(made, "text"),
    "dot": lambda made: graph_text(made, "dot"),
    "mmd": lambda made: graph_text(made, "mermaid"),
}
ONLY_SMALL = {"verbose.txt", "json", "graph.txt", "dot", "mmd"}
PAIRS = [
    (name, form)
    for name in CASES
    for form in FORMS
    if form not in ONLY_SMALL or name in ("kinds", "destroy", "hostile")
]


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_a_plan_looks_as_recorded(name: str, form: str) -> None:
    text = FORMS[form](CASES[name]())
    path = GOLDEN / f"{name}.{form}"
    if os.environ.get("GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_bytes().decode()


def test_10_000_changes_as_a_comment() -> None:
    text = plan_markdown(many(deletes=300, updates=9_700))
    path = GOLDEN / "10000.md"
    if os.environ.get("GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_bytes().decode()
    assert len(text) <= 65_000
    assert all(f"gone-{n}" in text for n in range(300))


@pytest.mark.parametrize("name", CASES)
def test_every_view_ends_in_one_line_end_and_is_deterministic(name: str) -> None:
    made = CASES[name]()
    for form in FORMS.values():
        text = form(made)
        assert text == form(CASES[name]())
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


def test_json_is_valid_ascii_with_sorted_keys() -> None:
    text = plan_json(CASES["hostile"]())
    assert text.isascii()
    decoded = json.loads(text)
    assert list(decoded) == sorted(decoded)
    assert decoded["changes"][0]["kind"] == "ConfigMap"


def test_colour_only_adds_escapes() -> None:
    made = CASES["typical"]()
    painted = plan_text(made, verbose=False, color=True)
    plain = plan_text(made, verbose=False, color=False)
    assert painted != plain
    stripped = painted
    for code in ("31", "32", "33", "36", "1", "2", "0"):
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert stripped == plain
