"""Cluster API's refusals, as its webhooks answer them (tests/data/capi-webhook-errors.json).

Sources: cluster-api v1.14 `webhooks/`, `controlplane/kubeadm/webhooks/`, and each infrastructure
provider's webhooks. Which templates are immutable: Metal3, Packet and Byo machine templates and
KubeadmConfigTemplate are *not* enforced upstream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from providers.kube.sandbox.merge import same
from providers.kube.sandbox.statuses import Cause, failure, invalid
from providers.kube.sandbox.world import Admission, AdmissionOperation, World
from state.resource import GroupKind, JsonObject, canonical, split_api_version

CORE = "cluster.x-k8s.io"
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
CONTROL_PLANE = "controlplane.cluster.x-k8s.io"

DRY_RUN = "topology.cluster.x-k8s.io/dry-run"

_MUTABLE_TEMPLATES = frozenset(
    ("Metal3MachineTemplate", "PacketMachineTemplate", "ByoMachineTemplate")
)
_STRICT_TEMPLATES = frozenset(("GCPMachineTemplate",))
"""These refuse in a topology dry-run, too."""

Check = Callable[[JsonObject, JsonObject | None, World], Iterator[Cause]]


def _judge(
    obj: JsonObject, old: JsonObject | None, operation: AdmissionOperation, world: World
) -> Sequence[str]:
    """Refuse as the webhook of the object's kind does; warnings otherwise."""
    group, _ = split_api_version(obj["apiVersion"])
    if operation == "DELETE":
        if (group, obj["kind"]) == (CORE, "ClusterClass"):
            _check_unused(obj, world)
        return ()
    check = _CHECKS.get((group, obj["kind"]))
    if check is None and group == INFRASTRUCTURE and obj["kind"].endswith("Template"):
        check = _template
    causes = list(check(obj, old, world)) if check else []
    if causes:
        kind = GroupKind(_REPORTED_GROUP.get(group, group), obj["kind"])
        raise invalid(kind, obj["metadata"]["name"], causes, prefix=_denied(obj["kind"], group))
    if (group, obj["kind"]) == (CORE, "Cluster"):
        return _cluster_warnings(obj, world)
    return ()


_REPORTED_GROUP = {CONTROL_PLANE: CORE}
"""The kubeadm control plane webhook reports its kind in core's group (recorded)."""


def _denied(kind: str, group: str) -> str:
    suffix = "cluster." + group if (kind, group) == ("Cluster", CORE) else f"{kind.lower()}.{group}"
    return f'admission webhook "validation.{suffix}" denied the request: '


def _template(obj: JsonObject, old: JsonObject | None, _world: World) -> Iterator[Cause]:
    kind = obj["kind"]
    if old is None or kind in _MUTABLE_TEMPLATES:
        return
    annotations = obj["metadata"].get("annotations") or {}
    if DRY_RUN in annotations and kind not in _STRICT_TEMPLATES:
        return
    if same(_template_spec(obj), _template_spec(old)):
        return
    told = (
        f"Invalid value: {canonical(obj).decode()}: {kind} spec.template.spec field is immutable."
        " Please create a new resource instead."
    )
    yield Cause(told, "FieldValueInvalid", "spec.template.spec")


def _template_spec(obj: JsonObject) -> object:
    return ((obj.get("spec") or {}).get("template") or {}).get("spec")


def _machine_deployment(obj: JsonObject, old: JsonObject | None, _world: World) -> Iterator[Cause]:
    name, inner = _cluster_name(obj), _template_spec(obj)
    if old is not None and name != _cluster_name(old):
        yield _forbidden("spec.clusterName", "field is immutable")
    below = inner.get("clusterName") if isinstance(inner, dict) else None
    if name != below:
        told = "spec.clusterName and spec.template.spec.clusterName must be set to the same value"
        message = f"Invalid value: {canonical(name).decode()}: {told}"
        yield Cause(message, "FieldValueInvalid", "spec.clusterName")


def _cluster_name(obj: JsonObject) -> str:
    name: str = (obj.get("spec") or {}).get("clusterName", "")
    return name


def _cluster(obj: JsonObject, old: JsonObject | None, world: World) -> Iterator[Cause]:
    spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
    for name in ("infrastructureRef", "controlPlaneRef", "topology"):
        if before.get(name) and not spec.get(name):
            yield _forbidden(f"spec.{name}", "cannot be removed")
    if spec.get("topology") and old is not None and not before.get("topology"):
        yield _forbidden("spec.topology.classRef", "class cannot be set on an existing Cluster")
    yield from _worker_classes(obj, world)


def _worker_classes(obj: JsonObject, world: World) -> Iterator[Cause]:
    found = _class_of(obj, world)
    if found is None:
        return
    known = _classes(found)
    workers = (obj["spec"]["topology"].get("workers")) or {}
    for index, worker in enumerate(workers.get("machineDeployments") or ()):
        if worker.get("class") not in known:
            told = (
                f'MachineDeploymentClass with name "{worker.get("class")}" does not exist in'
                f' ClusterClass "{found["metadata"]["name"]}"'
            )
            path = f"spec.topology.workers.machineDeployments[{index}].class"
            message = f"Invalid value: {canonical(worker.get('class')).decode()}: {told}"
            yield Cause(message, "FieldValueInvalid", path)


def _class_ref(obj: JsonObject) -> tuple[str, str] | None:
    """Namespace and name of a Cluster's class."""
    ref = (((obj.get("spec") or {}).get("topology")) or {}).get("classRef") or {}
    if not ref.get("name"):
        return None
    return ref.get("namespace") or obj["metadata"].get("namespace", ""), ref["name"]


def _class_of(obj: JsonObject, world: World) -> JsonObject | None:
    ref = _class_ref(obj)
    return world.get(CORE, "ClusterClass", *ref) if ref else None


def _classes(cluster_class: JsonObject) -> set[str]:
    workers = ((cluster_class.get("spec") or {}).get("workers")) or {}
    return {worker.get("class", "") for worker in workers.get("machineDeployments") or ()}


def _cluster_warnings(obj: JsonObject, world: World) -> Sequence[str]:
    """A missing class is accepted with a warning."""
    ref = _class_ref(obj)
    if ref is None or world.get(CORE, "ClusterClass", *ref) is not None:
        return ()
    return (
        f"Cluster refers to ClusterClass {ref[0]}/{ref[1]}, but this ClusterClass does not exist."
        " Cluster topology has not been fully validated. The ClusterClass must be created to"
        " reconcile the Cluster",
    )


def _users(cluster_class: JsonObject, world: World) -> list[JsonObject]:
    metadata = cluster_class["metadata"]
    me = (metadata.get("namespace", ""), metadata["name"])
    return [cluster for cluster in world.list(CORE, "Cluster") if _class_ref(cluster) == me]


def _cluster_class(obj: JsonObject, old: JsonObject | None, world: World) -> Iterator[Cause]:
    if old is None:
        return
    gone = _classes(old) - _classes(obj)
    for cluster in _users(obj, world) if gone else ():
        workers = (cluster["spec"]["topology"].get("workers")) or {}
        used = {w.get("class") for w in workers.get("machineDeployments") or ()}
        for name in sorted(gone & used):
            told = (
                f'MachineDeploymentClass "{name}" cannot be deleted because it is used by Cluster'
                f' "{cluster["metadata"]["name"]}"'
            )
            yield _forbidden("spec.workers.machineDeployments", told)


def _check_unused(obj: JsonObject, world: World) -> None:
    users = _users(obj, world)
    if users:
        names = ", ".join(f"{u['metadata']['namespace']}/{u['metadata']['name']}" for u in users)
        name = obj["metadata"]["name"]
        message = (
            f'{_denied("ClusterClass", CORE)}clusterclasses.cluster.x-k8s.io "{name}" is forbidden:'
            f" ClusterClass cannot be deleted because it is used by Cluster(s): {names}"
        )
        raise failure(403, "Forbidden", message, name=name, group=CORE, kind="clusterclasses")


def _control_plane(obj: JsonObject, old: JsonObject | None, _world: World) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    replicas = spec.get("replicas")
    if replicas is not None and replicas % 2 == 0 and not _external_etcd(spec):
        zero = old is not None and replicas == 0
        why = "cannot be 0" if replicas == 0 else "cannot be an even number when etcd is stacked"
        if not zero or ((old or {}).get("spec") or {}).get("replicas") != 0:
            yield _forbidden("spec.replicas", why)
    before, after = (
        _minor(((old or {}).get("spec") or {}).get("version")),
        _minor(spec.get("version")),
    )
    if old is not None and before and after and after > before + 1:
        versions = f"from {old['spec']['version']} to {spec['version']}"
        yield _forbidden("spec.version", f"cannot update Kubernetes version {versions}")


def _external_etcd(spec: JsonObject) -> bool:
    config = (spec.get("kubeadmConfigSpec") or {}).get("clusterConfiguration") or {}
    return bool((config.get("etcd") or {}).get("external"))


def _minor(version: object) -> int | None:
    found = re.match(r"^v?1\.(\d+)\.", version) if isinstance(version, str) else None
    return int(found[1]) if found else None


def _forbidden(field: str, why: str) -> Cause:
    return Cause(f"Forbidden: {why}", "FieldValueForbidden", field)


_CHECKS: dict[tuple[str, str], Check] = {
    (CORE, "MachineDeployment"): _machine_deployment,
    (CORE, "Cluster"): _cluster,
    (CORE, "ClusterClass"): _cluster_class,
    (CONTROL_PLANE, "KubeadmControlPlane"): _control_plane,
    (CONTROL_PLANE, "KubeadmControlPlaneTemplate"): _template,
}

REFUSALS: tuple[Admission, ...] = (_judge,)
