"""Speed as ratios, so that a slow machine does not fail (benchmarks/README.md has the numbers).

CPU time of processes of their own, the best of several: other load hardly counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import fleets, seed

ROOT = Path(__file__).parents[3]
SMALL, LARGE = 20, 100
PRELOAD = "networkx deepdiff yaml"
"""Imports are start-up, not work for each object."""

pytestmark = pytest.mark.slow


def plan(root: Path, times: int = 2) -> dict[str, Any]:
    """The plan that took the least CPU, as `make bench` measures it."""
    command = [sys.executable, "-P", str(ROOT / "benchmarks" / "stages.py"), "plan", str(root)]
    found = [
        msgspec.json.decode(
            subprocess.run([*command, PRELOAD], check=True, capture_output=True).stdout
        )
        for _ in range(times)
    ]
    best: dict[str, Any] = min(found, key=lambda numbers: float(numbers["client"]))
    return best


def seeded(root: Path, clusters: int) -> Path:
    root.mkdir()
    seed.seed(root, clusters)
    return root


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded(tmp_path_factory.mktemp("bench") / "large", LARGE)


@pytest.fixture(scope="module")
def nothing(large: Path) -> dict[str, Any]:
    """A plan of the larger fleet in which nothing changed."""
    return plan(large)


def test_an_object_costs_the_same_in_a_larger_fleet(
    nothing: dict[str, Any], tmp_path: Path
) -> None:
    few, many = plan(seeded(tmp_path / "small", SMALL)), nothing
    assert (few["changes"], many["changes"]) == (0, 0)
    assert few["objects"] >= SMALL * fleets.PER_CLUSTER
    assert many["objects"] >= LARGE * fleets.PER_CLUSTER
    assert many["client"] / many["objects"] <= 1.6 * few["client"] / few["objects"]


def test_one_percent_changed_costs_little_more_than_nothing_changed(
    large: Path, nothing: dict[str, Any]
) -> None:
    count = fleets.change(large, LARGE)
    plan(large, times=1)  # parses what changed, once
    changed = plan(large)
    fleets.undo(large)
    assert (nothing["changes"], changed["changes"]) == (0, count)
    assert changed["client"] <= 2 * nothing["client"]


def test_help_is_not_far_from_starting_python() -> None:
    def best(*command: str) -> float:
        found = []
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            found.append(time.perf_counter() - began)
        return min(found)

    program = str(Path(sys.executable).parent / "clusterform")
    assert best(program, "--help") <= 10 * best(sys.executable, "-c", "pass")
