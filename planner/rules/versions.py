"""V1, V4, V5, V6: versions of Kubernetes, between the objects of one cluster and Cluster API.

Sources: Cluster API v1.14.0, util/version, core/webhooks/admission, and
core/reconcilers/machineset/machineset_preflight.go (what new workers wait for).
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.rules.subject import (
    WORKERS,
    Objects,
    Problem,
    Subject,
    annotation,
    cluster_of,
    control_plane_of,
    field,
    text_at,
)
from providers.base import value
from providers.bootstrap import GROUP as BOOTSTRAP
from providers.capi import CLUSTER, MACHINE, MACHINE_DEPLOYMENT, MACHINE_POOL, MACHINE_SET
from providers.controlplane import KUBEADM
from providers.versions import Version, parse, parse_loosely, unsupported
from state.resource import GroupKind

_VERSION_OF: dict[GroupKind, str] = {
    KUBEADM: "spec.version",
    CLUSTER: "spec.topology.version",
    MACHINE_DEPLOYMENT: "spec.template.spec.version",
    MACHINE_SET: "spec.template.spec.version",
    MACHINE_POOL: "spec.template.spec.version",
    MACHINE: "spec.version",
}
SKIP_PREFLIGHT = "machineset.cluster.x-k8s.io/skip-preflight-checks"
_OLDEST = 3
"""Minor versions that workers may be behind (machineset_preflight.go; kubelets from 1.25 on)."""


def version_field(kind: GroupKind) -> str:
    """Where a kind has its Kubernetes version; `""` for kinds that have none."""
    return _VERSION_OF.get(kind, "")


def form(subject: Subject, _objects: Objects) -> Iterator[Problem]:
    """V1: a version is strict semver, and written with its `v`."""
    path = version_field(subject.id.group_kind)
    found = value(subject.body, path) if path else None
    if found is None:
        return
    if parse(found) is None:
        yield Problem(
            rule="V1",
            severity="error",
            id=subject.id,
            field=field(path),
            reason=f"{path} {found!r} is no Kubernetes version",
            hint="write it in full: v1.35.2",
        )
    elif not found.startswith("v"):
        yield Problem(
            rule="V1",
            severity="warning",
            id=subject.id,
            field=field(path),
            reason=f"{path} {found} lacks its v: the webhook adds it, and every plan differs",
            hint=f"write v{found}",
        )


def worker_skew(subject: Subject, objects: Objects) -> Iterator[Problem]:
    """V4, V5: workers against the control plane of their cluster, in Git or live."""
    cluster = cluster_of(subject)
    if subject.id.group_kind not in WORKERS or cluster is None:
        return
    path = version_field(subject.id.group_kind)
    workers = parse_loosely(value(subject.body, path))
    found = control_plane_of(cluster, objects)
    if workers is None or found is None:
        return
    plane, body = found
    control = parse_loosely(value(body, "spec.version"))
    if control is None or workers.major != control.major:
        return
    named = f"the control plane ({plane.kind} {plane.name}, v{control.short})"
    yield from _skew(subject, path, workers, control, named)
    same_tool = plane.group_kind == KUBEADM and _joins_by_kubeadm(subject)
    if same_tool and workers.minor < control.minor and not _skips(subject, "KubeadmVersionSkew"):
        yield Problem(
            rule="V5",
            severity="warning",
            id=subject.id,
            field=field(path),
            reason=f"kubeadm v{workers.short} does not join {named}: no new machine is made",
            hint=f"the machines that are there run on; bring {path} to v{control.short} as well",
        )


def _skew(
    subject: Subject, path: str, workers: Version, control: Version, named: str
) -> Iterator[Problem]:
    held = subject.id.group_kind == MACHINE_DEPLOYMENT
    certain = held and not _skips(subject, "KubernetesVersionSkew")
    if workers.minor > control.minor:
        reason = f"v{workers.short} is newer than {named}"
    elif workers.minor < control.minor - _OLDEST:
        reason = f"v{workers.short} is more than {_OLDEST} minor versions older than {named}"
    else:
        return
    yield Problem(
        rule="V4",
        severity="error" if certain else "warning",
        id=subject.id,
        field=field(path),
        reason=reason + (": its controller would hold new machines silently" if certain else ""),
        hint="upgrade the control plane first, then the workers, one minor version at a time",
    )


def _skips(subject: Subject, check: str) -> bool:
    skipped = annotation(subject.body, SKIP_PREFLIGHT).replace(",", " ").split()
    return "All" in skipped or check in skipped


def _joins_by_kubeadm(subject: Subject) -> bool:
    at = "spec.template.spec.bootstrap.configRef"
    group = text_at(subject.body, f"{at}.apiGroup") or text_at(subject.body, f"{at}.apiVersion")
    return group.partition("/")[0] == BOOTSTRAP and text_at(subject.body, f"{at}.kind") in (
        "KubeadmConfigTemplate",
        "KubeadmConfig",
    )


def supported(subject: Subject, capi: Version | None) -> Iterator[Problem]:
    """V6: the version is one that this release of Cluster API supports for workload clusters."""
    path = version_field(subject.id.group_kind)
    found = parse(value(subject.body, path)) if path else None
    why = unsupported(capi, found, management=False) if capi and found else ""
    if found is not None and why:
        yield Problem(
            rule="V6",
            severity="warning",
            id=subject.id,
            field=field(path),
            reason=f"{path} v{found.short} is not supported: {why}",
            hint="choose a supported version, or upgrade Cluster API first",
        )
