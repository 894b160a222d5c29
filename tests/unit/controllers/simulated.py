"""Looking at a simulated management cluster, and the objects of the examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from providers.kube.api import APPLY_PATCH, JSON, MERGE_PATCH, Request, Transport
from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.server import SandboxFile

EXAMPLES = Path(__file__).parents[3] / "examples"
PLURALS = {"ClusterClass": "clusterclasses"}
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io/v1beta2"
NAMESPACE = "team-a"


def documents(path: str) -> list[Any]:
    """The objects of an example file, as the planner sends them."""
    loaded = list(yaml.load_all((EXAMPLES / path).read_text(), Loader=yaml.CSafeLoader))
    for found in loaded:
        (found["metadata"].get("annotations") or {}).pop("clusterform.dev/cluster", None)
    return loaded


class Fleet:
    """A server whose controllers work, and short ways to look at it."""

    def __init__(self, file: SandboxFile, clock: ManualClock, transport: Transport) -> None:
        self.file = file
        self.clock = clock
        self.transport = transport
        self.namespace = NAMESPACE

    def send(
        self, method: str, path: str, body: Any = None, media: str = JSON, **query: str
    ) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        request = Request(
            method=method, path=path, query=tuple(query.items()), body=content, content_type=media
        )
        response = self.transport.request(request)
        answer = json.loads(response.body)
        if response.status == 404:
            return None
        assert response.status < 400, answer
        return answer

    def apply(self, obj: Any) -> Any:
        path = self.path(obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace", ""))
        path += f"/{obj['metadata']['name']}"
        return self.send("PATCH", path, obj, APPLY_PATCH, fieldManager="clusterform")

    def path(self, api_version: str, kind: str, namespace: str) -> str:
        base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        base += f"/namespaces/{namespace}" if namespace and kind != "Namespace" else ""
        return f"{base}/{PLURALS.get(kind, kind.lower() + 's')}"

    def get(self, kind: str, name: str, api_version: str = "cluster.x-k8s.io/v1beta2") -> Any:
        return self.send("GET", f"{self.path(api_version, kind, self.namespace)}/{name}")

    def list(self, kind: str, api_version: str = "cluster.x-k8s.io/v1beta2") -> list[Any]:
        found: list[Any] = self.send("GET", self.path(api_version, kind, self.namespace))["items"]
        return found

    def change(self, kind: str, name: str, spec: Any, api_version: str = "") -> None:
        api_version = api_version or "cluster.x-k8s.io/v1beta2"
        path = f"{self.path(api_version, kind, self.namespace)}/{name}"
        assert self.send("PATCH", path, {"spec": spec}, MERGE_PATCH, fieldManager="kubectl")

    def delete(self, kind: str, name: str, api_version: str = "cluster.x-k8s.io/v1beta2") -> None:
        self.send("DELETE", f"{self.path(api_version, kind, self.namespace)}/{name}")

    def machines(self, part: str = "") -> dict[str, Any]:
        return {
            m["metadata"]["name"]: m for m in self.list("Machine") if part in m["metadata"]["name"]
        }

    def wait(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass in steps, as somebody who polls does."""
        until = self.clock.now() + seconds
        while self.clock.now() < until - 1e-9:
            self.clock.sleep(min(step, until - self.clock.now()))
            with self.file.session(""):
                pass


def condition(obj: Any, kind: str) -> Any:
    listed = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in listed if c["type"] == kind), {"status": "Unknown", "message": ""})


def holds(obj: Any, kind: str) -> bool:
    return bool(condition(obj, kind)["status"] == "True")
