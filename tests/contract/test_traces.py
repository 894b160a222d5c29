"""Every trace on the sandbox; its observations are those recorded from a real server.

What differs stands in `differences.py`, and stays there only as long as it differs.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from providers.kube.api import APPLY_PATCH, Request, Transport
from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.server import open_sandbox
from providers.kube.sandbox.world import Admissions
from tests.contract.differences import DIFFERENCES
from tests.contract.traces import ALL, Trace
from tests.contract.traces.running import Run, differing

DATA = Path(__file__).parents[1] / "data"
RECORDED: dict[str, list[Any]] = json.loads((DATA / "traces.json").read_bytes())
WIDGETS = json.loads((DATA / "ssa-noop-cases.json").read_bytes())["crd"]


def _define(server: Transport, body: Any) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{body['metadata']['name']}"
    request = Request(
        method="PATCH",
        path=path,
        query=(("fieldManager", "traces"),),
        body=json.dumps(body).encode(),
        content_type=APPLY_PATCH,
    )
    assert server.request(request).status == 201


def observed(trace: Trace, folder: Path) -> list[Any]:
    """What a fresh sandbox does, without simulated controllers and Cluster API's webhooks."""
    clock = ManualClock(1_800_000_000.0)
    file = open_sandbox(folder / "sandbox.db", clock=clock, reconcilers={}, admissions=Admissions())
    try:
        server = file.management()
        _define(server, WIDGETS)
        if trace.capi:
            for definition in json.loads((DATA / "traces-crds.json").read_bytes()):
                _define(server, definition)
        return Run(server, "trace-0", clock.sleep).observe(trace)
    finally:
        file.close()


@pytest.mark.parametrize("trace", ALL, ids=[f"{t.topic}: {t.title}" for t in ALL])
def test_the_sandbox_answers_like_the_real_server(trace: Trace, tmp_path: Path) -> None:
    found = differing(observed(trace, tmp_path), RECORDED[trace.title])
    listed = {d.step for d in DIFFERENCES if d.trace == trace.title}
    assert {step: pair for step, pair in found.items() if step not in listed} == {}
    assert listed - found.keys() == set(), "no longer different: take it off the list"


def test_every_trace_is_recorded_and_every_difference_is_of_a_trace() -> None:
    titles = [trace.title for trace in ALL]
    assert [title for title, times in Counter(titles).items() if times > 1] == []
    assert sorted(titles) == sorted(RECORDED)
    steps = {(title, found["step"]) for title in RECORDED for found in RECORDED[title]}
    assert {(d.trace, d.step) for d in DIFFERENCES} <= steps
