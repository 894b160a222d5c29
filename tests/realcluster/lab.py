"""A clusters repo whose management cluster is a real API server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from planner.workspace import Ids, Workspace, real_ids
from providers.kube.api import Request, Response
from providers.kube.http import HttpTransport, from_access
from providers.kube.kubeconfig import parse
from tests.realcluster.server import ControlPlane
from tests.support.lab import Lab

FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {{name: {fleet}}}
spec:
  management:
    - name: mgmt
      context: real
      paths: [clusters]
"""


def transport_of(plane: ControlPlane, **identity: Any) -> HttpTransport:
    """The server as one identity: `user="user-3"`, `certificate=True`, else the administrator."""
    return from_access(parse(msgspec.json.encode(plane.config(**identity))))


class RealLab(Lab):
    """Plan, apply, edit, plan again, with the machine's own clock.

    $KUBECONFIG decides who plans and applies; requests by somebody else go as administrator.
    """

    def __init__(self, root: Path, plane: ControlPlane, *, fleet: str, git: bool = True) -> None:
        super().__init__(root, fleet=FLEET.format(fleet=fleet), git=git)
        self.fleet = fleet
        self._transport = transport_of(plane)

    @property
    def ids(self) -> Ids:
        """The real clocks; run ids of this machine."""
        return real_ids()

    @property
    def server(self) -> HttpTransport:
        """The management cluster's API, as its administrator."""
        return self._transport

    def workspace(self, ref: str | None = None, verbs: frozenset[str] | None = None) -> Workspace:
        """A fresh look at the repository."""
        assert verbs is None, "a real server has real roles"
        return Workspace(self.root, ref=ref, ids=self.ids)

    def request(
        self, method: str, path: str, body: Any = None, *, manager: str = "", **kind: str
    ) -> Response:
        """One request by somebody else; a server that is still starting up is waited for."""
        for _ in range(50):
            answer = super().request(method, path, body, manager=manager, **kind)
            if answer.status != 429:
                break
            time.sleep(0.2)
        return answer

    def pass_time(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def make(self, body: dict[str, Any], plural: str, *, manager: str = "kubectl-create") -> Any:
        """Create an object as somebody else; must succeed."""
        group = body["apiVersion"]
        namespace = body["metadata"].get("namespace")
        path = f"/{'apis' if '/' in group else 'api'}/{group}"
        path += f"/namespaces/{namespace}/{plural}" if namespace else f"/{plural}"
        request = Request(
            method="POST",
            path=path,
            query=(("fieldManager", manager),),
            body=msgspec.json.encode(body),
        )
        answer = self.server.request(request)
        assert answer.status == 201, answer.body
        return msgspec.json.decode(answer.body)
