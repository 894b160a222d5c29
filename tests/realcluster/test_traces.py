"""Every trace on the real server; its observations are the recorded ones.

`GOLDEN=1` records them anew (`tests/data/traces.json`, and the definitions of Cluster API's kinds
that the sandbox is given, `tests/data/traces-crds.json`); read the diff before you commit it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.kube.api import APPLY_PATCH, Request, Transport
from providers.kube.http import HttpTransport
from tests.contract.traces import ALL, Trace
from tests.contract.traces.language import CAPI, KINDS
from tests.contract.traces.running import Run, differing, written
from tests.realcluster import capi

DATA = Path(__file__).parents[1] / "data"
RECORDED = DATA / "traces.json"
DEFINITIONS = DATA / "traces-crds.json"
REWRITE = os.environ.get("GOLDEN") == "1"
recording: dict[str, list[Any]] = {}


def _apply_widgets(server: Transport) -> None:
    """The definition of our own, with every list type; the same in all workers."""
    body = json.loads((DATA / "ssa-noop-cases.json").read_bytes())["crd"]
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{body['metadata']['name']}"
    query = (("fieldManager", "traces"), ("force", "true"))
    request = Request(
        method="PATCH",
        path=path,
        query=query,
        body=json.dumps(body).encode(),
        content_type=APPLY_PATCH,
    )
    assert server.request(request).status in (200, 201)
    listed = Request(method="GET", path="/apis/t.cform.test/v1beta2/widgets")
    until = time.monotonic() + 30
    while server.request(listed).status != 200:
        assert time.monotonic() < until, "the definition is not served"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def ready(server: HttpTransport) -> Iterator[HttpTransport]:
    _apply_widgets(server)
    yield server
    if REWRITE and len(recording) == len(ALL):
        RECORDED.write_text(written(recording))


@pytest.fixture(scope="module")
def recorded() -> Any:
    return json.loads(RECORDED.read_bytes()) if RECORDED.is_file() else {}


@pytest.mark.parametrize("trace", ALL, ids=[f"{t.topic}: {t.title}" for t in ALL])
def test_the_real_server_answers_as_recorded(
    ready: HttpTransport, unique: Callable[[str], str], recorded: Any, trace: Trace
) -> None:
    seen = Run(ready, unique("trace"), time.sleep).observe(trace)
    if REWRITE:
        recording[trace.title] = seen
        return
    assert differing(seen, recorded[trace.title]) == {}


def _plain(value: Any) -> Any:
    """Without prose, which decides nothing and is most of a definition."""
    if isinstance(value, dict):
        return {
            name: _plain(inner)
            for name, inner in value.items()
            if not (name == "description" and isinstance(inner, str))
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def test_the_sandbox_is_given_the_same_definitions() -> None:
    plurals = {KINDS[kind][1] for kind in CAPI}
    found = [
        _plain(body) for body in capi.definitions() if body["spec"]["names"]["plural"] in plurals
    ]
    lines = [json.dumps(body, sort_keys=True) for body in found]
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    if REWRITE:
        DEFINITIONS.write_text(text)
    assert DEFINITIONS.read_text() == text
