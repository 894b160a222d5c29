"""V11, V14, V15, V16, V25: names, and what objects name.

Sources: Cluster API v1.14.0, core/webhooks/admission, core/reconcilers/clusterresourceset,
internal/contract/version.go; the identity types of the AWS, Azure, vSphere and OpenStack providers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from planner.rules.replicas import resources_of
from planner.rules.subject import (
    WORKERS,
    Declared,
    Objects,
    Problem,
    Severity,
    Subject,
    cluster_of,
    field,
    is_empty,
    label,
    labels_at,
    list_at,
    map_at,
    near,
    text_at,
)
from providers.base import value
from providers.capi import (
    ADDONS,
    CLUSTER,
    CLUSTER_NAME,
    GROUP,
    MACHINE,
    MACHINE_DEPLOYMENT,
)
from providers.controlplane import KUBEADM
from providers.management import CRD, NAMESPACE
from providers.selected import selects
from state.resource import GroupKind, JsonObject, ResourceId

RESOURCE_SET = GroupKind(ADDONS, "ClusterResourceSet")
RESOURCE_SET_TYPE = "addons.cluster.x-k8s.io/resource-set"
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SEEN_IN_MACHINES = 52
"""Characters of a pool's name that are left in its machines' names: these are cut to 58 before
their 5 random ones, and the MachineSet between them adds 6 (names.SimpleNameGenerator)."""


def names(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V11: names that become label values must be some."""
    name = subject.id.name
    if subject.id.group_kind in (CLUSTER, MACHINE_DEPLOYMENT) and not _LABEL_VALUE.fullmatch(name):
        yield Problem(
            rule="V11",
            severity="error",
            id=subject.id,
            field=field("metadata.name"),
            reason="its name becomes a label value: at most 63 letters, digits, '-', '_' and '.'",
            hint="choose a shorter name; a rename is a new object",
        )


def alike(pools: Iterable[Subject]) -> Iterator[Problem]:
    """V11: pools whose machines cannot be told apart by name, since long names are cut."""
    seen: dict[tuple[str, str, str], Subject] = {}
    for subject in sorted(pools, key=lambda s: s.id):
        if len(subject.id.name) <= _SEEN_IN_MACHINES:
            continue
        key = (subject.id.cluster, subject.id.namespace, subject.id.name[:_SEEN_IN_MACHINES])
        other = seen.setdefault(key, subject)
        if other is not subject:
            yield Problem(
                rule="V11",
                severity="warning",
                id=subject.id,
                field=field("metadata.name"),
                reason=f"its machines are named like those of {other.id.name}: names are cut"
                f" after {_SEEN_IN_MACHINES} characters",
                hint="put what tells them apart at the front",
            )


def resource_set(subject: Subject, objects: Objects) -> Iterator[Problem]:
    """V14: a ClusterResourceSet selects clusters and names objects that are there."""
    if subject.id.group_kind != RESOURCE_SET:
        return
    if is_empty(map_at(subject.body, "spec.clusterSelector")):
        hint = "label the clusters, and select that label"
        yield _v14(subject, "error", "spec.clusterSelector", "spec.clusterSelector is empty", hint)
    for entry in resources_of(subject.body):
        kind, name = entry.get("kind"), entry.get("name")
        if kind not in ("ConfigMap", "Secret") or not isinstance(name, str):
            continue
        id_ = near(subject.id, GroupKind("", kind), name)
        found = objects.get(id_)
        if objects.missing(id_):
            reason = f"{kind} {name} is not there: it would be passed over silently"
            hint = "declare it in the same namespace"
            yield _v14(subject, "warning", "spec.resources", reason, hint)
        elif kind == "Secret" and found is not None and value(found, "type") != RESOURCE_SET_TYPE:
            reason = f"Secret {name} is not of type {RESOURCE_SET_TYPE}: it is passed over"
            yield _v14(subject, "error", "spec.resources", reason, "set its type; it is immutable")


def _v14(subject: Subject, severity: Severity, path: str, reason: str, hint: str) -> Problem:
    return Problem(
        rule="V14", severity=severity, id=subject.id, field=field(path), reason=reason, hint=hint
    )


def cluster_name(subject: Subject, objects: Objects) -> Iterator[Problem]:
    """V15: clusterName is the same everywhere, and everything of a cluster in one namespace."""
    yield from _namespaces(subject)
    cluster = cluster_of(subject)
    if cluster is None:
        return
    inner = value(subject.body, "spec.template.spec.clusterName")
    if subject.id.group_kind in WORKERS and isinstance(inner, str) and inner != cluster.name:
        yield _v15(
            subject,
            "error",
            "spec.template.spec.clusterName",
            f"spec.template.spec.clusterName {inner} is not spec.clusterName {cluster.name}",
            "write the same name twice",
        )
    labelled = label(subject.body, CLUSTER_NAME)
    if labelled and labelled != cluster.name:
        yield _v15(
            subject,
            "warning",
            "metadata.labels",
            f"its label {CLUSTER_NAME} says {labelled}, spec.clusterName {cluster.name}",
            "leave the label out: the webhook sets it",
        )
    if objects.get(cluster) is None:
        elsewhere = [
            s.id
            for s in objects.of_kind(CLUSTER)
            if (s.id.cluster, s.id.name) == (cluster.cluster, cluster.name)
        ]
        if elsewhere:
            yield _v15(
                subject,
                "warning",
                "spec.clusterName",
                f"Cluster {cluster.name} is in namespace {elsewhere[0].namespace}, not in"
                f" {cluster.namespace}",
                "put everything of a cluster into one namespace",
            )


_LOCAL = {
    CLUSTER: ("spec.infrastructureRef", "spec.controlPlaneRef"),
    KUBEADM: ("spec.machineTemplate.infrastructureRef",),
    MACHINE_DEPLOYMENT: (
        "spec.template.spec.infrastructureRef",
        "spec.template.spec.bootstrap.configRef",
    ),
    MACHINE: ("spec.infrastructureRef", "spec.bootstrap.configRef"),
}


def _namespaces(subject: Subject) -> Iterator[Problem]:
    """A v1beta1 reference can name a namespace, and may only name its own."""
    for path in _LOCAL.get(subject.id.group_kind, ()):
        found = text_at(subject.body, f"{path}.namespace")
        if found and found != subject.id.namespace:
            yield _v15(
                subject,
                "error",
                f"{path}.namespace",
                f"{path}.namespace {found} is not its own namespace {subject.id.namespace}",
                "leave it out",
            )


def _v15(subject: Subject, severity: Severity, path: str, reason: str, hint: str) -> Problem:
    return Problem(
        rule="V15", severity=severity, id=subject.id, field=field(path), reason=reason, hint=hint
    )


# ---------------------------------------------------------------------- V16

CONTRACTS = ("v1beta2", "v1beta1")
"""Contracts that Cluster API 1.11 to 1.15 reads; from 1.16 on only the first."""
_PROVIDED = ("bootstrap", "controlplane", "infrastructure")


def is_provided(group: str) -> bool:
    """A group that providers implement, found by its contract."""
    return group.endswith(f".{GROUP}") and group.removesuffix(f".{GROUP}") in _PROVIDED


def has_contract(definition: JsonObject) -> bool:
    """A CRD says which of its versions implement a contract that is still read."""
    return any(label(definition, f"{GROUP}/{contract}") for contract in CONTRACTS)


def contract(id_: ResourceId, group: str, definition: JsonObject | None) -> str:
    """V16: why Cluster API cannot read objects of a provider's kind; `""` where it can."""
    if definition is None or not is_provided(group) or has_contract(definition):
        return ""
    labels = " or ".join(f"{GROUP}/{contract_}" for contract_ in CONTRACTS)
    return f"the CRD of {id_.kind} has no label {labels}: references to it are not resolved"


def contracts(subjects: Iterable[Subject]) -> Iterator[Problem]:
    """V16 offline: the CRDs among the documents, of the kinds that providers bring."""
    for subject in subjects:
        group = text_at(subject.body, "spec.group")
        kind = text_at(subject.body, "spec.names.kind")
        used = kind.endswith(("Template", "Cluster", "ControlPlane", "MachinePool", "Config"))
        if used and contract(ResourceId("", group, kind, "", ""), group, subject.body):
            yield Problem(
                rule="V16",
                severity="warning",
                id=subject.id,
                field=field("metadata.labels"),
                reason=f"{kind}: its CRD has no label {GROUP}/v1beta2 or {GROUP}/v1beta1",
                hint=f"add {GROUP}/<contract>: <its versions, joined by _>, as clusterctl does",
            )


# ---------------------------------------------------------------------- V25

_NOBODY_BY_DEFAULT = ("AWSCluster", "Azure", "VSphere")
"""Of these, an identity without `allowedNamespaces` allows no namespace at all."""


def identity(subject: Subject, objects: Objects) -> Iterator[Problem]:
    """V25: an identity allows the namespace of the cluster that uses it."""
    if subject.id.group != INFRASTRUCTURE:
        return
    ref = map_at(subject.body, "spec.identityRef")
    kind, name = ref.get("kind") or _openstack(subject, ref), ref.get("name")
    if not isinstance(kind, str) or not isinstance(name, str) or "Identity" not in kind:
        return
    where = ref.get("namespace")
    found = None
    for namespace in ("", where if isinstance(where, str) else "", subject.id.namespace):
        id_ = ResourceId(subject.id.cluster, INFRASTRUCTURE, kind, namespace, name)
        found = found or objects.get(id_)
    if found is None:
        return
    home = ResourceId(subject.id.cluster, "", NAMESPACE.kind, "", subject.id.namespace)
    namespace_body = objects.get(home)
    certain, why = allows(kind, found, subject.id.namespace, namespace_body)
    if why:
        yield Problem(
            rule="V25",
            severity="error" if certain else "warning",
            id=subject.id,
            field=field("spec.identityRef"),
            reason=f"{kind} {name} does not allow namespace {subject.id.namespace}: {why}",
            hint="add the namespace to the identity, or use another identity",
        )


def _openstack(subject: Subject, ref: JsonObject) -> str:
    """OpenStackCluster v1beta2 says `type: ClusterIdentity` and no kind."""
    is_identity = ref.get("type") == "ClusterIdentity"
    return "OpenStackClusterIdentity" if is_identity and "OpenStack" in subject.id.kind else ""


def allows(
    kind: str, identity_body: JsonObject, namespace: str, namespace_body: JsonObject | None
) -> tuple[bool, str]:
    """(certain, why not) of an identity and a namespace; `""`: allowed, or not known.

    Sources: AWSClusterIdentitySpec (CAPA api/v1beta2): nil allows none, `{}` all, else `list` or
    `selector`; AzureClusterIdentity the same; VSphereClusterIdentity: nil none, else `selector`,
    empty for all; OpenStackClusterIdentity v1alpha1: `namespaceSelector`, nil for all.
    """
    if kind.startswith("OpenStack"):
        selector = value(identity_body, "spec.namespaceSelector")
        return (False, "") if selector is None else _by_label(selector, namespace, namespace_body)
    allowed = value(identity_body, "spec.allowedNamespaces")
    if allowed is None:
        certain = kind.startswith(_NOBODY_BY_DEFAULT)
        return certain, "it has no allowedNamespaces, which allows none" if certain else ""
    if not isinstance(allowed, dict) or not allowed:
        return False, ""
    if namespace in list_at(allowed, "list"):
        return False, ""
    selector = allowed.get("selector")
    if kind.startswith("VSphere") and is_empty(selector):
        return False, ""
    if is_empty(selector):
        return True, "it is not in allowedNamespaces.list"
    return _by_label(selector, namespace, namespace_body)


def _by_label(selector: Any, namespace: str, namespace_body: JsonObject | None) -> tuple[bool, str]:
    """Others may label a Namespace as well, so a mismatch is no certainty."""
    if not isinstance(selector, dict) or namespace_body is None:
        return False, ""
    labels = {
        **labels_at(namespace_body, "metadata.labels"),
        "kubernetes.io/metadata.name": namespace,
    }
    return False, "" if selects(selector, labels) else "its selector does not match the namespace"


def declared_definitions(objects: Declared) -> Iterable[Subject]:
    """The CRDs among the documents."""
    return objects.of_kind(CRD)
