"""A profile through a ClusterResourceSet on Cluster API's own controller: what lands in a cluster
in memory, when a run says that it is there, and what stays when it is taken back."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from planner.changes import Plan
from providers.kube.api import Request, Transport
from providers.kube.http import from_access
from providers.kube.kubeconfig import parse
from tests.realcluster import capi
from tests.realcluster.lab import RealLab
from tests.support.lab import by_verb

EXAMPLE = Path(__file__).parents[3] / "examples" / "blueprints"
SETS = "/apis/addons.cluster.x-k8s.io/v1beta2/namespaces/{}/clusterresourcesets"
FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {{name: {name}}}
spec:
  management:
    - {{name: mgmt, context: real, paths: [clusters]}}
  blueprints:
    dev: {{chart: charts/dev-cluster}}
  profiles:
    base: {{path: profiles/base, selector: {{tier: {name}}}, through: clusterResourceSet}}
"""
# The API of a cluster in memory serves ConfigMaps and Secrets, and no Namespaces.
OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: base, namespace: kube-system}
data: {flush: "5", level: info}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: kube-system}
stringData: {token: hush-hush-4711}
"""


@pytest.fixture
def lab(tmp_path: Path, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> RealLab:
    plane = capi.found(capi.MANAGED_FOLDER)
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    name = unique("sets")
    made = RealLab(tmp_path, plane, fleet=name)
    shutil.copytree(EXAMPLE / "charts", tmp_path / "charts")
    made.write("clusterform.yaml", FLEET.format(name=name))
    made.write("profiles/base/objects.yaml", OBJECTS)
    made.write(
        "clusters/team.yaml", f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
    )
    _cluster(made, "one")
    return made


def _cluster(lab: RealLab, name: str) -> None:
    text = (EXAMPLE / "clusters" / "shop-dev.yaml").read_text()
    text = text.replace(
        "name: shop-dev, namespace: team-a", f"name: {name}, namespace: {lab.fleet}"
    )
    text = text.replace("wave: canary", f"tier: {lab.fleet}").replace("count: 2", "count: 1")
    lab.write(f"clusters/{name}.yaml", text)


def _inside(lab: RealLab, cluster: str, path: str) -> dict[str, str]:
    """The data of an object in a workload cluster; `{}`: it is not there."""
    secret = lab.get(f"/api/v1/namespaces/{lab.fleet}/secrets/{cluster}-kubeconfig")
    assert secret is not None
    server: Transport = from_access(parse(base64.b64decode(secret["data"]["value"])))
    answer = server.request(
        Request(method="GET", path=f"/api/v1/namespaces/kube-system/{path}", query=(), body=b"")
    )
    assert answer.status in (200, 404), answer.body
    found: dict[str, str] = msgspec.json.decode(answer.body).get("data", {})
    return found


def _said(plan: Plan) -> str:
    return "\n".join(f.summary for f in plan.findings)


@pytest.mark.timeout(500)
def test_a_set_lands_in_its_clusters_and_leaves_what_it_applied(lab: RealLab) -> None:
    lab.commit()
    finished = lab.apply(lab.plan())
    assert (finished.count("failed"), finished.unsettled) == (0, ())
    assert _inside(lab, "one", "configmaps/base") == {"flush": "5", "level": "info"}
    assert _inside(lab, "one", "secrets/token") == {"token": "aHVzaC1odXNoLTQ3MTE="}
    assert lab.plan().changes == ()

    # An edit, and a second cluster: the run ends when both have it.
    lab.edit("profiles/base/objects.yaml", ('flush: "5", level: info', 'flush: "6"'))
    _cluster(lab, "two")
    plan = lab.plan()
    assert "reaches 2 clusters (1 live and 1 in this plan)" in _said(plan)
    finished = lab.apply(plan)
    assert (finished.count("failed"), finished.unsettled) == (0, ())
    for cluster in ("one", "two"):
        assert _inside(lab, cluster, "configmaps/base") == {"flush": "6"}
    assert lab.plan().changes == ()

    # Another strategy is another set: the old one takes its ConfigMaps along, not the new one's.
    lab.edit("clusterform.yaml", ("through:", "strategy: ApplyOnce, through:"))
    lab.apply(lab.plan())
    lab.pass_time(5)
    assert lab.plan().changes == ()
    assert len(lab.list(SETS.format(lab.fleet))) == 1
    lab.edit("profiles/base/objects.yaml", ('"6"', '"7"'))
    plan = lab.plan()
    assert "ApplyOnce: this edit does not reach 2 clusters" in _said(plan)
    lab.apply(plan)
    assert _inside(lab, "one", "configmaps/base") == {"flush": "6"}

    lab.edit("profiles/base/objects.yaml", ("---\n" + OBJECTS.partition("---\n")[2], ""))
    plan = lab.plan()
    assert "Secret-kube-system-token left it and stays in 2 clusters" in _said(plan)
    lab.apply(plan)
    assert _inside(lab, "one", "secrets/token") != {}

    text = (lab.root / "clusterform.yaml").read_text()
    lab.write("clusterform.yaml", text.partition("  profiles:")[0])
    plan = lab.plan()
    assert set(by_verb(plan)) == {"delete"}
    assert "what it applied stays in 2 clusters" in _said(plan)
    lab.apply(plan)
    assert _inside(lab, "one", "configmaps/base") == {"flush": "6"}
    assert lab.plan().changes == ()
