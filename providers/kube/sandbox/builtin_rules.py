"""What the server does with a built-in kind beyond its schema: dependent defaults, immutability.

From `k8s.io/kubernetes/pkg/apis/*/v1/defaults.go` and `pkg/registry/*/strategy.go`; held to the
recorded objects in tests/data. Defaulting functions change the object in place.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from providers.kube.sandbox.builtin_validation import mismatch
from providers.kube.sandbox.merge import same
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import Cause
from state.resource import JsonObject, canonical

Default = Callable[[JsonObject], None]
Rule = Callable[[JsonObject, JsonObject | None, Session], None]


def set_defaults(kind: str, value: JsonObject) -> None:
    """Defaults that depend on other fields: what decoding a body adds, whoever sent it."""
    rule = _DEFAULTS.get(kind)
    if rule is not None:
        rule(value)
    for spec in _pod_specs(kind, value):
        _pod(spec)
    if kind == "Pod":
        _requests(value.get("spec") or {})


def prepare(kind: str, value: JsonObject, old: JsonObject | None, session: Session) -> None:
    """What the server adds on its way to storage (`strategy.go`, allocators): nobody owns it."""
    rule = _PREPARED.get(kind)
    if rule is not None:
        rule(value, old, session)


def _pod_specs(kind: str, value: JsonObject) -> Iterator[JsonObject]:
    spec = value.get("spec") or {}
    if kind == "Pod":
        yield spec
    if kind == "CronJob":
        spec = ((spec.get("jobTemplate") or {}).get("spec")) or {}
    template = spec.get("template") if isinstance(spec, dict) else None
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        yield template["spec"]


def _pod(spec: JsonObject) -> None:
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for group in ("containers", "initContainers"):
        for container in spec.get(group) or ():
            _container(container)
    for volume in spec.get("volumes") or ():
        if volume.keys() == {"name"}:
            volume["emptyDir"] = {}


def _container(container: JsonObject) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition(":")[2]
    latest = tag in ("", "latest") and "@" not in image
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")


def _requests(spec: JsonObject) -> None:
    """Limits without requests: of Pods only, their templates keep what was written."""
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        for name, limit in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, limit)


def _deployment(value: JsonObject) -> None:
    strategy = _strategy(value, "strategy")
    if strategy["type"] == "RollingUpdate":
        rolling = _inner(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")


def _daemon_set(value: JsonObject) -> None:
    strategy = _strategy(value, "updateStrategy")
    if strategy["type"] == "RollingUpdate":
        rolling = _inner(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)


def _stateful_set(value: JsonObject) -> None:
    strategy = _strategy(value, "updateStrategy")
    if strategy["type"] == "RollingUpdate":
        _inner(strategy, "rollingUpdate").setdefault("partition", 0)
    for claim in value["spec"].get("volumeClaimTemplates") or ():
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")


def _strategy(value: JsonObject, name: str) -> JsonObject:
    strategy = _inner(_inner(value, "spec"), name)
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    return strategy


def _inner(value: JsonObject, name: str) -> JsonObject:
    """The map at `name`, made if it is missing or null."""
    if not isinstance(value.get(name), dict):
        value[name] = {}
    found: JsonObject = value[name]
    return found


def _namespace(value: JsonObject) -> None:
    labels = _inner(value["metadata"], "labels")
    labels.setdefault("kubernetes.io/metadata.name", value["metadata"]["name"])


def _new_namespace(value: JsonObject, old: JsonObject | None, _session: Session) -> None:
    if old is None:
        value["spec"] = {"finalizers": ["kubernetes"]}
        value["status"] = {"phase": "Active"}


def _secret(value: JsonObject) -> None:
    plain = value.pop("stringData", None)
    if plain:
        data = _inner(value, "data")
        data.update({key: _base64(text) for key, text in plain.items()})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _service(value: JsonObject) -> None:
    spec = _inner(value, "spec")
    for port in spec.get("ports") or ():
        port.setdefault("port", 0)
        port.setdefault("targetPort", port["port"])
    if spec.get("type") == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec.get("type") == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _allocated(value: JsonObject, old: JsonObject | None, session: Session) -> None:
    """Addresses and ports of a Service."""
    spec = _inner(value, "spec")
    if spec.get("type") == "ExternalName":
        return
    before = (old or {}).get("spec") or {}
    if not spec.get("clusterIP"):
        spec["clusterIP"] = before.get("clusterIP") or _address(session)
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        _node_ports(spec, before, session)


def _address(session: Session) -> str:
    number = session.data.count(f"address {session.server}") + 1
    return f"10.96.{number // 254}.{number % 254 + 1}"


def _node_ports(spec: JsonObject, before: JsonObject, session: Session) -> None:
    known = {(p["port"], p.get("protocol")): p.get("nodePort") for p in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            kept = known.get((port["port"], port.get("protocol")))
            port["nodePort"] = kept or 30000 + session.data.count(f"port {session.server}") % 2768


def _job(value: JsonObject) -> None:
    spec = _inner(value, "spec")
    if spec.get("completions") is None and spec.get("parallelism") in (None, 1):
        spec["completions"] = 1
    spec.setdefault("manualSelector", False)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not value["metadata"].get("labels"):
        value["metadata"]["labels"] = dict(labels)


def _selected_job(value: JsonObject, old: JsonObject | None, _session: Session) -> None:
    """A Job selects its pods by its own uid (pkg/registry/batch/job/strategy.go)."""
    spec, metadata = value["spec"], value["metadata"]
    if old is not None:
        spec.setdefault("selector", old["spec"].get("selector"))
        return
    if spec.get("manualSelector"):
        return
    uid, prefix = metadata["uid"], "batch.kubernetes.io/"
    labels = _inner(_inner(spec["template"], "metadata"), "labels")
    for name in ("controller-uid", f"{prefix}controller-uid"):
        labels.setdefault(name, uid)
    for name in ("job-name", f"{prefix}job-name"):
        labels.setdefault(name, metadata["name"])
    matched = _inner(_inner(spec, "selector"), "matchLabels")
    matched.setdefault(f"{prefix}controller-uid", uid)
    if not metadata.get("labels"):
        metadata["labels"] = dict(labels)


def _binding(value: JsonObject) -> None:
    for subject in value.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = "rbac.authorization.k8s.io"
        elif subject.get("kind") == "ServiceAccount" and not subject.get("apiGroup"):
            subject.pop("apiGroup", None)


def _network_policy(value: JsonObject) -> None:
    spec = _inner(value, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _mutating(value: JsonObject) -> None:
    for webhook in value.get("webhooks") or ():
        webhook.setdefault("reinvocationPolicy", "Never")


def _crd(value: JsonObject) -> None:
    names = value["spec"]["names"]
    if not names.get("singular"):
        names["singular"] = names["kind"].lower()
    if not names.get("listKind"):
        names["listKind"] = names["kind"] + "List"


_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _counted(value: JsonObject, old: JsonObject | None, _session: Session) -> None:
    """A DaemonSet counts its templates in an annotation (pkg/apis/apps/v1/conversion.go)."""
    annotations = _inner(value["metadata"], "annotations")
    before = ((old or {}).get("metadata") or {}).get("annotations") or {}
    count = int(before.get(_TEMPLATE_GENERATION, 0))
    if old is None or not same(value["spec"].get("template"), old["spec"].get("template")):
        count += 1
    annotations[_TEMPLATE_GENERATION] = str(count)


_PREPARED: dict[str, Rule] = {
    "DaemonSet": _counted,
    "Job": _selected_job,
    "Namespace": _new_namespace,
    "Service": _allocated,
}

_DEFAULTS: dict[str, Default] = {
    "Deployment": _deployment,
    "DaemonSet": _daemon_set,
    "StatefulSet": _stateful_set,
    "Namespace": _namespace,
    "Secret": _secret,
    "Service": _service,
    "Job": _job,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "NetworkPolicy": _network_policy,
    "MutatingWebhookConfiguration": _mutating,
    "CustomResourceDefinition": _crd,
}

_REQUIRED: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector", "spec.template.spec.containers"),
    "DaemonSet": ("spec.selector", "spec.template.spec.containers"),
    "StatefulSet": ("spec.selector", "spec.template.spec.containers"),
    "ReplicaSet": ("spec.selector",),
    "Job": ("spec.template.spec.containers",),
    "CronJob": ("spec.schedule", "spec.jobTemplate.spec.template.spec.containers"),
    "Pod": ("spec.containers",),
    "StorageClass": ("provisioner",),
    "HorizontalPodAutoscaler": ("spec.scaleTargetRef", "spec.maxReplicas"),
    "CustomResourceDefinition": (
        *("spec.group", "spec.names.plural", "spec.names.kind", "spec.scope"),
    ),
}


def required(kind: str, value: JsonObject) -> Iterator[Cause]:
    """Fields that a built-in object cannot do without."""
    for path in _REQUIRED.get(kind, ()):
        if not _at(value, path):
            yield Cause("Required value", "FieldValueRequired", path)
            if path == "spec.selector":
                yield from mismatch(value)
            return


_IMMUTABLE: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "Job": ("spec.selector", "spec.template", "spec.completionMode", "spec.completions"),
    "Secret": ("type",),
    "CustomResourceDefinition": (
        *("spec.group", "spec.scope", "spec.names.plural", "spec.names.kind"),
    ),
}


def immutability(kind: str, value: JsonObject, old: JsonObject) -> Iterator[Cause]:
    """Changes of a built-in object that the server refuses."""
    for path in _IMMUTABLE.get(kind, ()):
        mine, before = _at(value, path), _at(old, path)
        if not same(mine, before):
            told = f"Invalid value: {canonical(mine).decode()}: field is immutable"
            yield Cause(told, "FieldValueInvalid", path)
    if kind in ("RoleBinding", "ClusterRoleBinding") and value.get("roleRef") != old.get("roleRef"):
        # printed by an encoder of the internal type, which has no JSON names
        role = {name[0].upper() + name[1:]: v for name, v in (value.get("roleRef") or {}).items()}
        role = {"APIGroup": role.pop("ApiGroup", ""), **role}
        told = f"Invalid value: {canonical(role).decode()}: cannot change roleRef"
        yield Cause(told, "FieldValueInvalid", "roleRef")
    if kind == "StatefulSet" and not same(_fixed(value), _fixed(old)):
        yield Cause(f"Forbidden: {_STATEFUL}", "FieldValueForbidden", "spec")
    if kind == "PriorityClass" and value.get("value") != old.get("value"):
        yield Cause("Forbidden: may not be changed in an update.", "FieldValueForbidden", "value")
    if kind in ("ConfigMap", "Secret") and old.get("immutable") is True:
        yield from _frozen(value, old)
    if kind == "StorageClass":
        for name in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
            if value.get(name) != old.get(name):
                told = f"Forbidden: updates to {name} are forbidden."
                yield Cause(told, "FieldValueForbidden", name)


_FREE = (
    *("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit"),
    *("persistentVolumeClaimRetentionPolicy", "minReadySeconds"),
)
_STATEFUL = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
    " 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and"
    " 'minReadySeconds' are forbidden"
)


def _fixed(value: JsonObject) -> JsonObject:
    return {name: v for name, v in value["spec"].items() if name not in _FREE}


def _frozen(value: JsonObject, old: JsonObject) -> Iterator[Cause]:
    for name in ("immutable", "data", "binaryData"):
        if value.get(name) != old.get(name):
            told = "Forbidden: field is immutable when `immutable` is set"
            yield Cause(told, "FieldValueForbidden", name)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
