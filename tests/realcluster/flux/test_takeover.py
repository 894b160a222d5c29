"""Releases that Flux's controllers run, as clusterform finds them: refused, suspended, adopted.

The whole way: repository, plan, apply, and what the controllers then still do. What clusterform
would write is, object by object, what the controllers have in their inventories.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from planner.changes import Plan, Verb
from tests.realcluster.flux import controllers
from tests.realcluster.flux.controllers import Body, Flux, packed
from tests.realcluster.lab import RealLab

FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: taken}
spec:
  management: [{name: mgmt, context: real, paths: [clusters]}]
  sources:
    ExternalArtifact/shop/chart: chart
    ExternalArtifact/shop/files: files
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "templates/all.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
    "data: {level: {{ .Values.level }}}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Release.Name }}}\n"
    "spec: {ports: [{port: 80}], selector: {app: web}}\n",
}
FILES = {
    "config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {a: '1'}\n",
}
RELEASE: Body = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "interval": "2s",
        "chartRef": {"kind": "ExternalArtifact", "name": "chart"},
        "driftDetection": {"mode": "enabled"},
        "values": {"level": "info"},
    },
}
KUSTOMIZATION: Body = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "plain", "namespace": "shop"},
    "spec": {
        "interval": "2s",
        "prune": True,
        "path": "./",
        "targetNamespace": "shop",
        "sourceRef": {"kind": "ExternalArtifact", "name": "files"},
    },
}
LIVE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "web"}}


@pytest.fixture(scope="module")
def flux() -> Iterator[Flux]:
    with controllers.running() as found:
        found.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        found.artifact("shop", "chart", packed({k: v.encode() for k, v in CHART.items()}, "web"))
        found.artifact("shop", "files", packed({k: v.encode() for k, v in FILES.items()}))
        for body in (RELEASE, KUSTOMIZATION):
            found.make(body)
        yield found


@pytest.fixture
def lab(flux: Flux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealLab:
    monkeypatch.setenv("KUBECONFIG", str(flux.plane.kubeconfig))
    lab = RealLab(tmp_path, flux.plane, fleet="taken")
    lab.write("clusterform.yaml", FLEET)
    for folder, files in (("chart", CHART), ("files", FILES)):
        for path, text in files.items():
            lab.write(f"{folder}/{path}", text)
    sources = [
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "ExternalArtifact",
            "metadata": {"namespace": "shop", "name": name},
        }
        for name in ("chart", "files")
    ]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    documents = [namespace, *sources, RELEASE, KUSTOMIZATION]
    lab.write("clusters/all.yaml", yaml.safe_dump_all(documents))
    lab.commit()
    return lab


def _refused(plan: Plan) -> list[str]:
    return [f.summary for f in plan.findings if f.kind == "refused"]


@pytest.mark.timeout(300)
def test_a_running_release_is_taken_over_and_stays_ours(flux: Flux, lab: RealLab) -> None:
    inventories = [
        entry["id"]
        for body in (RELEASE, KUSTOMIZATION)
        for entry in flux.settled(body)["status"]["inventory"]["entries"]
    ]
    plan = lab.plan()
    assert _refused(plan) == [
        "HelmRelease shop/web is run by Flux, which would write back what changes;"
        " 2 changes held back",
        "Kustomization shop/plain is run by Flux, which would write back what changes;"
        " 1 change held back",
    ]
    taken = lab.plan(adopt=("*/shop/*",))
    adopted = [c for c in taken.changes if c.verb is Verb.ADOPT and c.id.kind != "Namespace"]
    bodies = [msgspec.json.decode(c.body) for c in adopted]
    assert sorted(map(controllers.entry, bodies)) == sorted(inventories)
    before = flux.get(LIVE)
    done = lab.apply(taken)
    assert done.count("done") == len(taken.changes)
    assert lab.plan().changes == ()

    lab.edit("clusters/all.yaml", ("level: info", "level: debug"))
    changed = lab.plan()
    assert _refused(changed) == []
    lab.apply(changed)
    time.sleep(6)  # three intervals of a controller that corrects drift
    live = flux.get(LIVE)
    assert live["data"] == {"level": "debug"}
    assert live["metadata"]["uid"] == before["metadata"]["uid"]
    assert lab.plan().changes == ()

    answer = flux.request(
        "PATCH",
        controllers.path_of(RELEASE),
        {**RELEASE, "spec": {**RELEASE["spec"], "suspend": False}},
        fieldManager="flux",
        force="true",
    )
    assert answer.status == 200, json.loads(answer.body)
    lab.edit("clusters/all.yaml", ("level: debug", "level: warn"))
    assert any("HelmRelease shop/web is run by Flux" in text for text in _refused(lab.plan()))
