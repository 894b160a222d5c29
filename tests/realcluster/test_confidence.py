"""What a server will not or cannot answer: every plan is made, with its confidence and reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.changes import Confidence, Plan
from providers.kube.api import Request
from tests.realcluster.lab import RealLab
from tests.realcluster.server import ControlPlane
from tests.support.lab import change_of

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {namespace}}}
data: {{a: "{value}"}}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n"


def send(lab: RealLab, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    answer = lab.server.request(Request(method=method, path=path, body=content))
    return answer.status, json.loads(answer.body)


def put(lab: RealLab, value: str, *, namespace: bool = True) -> None:
    text = (NAMESPACE if namespace else "") + MAP
    lab.write("clusters/a.yaml", text.format(namespace=lab.fleet, value=value))
    lab.commit()


@pytest.fixture
def applied(lab: RealLab) -> RealLab:
    """A namespace with one ConfigMap of ours, and Git wanting something else."""
    put(lab, "1")
    finished = lab.apply(lab.plan(), wait=False)
    assert [r for r in finished.results if r.outcome != "done"] == []
    put(lab, "2")
    return lab


def reasons(plan: Plan, kind: str) -> str:
    return "\n".join(f.summary for f in plan.findings if f.kind == kind)


# ---------------------------------------------------------------- webhooks


def hook(lab: RealLab, effects: str = "None") -> dict[str, Any]:
    name = f"{lab.fleet}.confidence.test"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": name,
                "admissionReviewVersions": ["v1"],
                "sideEffects": effects,
                "timeoutSeconds": 1,
                "clientConfig": {"url": "https://127.0.0.1:9/deny"},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.fleet}},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["configmaps"],
                    }
                ],
            }
        ],
    }


@pytest.fixture
def webhook(applied: RealLab) -> Iterator[RealLab]:
    """A webhook over the fleet's ConfigMaps that nobody answers for."""
    body = hook(applied)
    assert send(applied, "POST", HOOKS, body)[0] == 201
    yield applied
    send(applied, "DELETE", f"{HOOKS}/{body['metadata']['name']}")


def test_a_webhook_that_is_down_makes_the_change_static(webhook: RealLab) -> None:
    change = change_of(webhook.plan(), "ConfigMap")
    assert change.confidence is Confidence.STATIC
    assert "not dry-run: " in change.reason
    assert "failed calling webhook" in change.reason
    assert [(f.before, f.after) for f in change.fields] == [("1", "2")]


def test_this_server_takes_no_webhook_with_side_effects(lab: RealLab) -> None:
    """v1 allows None and NoneOnDryRun only: the refusal of a dry-run is a thing of older ones."""
    status, answer = send(lab, "POST", HOOKS, hook(lab, "Some"))
    assert status == 422
    assert "sideEffects" in json.dumps(answer)


# ---------------------------------------------------------------- what is not there


def test_an_unknown_kind_is_named_and_the_rest_is_planned(applied: RealLab) -> None:
    applied.write(
        "clusters/thing.yaml",
        "apiVersion: absent.example.com/v1\nkind: Thing\n"
        f"metadata: {{name: t, namespace: {applied.fleet}}}\n",
    )
    applied.commit()
    plan = applied.plan()
    assert change_of(plan, "ConfigMap").confidence is Confidence.EXACT
    assert "no server knows absent.example.com/v1 Thing" in reasons(plan, "blocked")


def test_a_kind_whose_definition_is_in_the_same_plan_is_static(
    lab: RealLab, unique: Callable[[str], str]
) -> None:
    group = f"{unique('late')}.example.com"
    schema = "{type: object, x-kubernetes-preserve-unknown-fields: true}"
    version = f"{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {schema}}}}}"
    lab.write(
        "clusters/late.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        f"metadata: {{name: things.{group}}}\n"
        f"spec: {{group: {group}, scope: Cluster, names: {{plural: things, kind: Thing}}, "
        f"versions: [{version}]}}\n---\n"
        f"apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: t}}\nspec: {{a: 1}}\n",
    )
    lab.commit()
    plan = lab.plan()
    assert plan.complete
    assert change_of(plan, "Thing").confidence is Confidence.STATIC


def test_a_missing_namespace_is_named(lab: RealLab) -> None:
    put(lab, "1", namespace=False)
    plan = lab.plan()
    assert plan.changes == ()
    assert f"its namespace {lab.fleet} is neither in Git nor live" in reasons(plan, "blocked")


def test_a_namespace_that_is_being_deleted_takes_nothing_new(lab: RealLab) -> None:
    """A finalizer holds it; the server would answer 403 to the create."""
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": lab.fleet, "finalizers": ["confidence.test/hold"]},
    }
    assert send(lab, "POST", "/api/v1/namespaces", space)[0] == 201
    assert send(lab, "DELETE", f"/api/v1/namespaces/{lab.fleet}")[0] == 200
    put(lab, "1", namespace=False)
    plan = lab.plan()
    assert plan.changes == ()
    assert f"its namespace {lab.fleet} is being deleted" in reasons(plan, "blocked")


# ---------------------------------------------------------------- rights


def as_user(
    lab: RealLab, plane: ControlPlane, user: str, folder: Path, *verbs: str
) -> dict[str, str]:
    """Bind rights over everything to an identity; the environment that makes it ours."""
    name = f"{lab.fleet}-{user}"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": list(verbs)}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": name,
        },
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
    }
    assert send(lab, "POST", f"{RBAC}/clusterroles", role)[0] == 201
    assert send(lab, "POST", f"{RBAC}/clusterrolebindings", binding)[0] == 201
    file = folder / "limited.kubeconfig"
    file.write_text(json.dumps(plane.config(user=user)))
    return {"KUBECONFIG": str(file)}


def test_without_the_right_to_patch_a_change_is_static(
    applied: RealLab, plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = applied.plan()
    environment = as_user(applied, plane, "user-11", tmp_path, "get", "list")
    monkeypatch.setenv("KUBECONFIG", environment["KUBECONFIG"])
    limited = applied.plan()
    change = change_of(limited, "ConfigMap")
    assert change.confidence is Confidence.STATIC
    assert change.reason == "", "the missing right is said once, not with every change"
    assert "no right to dry-run ConfigMap in mgmt" in reasons(limited, "warning")
    assert [(f.before, f.after) for f in change.fields] == [("1", "2")]
    assert limited.digest == exact.digest
    assert limited.complete


def test_with_the_right_to_patch_it_is_exact(
    applied: RealLab, plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = as_user(applied, plane, "user-12", tmp_path, "get", "list", "patch")
    monkeypatch.setenv("KUBECONFIG", environment["KUBECONFIG"])
    assert change_of(applied.plan(), "ConfigMap").confidence is Confidence.EXACT


# ---------------------------------------------------------------- ownership, the cache


def test_a_change_of_owners_only_is_a_change_of_its_own_kind(applied: RealLab) -> None:
    path = f"/api/v1/namespaces/{applied.fleet}/configmaps/settings"
    put(applied, "1")
    for value in ("9", "1"):
        applied.patch(path, {"data": {"a": value}}, manager="kubectl-edit")
    plan = applied.plan()
    change = change_of(plan, "ConfigMap")
    assert (change.ownership_only, change.fields) == (True, ())
    applied.apply(plan, wait=False)
    assert applied.plan().changes == ()


def test_a_noop_that_needs_the_server_is_asked_for_once_on_this_machine(lab: RealLab) -> None:
    """The quantities of a LimitRange lie in an atomic list, which the proof leaves open."""
    text = (NAMESPACE + MAP).format(namespace=lab.fleet, value="1") + (
        "---\napiVersion: v1\nkind: ResourceQuota\n"
        f"metadata: {{name: q, namespace: {lab.fleet}}}\n"
        "spec: {hard: {pods: '10'}, scopeSelector: {matchExpressions: "
        "[{scopeName: PriorityClass, operator: Exists}]}}\n"
        "---\napiVersion: v1\nkind: LimitRange\n"
        f"metadata: {{name: l, namespace: {lab.fleet}}}\n"
        "spec: {limits: [{type: Container, default: {cpu: 500m}, max: {cpu: 2000m}}]}\n"
    )
    lab.write("clusters/a.yaml", text)
    lab.commit()
    lab.apply(lab.plan(), wait=False)
    kept = lab.root / ".clusterform" / "cache" / "noops"
    assert not kept.exists()
    assert lab.plan().changes == ()
    first = kept.read_bytes()
    assert lab.plan().changes == ()
    assert kept.read_bytes() == first
    assert lab.plan(refresh="full").changes == ()
