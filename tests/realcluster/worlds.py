"""Random small fleets of built-in and Cluster API kinds, edits of them in Git, and what others do.

Everything is a value drawn by Hypothesis: a `Step` is what happens between two plans.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]

_INFRA = "infrastructure.cluster.x-k8s.io"
_CAPI = "cluster.x-k8s.io/v1beta2"


@dataclass(frozen=True)
class Kind:
    """A kind of object: its collection, a body, and fields with values that they may take.

    A value of None takes the field out.
    """

    plural: str
    body: Body
    edits: tuple[tuple[str, tuple[Any, ...]], ...]
    scalable: bool = False
    removable: bool = True


def _pod(image: str = "registry.example.org/app:1") -> Body:
    container = {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "LEVEL", "value": "info"}],
    }
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}


_CONTAINER = "spec.template.spec.containers.0"
_LABELS = ("metadata.labels", ({"tier": "gold"}, {"tier": "silver", "team": "a"}, None))
_NOTES = ("metadata.annotations", ({"note": "one"}, {"note": "two"}, None))

KINDS: dict[str, Kind] = {
    "ConfigMap": Kind(
        "configmaps",
        {"apiVersion": "v1", "data": {"a": "1", "b": "two"}},
        (
            ("data", ({"a": "1"}, {"a": "2", "c": ""}, {"b": "x\ny"})),
            ("data.a", ("0", "true", "1e3", None)),
            ("binaryData", ({"x": "AAE="}, None)),
            _LABELS,
        ),
    ),
    "Secret": Kind(
        "secrets",
        {"apiVersion": "v1", "type": "Opaque", "data": {"key": "Zmlyc3Q="}},
        (("data", ({"key": "c2Vjb25k"}, {"other": "eA=="})), _LABELS),
    ),
    "Service": Kind(
        "services",
        {
            "apiVersion": "v1",
            "spec": {"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80}]},
        },
        (
            (
                "spec.ports",
                (
                    [{"name": "http", "port": 80}, {"name": "admin", "port": 81}],
                    [{"name": "admin", "port": 81, "protocol": "UDP", "targetPort": "adm"}],
                    [{"name": "http", "port": 80, "targetPort": 8080}],
                ),
            ),
            ("spec.selector", ({"app": "y"}, {"app": "x", "tier": "z"})),
            ("spec.sessionAffinity", ("ClientIP", None)),
            _NOTES,
        ),
    ),
    "Deployment": Kind(
        "deployments",
        {
            "apiVersion": "apps/v1",
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "x"}},
                "template": _pod(),
            },
        },
        (
            ("spec.replicas", (0, 1, 5, None)),
            (f"{_CONTAINER}.image", ("registry.example.org/app:2",)),
            (
                f"{_CONTAINER}.env",
                (
                    [{"name": "LEVEL", "value": "debug"}, {"name": "A", "value": ""}],
                    [{"name": "A", "value": "1"}],
                    None,
                ),
            ),
            (f"{_CONTAINER}.resources", ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "2"}})),
            (f"{_CONTAINER}.args", (["--a"], ["--b", "--a"], None)),
            ("spec.strategy", ({"type": "Recreate"}, None)),
            ("spec.minReadySeconds", (0, 10, None)),
            ("spec.template.spec.nodeSelector", ({"disk": "ssd"}, {}, None)),
            _LABELS,
        ),
        scalable=True,
    ),
    "ServiceAccount": Kind("serviceaccounts", {"apiVersion": "v1"}, (_LABELS, _NOTES)),
    "Role": Kind(
        "roles",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        },
        (
            (
                "rules",
                (
                    [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
                    [],
                ),
            ),
            _LABELS,
        ),
    ),
    "RoleBinding": Kind(
        "rolebindings",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "default"}],
        },
        (
            ("subjects", ([{"kind": "User", "name": "u"}], [{"kind": "Group", "name": "g"}])),
            _LABELS,
        ),
    ),
    "NetworkPolicy": Kind(
        "networkpolicies",
        {
            "apiVersion": "networking.k8s.io/v1",
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        },
        (
            ("spec.ingress", ([{"ports": [{"port": 80}]}], [{}], None)),
            ("spec.podSelector", ({"matchLabels": {"a": "b"}},)),
        ),
    ),
    "PodDisruptionBudget": Kind(
        "poddisruptionbudgets",
        {
            "apiVersion": "policy/v1",
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}},
        },
        (("spec.maxUnavailable", (2, "50%", 0)), _LABELS),
    ),
    "HorizontalPodAutoscaler": Kind(
        "horizontalpodautoscalers",
        {
            "apiVersion": "autoscaling/v2",
            "spec": {
                "maxReplicas": 5,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            },
        },
        (("spec.maxReplicas", (6, 7)), ("spec.minReplicas", (2, None))),
    ),
    "CronJob": Kind(
        "cronjobs",
        {
            "apiVersion": "batch/v1",
            "spec": {
                "schedule": "0 * * * *",
                "jobTemplate": {
                    "spec": {
                        "template": {
                            "spec": {
                                "restartPolicy": "Never",
                                "containers": [{"name": "c", "image": "i"}],
                            }
                        }
                    }
                },
            },
        },
        (
            ("spec.schedule", ("5 * * * *",)),
            ("spec.suspend", (True, False, None)),
            ("spec.successfulJobsHistoryLimit", (0, 1, None)),
        ),
    ),
    "ResourceQuota": Kind(
        "resourcequotas",
        {"apiVersion": "v1", "spec": {"hard": {"pods": "1000", "requests.cpu": "4000m"}}},
        (("spec.hard", ({"pods": "1k"}, {"pods": "2", "requests.memory": "1Gi"})),),
    ),
    "Cluster": Kind(
        "clusters",
        {
            "apiVersion": _CAPI,
            "spec": {
                "clusterNetwork": {"pods": {"cidrBlocks": ["10.0.0.0/16"]}},
                "controlPlaneEndpoint": {"host": "127.0.0.1", "port": 6443},
            },
        },
        (
            ("spec.paused", (True, False, None)),
            ("spec.clusterNetwork.serviceDomain", ("a.local", None)),
            _LABELS,
            _NOTES,
        ),
        removable=False,
    ),
    "DevCluster": Kind(
        "devclusters",
        {"apiVersion": f"{_INFRA}/v1beta2", "spec": {"backend": {"inMemory": {}}}},
        (_LABELS, _NOTES),
        removable=False,
    ),
    "MachineDeployment": Kind(
        "machinedeployments",
        {
            "apiVersion": _CAPI,
            "spec": {
                "clusterName": "none",
                "replicas": 2,
                "selector": {},
                "template": {
                    "spec": {
                        "clusterName": "none",
                        "version": "v1.35.0",
                        "bootstrap": {"dataSecretName": "x"},
                        "infrastructureRef": {
                            "apiGroup": _INFRA,
                            "kind": "DevMachineTemplate",
                            "name": "gone",
                        },
                    }
                },
            },
        },
        (
            ("spec.replicas", (0, 3, None)),
            ("spec.template.spec.version", ("v1.35.1",)),
            ("spec.template.metadata", ({"labels": {"pool": "a"}}, {"annotations": {"x": "y"}})),
            ("spec.rollout", ({"strategy": {"type": "OnDelete"}}, None)),
            _LABELS,
        ),
        scalable=True,
    ),
    "MachineHealthCheck": Kind(
        "machinehealthchecks",
        {
            "apiVersion": _CAPI,
            "spec": {"clusterName": "none", "selector": {"matchLabels": {"a": "b"}}},
        },
        (
            ("spec.checks", ({"nodeStartupTimeoutSeconds": 600}, None)),
            ("spec.selector", ({"matchLabels": {"a": "c"}},)),
        ),
    ),
}
NAMES = tuple(KINDS)


def collection(kind: str, namespace: str, name: str = "") -> str:
    """The path of a kind's objects, or of one."""
    version = KINDS[kind].body["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}/namespaces/{namespace}/{KINDS[kind].plural}"
    return f"{path}/{name}" if name else path


def first_body(kind: str, name: str, namespace: str) -> Body:
    """A new object of a kind."""
    body = copy.deepcopy(KINDS[kind].body)
    body["kind"] = kind
    body["metadata"] = {"name": name, "namespace": namespace}
    if kind == "MachineDeployment":
        body["spec"]["clusterName"] = body["spec"]["template"]["spec"]["clusterName"] = name
    if kind == "MachineHealthCheck":
        body["spec"]["clusterName"] = name
    return body


def put(body: Body, path: str, value: Any) -> None:
    """Set a dotted path, list indexes as numbers; None takes the field out."""
    *above, last = path.split(".")
    node: Any = body
    for part in above:
        node = node[int(part)] if part.isdigit() else node.setdefault(part, {})
    if value is None:
        node.pop(last, None)
    else:
        node[last] = copy.deepcopy(value)


@dataclass(frozen=True)
class GitEdit:
    """`what`: add, remove, or a field of the object at `index`."""

    what: str
    index: int
    kind: str
    edit: int
    value: int

    def __call__(self, git: list[Body], namespace: str, made: list[int]) -> None:
        """Change what stands in Git."""
        if self.what == "add" and len(git) < 8:
            made[0] += 1
            git.append(first_body(self.kind, f"o{made[0]}", namespace))
            return
        if not git:
            return
        body = git[self.index % len(git)]
        kind = KINDS[body["kind"]]
        if self.what == "remove":
            if kind.removable:
                git.remove(body)
            return
        path, values = kind.edits[self.edit % len(kind.edits)]
        put(body, path, values[self.value % len(values)])


@dataclass(frozen=True)
class Drift:
    """What somebody else does to the live object at `index`."""

    how: str
    index: int
    edit: int
    value: int
    manager: str


_MANAGERS = ("kubectl-edit", "kubectl-client-side-apply", "kubectl", "helm", "some-operator")
_small = st.integers(0, 7)

git_edits = st.builds(
    GitEdit,
    what=st.sampled_from(("field", "field", "field", "add", "remove")),
    index=_small,
    kind=st.sampled_from(NAMES),
    edit=_small,
    value=_small,
)
drifts = st.builds(
    Drift,
    how=st.sampled_from(
        ("patch", "patch", "patch", "apply", "scale", "label", "delete", "status", "finalizer")
    ),
    index=_small,
    edit=_small,
    value=_small,
    manager=st.sampled_from(_MANAGERS),
)


@dataclass(frozen=True)
class Step:
    """Between two plans: Git moves, and others move what is live."""

    git: tuple[GitEdit, ...]
    live: tuple[Drift, ...]


steps = st.builds(
    Step,
    git=st.lists(git_edits, min_size=1, max_size=3).map(tuple),
    live=st.lists(drifts, min_size=1, max_size=3).map(tuple),
)
starts = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5).map(tuple)
