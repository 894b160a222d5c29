"""One control plane for the whole run, shared by all workers; a test's objects have its own names.

`make real` builds the binaries and sets CLUSTERFORM_REAL=1. Without that the suites are skipped.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from providers.kube.http import HttpTransport
from tests.realcluster import capi
from tests.realcluster.binaries import missing
from tests.realcluster.lab import RealLab, transport_of
from tests.realcluster.server import ControlPlane

_FOLDER = "CLUSTERFORM_REAL_FOLDER"
_WITH_CONTROLLERS = "controllers"
"""Suites below this folder need Cluster API's controllers."""
_stack = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """Start the shared server before the workers, which inherit the environment."""
    if hasattr(config, "workerinput") or os.environ.get("CLUSTERFORM_REAL") != "1" or missing():
        return
    if config.option.collectonly:
        return
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    managed = Path(__file__).parent / _WITH_CONTROLLERS
    if any(managed in (path, *path.parents) or path in managed.parents for path in asked):
        _start(capi.MANAGED_FOLDER, capi.managed)
    if any(managed not in (path, *path.parents) for path in asked):
        _start(_FOLDER, _bare)


def _start(variable: str, make: Callable[[], AbstractContextManager[ControlPlane]]) -> None:
    """Start a server and say in the environment where it is; one that is named there is used."""
    if variable not in os.environ:
        plane = _stack.enter_context(make())
        os.environ[variable] = f"{plane.folder}:{plane.port}"


@contextmanager
def _bare() -> Iterator[ControlPlane]:
    with ControlPlane.started() as plane:
        capi.install(transport_of(plane))
        yield plane


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop it after the workers."""
    if not hasattr(config, "workerinput"):
        _stack.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what has no server, and say how to get one."""
    here = Path(__file__).parent
    reason = "needs a real API server: make real"
    if os.environ.get("CLUSTERFORM_REAL") == "1" and missing():
        names = ", ".join(tool.name for tool in missing())
        reason = f"{names} not built: python -m tests.realcluster.binaries"
    for item in items:
        if here not in item.path.parents:
            continue
        managed = here / _WITH_CONTROLLERS in item.path.parents
        if (capi.MANAGED_FOLDER if managed else _FOLDER) not in os.environ:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def plane() -> ControlPlane:
    """The shared control plane, with Cluster API's CRDs and no controllers but GC's."""
    return capi.found(_FOLDER)


@pytest.fixture(scope="session")
def server(plane: ControlPlane) -> HttpTransport:
    """The shared server, as its administrator."""
    return transport_of(plane)


@pytest.fixture(scope="session")
def full() -> bool:
    """`make real FULL=1`: everything, not the smoke tier."""
    return os.environ.get("FULL") == "1"


@pytest.fixture(scope="session")
def unique(worker_id: str) -> Callable[[str], str]:
    """Names that no other test of this run has."""
    counter = itertools.count(1)
    return lambda stem: f"{stem}-{worker_id}-{next(counter)}"


@pytest.fixture
def lab(
    tmp_path: Path,
    plane: ControlPlane,
    unique: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> RealLab:
    """A clusters repo on the shared server, with a fleet name of its own."""
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    return RealLab(tmp_path, plane, fleet=unique("fleet"))


@pytest.fixture
def own_plane() -> Iterator[Callable[..., ControlPlane]]:
    """Starts a control plane for one test, with flags of kube-apiserver."""
    with ExitStack() as stack:
        yield lambda *flags, **how: stack.enter_context(ControlPlane.started(*flags, **how))
