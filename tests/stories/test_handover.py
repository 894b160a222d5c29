"""Profiles that Cluster API applies: planned and applied as ClusterResourceSets, on the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from state.resource import GroupKind
from tests.support import manifests
from tests.support.lab import FLEET, Lab, by_verb
from tests.support.standins import crds

ADDONS = "addons.cluster.x-k8s.io"
SETS = f"/apis/{ADDONS}/v1beta2/namespaces/team-a/clusterresourcesets"
CNI = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: cni, namespace: kube-system}
data: {mtu: "1450"}
"""
KEY = """\
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: kube-system}
stringData: {token: hush-hush-4711}
"""


def cluster(name: str = "c1", labels: str = "{env: prod}") -> str:
    plain = f"kind: Cluster\nmetadata: {{name: {name}, namespace: team-a"
    return manifests.cluster(name).replace(plain, f"{plain}, labels: {labels}")


def lab_of(root: Path, profiles: str, **files: str) -> Lab:
    lab = Lab(root, fleet=f"{FLEET}  profiles:\n{profiles}")
    kinds = [GroupKind(ADDONS, f"ClusterResourceSet{end}") for end in ("", "Binding")]
    lab.write("crds/addons.yaml", crds(kinds))
    lab.write("clusters/team.yaml", manifests.NAMESPACE)
    lab.write("clusters/c1.yaml", cluster())
    for name, text in files.items():
        lab.write(f"profiles/{name}/objects.yaml", text)
    return lab


def inside(lab: Lab, kind: str, name: str, cluster: str = "c1") -> dict[str, Any] | None:
    """An object of kube-system in a workload cluster."""
    with lab.sandbox.session(f"team-a/{cluster}") as session:
        found = session.kind_of("", kind)
        assert found is not None
        return session.get(found, "kube-system", name)


HANDED = "    cni: {path: profiles/cni, selector: {env: prod}, through: clusterResourceSet}\n"


def test_a_new_cluster_gets_what_a_set_holds_in_the_same_run(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=f"{CNI}---\n{KEY}")
    plan = lab.plan()
    assert b"hush-hush" not in msgspec.json.encode(plan)
    lab.converge()
    assert inside(lab, "ConfigMap", "cni")["data"] == {"mtu": "1450"}
    assert inside(lab, "Secret", "key")["data"] == {"token": "aHVzaC1odXNoLTQ3MTE="}
    (found,) = lab.list(SETS)
    name = found["metadata"]["name"]
    assert found["spec"] == {
        "clusterSelector": {"matchLabels": {"env": "prod"}},
        "strategy": "Reconcile",
        "resources": [
            {"kind": "ConfigMap", "name": f"{name}-0"},
            {"kind": "Secret", "name": f"{name}-secret-0"},
        ],
    }
    assert lab.plan().changes == ()


def test_an_edit_is_one_config_map_and_reaches_every_cluster(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=CNI)
    lab.write("clusters/c2.yaml", cluster("c2"))
    lab.converge()
    lab.edit("profiles/cni/objects.yaml", ("1450", "1400"))
    plan = lab.plan()
    (name,) = (s["metadata"]["name"] for s in lab.list(SETS))
    assert by_verb(plan) == {"update": [f"ConfigMap team-a/{name}-0"]}
    lab.converge()
    for home in ("c1", "c2"):
        assert inside(lab, "ConfigMap", "cni", home)["data"] == {"mtu": "1400"}
