"""The kinds that are compiled into a Kubernetes API server: plural names and scope.

Source: k8s.io/api v0.36, the `+genclient:nonNamespaced` marks. Kinds that are not here are known
from a CustomResourceDefinition or from discovery.
"""

from __future__ import annotations

import msgspec

from state.resource import GroupKind


class Served(msgspec.Struct, frozen=True, gc=False):
    """How a server serves a kind: its URL name and whether it lives in namespaces."""

    plural: str
    namespaced: bool


_NAMESPACED = {
    "": "Pod Service Secret ConfigMap Endpoints Event LimitRange PersistentVolumeClaim "
    "PodTemplate ReplicationController ResourceQuota ServiceAccount",
    "apps": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "autoscaling": "HorizontalPodAutoscaler",
    "batch": "CronJob Job",
    "coordination.k8s.io": "Lease",
    "discovery.k8s.io": "EndpointSlice",
    "events.k8s.io": "Event",
    "networking.k8s.io": "Ingress NetworkPolicy",
    "policy": "PodDisruptionBudget",
    "rbac.authorization.k8s.io": "Role RoleBinding",
    "storage.k8s.io": "CSIStorageCapacity",
}
_CLUSTER_SCOPED = {
    "": "Namespace Node PersistentVolume",
    "admissionregistration.k8s.io": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding "
    "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding "
    "ValidatingWebhookConfiguration",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "networking.k8s.io": "IngressClass",
    "node.k8s.io": "RuntimeClass",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment",
}
_IRREGULAR = {"Endpoints": "endpoints", "StorageCapacity": "csistoragecapacities"}


def plural_of(kind: str) -> str:
    """The URL name that Kubernetes derives from a kind: lower case, English plural."""
    lower = kind.lower()
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    if lower.endswith("y") and lower[-2] not in "aeiou":
        return lower[:-1] + "ies"
    return lower + ("es" if lower.endswith(("s", "x", "ch", "sh")) else "s")


KINDS: dict[GroupKind, Served] = {
    GroupKind(group, kind): Served(plural_of(kind), namespaced)
    for table, namespaced in ((_NAMESPACED, True), (_CLUSTER_SCOPED, False))
    for group, kinds in table.items()
    for kind in kinds.split()
}
"""Scope of every built-in kind, by group and kind."""
