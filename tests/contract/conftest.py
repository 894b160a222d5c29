"""A small client and a sandbox for the contract suite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from providers.kube.api import APPLY_PATCH, JSON, MERGE_PATCH, Request, Transport
from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.server import SandboxFile, open_sandbox

DATA = Path(__file__).parent.parent / "data"

PLURALS = {"NetworkPolicy": "networkpolicies", "ClusterClass": "clusterclasses"}


class Answer(msgspec.Struct):
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def metadata(self) -> Any:
        return self.body["metadata"]

    @property
    def message(self) -> str:
        return str(self.body["message"])


class Client:
    """Requests by object, so that a test says only what it is about."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def send(
        self, method: str, path: str, body: Any = None, media: str = JSON, **query: str
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        request = Request(
            method=method, path=path, query=tuple(query.items()), body=content, content_type=media
        )
        response = self.transport.request(request)
        text = response.headers.get("content-type", "").startswith("text/plain")
        shown = response.body.decode() if text else json.loads(response.body)
        return Answer(response.status, shown, response.headers)

    def path(self, obj: Any, name: bool = True) -> str:
        version, kind, metadata = obj["apiVersion"], obj["kind"], obj["metadata"]
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if metadata.get("namespace"):
            base += f"/namespaces/{metadata['namespace']}"
        base += f"/{PLURALS.get(kind, kind.lower() + 's')}"
        return f"{base}/{metadata['name']}" if name else base

    def apply(self, obj: Any, manager: str = "clusterform", **query: str) -> Answer:
        path = self.path(obj) + (f"/{query.pop('sub')}" if "sub" in query else "")
        return self.send("PATCH", path, obj, APPLY_PATCH, fieldManager=manager, **query)

    def get(self, obj: Any) -> Answer:
        return self.send("GET", self.path(obj))

    def create(self, obj: Any, **query: str) -> Answer:
        return self.send("POST", self.path(obj, name=False), obj, **query)

    def merge(self, obj: Any, change: Any, manager: str = "upd", **query: str) -> Answer:
        return self.send(
            "PATCH", self.path(obj), change, MERGE_PATCH, fieldManager=manager, **query
        )

    def delete(self, obj: Any, options: Any = None, **query: str) -> Answer:
        return self.send("DELETE", self.path(obj), options, **query)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_800_000_000.0)


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> Iterator[SandboxFile]:
    opened = open_sandbox(tmp_path / "sandbox.db", clock=clock, reconcilers={})
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def recorded() -> Any:
    """The recorded server-side applies."""
    return json.loads((DATA / "ssa-noop-cases.json").read_bytes())


@pytest.fixture
def client(file: SandboxFile, recorded: Any) -> Client:
    """A server with the recorded CRD and three namespaces."""
    found = Client(file.management())
    found.apply(recorded["crd"])
    for name in ("noop", "sem", "plain"):
        found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return found


def widget(name: str = "a", **parts: Any) -> Any:
    """A custom resource of the recorded CRD."""
    metadata = {"namespace": "sem", "name": name, **parts.pop("metadata", {})}
    value = {"apiVersion": "t.cform.test/v1beta2", "kind": "Widget", "metadata": metadata}
    return {**value, "spec": {"str": "a"}, **parts}


def config_map(name: str = "cm", **parts: Any) -> Any:
    metadata = {"namespace": "sem", "name": name, **parts.pop("metadata", {})}
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return {**value, "data": {"a": "1"}, **parts}


@pytest.fixture(name="widget")
def _widget() -> Any:
    return widget


@pytest.fixture(name="config_map")
def _config_map() -> Any:
    return config_map
