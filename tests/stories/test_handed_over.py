"""Profiles that Cluster API applies: planned and applied as ClusterResourceSets, on the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.changes import Plan
from state.errors import ClusterformError
from state.resource import GroupKind
from tests.support import manifests
from tests.support.lab import FLEET, Lab, by_verb, capi
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


OTHER = {
    "apiVersion": "cluster.x-k8s.io/v1beta2",
    "kind": "Cluster",
    "metadata": {"name": "other", "namespace": "team-a", "labels": {"env": "prod"}},
    "spec": {"paused": True},
}
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


def said(plan: Plan, *kinds: str) -> list[str]:
    return [f.summary for f in plan.findings if f.kind in (kinds or ("handed-over", "warning"))]


def set_name(lab: Lab) -> str:
    (found,) = lab.list(SETS)
    return str(found["metadata"]["name"])


def test_a_plan_says_whom_a_set_reaches(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=CNI)
    lab.converge()
    name = set_name(lab)
    lab.write("clusters/c2.yaml", cluster("c2"))
    plan = lab.plan()
    assert said(plan) == [
        f"ClusterResourceSet team-a/{name}: reaches 2 clusters (1 live and 1 in this plan);"
        " what is in them is written by Cluster API, not by this run"
    ]
    assert name not in str(by_verb(plan))
    lab.converge()
    assert inside(lab, "ConfigMap", "cni", "c2")["data"] == {"mtu": "1450"}
    lab.request("POST", capi("clusters", "team-a"), OTHER)
    lab.edit("profiles/cni/objects.yaml", ("1450", "1400"))
    assert "3 clusters (3 live, 1 of them not in Git)" in said(lab.plan())[0]


def test_what_leaves_a_set_stays_and_the_plan_says_so(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=f"{CNI}---\n{KEY}")
    lab.converge()
    name = set_name(lab)
    lab.write("profiles/cni/objects.yaml", CNI)
    plan = lab.plan()
    assert by_verb(plan) == {
        "delete": [f"Secret team-a/{name}-secret-0"],
        "update": [f"ClusterResourceSet team-a/{name}"],
    }
    assert said(plan, "warning") == [
        f"ClusterResourceSet team-a/{name}: Secret-kube-system-key left it and stays in 1 cluster:"
        " a ClusterResourceSet deletes nothing"
    ]
    lab.converge()
    assert inside(lab, "Secret", "key") is not None
    assert lab.plan().changes == ()


def test_a_profile_that_goes_leaves_what_its_set_applied(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=CNI)
    lab.converge()
    name = set_name(lab)
    lab.write("clusterform.yaml", FLEET)
    plan = lab.plan()
    assert by_verb(plan) == {
        "delete": [f"ClusterResourceSet team-a/{name}", f"ConfigMap team-a/{name}-0"]
    }
    assert said(plan) == [
        f"ClusterResourceSet team-a/{name}: goes; what it applied stays in 1 cluster:"
        " a ClusterResourceSet deletes nothing"
    ]
    lab.converge()
    assert lab.list(SETS) == []
    assert inside(lab, "ConfigMap", "cni") is not None
    assert lab.plan().changes == ()


def test_an_edit_under_apply_once_is_said_not_to_arrive(tmp_path: Path) -> None:
    once = HANDED.replace("}\n", ", strategy: ApplyOnce}\n")
    lab = lab_of(tmp_path, once, cni=CNI)
    lab.converge()
    lab.edit("profiles/cni/objects.yaml", ("1450", "1400"))
    plan = lab.plan()
    assert "ApplyOnce: this edit does not reach 1 cluster" in said(plan, "warning")[0]
    lab.converge()
    assert inside(lab, "ConfigMap", "cni")["data"] == {"mtu": "1450"}


def test_another_selector_or_strategy_is_another_set(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=CNI)
    lab.converge()
    old = set_name(lab)
    lab.edit("clusterform.yaml", ("}, through", "}, strategy: ApplyOnce, through"))
    plan = lab.plan()
    assert f"ClusterResourceSet team-a/{old}" in by_verb(plan)["delete"]
    lab.converge()
    assert set_name(lab) != old
    assert lab.get(f"/api/v1/namespaces/team-a/configmaps/{set_name(lab)}-0") is not None
    assert lab.plan().changes == ()


BOTH = f"{HANDED}    base: {{path: profiles/base, selector: {{env: prod}}, after: [cni]}}\n"
BASE = CNI.replace("name: cni", "name: base")


def test_what_comes_after_a_set_waits_for_its_own_cluster(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, BOTH, cni=CNI, base=BASE)
    gates = {g.name: g for g in lab.plan().graph.gates}
    ((_, milestone),) = gates["mgmt profile team-a/cni ready in c1"].awaits
    assert (milestone.name, milestone.cluster) == ("resources-applied", "c1")
    lab.converge()
    # The set is there and does not change: a new cluster still waits for it.
    lab.write("clusters/c2.yaml", cluster("c2"))
    plan = lab.plan()
    assert [g.name for g in plan.graph.gates if "profile" in g.name] == [
        "mgmt profile team-a/cni ready in c2"
    ]
    lab.converge()
    assert inside(lab, "ConfigMap", "base", "c2") is not None


def test_a_run_ends_when_the_edit_of_a_set_is_in_its_clusters(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=CNI)
    lab.converge()
    name = set_name(lab)
    # It cannot be applied: the set says so, and the run does not end as if it had been.
    lab.write("profiles/cni/objects.yaml", CNI.replace("kube-system", "nowhere"))
    finished = lab.apply(lab.plan())
    (left,) = finished.unsettled
    assert name in left
    assert "not in c1 yet · NotApplied" in left


def test_a_profile_that_is_handed_over_keeps_what_it_brought(tmp_path: Path) -> None:
    direct = HANDED.replace(", through: clusterResourceSet", "")
    lab = lab_of(tmp_path, direct, cni=f"{CNI}---\n{KEY}")
    lab.converge()
    lab.write("clusterform.yaml", f"{FLEET}  profiles:\n{HANDED}")
    plan = lab.plan()
    assert "delete" not in by_verb(plan)
    assert said(plan, "kept") == [
        "profile cni is handed over to clusterResourceSet: 2 objects of it in mgmt/team-a/c1 left"
        " to it, and not deleted"
    ]
    lab.converge()
    assert inside(lab, "ConfigMap", "cni")["data"] == {"mtu": "1450"}
    # Cluster API's patch takes our label away, so the records forget what is not ours any more.
    assert set(by_verb(lab.plan())) <= {"forget"}
    lab.converge()
    assert lab.plan().changes == ()
    lab.write("clusterform.yaml", f"{FLEET}  profiles:\n{direct}")
    back = lab.plan()
    assert by_verb(back)["update"] == ["ConfigMap kube-system/cni", "Secret kube-system/key"]
    lab.converge()
    assert lab.plan().changes == ()


def test_a_set_that_comes_after_a_profile_is_written_when_that_is_there(tmp_path: Path) -> None:
    text = BOTH.replace(", through: clusterResourceSet", "")
    text = text.replace("after: [cni]", "after: [cni], through: clusterResourceSet")
    lab = lab_of(tmp_path, text, cni=CNI, base=BASE)
    plan = lab.plan()
    gate = "mgmt/team-a/c1 profile cni ready"
    after = {str(e.after) for e in plan.graph.edges if e.before == gate}
    assert any("ClusterResourceSet team-a/base" in text for text in after)
    assert any(
        "a cluster that is made later gets it as soon as it answers" in t for t in said(plan)
    )
    lab.converge()
    assert inside(lab, "ConfigMap", "base") is not None


def test_naming_a_profile_is_not_enough_for_an_add_on_provider(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni=CNI)
    named = "{env: dev}, annotations: {clusterform.dev/profiles: cni}"
    lab.write("clusters/c1.yaml", cluster(labels=named))
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert caught.value.brief == (
        "Cluster c1 names profile cni, which a ClusterResourceSet applies to clusters by their"
        " labels, and this one has not env: prod"
    )
    assert caught.value.where.startswith("clusters/c1.yaml:")
    assert caught.value.hint == "label the cluster instead of naming the profile"


def test_what_cannot_be_handed_over_is_an_error_at_the_profile(tmp_path: Path) -> None:
    quotes = f"'{chr(34) * 600_000}'"  # each is two characters of JSON
    lab = lab_of(tmp_path, HANDED, cni=CNI.replace('"1450"', quotes))
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "ConfigMap cni has 1,200,1" in str(caught.value)
    assert caught.value.where == "profiles/cni"


def test_what_is_wrong_with_a_file_of_a_set_is_said_of_the_file(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, HANDED, cni="kind: ConfigMap\n")
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "there is nothing to apply" not in str(caught.value)


CHART = (
    "    logs: {chart: fluent-bit, repository: 'https://charts.example.org', namespace: logging,"
    " version: 0.48.x, selector: {}, values: {a: '{{ b }}'}, through: helmChartProxy}\n"
)


def test_a_chart_needs_a_management_cluster_with_caaph(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, CHART)
    (blocked,) = said(lab.plan(), "blocked")
    assert blocked == (
        "HelmChartProxy team-a/logs: no server knows addons.cluster.x-k8s.io/v1alpha1"
        " HelmChartProxy, and no CRD in Git does"
    )


def test_a_chart_is_handed_to_caaph_by_its_name(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, CHART)
    text = crds([GroupKind(ADDONS, "HelmChartProxy")])
    lab.write("crds/caaph.yaml", text.replace("v1beta2", "v1alpha1").replace("proxys", "proxies"))
    plan = lab.plan()
    assert said(plan) == [
        "HelmChartProxy team-a/logs: reaches 1 cluster (1 in this plan); what is in them is"
        " written by CAAPH, not by this run",
        "HelmChartProxy team-a/logs: version 0.48.x is resolved by CAAPH when it applies: this"
        " plan does not know which",
    ]
    finished = lab.apply(plan)
    # Nobody installs charts here; the run waits for the word of CAAPH, and says that it did.
    assert ["HelmChartProxy" in text for text in finished.unsettled] == [True]
    lab.edit("clusterform.yaml", ("0.48.x", "0.49.0"), ("namespace: logging", "namespace: logs"))
    assert said(lab.plan(), "warning") == [
        "HelmChartProxy team-a/logs: namespace: uninstalled and installed again in 1 cluster"
    ]
    lab.write("clusterform.yaml", FLEET)
    assert said(lab.plan(), "warning") == [
        "HelmChartProxy team-a/logs: goes; CAAPH uninstalls fluent-bit from 1 cluster"
    ]


def test_a_chart_of_this_repository_goes_into_a_set_rendered_once(tmp_path: Path) -> None:
    profile = (
        "    logs: {chart: charts/logs, namespace: kube-system, values: {level: info},"
        " selector: {env: prod}, through: clusterResourceSet}\n"
    )
    lab = lab_of(tmp_path, profile)
    lab.write("charts/logs/Chart.yaml", "apiVersion: v2\nname: logs\nversion: 1.0.0\n")
    lab.write("charts/logs/values.yaml", "level: debug\nflush: 5\n")
    text = CNI.replace("name: cni, namespace: kube-system", "name: {{ .Release.Name }}")
    text = text.replace('mtu: "1450"', "level: {{ .Values.level }}, flush: '{{ .Values.flush }}'")
    lab.write("charts/logs/templates/config.yaml", text)
    lab.converge()
    assert inside(lab, "ConfigMap", "logs")["data"] == {"level": "info", "flush": "5"}
    lab.edit("charts/logs/values.yaml", ("flush: 5", "flush: 6"))
    plan = lab.plan()
    ((_, fields),) = [(c.id.name, c.fields) for c in plan.changes]
    assert [f.origin for f in fields] == ["charts/logs/values.yaml:2"]
    assert plan.changes[0].release.text == "profile team-a/logs"
    lab.write("charts/logs/templates/hook.yaml", text.replace("}}}", f"}}}}, {HOOK}}}"))
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "is a Helm hook, and a ClusterResourceSet knows no order" in str(caught.value)
    assert "hand the chart to a HelmChartProxy" in str(caught.value)


HOOK = "annotations: {helm.sh/hook: pre-install}"
