"""Objects that others made come under management: no field is lost, and removing one removes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.changes import Plan, Verb
from providers.kube.api import APPLY_PATCH, MERGE_PATCH, Request
from state.writer import MANAGER
from tests.realcluster.lab import RealLab
from tests.support.lab import by_verb

NAME = "settings"


def deployment(namespace: str, **spec: Any) -> dict[str, Any]:
    """What somebody applied by hand."""
    container = {
        "name": "app",
        "image": "registry.example.org/app:1",
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "OLD", "value": "yes"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {"team": "a", "by": "hand"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [container]},
            },
            **spec,
        },
    }


def wanted(namespace: str) -> dict[str, Any]:
    """What Git says: less than the live object, and one other value."""
    body = deployment(namespace)
    body["metadata"]["labels"] = {"team": "a"}
    body["spec"]["replicas"] = 3
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "LEVEL", "value": "info"}]
    return body


def kubectl(lab: RealLab, *arguments: str, stdin: str = "") -> None:
    """The real kubectl."""
    binary = Path(sys.executable).parent / "kubectl"
    subprocess.run(
        [str(binary), *arguments],
        input=stdin,
        env={"KUBECONFIG": os.environ["KUBECONFIG"], "HOME": str(lab.root)},
        check=True,
        capture_output=True,
        text=True,
    )


def by_kubectl_apply(lab: RealLab, body: dict[str, Any]) -> None:
    kubectl(lab, "apply", "-f", "-", stdin=json.dumps(body))


def by_kubectl_apply_server_side(lab: RealLab, body: dict[str, Any]) -> None:
    kubectl(lab, "apply", "--server-side", "-f", "-", stdin=json.dumps(body))


def by_kubectl_create(lab: RealLab, body: dict[str, Any]) -> None:
    kubectl(lab, "create", "-f", "-", stdin=json.dumps(body))


def by_helm(lab: RealLab, body: dict[str, Any]) -> None:
    """Helm 3 creates with manager `helm`, marks the release, and patches on upgrade."""
    body["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    body["metadata"]["annotations"] = {
        "meta.helm.sh/release-name": "app",
        "meta.helm.sh/release-namespace": lab.fleet,
    }
    lab.make(body, "deployments", manager="helm")


def by_flux(lab: RealLab, body: dict[str, Any]) -> None:
    """Flux applies on the server, forced, and labels what it applies with its owner."""
    prefix = "kustomize.toolkit.fluxcd.io"
    body["metadata"]["labels"] |= {f"{prefix}/name": "apps", f"{prefix}/namespace": "flux-system"}
    path = f"/apis/apps/v1/namespaces/{lab.fleet}/deployments/{NAME}"
    request = Request(
        method="PATCH",
        path=path,
        query=(("fieldManager", "kustomize-controller"), ("force", "true")),
        body=msgspec.json.encode(body),
        content_type=APPLY_PATCH,
    )
    assert lab.server.request(request).status == 201


def without_managers(lab: RealLab, body: dict[str, Any]) -> None:
    """An object from before managedFields, or whose entries somebody dropped."""
    lab.make(body, "deployments", manager="ancient")
    path = f"/apis/apps/v1/namespaces/{lab.fleet}/deployments/{NAME}"
    patch = {"metadata": {"managedFields": [{}]}}
    answer = lab.request("PATCH", path, patch, manager="x", content_type=MERGE_PATCH)
    assert answer.status == 200
    assert "managedFields" not in msgspec.json.decode(answer.body)["metadata"]


MAKERS = {
    "kubectl apply": by_kubectl_apply,
    "kubectl apply --server-side": by_kubectl_apply_server_side,
    "kubectl create": by_kubectl_create,
    "helm": by_helm,
    "a Flux that is gone": by_flux,
    "nobody": without_managers,
}


def write(lab: RealLab, *bodies: dict[str, Any]) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": lab.fleet}}
    documents = [namespace, *bodies]
    lab.write("clusters/app.yaml", "\n---\n".join(json.dumps(d) for d in documents))
    lab.commit()


def live(lab: RealLab) -> dict[str, Any]:
    found = lab.get(f"/apis/apps/v1/namespaces/{lab.fleet}/deployments/{NAME}")
    assert found is not None
    return found


def env_of(body: dict[str, Any]) -> dict[str, str]:
    container = body["spec"]["template"]["spec"]["containers"][0]
    return {e["name"]: e["value"] for e in container.get("env", ())}


def adopted(lab: RealLab, maker: str) -> Plan:
    """An object made by somebody, and the plan that adopts it."""
    write(lab)
    lab.apply(lab.plan(), wait=False)
    MAKERS[maker](lab, deployment(lab.fleet))
    write(lab, wanted(lab.fleet))
    return lab.plan()


@pytest.mark.parametrize("maker", MAKERS)
def test_adoption_is_planned_and_loses_no_field(lab: RealLab, maker: str) -> None:
    plan = adopted(lab, maker)
    assert by_verb(plan) == {"adopt": [f"Deployment {lab.fleet}/{NAME}"]}
    [change] = plan.changes
    assert change.verb is Verb.ADOPT
    assert change.releases
    before = live(lab)
    finished = lab.apply(plan, wait=False)
    assert [r for r in finished.results if r.outcome != "done"] == []
    after = live(lab)
    assert after["spec"]["replicas"] == 3
    assert env_of(after) == {"LEVEL": "info", "OLD": "yes"}, "fields that Git has not stay"
    assert after["metadata"]["labels"].items() >= before["metadata"]["labels"].items()
    assert "last-applied" not in json.dumps(after["metadata"].get("annotations", {}))
    again = lab.plan()
    assert again.changes == ()


@pytest.mark.parametrize("maker", MAKERS)
def test_what_leaves_git_after_an_adoption_leaves_the_object(lab: RealLab, maker: str) -> None:
    lab.apply(adopted(lab, maker), wait=False)
    body = wanted(lab.fleet)
    del body["metadata"]["labels"]["team"]
    del body["spec"]["template"]["spec"]["containers"][0]["env"]
    write(lab, body)
    plan = lab.plan()
    assert by_verb(plan) == {"update": [f"Deployment {lab.fleet}/{NAME}"]}
    lab.apply(plan, wait=False)
    after = live(lab)
    assert "team" not in after["metadata"]["labels"]
    assert after["metadata"]["labels"]["by"] == "hand"
    assert env_of(after) == {"OLD": "yes"}
    assert lab.plan().changes == ()


def test_an_adoption_cut_off_halfway_is_finished_by_the_next_plan(lab: RealLab) -> None:
    plan = adopted(lab, "kubectl apply")
    [change] = plan.changes
    cut = msgspec.structs.replace(change, releases=())
    lab.apply(msgspec.structs.replace(plan, changes=(cut,)), wait=False)
    [rest] = lab.plan().changes
    assert (rest.ownership_only, rest.releases) == (True, ("kubectl-client-side-apply",))
    lab.apply(lab.plan(), wait=False)
    assert lab.plan().changes == ()
    managers = {e["manager"] for e in live(lab)["metadata"]["managedFields"]}
    assert MANAGER in managers


def kustomization(lab: RealLab, suspend: bool) -> None:
    """Flux's kind, and one of it: the CRD is made once and shared."""
    group = "kustomize.toolkit.fluxcd.io"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": "kustomizations", "singular": "kustomization", "kind": "Kustomization"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"kustomizations.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }
    kubectl(lab, "apply", "--server-side", "-f", "-", stdin=json.dumps(crd))
    kubectl(lab, "wait", "--for=condition=Established", f"crd/kustomizations.{group}")
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": lab.fleet},
        "spec": {"suspend": suspend},
    }
    kubectl(lab, "apply", "-f", "-", stdin=json.dumps(body))


def test_what_a_running_flux_applies_is_refused_with_its_name(lab: RealLab) -> None:
    plan = adopted(lab, "a Flux that is gone")
    assert list(by_verb(plan)) == ["adopt"]
    path = f"/apis/apps/v1/namespaces/{lab.fleet}/deployments/{NAME}"
    owner = "/metadata/labels/kustomize.toolkit.fluxcd.io~1namespace"
    lab.json_patch(path, [{"op": "replace", "path": owner, "value": lab.fleet}], manager="flux")
    kustomization(lab, suspend=False)
    plan = lab.plan()
    assert plan.changes == ()
    [finding] = [f for f in plan.findings if f.kind == "refused"]
    assert f"is applied by Flux Kustomization {lab.fleet}/apps: suspend it" in finding.summary
    kustomization(lab, suspend=True)
    assert list(by_verb(lab.plan())) == ["adopt"]


def test_what_another_fleet_owns_is_refused_with_its_name(lab: RealLab) -> None:
    write(lab, wanted(lab.fleet))
    lab.apply(lab.plan(), wait=False)
    text = (lab.root / "clusterform.yaml").read_text()
    lab.write("clusterform.yaml", text.replace(lab.fleet, "intruder"))
    lab.commit()
    plan = lab.plan()
    assert plan.changes == ()
    assert all(f"another fleet or cluster: {lab.fleet}" in f.summary for f in plan.findings)
    assert len(plan.findings) == 2
