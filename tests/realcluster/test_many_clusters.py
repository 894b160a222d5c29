"""Add-ons of many workload clusters through kubeconfig Secrets: three servers, fifty names."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from planner.changes import Plan
from planner.select import Selector, parse
from providers.kube import http
from providers.kube.api import Request
from tests.realcluster.lab import RealLab, transport_of
from tests.realcluster.server import ControlPlane
from tests.support.lab import capi
from tests.support.manifests import NAMESPACE, addon

COUNT = 50
DEAD, SLOW, WRONG, MISSING = 7, 17, 27, 37
"""Numbers of the clusters that cannot be read, each for another reason."""


@pytest.fixture(scope="module")
def planes(plane: ControlPlane) -> Iterator[list[ControlPlane]]:
    """Three API servers: the shared one is the management cluster and serves workloads, too."""
    with ExitStack() as stack:
        start = ControlPlane.started
        yield [plane, *(stack.enter_context(start(controllers=False)) for _ in range(2))]


@contextmanager
def silent() -> Iterator[str]:
    """An address that accepts connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        over = threading.Event()
        held: list[socket.socket] = []

        def accept() -> None:
            while not over.is_set():
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        for one in held:
            one.close()
        thread.join()


def refused() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{free.getsockname()[1]}"


def cluster_yaml(name: str, namespace: str, data: str) -> str:
    made = f"""\
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  controlPlaneRef:
    {{apiGroup: controlplane.cluster.x-k8s.io, kind: KubeadmControlPlane, name: {name}}}
  controlPlaneEndpoint: {{host: 127.0.0.1, port: 6443}}
---
"""
    text = addon(name, name=f"addon-{namespace}-{name}", data=data)
    return made + text.replace("team-a", namespace)


class World:
    """Fifty Clusters that a controller has initialized, with their kubeconfig Secrets."""

    def __init__(self, lab: RealLab, planes: list[ControlPlane], slow: str) -> None:
        self.lab = lab
        self.planes = planes
        self.slow = slow
        self.namespace = lab.fleet
        self.names = [f"c{number:02}" for number in range(COUNT)]

    def plane_of(self, number: int) -> ControlPlane:
        return self.planes[number % len(self.planes)]

    def write(self, data: str) -> None:
        lab = self.lab
        lab.write("clusters/ns.yaml", NAMESPACE.replace("team-a", self.namespace))
        for name in self.names:
            lab.write(f"clusters/{name}.yaml", cluster_yaml(name, self.namespace, data))
        lab.commit()

    def initialize(self) -> None:
        """What Cluster API's controllers would do, once the Clusters are there."""
        for number, name in enumerate(self.names):
            path = f"{capi('clusters', self.namespace, name)}"
            live = self.lab.get(path)
            assert live is not None
            initialization = {"controlPlaneInitialized": True, "infrastructureProvisioned": True}
            conditions = [
                {
                    "type": "ControlPlaneInitialized",
                    "status": "True",
                    "reason": "Initialized",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
            status = {"status": {"initialization": initialization, "conditions": conditions}}
            self.lab.patch(f"{path}/status", status, manager="capi")
            if number != MISSING:
                self._make_secret(number, name, live["metadata"]["uid"])

    def _make_secret(self, number: int, name: str, uid: str) -> None:
        config = self.plane_of(number).config(certificate=number % 2 == 0)
        cluster = config["clusters"][0]["cluster"]
        if number == DEAD:
            cluster["server"] = refused()
        elif number == SLOW:
            cluster["server"] = self.slow
        elif number == WRONG:
            other = self.plane_of(number + 1)
            cluster["certificate-authority-data"] = base64.b64encode(other.ca).decode()
        owner = {
            "apiVersion": "cluster.x-k8s.io/v1beta2",
            "kind": "Cluster",
            "name": name,
            "uid": uid,
        }
        value = base64.b64encode(json.dumps(config).encode()).decode()
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "cluster.x-k8s.io/secret",
            "metadata": {
                "name": f"{name}-kubeconfig",
                "namespace": self.namespace,
                "ownerReferences": [owner],
            },
            "data": {"value": value},
        }
        self.lab.make(secret, "secrets", manager="capi")


@pytest.fixture
def world(lab: RealLab, planes: list[ControlPlane]) -> Iterator[World]:
    with silent() as slow:
        made = World(lab, planes, slow)
        yield made
        for one in planes:
            server = transport_of(one)
            for collection in ("/api/v1", "/apis/apps/v1"):
                plural = "configmaps" if collection == "/api/v1" else "daemonsets"
                for name in made.names:
                    path = f"{collection}/namespaces/kube-system/{plural}"
                    path += f"/addon-{made.namespace}-{name}"
                    server.request(Request(method="DELETE", path=path))


def test_a_dead_cluster_costs_its_deadline_and_the_others_are_exact(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 5.0)
    world.write("one")
    lab = world.lab
    lab.apply(lab.plan(targets=_clusters_only()), wait=False)
    world.initialize()

    started = time.monotonic()
    plan = lab.plan()
    seconds = time.monotonic() - started
    lost = {world.names[number] for number in (DEAD, SLOW, WRONG, MISSING)}
    reasons = unreadable(plan)
    assert set(reasons) == lost, reasons
    assert "connection refused" in reasons[world.names[DEAD]]
    assert "no answer in time" in reasons[world.names[SLOW]]
    assert "certificate" in reasons[world.names[WRONG]]
    assert "kubeconfig Secret c37-kubeconfig is missing" in reasons[world.names[MISSING]]
    assert seconds < 20, f"the slow one has 5 s, and beside it the others: {seconds:.1f} s"
    made = {c.id.cluster.rpartition("/")[2] for c in plan.changes if c.id.kind == "DaemonSet"}
    assert made == set(world.names) - lost

    finished = lab.apply(plan, wait=False)
    assert [r for r in finished.results if r.outcome != "done"] == []
    again = lab.plan()
    assert [str(c.id) for c in again.changes] == []
    world.write("two")
    changed = lab.plan()
    assert len(changed.changes) == COUNT - len(lost)
    assert {tuple(f.after for f in c.fields) for c in changed.changes} == {("two",)}


def unreadable(plan: Plan) -> dict[str, str]:
    """Name of each cluster that could not be read → what is said of it."""
    found: dict[str, str] = {}
    for finding in plan.findings:
        if finding.kind == "unreadable":
            name = finding.unit.split("/")[2].removesuffix(":addons")
            found[name] = f"{found.get(name, '')}{finding.summary} {finding.hint}\n"
    return found


def _clusters_only() -> tuple[Selector, ...]:
    return (parse("kind=Cluster"), parse("kind=Namespace"))


def test_a_read_only_kubeconfig_is_used_for_reading(lab: RealLab, plane: ControlPlane) -> None:
    world = World(lab, [plane], "")
    world.names = ["c00"]
    world.write("one")
    text = (lab.root / "clusterform.yaml").read_text()
    text = text.replace(
        "context: real\n", 'context: real\n      readKubeconfigSecret: "{cluster}-reader"\n'
    )
    lab.apply(lab.plan(targets=_clusters_only()), wait=False)
    world.initialize()
    lab.write("clusterform.yaml", text)
    lab.commit()
    assert "kubeconfig Secret c00-reader is missing" in unreadable(lab.plan())["c00"]
