"""A management cluster with the example's CRDs, and time that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulated import EXAMPLES, NAMESPACE, Fleet, documents

from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.server import open_sandbox


@pytest.fixture(scope="session")
def components() -> list[Any]:
    """The CRDs of the quickstart's providers."""
    folders = ("core", "bootstrap", "control-plane", "infrastructure")
    base = EXAMPLES / "quickstart/management"
    files = [file for folder in folders for file in sorted((base / folder).glob("crds*.yaml"))]
    return [crd for file in files for crd in documents(str(file.relative_to(EXAMPLES)))]


@pytest.fixture(scope="session")
def example() -> list[Any]:
    """The objects of shop-prod: three control planes, three workers."""
    return documents("quickstart/clusters/team-a/shop-prod.yaml")


@pytest.fixture
def fleet(tmp_path: Path, components: list[Any]) -> Iterator[Fleet]:
    clock = ManualClock(1_800_000_000.0)
    file = open_sandbox(tmp_path / "sandbox.db", clock=clock)
    found = Fleet(file, clock, file.management())
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    for obj in (namespace, *components):
        found.apply(obj)
    yield found
    file.close()


@pytest.fixture
def running(fleet: Fleet, example: list[Any]) -> Fleet:
    """shop-prod, converged."""
    for obj in example:
        fleet.apply(obj)
    fleet.wait(12)
    return fleet
