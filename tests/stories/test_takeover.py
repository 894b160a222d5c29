"""Releases that somebody else runs: refused, or suspended first and taken over in one plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.changes import Plan, Verb
from planner.select import parse
from planner.views.text import plan_text
from providers.kube.api import APPLY_PATCH, JSON
from state.errors import ClusterformError
from tests.support.lab import Lab

FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management: [{name: mgmt, sandbox: {}, paths: [crds, clusters]}]
  sources: {"https://charts.example.org": charts}
"""
RELEASE = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: shop}
spec: {url: "https://charts.example.org"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
  chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: charts}}}
  values: {level: info}
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {level: {{ .Values.level }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-more}
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: helmreleases.helm.toolkit.fluxcd.io}
spec:
  group: helm.toolkit.fluxcd.io
  names: {kind: HelmRelease, plural: helmreleases, singular: helmrelease, listKind: HelmReleaseList}
  scope: Namespaced
  versions:
    - name: v2
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
_RELEASES = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/shop/helmreleases/web"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, fleet=FLEET)
    lab.write("crds/flux.yaml", CRD)
    lab.write("clusters/namespace.yaml", RELEASE.partition("---\n")[0])
    lab.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
    lab.write("charts/web/templates/all.yaml", TEMPLATE)
    lab.commit()
    lab.converge()
    lab.write("clusters/namespace.yaml", RELEASE)
    return lab


def send(lab: Lab, method: str, path: str, body: dict[str, Any], manager: str = "") -> None:
    """Somebody else's write."""
    content = APPLY_PATCH if method == "PATCH" else JSON
    answer = lab.request(method, path, body, manager=manager, content_type=content)
    assert answer.status < 300, answer.body


def flux_runs_it(lab: Lab, **spec: Any) -> None:
    """A live HelmRelease, and an object that helm-controller made."""
    body = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"values": {"level": "info"}, **spec},
    }
    send(lab, "PATCH", _RELEASES, body, "kustomize-controller")
    labels = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": labels,
            "annotations": {"meta.helm.sh/release-name": "web"},
        },
        "data": {"level": "info"},
    }
    path = "/api/v1/namespaces/shop/configmaps/web"
    send(lab, "PATCH", path, made, "helm-controller")


def refused(plan: Plan) -> list[tuple[str, str]]:
    return [(f.summary, f.hint) for f in plan.findings if f.kind == "refused"]


def test_what_names_no_namespace_goes_where_its_release_goes(lab: Lab) -> None:
    assert {c.id.namespace for c in lab.plan().changes} == {"shop"}
    lab.edit("clusters/namespace.yaml", ("  values:", "  targetNamespace: default\n  values:"))
    assert {c.id.namespace for c in lab.plan().changes} == {"default"}


def test_a_release_that_flux_runs_is_refused_once_with_the_way_out(lab: Lab) -> None:
    flux_runs_it(lab)
    plan = lab.plan()
    assert refused(plan) == [
        (
            "HelmRelease shop/web is run by Flux, which would write back what changes;"
            " 2 changes held back",
            "plan --adopt HelmRelease/shop/web suspends it first, then adopts its objects",
        )
    ]
    assert plan.changes == ()


def test_a_release_is_suspended_first_and_its_objects_are_adopted(lab: Lab) -> None:
    flux_runs_it(lab)
    plan = lab.plan(adopt=("HelmRelease/shop/*",))
    assert [(c.id.kind, c.id.name, c.verb) for c in plan.changes] == [
        ("ConfigMap", "web", Verb.ADOPT),
        ("ConfigMap", "web-more", Verb.CREATE),
        ("HelmRelease", "web", Verb.SUSPEND),
    ]
    text = plan_text(plan, verbose=False, color=False)
    assert "~ HelmRelease shop/web" in text
    assert "1 to suspend" in text
    lab.apply(plan)
    live = lab.get(_RELEASES)
    assert live is not None
    assert live["spec"] == {"values": {"level": "info"}, "suspend": True}
    assert lab.plan().changes == ()
    assert refused(lab.plan()) == []
    first = [e for e in plan.graph.edges if e.reason == "its release is suspended first"]
    assert {str(e.after) for e in first} == {
        str(c.action) for c in plan.changes if c.verb is not Verb.SUSPEND
    }


def test_a_suspended_release_is_adopted_without_asking(lab: Lab) -> None:
    flux_runs_it(lab, suspend=True)
    plan = lab.plan()
    assert refused(plan) == []
    assert [c.verb for c in plan.changes] == [Verb.ADOPT, Verb.CREATE]


def test_a_release_whose_git_resumes_it_is_not_suspended_behind_its_back(lab: Lab) -> None:
    flux_runs_it(lab, suspend=False)
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    assert refused(plan) == [
        (
            "HelmRelease shop/web cannot be suspended: kustomize-controller owns spec.suspend;"
            " 2 changes held back",
            "set spec.suspend: true where that one has it from",
        )
    ]


def test_a_release_that_comes_to_life_after_the_plan_makes_it_stale(lab: Lab) -> None:
    flux_runs_it(lab)
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    body = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"suspend": False},
    }
    send(lab, "PATCH", _RELEASES, body, "somebody")
    done = lab.apply(plan)
    assert [(r.outcome, r.code) for r in done.results if "HelmRelease" in r.action] == [
        ("failed", "stale")
    ]
    assert done.count("skipped") == 2


def helm_installed_it(lab: Lab, name: str = "web") -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v3",
            "namespace": "shop",
            "labels": {"owner": "helm", "name": name, "version": "3", "status": "deployed"},
        },
        "type": "helm.sh/release.v1",
        "data": {"release": "c2VjcmV0"},
    }
    send(lab, "POST", "/api/v1/namespaces/shop/secrets", body)


def test_a_release_of_helm_itself_by_that_name_is_refused(lab: Lab) -> None:
    helm_installed_it(lab)
    assert refused(lab.plan()) == [
        (
            "Helm has a release web in namespace shop (revision 3, deployed), which is not"
            " HelmRelease shop/web's; 2 changes held back",
            "plan --adopt HelmRelease/shop/web adopts its objects",
        )
    ]
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    assert refused(plan) == []
    assert any("Helm's record of it stays" in f.hint for f in plan.findings)
    lab.apply(plan)
    assert lab.plan().findings == ()


def test_another_release_of_helm_is_none_of_ours(lab: Lab) -> None:
    helm_installed_it(lab, "other")
    assert refused(lab.plan()) == []


def test_a_name_without_a_release_is_an_error(lab: Lab) -> None:
    with pytest.raises(ClusterformError, match="--adopt HelmRelease/shop/wep: there is no such"):
        lab.plan(adopt=("HelmRelease/shop/wep",))


def resumed(lab: Lab) -> None:
    """Taken over before, and handed back to Flux."""
    flux_runs_it(lab, suspend=True)
    lab.converge()
    lab.patch(_RELEASES, {"spec": {"suspend": False}}, manager="kubectl-edit")


def test_what_leaves_a_release_that_flux_runs_is_not_deleted(lab: Lab) -> None:
    resumed(lab)
    lab.edit("charts/web/templates/all.yaml", ("-more", "-other"))
    plan = lab.plan()
    assert plan.changes == ()
    assert [s.rpartition("; ")[2] for s, _ in refused(plan)] == ["2 changes held back"]
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    assert [(c.id.name, c.verb) for c in plan.changes] == [
        ("web-more", Verb.DELETE),
        ("web-other", Verb.CREATE),
        ("web", Verb.SUSPEND),
    ]
    lab.converge(adopt=("HelmRelease/shop/web",))
    first = [e for e in plan.graph.edges if e.reason == "its release is suspended first"]
    assert len(first) == 2


def test_a_release_that_left_git_is_not_deleted_under_flux(lab: Lab) -> None:
    resumed(lab)
    lab.write("clusters/namespace.yaml", RELEASE.partition("---\n")[0])
    assert lab.plan().changes == ()
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    assert [c.verb for c in plan.changes] == [Verb.DELETE, Verb.DELETE, Verb.SUSPEND]


def test_what_leaves_a_release_that_git_suspends_stays(lab: Lab) -> None:
    lab.converge()
    lab.edit("charts/web/templates/all.yaml", ("-more", "-other"))
    lab.edit("clusters/namespace.yaml", ("  values:", "  suspend: true\n  values:"))
    plan = lab.plan()
    assert plan.changes == ()
    assert [f.summary for f in plan.findings if f.kind == "suspended"] == [
        "HelmRelease shop/web is suspended: no effect until resumed, 2 changes held back"
    ]


def test_a_release_is_not_suspended_for_nothing(lab: Lab) -> None:
    flux_runs_it(lab)
    plan = lab.plan(adopt=("HelmRelease/shop/web",), excludes=(parse("kind=ConfigMap"),))
    assert plan.changes == ()


def test_an_object_that_another_release_made_is_not_taken_with_it(lab: Lab) -> None:
    """Its owner would run on: nothing of that release changes, so nothing suspends it."""
    resumed(lab)
    labels = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "plain", "namespace": "shop", "labels": labels},
        "data": {"a": "1"},
    }
    send(lab, "PATCH", "/api/v1/namespaces/shop/configmaps/plain", made, "helm-controller")
    plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain, namespace: shop}\n"
    lab.write("clusters/plain.yaml", plain + "data: {a: '2'}\n")
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    assert plan.changes == ()
    assert [summary for summary, _ in refused(plan)] == [
        "ConfigMap shop/plain: is applied by Flux HelmRelease shop/web: suspend it, or leave the"
        " object out of Git"
    ]


def test_a_release_of_flux_and_of_the_helm_operator_is_taken_from_both(lab: Lab) -> None:
    """Both under one name: a migration that is not over."""
    operator = CRD.replace("helm.toolkit.fluxcd.io", "helm.fluxcd.io").replace("v2", "v1")
    lab.write("crds/operator.yaml", operator)
    lab.write("clusters/namespace.yaml", RELEASE.partition("---\n")[0])
    lab.converge()
    lab.write("clusters/namespace.yaml", RELEASE)
    flux_runs_it(lab)
    body = {
        "apiVersion": "helm.fluxcd.io/v1",
        "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "shop"},
    }
    path = "/apis/helm.fluxcd.io/v1/namespaces/shop/helmreleases/web"
    send(lab, "PATCH", path, body, "kubectl")
    plan = lab.plan(adopt=("HelmRelease/shop/web",))
    assert Verb.SUSPEND in [c.verb for c in plan.changes]
    assert [f.summary for f in plan.findings] == [
        "HelmRelease shop/web is taken over from the Helm Operator, which cannot suspend it"
    ]
