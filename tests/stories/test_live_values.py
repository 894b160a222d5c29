"""Values of releases from ConfigMaps and Secrets that Git does not have, or only encrypted."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.changes import Plan
from planner.repair import rebuild
from planner.validate import all_findings
from planner.workspace import Workspace
from providers.kube.sandbox.faults import Fault
from state.errors import ClusterformError
from state.resource import canonical, digest
from tests.support.lab import Lab
from tests.support.manifests import NAMESPACE as TEAM
from tests.support.manifests import cluster

FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management: [{name: mgmt, sandbox: {}, paths: [crds, clusters]}]
  sources: {"https://git.example.org/acme/fleet": .}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
RELEASE = """\
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
  chart: {git: "https://git.example.org/acme/fleet", path: charts/web}
  valuesFrom:
    - configMapKeyRef: {name: sizes, key: values.yaml}
    - secretKeyRef: {name: tokens, key: values.yaml}
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {size: {{ .Values.size | quote }}, token: {{ .Values.token | quote }}}
"""
KUSTOMIZATION = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: shop}
spec: {url: "https://git.example.org/acme/fleet"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: site, namespace: shop}
spec:
  path: site
  targetNamespace: shop
  sourceRef: {kind: GitRepository, name: fleet}
  postBuild: {substituteFrom: [{kind: ConfigMap, name: site}]}
"""
SEALED = """\
apiVersion: v1
kind: Secret
metadata: {name: tokens, namespace: shop}
data: {values.yaml: "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"}
sops: {mac: "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]", version: 3.9.0}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, fleet=FLEET)
    lab.write("clusters/namespace.yaml", NAMESPACE)
    lab.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
    lab.write("charts/web/templates/all.yaml", TEMPLATE)
    lab.commit()
    lab.converge()
    return lab


def make(lab: Lab, kind: str, name: str, data: dict[str, str]) -> None:
    """By hand, in the management cluster."""
    if kind == "Secret":
        data = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": "shop"}
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
    plural = {"ConfigMap": "configmaps", "Secret": "secrets"}[kind]
    answer = lab.request("POST", f"/api/v1/namespaces/shop/{plural}", body, manager="kubectl")
    assert answer.status == 201, answer.body


def live(lab: Lab, name: str = "web") -> dict[str, Any]:
    found = lab.get(f"/api/v1/namespaces/shop/configmaps/{name}")
    assert found is not None
    data: dict[str, Any] = found["data"]
    return data


def blocked(lab: Lab) -> ClusterformError:
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    return caught.value


def test_values_are_read_from_the_cluster_and_a_secret_stays_one(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    plan = lab.plan()
    assert b"hush-hush" not in msgspec.json.encode(plan)
    assert [(s.url, s.where) for s in plan.basis.sources] == [
        ("ConfigMap shop/sizes", "live in mgmt"),
        ("Secret shop/tokens", "live in mgmt"),
    ]
    lab.apply(plan)
    assert live(lab) == {"size": "3", "token": "hush-hush-4711"}
    assert lab.plan().changes == ()
    state = b"".join(p.read_bytes() for p in (lab.root / ".clusterform").glob("**/*") if p.is_file()
                     and "sandbox" not in p.name)  # fmt: skip
    assert b"hush-hush" not in state


def test_a_value_that_leaves_git_is_in_no_hash_and_no_message(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.converge()
    public = RELEASE.partition("    - secretKeyRef")[0] + "  values: {token: public}\n"
    lab.write("clusters/web.yaml", public)
    plan = lab.plan()
    guess = digest(canonical("hush-hush-4711"), b"clusterform")[:16]
    assert guess.encode() not in msgspec.json.encode(plan)
    path = "/api/v1/namespaces/shop/configmaps/web"
    lab.patch(path, {"data": {"token": "hush-hush-4712"}}, manager="kubectl-edit")
    (done,) = lab.apply(plan).results
    assert done.code == "stale"
    assert "may have changed (sensitive) (changed by kubectl-edit)" in done.message
    lab.converge()
    assert live(lab)["token"] == "public"


def test_a_value_that_was_ignored_for_a_while_stays_hidden(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.converge()
    ignored = "  ignore: [{kind: ConfigMap, paths: [/data/token]}]\n"
    lab.write("clusterform.yaml", FLEET + ignored)
    lab.edit("charts/web/templates/all.yaml", ("{size:", "{more: a, size:"))
    lab.converge()
    lab.write("clusterform.yaml", FLEET)
    public = RELEASE.partition("    - secretKeyRef")[0] + "  values: {token: public}\n"
    lab.write("clusters/web.yaml", public)
    assert b"hush-hush" not in msgspec.json.encode(lab.plan())


def test_a_value_that_changes_live_is_a_change(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.converge()
    path = "/api/v1/namespaces/shop/configmaps/sizes"
    lab.patch(path, {"data": {"values.yaml": "size: 4\n"}}, manager="kubectl-edit")
    (change,) = lab.plan().changes
    assert [(f.before, f.after) for f in change.fields] == [("3", "4")]


def test_a_secret_that_changes_between_plan_and_apply_stops_the_write(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    plan = lab.plan()
    path = "/api/v1/namespaces/shop/secrets/tokens"
    moved = base64.b64encode(b"token: other-4712\n").decode()
    lab.patch(path, {"data": {"values.yaml": moved}}, manager="kubectl-edit")
    with pytest.raises(ClusterformError) as caught:
        lab.apply(plan)
    assert caught.value.code == "secret-moved"


def test_what_is_nowhere_and_what_cannot_be_read_are_told_apart(lab: Lab) -> None:
    lab.write("clusters/web.yaml", RELEASE)
    error = blocked(lab)
    assert "ConfigMap shop/sizes is neither in Git nor in mgmt" in error.brief
    lab.sandbox.fault(Fault(kind="status", path=".*/configmaps/sizes", status=403, count=None))
    error = blocked(lab)
    assert "ConfigMap shop/sizes, which is not in Git, cannot be read from mgmt" in error.brief


def test_without_a_cluster_the_release_is_not_rendered_and_that_is_said(lab: Lab) -> None:
    lab.write("clusters/web.yaml", RELEASE)
    workspace = Workspace(lab.root, ids=lab.ids, clock=lab.clock, offline=True)
    (found,) = all_findings(workspace.loaded, workspace.line_of)
    assert (found.severity, found.summary) == (
        "warning",
        "HelmRelease shop/web: not rendered: its values from ConfigMap shop/sizes, which is not in"
        " Git, are known to a plan only",
    )
    lab.edit(
        "clusters/web.yaml",
        ("key: values.yaml}", "key: values.yaml, optional: true}"),
    )
    workspace = Workspace(lab.root, ids=lab.ids, clock=lab.clock, offline=True)
    warned = [f.summary for f in all_findings(workspace.loaded, workspace.line_of)]
    assert len(warned) == 2
    assert "rendered without the optional ConfigMap shop/sizes of valuesFrom" in warned[0]


def test_an_encrypted_secret_is_read_where_flux_has_put_it(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.write("clusters/tokens.yaml", SEALED)
    assert "Secret shop/tokens is encrypted by SOPS and not in mgmt yet" in blocked(lab).brief
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    plan: Plan = lab.plan()
    lab.apply(plan)
    assert live(lab)["token"] == "hush-hush-4711"


def test_variables_of_a_kustomization_are_read_too(lab: Lab) -> None:
    make(lab, "ConfigMap", "site", {"where": "ams"})
    lab.write("clusters/site.yaml", KUSTOMIZATION)
    lab.write(
        "site/all.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: place}\ndata:\n  where: ${where}\n",
    )
    lab.converge()
    assert live(lab, "place") == {"where": "ams"}


def test_a_secret_value_that_changes_is_shown_neither_old_nor_new(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.converge()
    path = "/api/v1/namespaces/shop/secrets/tokens"
    moved = base64.b64encode(b"token: other-other-4712\n").decode()
    lab.patch(path, {"data": {"values.yaml": moved}}, manager="kubectl-edit")
    plan = lab.plan()
    (change,) = plan.changes
    assert [(f.path, f.sensitive) for f in change.fields] == [(("f:data", "f:token"), True)]
    for value in (b"hush-hush", b"other-other"):
        assert value not in msgspec.json.encode(plan)


def test_a_secret_value_that_leaves_the_object_is_not_shown_either(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.converge()
    lab.edit("charts/web/templates/all.yaml", (", token: {{ .Values.token | quote }}", ""))
    for rebuilt in (False, True):
        plan = lab.plan()
        (change,) = plan.changes
        assert [(f.path, f.sensitive) for f in change.fields] == [(("f:data", "f:token"), True)]
        assert b"hush-hush" not in msgspec.json.encode(plan)
        if not rebuilt:
            lab.edit(
                "charts/web/templates/all.yaml",
                ("quote }}}", "quote }}, token: {{ .Values.token | quote }}}"),
            )
            rebuild(lab.workspace())
            lab.edit("charts/web/templates/all.yaml", (", token: {{ .Values.token | quote }}", ""))


def test_a_secret_value_in_a_list_hides_the_list(lab: Lab) -> None:
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("clusters/web.yaml", RELEASE)
    lab.write(
        "charts/web/templates/all.yaml",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web}\n"
        "spec: {schedule: '0 0 * * *', jobTemplate: {spec: {template: {spec:\n"
        "  {restartPolicy: Never,"
        "  containers: [{name: c, image: i, args: [--size={{ .Values.size }},"
        " '--token={{ .Values.token }}']}]}}}}}\n",
    )
    lab.converge()
    path = "/api/v1/namespaces/shop/configmaps/sizes"
    lab.patch(path, {"data": {"values.yaml": "size: 4\n"}}, manager="kubectl-edit")
    plan = lab.plan()
    (change,) = plan.changes
    assert [f.sensitive for f in change.fields] == [True]
    assert b"hush-hush" not in msgspec.json.encode(plan)


def test_steps_of_one_upgrade_agree_on_a_secret_in_an_ordinary_field(tmp_path: Path) -> None:
    """The second step was stale for ever, and the journal held a hash of the value."""
    lab = Lab(tmp_path, fleet=FLEET)
    lab.write("clusters/namespace.yaml", TEAM + NAMESPACE.join(("---\n", "")))
    lab.converge()
    make(lab, "ConfigMap", "sizes", {"values.yaml": "size: 3\n"})
    make(lab, "Secret", "tokens", {"values.yaml": "token: hush-hush-4711\n"})
    lab.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
    lab.write("clusters/web.yaml", RELEASE)
    plane = "kind: KubeadmControlPlane\nmetadata: {"
    noted = plane + "annotations: {acme.io/token: {{ .Values.token | quote }}}, "
    for version in ("v1.34.2", "v1.36.1"):
        chart = cluster(version=version).replace(plane, noted)
        lab.write("charts/web/templates/all.yaml", chart)
        finished = lab.converge()
    assert [r.action for r in finished.results if r.action.endswith("#1")] == [
        "KubeadmControlPlane team-a/c1#1"
    ]
