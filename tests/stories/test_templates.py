"""Templates that are not rotated: nobody refers to them, they ask not to be, or are not ours."""

from __future__ import annotations

from pathlib import Path

from planner.changes import Verb
from tests.support.lab import Lab, by_verb, capi, change_of
from tests.support.manifests import NAMESPACE, cluster

TEMPLATE = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata: {name: spare, namespace: team-a}
spec: {template: {spec: {verbosity: 1}}}
"""


def put(lab: Lab, *manifests: str) -> None:
    lab.write("clusters/c1.yaml", "---\n".join((NAMESPACE, *manifests)))
    lab.commit()


def test_an_edit_of_a_template_that_nothing_refers_to_is_an_edit(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, TEMPLATE)
    lab.converge()
    put(lab, TEMPLATE.replace("verbosity: 1", "verbosity: 2"))
    plan = lab.plan()
    assert by_verb(plan) == {"update": [str(change_of(plan, "KubeadmConfigTemplate", "spare").id)]}
    lab.converge()
    assert lab.plan().changes == ()


def test_a_template_can_ask_to_keep_its_name(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    pool = cluster().replace(
        "kind: KubeadmConfigTemplate\nmetadata: {",
        'kind: KubeadmConfigTemplate\nmetadata: {annotations: {clusterform.dev/rotate: "false"}, ',
    )
    assert "clusterform.dev/rotate" in pool
    put(lab, pool)
    lab.converge()
    (template,) = lab.list(capi("kubeadmconfigtemplates", "team-a"))
    assert template["metadata"]["name"] == "c1-md0"
    put(lab, pool.replace("pool=md0", "pool=b"))
    (change,) = lab.plan().changes
    assert (change.verb, change.id.name) == (Verb.UPDATE, template["metadata"]["name"])


def test_what_a_topology_owns_is_not_written(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    put(lab, cluster(workers=2))
    lab.converge()
    path = capi("machinedeployments", "team-a", "c1-md0")
    owned = {"metadata": {"labels": {"topology.cluster.x-k8s.io/owned": ""}}}
    lab.patch(path, owned, manager="capi-topology")
    put(lab, cluster(workers=5))
    plan = lab.plan()
    assert plan.changes == ()
    (refused,) = [f for f in plan.findings if f.kind == "refused"]
    assert "is applied by the topology of Cluster c1: leave the object out of Git" in (
        refused.summary
    )
