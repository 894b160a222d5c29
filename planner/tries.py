"""Edits tried beside each other, each once: what was tried with the same objects is remembered.

A trial depends on what the repository declares and on this program, and on nothing else: its clock
is driven, its clusters are built in. So its outcome is kept on this machine under a digest of both.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from planner import keptfile
from planner.trial import Outcome, Tried, identity, outcome
from planner.version import VERSION
from planner.workspace import Workspace
from state.errors import ClusterformError
from state.resource import digest

FORMAT = b"clusterform trials 1\n"
_ROOTS = ("planner", "providers", "state")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one edit."""

    outcome: Outcome = Outcome()
    problem: str = ""
    """Why it could not be tried."""
    seconds: float = 0.0


def tried(workspace: Workspace, wanted: Sequence[Tried], jobs: int) -> list[Result]:
    """The outcome of each edit, in their order."""
    path = workspace.cache / "trials" if workspace.cache else None
    program = _program()
    keys = [digest(program, identity(each).encode()) for each in wanted]
    known = _read(path) if path is not None else {}
    fresh = [index for index, key in enumerate(keys) if key not in known]
    results = [Result(outcome=known.get(key, Outcome())) for key in keys]
    made = _in_processes(lambda at: _one(workspace, wanted[fresh[at]]), len(fresh), jobs)
    for index, result in zip(fresh, made, strict=True):
        results[index] = result
    keep = {k: r.outcome for k, r in zip(keys, results, strict=True) if not r.problem}
    if path is not None and fresh:
        spare = {key: found for key, found in known.items() if key not in keep}
        keep |= spare if len(spare) <= len(keep) else {}
        keptfile.write(path, FORMAT, msgspec.msgpack.encode(keep))
    return results


def _one(workspace: Workspace, wanted: Tried) -> Result:
    started = time.perf_counter()
    try:
        found, problem = outcome(workspace, wanted), ""
    except ClusterformError as error:
        found, problem = Outcome(), error.brief
    return Result(outcome=found, problem=problem, seconds=time.perf_counter() - started)


def _read(path: Path) -> dict[str, Outcome]:
    try:
        payload = keptfile.read(path, FORMAT)
        return {} if payload is None else msgspec.msgpack.decode(payload, type=dict[str, Outcome])
    except msgspec.MsgspecError:
        return {}


def _program() -> bytes:
    """This program: its version, and its files as they are, for who works on it."""
    root = Path(__file__).parent.parent
    files = sorted(path for name in _ROOTS for path in (root / name).rglob("*.py"))
    marks = [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files]
    return digest(FORMAT, VERSION.encode(), *(mark.encode() for mark in marks)).encode()


# ---------------------------------------------------------------------- processes

_work: Callable[[int], Result] | None = None


def _set_work(work: Callable[[int], Result]) -> None:
    global _work  # handed to a process when it is made
    _work = work


def _do(index: int) -> Result:
    assert _work is not None
    return _work(index)


def _in_processes(work: Callable[[int], Result], count: int, jobs: int) -> list[Result]:
    """`work(0)`, `work(1)`, … beside each other in copies of this process.

    Copies have everything that was read already. A process with threads is not copied (a lock that
    another thread holds would be held for ever), nor is one where the system cannot do it: then one
    comes after the other.
    """
    workers = min(jobs, count)
    copies = "fork" in multiprocessing.get_all_start_methods()
    if workers < 2 or not copies or threading.active_count() > 1:
        return [work(index) for index in range(count)]
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_set_work, initargs=(work,)
        ) as pool:
            return list(pool.map(_do, range(count)))
    except BrokenProcessPool:
        raise ClusterformError(
            "trial", "a process that tried edits ended", hint="try again with --jobs 1"
        ) from None
