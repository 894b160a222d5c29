"""What a kind's schema says where `managedFields` cannot: atomic or not, defaults, quantities.

Custom kinds bring their schema (the CustomResourceDefinition). For kinds compiled into the server,
and for Cluster API's own when their definition was not read, tables stand in; they are held to the
real schemas by tests/realcluster/test_shapes.py. `None` always means: not known, ask the server.
Sources: x-kubernetes-map-type and -list-type in k8s.io/kubernetes api/openapi-spec v1.36 and in
sigs.k8s.io/cluster-api config/crd/bases; structural defaulting in apiextensions-apiserver
pkg/apiserver/schema/defaulting.
"""

from __future__ import annotations

from typing import Any

import msgspec

from planner.shapefill import builtin_filled
from providers.builtin import KINDS
from providers.quantity import canonical_quantity
from state.resource import FieldPath, GroupKind, JsonObject


def _fields(text: str) -> frozenset[str]:
    return frozenset(f"f:{name}" for name in text.split())


ATOMIC_BUILTIN = _fields(
    """configMapKeyRef controllerExpandSecretRef controllerPublishSecretRef dataSource fieldRef
    fileKeyRef matchConstraints matchResources namespaceSelector nodeExpandSecretRef
    nodePublishSecretRef nodeSelector nodeStageSecretRef objectSelector paramKind paramRef
    podSelector resourceFieldRef roleRef scopeSelector secretKeyRef selector targetRef"""
)
"""Fields that are atomic maps in every built-in kind that has a map of that name."""
UNSURE_BUILTIN = _fields(
    """claimRef involvedObject labelSelector nodeTopology port preference regarding related required
    requiredDuringSchedulingIgnoredDuringExecution resource scaleTargetRef secretRef target"""
)
"""Atomic in some places only."""
ATOMIC_CAPI = _fields(
    """claimRef clusterSelector configMapKeyRef configRef controlPlaneRef
    customHAProxyConfigTemplateRef fieldRef fileKeyRef infrastructureRef namespaceSelector
    poolRef ref remediationTemplate resourceFieldRef secretKeyRef selector"""
)
"""Maps of Cluster API that are atomic, or that can never be sent as `{}` (required fields)."""
CAPI_KINDS = frozenset(
    """Cluster ClusterClass ClusterResourceSet DevCluster DevClusterTemplate DockerCluster
    DockerClusterTemplate ExtensionConfig IPAddress IPAddressClaim KubeadmConfig
    KubeadmConfigTemplate KubeadmControlPlane KubeadmControlPlaneTemplate Machine
    MachineDeployment MachineDrainRule MachineHealthCheck MachinePool MachineSet""".split()  # noqa: SIM905
)
"""Kinds that this holds for, whichever group of Cluster API they are in."""
METADATA_MAPS = (("f:metadata", "f:labels"), ("f:metadata", "f:annotations"))
"""Merged in every kind: the schema of a custom one leaves metadata to the server."""
_WITH_QUANTITIES = frozenset(
    (
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Job",
        "PersistentVolumeClaim",
        "Pod",
        "ReplicaSet",
        "StatefulSet",
    )
)
_MACHINE_DEPLOYMENT = GroupKind("cluster.x-k8s.io", "MachineDeployment")


class Shape(msgspec.Struct, frozen=True, gc=False):
    """One kind in one version. `schema` is its OpenAPI v3 schema, where a CRD was read."""

    kind: GroupKind
    schema: JsonObject | None = None

    @property
    def builtin(self) -> bool:
        """Compiled into the server, which drops zero values and canonicalises quantities."""
        return is_builtin(self.kind)

    def atomic(self, path: FieldPath) -> bool | None:
        """Whether the map at `path` is one value; None where that is not known."""
        node = self._node(path)
        if node is not None:
            return node.get("x-kubernetes-map-type") == "atomic"
        last = path[-1]
        if path in METADATA_MAPS:
            return False
        if self.builtin:
            return None if last in UNSURE_BUILTIN else last in ATOMIC_BUILTIN
        if self.kind.kind in CAPI_KINDS and self.kind.group.endswith("cluster.x-k8s.io"):
            return True if last in ATOMIC_CAPI else None
        return None

    def owns_itself(self, path: FieldPath) -> bool | None:
        """An apply also owns the map at `path` itself, beside what is in it: a free-form map's."""
        if self.builtin or path[0] == "f:metadata" or len(path) == 1:
            return False
        if self.schema is None:
            return None
        above = self._node(path[:-1])
        return above is None or path[-1][2:] not in (above.get("properties") or {})

    def granular_list(self, path: FieldPath) -> bool:
        """The schema says that the list at `path` is merged by item."""
        node = self._node(path)
        return node is not None and node.get("x-kubernetes-list-type") in ("map", "set")

    def filled(self, path: FieldPath, value: Any, live: JsonObject) -> Any:
        """The value at `path` with the defaults that its schema or its kind gives it."""
        if self.kind == _MACHINE_DEPLOYMENT and path == ("f:spec", "f:selector"):
            return _selector(value, live)
        node = self._node(path)
        if node is not None:
            return _defaulted(value, node)
        if not self.builtin:
            return value
        if self.kind.kind in ("RoleBinding", "ClusterRoleBinding") and path == ("f:subjects",):
            return [_subject(item) for item in value] if isinstance(value, list) else value
        if self._is_quantity(path) and isinstance(value, str | int | float):
            return value if isinstance(value, bool) else canonical_quantity(value)
        return builtin_filled(path[-1], value)

    def _is_quantity(self, path: FieldPath) -> bool:
        """Requests and limits of containers and claims, hard limits of a quota."""
        if self.kind.kind == "ResourceQuota":
            return path[:-1] == ("f:spec", "f:hard")
        return self.kind.kind in _WITH_QUANTITIES and path[-3:-1] in (
            ("f:resources", "f:limits"),
            ("f:resources", "f:requests"),
        )

    def _node(self, path: FieldPath) -> JsonObject | None:
        """The schema at `path`; None where it has none (unknown fields are kept there)."""
        node = self.schema
        for element in path:
            if node is None:
                return None
            if element[0] == "f":
                name = element[2:]
                below = (node.get("properties") or {}).get(name)
                node = below if below is not None else node.get("additionalProperties")
            else:
                node = node.get("items")
            if not isinstance(node, dict):
                return None
        return node


FREE_FORM = _fields(
    "annotations binaryData data hard labels limits nodeSelector parameters requests"
)
"""Maps of built-in kinds that are dropped when empty. A struct that was sent empty stays; where it
is gone all the same, a prune took it, and the server may refuse it now (`env.valueFrom: {}`)."""


def is_builtin(kind: GroupKind) -> bool:
    """Kinds compiled into kube-apiserver. Some CRDs have groups below k8s.io, too: a table."""
    return kind in KINDS


def _selector(value: Any, live: JsonObject) -> Any:
    """Cluster API's webhook fills an empty selector (internal/webhooks/machinedeployment.go)."""
    if not isinstance(value, dict) or value.get("matchLabels") or value.get("matchExpressions"):
        return value
    labels = {
        "cluster.x-k8s.io/cluster-name": (live.get("spec") or {}).get("clusterName"),
        "cluster.x-k8s.io/deployment-name": live["metadata"]["name"],
    }
    return {**value, "matchLabels": labels}


def _subject(item: Any) -> Any:
    """rbac/v1 defaults.go, SetDefaults_Subject: users and groups get RBAC's group."""
    if not isinstance(item, dict) or item.get("apiGroup"):
        return item
    if item.get("kind") in ("User", "Group"):
        return {**item, "apiGroup": "rbac.authorization.k8s.io"}
    return {key: value for key, value in item.items() if key != "apiGroup"}


def _defaulted(value: Any, schema: JsonObject) -> Any:
    """Structural defaulting: what is missing gets its default, which is filled in turn."""
    if isinstance(value, dict):
        properties: JsonObject = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        filled = {
            key: _defaulted(held, below) if isinstance(below, dict) else held
            for key, held in value.items()
            for below in (properties.get(key, others),)
        }
        for key, below in properties.items():
            if key not in filled and "default" in below:
                filled[key] = _defaulted(below["default"], below)
        return filled
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        return [_defaulted(item, items) for item in value]
    return value
