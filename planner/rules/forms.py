"""V9, V22, V23, V24: in which form an object is written, and what will become of that form.

Sources: Cluster API v1.14.0, controlplane/kubeadm/webhooks/admission (CoreDNS), the book's
"Migration from v1beta1 to v1beta2" and "Version support", api/*/v1beta2 (MinProperties, MinItems,
MinLength markers).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from planner.rules.subject import (
    Objects,
    Problem,
    Subject,
    field,
    map_at,
    text_at,
)
from providers.base import values
from providers.capi import (
    ADDONS,
    CLUSTER,
    CLUSTER_CLASS,
    GROUP,
    MACHINE_DEPLOYMENT,
    MACHINE_POOL,
)
from providers.controlplane import KUBEADM
from providers.versions import Step, parse_loosely, version_step
from state.resource import GroupKind, JsonObject, ResourceId, split_api_version

UNSERVED = "v1.16"
ANNOUNCED = "April 2027"
"""When the book announces the first release that does not serve v1beta1 any more."""
MANAGED_BY = "cluster.x-k8s.io/managed-by"
SKIP_COREDNS = "controlplane.cluster.x-k8s.io/skip-coredns"
_BOOTSTRAP = "bootstrap.cluster.x-k8s.io"
_CONTROL_PLANE = "controlplane.cluster.x-k8s.io"
_IPAM = "ipam.cluster.x-k8s.io"
_OLD = ("v1beta1", "v1alpha4", "v1alpha3", "v1alpha2")


def of_cluster_api(kind: GroupKind) -> bool:
    """A kind that Cluster API itself serves in v1beta1 and v1beta2; others keep versions of theirs.

    Control planes and bootstrap configurations of other providers share these groups.
    """
    if kind.group in (_BOOTSTRAP, _CONTROL_PLANE):
        return kind.kind.startswith("Kubeadm")
    return kind.group in (GROUP, _IPAM) or (
        kind.group == ADDONS and kind.kind.startswith("ClusterResourceSet")
    )


def is_old(subject: Subject) -> bool:
    """V23: written in a form that core v1.16 does not serve."""
    return of_cluster_api(subject.id.group_kind) and (split_api_version(subject.version)[1] in _OLD)


def old_forms(subjects: Iterable[Subject], file_of: dict[ResourceId, str]) -> Iterator[Problem]:
    """V23: one warning for each file, at its first object in an old form."""
    by_file: dict[str, list[Subject]] = {}
    for subject in subjects:
        if is_old(subject):
            by_file.setdefault(file_of.get(subject.id, ""), []).append(subject)
    for _, found in sorted(by_file.items()):
        first = found[0]
        yield Problem(
            rule="V23",
            severity="warning",
            id=first.id,
            field=("f:apiVersion",),
            reason=old_text(first.version, len(found)),
            hint=OLD_HINT,
        )


def old_text(version: str, count: int) -> str:
    """How long an old form is served, for one object and those with it."""
    more = f" (and {count - 1} more in this file)" if count > 1 else ""
    _, short = split_api_version(version)
    return (
        f"is written in {short}{more}: Cluster API does not serve it from {UNSERVED} on,"
        f" announced for {ANNOUNCED}"
    )


OLD_HINT = "move it to v1beta2: clusterctl convert does it for the core group"


def image_tag(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V9 offline: the tag of CoreDNS is a version, or nobody can tell how to migrate to it."""
    if subject.id.group_kind != KUBEADM or _keeps_coredns(subject.body):
        return
    tag = text_at(subject.body, _TAG)
    if tag and _image_version(tag) is None:
        yield Problem(
            rule="V9",
            severity="error",
            id=subject.id,
            field=field(_TAG),
            reason=f"{_TAG} {tag} is no version",
            hint=f"use a tag such as v1.12.1, or the annotation {SKIP_COREDNS}",
        )


def _image_version(tag: str) -> str | None:
    """The version that a tag begins with: `v1.12.1_vendor.2` is 1.12.1."""
    version = tag.partition("_")[0].partition("-")[0]
    return version if parse_loosely(version) is not None else None


_TAG = "spec.kubeadmConfigSpec.clusterConfiguration.dns.imageTag"


def _keeps_coredns(body: JsonObject) -> bool:
    return SKIP_COREDNS in map_at(body, "metadata.annotations")


def coredns_step(before: JsonObject, after: JsonObject) -> str:
    """V9 live: why the change of CoreDNS has no way; `""` where the webhook may judge it."""
    old, new = text_at(before, _TAG), text_at(after, _TAG)
    if _keeps_coredns(after) or not old or not new:
        return ""
    if version_step(_image_version(old), _image_version(new)) is Step.DOWNGRADE:
        return f"{_TAG} goes back from {old} to {new}: Corefiles are only migrated forward"
    return ""


def externally_managed(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V22: cluster infrastructure that somebody else keeps."""
    infra = subject.id.group.startswith("infrastructure.") and subject.id.kind.endswith("Cluster")
    by = map_at(subject.body, "metadata.annotations").get(MANAGED_BY)
    if infra and isinstance(by, str):
        yield Problem(
            rule="V22",
            severity="warning",
            id=subject.id,
            field=(*field("metadata.annotations"), f"f:{MANAGED_BY}"),
            reason=f"is managed by {by or 'somebody else'}: its provider does nothing with it, so"
            " a new cluster waits until that tool reports it ready",
            hint="make sure that tool sets status and the endpoint",
            advice=True,
        )


# ---------------------------------------------------------------------- V24

_KUBEADM = (
    "",
    ".clusterConfiguration",
    ".clusterConfiguration.apiServer",
    ".clusterConfiguration.controllerManager",
    ".clusterConfiguration.dns",
    ".clusterConfiguration.etcd",
    ".clusterConfiguration.scheduler",
    ".initConfiguration",
    ".initConfiguration.nodeRegistration",
    ".joinConfiguration",
    ".joinConfiguration.nodeRegistration",
    ".diskSetup",
    ".files",
    ".ignition",
    ".mounts",
    ".ntp",
    ".postKubeadmCommands",
    ".preKubeadmCommands",
    ".users",
)
_MACHINES = ("spec.template.metadata", "spec.template.spec.deletion")
_NEVER_EMPTY: dict[GroupKind, tuple[str, ...]] = {
    CLUSTER: (
        "spec",
        "spec.clusterNetwork",
        "spec.clusterNetwork.pods.cidrBlocks",
        "spec.clusterNetwork.serviceDomain",
        "spec.clusterNetwork.services.cidrBlocks",
        "spec.controlPlaneEndpoint",
        "spec.topology.classRef.namespace",
        "spec.topology.controlPlane",
        "spec.topology.controlPlane.healthCheck",
        "spec.topology.controlPlane.metadata",
        "spec.topology.controlPlane.rollout",
        "spec.topology.variables",
        "spec.topology.workers",
        "spec.topology.workers.machineDeployments",
        "spec.topology.workers.machinePools",
    ),
    CLUSTER_CLASS: (
        "spec.controlPlane.healthCheck",
        "spec.controlPlane.metadata",
        "spec.kubernetesVersions",
        "spec.patches",
        "spec.variables",
        "spec.workers",
        "spec.workers.machineDeployments",
        "spec.workers.machinePools",
    ),
    KUBEADM: (
        *(f"spec.kubeadmConfigSpec{below}" for below in _KUBEADM),
        "spec.machineNaming",
        "spec.machineTemplate.metadata",
        "spec.machineTemplate.spec.deletion",
        "spec.remediation",
        "spec.rollout",
        "spec.rollout.before",
        "spec.rollout.strategy",
        "spec.rollout.strategy.rollingUpdate",
    ),
    GroupKind(_CONTROL_PLANE, "KubeadmControlPlaneTemplate"): (
        *(f"spec.template.spec.kubeadmConfigSpec{below}" for below in _KUBEADM),
    ),
    MACHINE_DEPLOYMENT: (
        *_MACHINES,
        "spec.deletion",
        "spec.machineNaming",
        "spec.remediation",
        "spec.rollout",
        "spec.rollout.strategy",
        "spec.rollout.strategy.rollingUpdate",
        "spec.template.spec.failureDomain",
        "spec.template.spec.version",
    ),
    MACHINE_POOL: (*_MACHINES, "spec.template.spec.failureDomain", "spec.template.spec.version"),
    GroupKind(GROUP, "MachineHealthCheck"): (
        "spec.checks",
        "spec.checks.unhealthyNodeConditions",
        "spec.remediation",
        "spec.remediation.triggerIf",
    ),
    GroupKind(_BOOTSTRAP, "KubeadmConfigTemplate"): (
        "spec.template",
        *(f"spec.template.spec{below}" for below in _KUBEADM),
    ),
}
"""Optional fields that v1beta2 takes with content or not at all. The CRDs in Git, where they are,
say more; the rest is the server's word at the dry-run."""


def emptiness(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V24: `{}`, `[]` and `""` where v1beta2 wants a value or nothing."""
    if split_api_version(subject.version)[1] != "v1beta2":
        return
    for path in _NEVER_EMPTY.get(subject.id.group_kind, ()):
        for at, found in values(subject.body, path):
            if _is_empty(found):
                yield Problem(
                    rule="V24",
                    severity="error",
                    id=subject.id,
                    field=at,
                    reason=f"{path} is empty, which v1beta2 refuses",
                    hint="leave the field out, or give it content",
                )


def _is_empty(found: Any) -> bool:
    return isinstance(found, dict | list | str) and not found
