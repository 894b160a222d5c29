"""The shape of the code as a failing test: sizes, doors at start-up, documented commands."""

from __future__ import annotations

import ast
import importlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    p for root in ("planner", "providers", "state") for p in (ROOT / root).rglob("*.py")
)
LONGEST_MODULE = 500
LONGEST_FUNCTION = 80
"""Without docstring. Budgets are a ratchet: lower them when the code allows, never raise them."""


def functions() -> Iterator[tuple[str, int]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_no_function_is_longer_than_the_budget() -> None:
    assert [f for f in functions() if f[1] > LONGEST_FUNCTION] == []


def test_functions_are_short_on_the_whole() -> None:
    lengths = sorted(lines for _, lines in functions())
    assert statistics.median(lengths) <= 8
    assert lengths[int(len(lengths) * 0.95)] <= 40


def test_no_module_is_longer_than_the_budget() -> None:
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in MODULES}
    assert {path: size for path, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_nothing_prints_but_the_command_line() -> None:
    printing = [
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []


def test_help_loads_no_heavy_dependency() -> None:
    script = (
        "import sys; from planner.cli.main import run; run(['--help'])\n"
        "heavy = {'kubernetes', 'networkx', 'deepdiff', 'yaml', 'rich', 'sqlite3', 'msgspec'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def commands() -> Iterator[tuple[str, click.Command]]:
    from planner.cli.main import _COMMANDS, cli

    for name in _COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for below, child in command.commands.items():
                yield f"{name} {below}", child


ALL = list(commands())


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_says_what_it_does_and_stands_in_the_readme(
    name: str, command: click.Command
) -> None:
    readme = (ROOT / "README.md").read_text()
    assert command.help
    assert name.split()[0] in readme
    assert name.split()[-1] in readme


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_imports_on_its_own(path: Path) -> None:
    """No import cycle hides behind the order in which tests import."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    importlib.import_module(name)


def test_architecture_fits_on_one_screen() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 60
