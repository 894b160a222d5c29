"""A cluster whose provider is slow to let go: nothing leaks, and the wait says on what it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.events import RunFinished, Waiting
from planner.select import parse
from tests.realcluster import capi
from tests.realcluster.controllers.manifests import plain, text
from tests.realcluster.lab import RealLab
from tests.realcluster.processes import until

_MACHINES = "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/{}/devmachines"
_KINDS = (
    "/apis/cluster.x-k8s.io/v1beta2/namespaces/{}/clusters",
    "/apis/cluster.x-k8s.io/v1beta2/namespaces/{}/machines",
    "/apis/cluster.x-k8s.io/v1beta2/namespaces/{}/machinesets",
    "/apis/cluster.x-k8s.io/v1beta2/namespaces/{}/machinedeployments",
    "/apis/controlplane.cluster.x-k8s.io/v1beta2/namespaces/{}/kubeadmcontrolplanes",
    "/apis/bootstrap.cluster.x-k8s.io/v1beta2/namespaces/{}/kubeadmconfigs",
    "/apis/bootstrap.cluster.x-k8s.io/v1beta2/namespaces/{}/kubeadmconfigtemplates",
    "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/{}/devclusters",
    "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/{}/devmachinetemplates",
    _MACHINES,
    "/api/v1/namespaces/{}/secrets",
)


@pytest.mark.timeout(600)
def test_a_slow_provider_is_waited_for_by_name(
    tmp_path: Path, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    if not full:
        pytest.skip("make real FULL=1")
    plane = capi.found(capi.MANAGED_FOLDER)
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    namespace = unique("slow")
    lab = RealLab(tmp_path, plane, fleet=namespace)
    lab.write("clusters/all.yaml", text(plain(namespace, workers=1)))
    lab.commit()
    lab.apply(lab.plan())
    worker = next(
        m
        for m in lab.list(_MACHINES.format(namespace))
        if "cluster.x-k8s.io/deployment-name" in m["metadata"]["labels"]
    )
    path = f"{_MACHINES.format(namespace)}/{worker['metadata']['name']}"
    held = [*worker["metadata"]["finalizers"], "example.org/slow"]
    lab.patch(path, {"metadata": {"finalizers": held}}, manager="slow-provider")

    plan = lab.plan(mode="destroy", targets=(parse("cluster=*/c1"),))
    done: list[RunFinished] = []
    run = threading.Thread(target=lambda: done.append(lab.apply(plan)))
    run.start()
    name = worker["metadata"]["name"]
    until(lambda: any(_names_it(e, name) for e in list(lab.events)), seconds=120)
    assert not done, "it did not wait"
    now = lab.get(path)
    assert now is not None
    left = [f for f in now["metadata"]["finalizers"] if f != "example.org/slow"]
    lab.patch(path, {"metadata": {"finalizers": left}}, manager="slow-provider")
    run.join(240)
    (finished,) = done
    assert [r for r in finished.results if r.outcome != "done"] == []
    leaked = {kind: lab.list(kind.format(namespace)) for kind in _KINDS}
    assert {kind: len(found) for kind, found in leaked.items() if found} == {}


def _names_it(event: object, machine: str) -> bool:
    """The wait names the machine that does not go: its Machine has the name of its DevMachine."""
    return isinstance(event, Waiting) and machine in event.message
