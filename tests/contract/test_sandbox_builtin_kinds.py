"""Every built-in kind of the table: created, applied again without a write, read back."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kube.sandbox.kinds import builtin_kinds

_POD = {"containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}]}]}
_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": _POD}
_WORKLOAD = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE}}
_RBAC = "rbac.authorization.k8s.io"
_ROLE = {"apiGroup": _RBAC, "kind": "Role", "name": "r"}
_BINDING = {"roleRef": _ROLE, "subjects": [{"kind": "User", "name": "u"}]}
_HOOK = {
    "name": "h.test",
    "clientConfig": {"url": "https://h.test"},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["x"]}],
}
_JOB = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_PROVISIONED = {"capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteOnce"]}
_CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_RULE = {"expression": "true"}
_NAMES = {"plural": "examples", "kind": "Example"}
_SERVED = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object"}},
}

BODIES: dict[str, Any] = {
    "Namespace": {},
    "ConfigMap": {"data": {"a": ""}},
    "Secret": {"stringData": {"a": "b"}},
    "ServiceAccount": {"automountServiceAccountToken": False},
    "Service": {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}},
    "Node": {"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}},
    "Pod": {"spec": _POD},
    "PersistentVolume": {"spec": {**_PROVISIONED, "hostPath": {"path": "/x"}}},
    "PersistentVolumeClaim": {"spec": _CLAIM},
    "Event": {"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "R", "count": 1},
    "Deployment": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "StatefulSet": {"spec": {**_WORKLOAD["spec"], "serviceName": "s"}},
    "ReplicaSet": _WORKLOAD,
    "Job": {"spec": _JOB},
    "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": _JOB}}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": {**_BINDING, "roleRef": {**_ROLE, "kind": "ClusterRole"}},
    "NetworkPolicy": {"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}},
    "Ingress": {"spec": {"rules": [{"host": "h", "http": {"paths": [{"pathType": "Prefix"}]}}]}},
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 1, "selector": {}}},
    "StorageClass": {"provisioner": "p", "parameters": {"a": "b"}},
    "PriorityClass": {"value": 0},
    "HorizontalPodAutoscaler": {"spec": {"scaleTargetRef": {"name": "d"}, "maxReplicas": 3}},
    "Lease": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
    "CustomResourceDefinition": {
        "spec": {"group": "e.test", "names": _NAMES, "scope": "Cluster", "versions": [_SERVED]}
    },
    "APIService": {"spec": {"group": "x.test", "version": "v1", "groupPriorityMinimum": 1}},
    "MutatingWebhookConfiguration": {"webhooks": [_HOOK]},
    "ValidatingWebhookConfiguration": {"webhooks": [_HOOK]},
    "ValidatingAdmissionPolicy": {"spec": {"validations": [_RULE]}},
    "ValidatingAdmissionPolicyBinding": {"spec": {"validationActions": ["Deny"]}},
}

KINDS = {kind.kind: kind for kind in builtin_kinds().values()}


@pytest.mark.parametrize("name", KINDS)
def test_second_apply_writes_nothing(client: Any, name: str) -> None:
    kind = KINDS[name]
    metadata: Any = {"name": "examples.e.test"} | ({"namespace": "sem"} if kind.namespaced else {})
    # With nothing of ours, the second apply would add `before-first-apply` for the defaults.
    metadata["labels"] = {"set": "mine"}
    if name in ("Namespace", "Service"):
        metadata["name"] = "example"
    obj = {"apiVersion": kind.api_version, "kind": name, "metadata": metadata, **BODIES[name]}
    where = f"/namespaces/sem/{kind.plural}" if kind.namespaced else f"/{kind.plural}"
    base = f"/apis/{kind.api_version}" if kind.group else "/api/v1"
    path = f"{base}{where}/{metadata['name']}"
    media = "application/apply-patch+yaml"
    first = client.send("PATCH", path, obj, media, fieldManager="m")
    assert first.status == 201, first.body
    live = client.send("GET", path).body
    if name != "CustomResourceDefinition":  # its status is written right after its creation
        assert live == first.body
    assert client.send("PATCH", path, obj, media, fieldManager="m").body == live
    assert client.send("GET", path).body == live


def test_secret_shows_data_and_keeps_string_data_owned(client: Any) -> None:
    metadata = {"namespace": "sem", "name": "s"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": "hi"}}
    answer = client.apply(secret)
    assert answer.body["data"] == {"a": "aGk="}
    assert answer.metadata["managedFields"][0]["fieldsV1"] == {"f:stringData": {"f:a": {}}}


def test_missing_required_field_is_refused(client: Any) -> None:
    metadata = {"namespace": "sem", "name": "d"}
    answer = client.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})
    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (422, "spec.selector")


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash"])
def test_bad_names_are_refused(client: Any, widget: Any, name: str) -> None:
    answer = client.apply(widget(name))
    assert (answer.status, "RFC 1123" in answer.message) == (422, True)
