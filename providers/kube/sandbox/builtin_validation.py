"""What the server refuses in an object of a built-in kind, beyond types and immutability.

The part of `k8s.io/kubernetes/pkg/apis/*/validation` that manifests of clusters and add-ons run
into; what is not checked here is accepted. Words as recorded in tests/data/traces.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from providers.kube.sandbox.statuses import Cause
from state.resource import JsonObject, canonical

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',"
    "  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_SECRET_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def shown(value: object, why: str, field: str) -> Cause:
    """`Invalid value: …`."""
    told = f"Invalid value: {canonical(value).decode()}: {why}"
    return Cause(told, "FieldValueInvalid", field)


def required_value(field: str) -> Cause:
    """`Required value`."""
    return Cause("Required value", "FieldValueRequired", field)


def causes(kind: str, value: JsonObject, old: JsonObject | None) -> Iterator[Cause]:
    """Everything that is wrong with an object."""
    if kind in _WORKLOADS:
        yield from _workload(value)
    check = _CHECKS.get(kind)
    if check is not None:
        yield from check(value, old)


def undecodable(kind: str, value: JsonObject) -> list[str]:
    """What Go's JSON decoder says of data of a Secret that is no base64."""
    data = value.get("data") if kind == "Secret" else None
    texts = (data or {}).values()
    faults = (_base64_fault(text) for text in texts if isinstance(text, str))
    return [f"illegal base64 data at input byte {at}" for at in faults if at is not None]


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _base64_fault(text: str) -> int | None:
    """Where `encoding/base64` stops: at a foreign byte, at what lacks padding or follows it."""
    plain = text.replace("\r", "").replace("\n", "")
    body = plain.rstrip("=")
    for at, char in enumerate(body):
        if char not in _ALPHABET:
            return at
    padding, rest = len(plain) - len(body), len(body) % 4
    if padding == 0:
        return len(body) - rest if rest else None
    if rest < 2:
        return len(body)
    wanted = 4 - rest
    if padding < wanted:
        return len(plain)
    return len(body) + wanted if padding > wanted else None


def mismatch(value: JsonObject) -> Iterator[Cause]:
    """A selector of a workload that does not select its own pods; an empty one selects none."""
    spec = value.get("spec") or {}
    selector = spec.get("selector") or {}
    labels = (((spec.get("template") or {}).get("metadata")) or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    if selector.get("matchExpressions") and wanted.items() <= labels.items():
        return  # expressions are not evaluated here
    if not wanted or not wanted.items() <= labels.items():
        told = "`selector` does not match template `labels`"
        yield shown(labels, told, "spec.template.metadata.labels")


_WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet")


def _workload(value: JsonObject) -> Iterator[Cause]:
    spec = value["spec"]
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        yield shown(replicas, "must be greater than or equal to 0", "spec.replicas")
    yield from mismatch(value)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate") is not None:
        told = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield Cause(told, "FieldValueForbidden", "spec.strategy.rollingUpdate")
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    for index, container in enumerate(containers):
        if not container.get("image"):
            yield required_value(f"spec.template.spec.containers[{index}].image")


def _service(value: JsonObject, old: JsonObject | None) -> Iterator[Cause]:
    spec = value["spec"]
    ports = spec.get("ports") or ()
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield required_value(f"spec.ports[{index}].name")
        for name in ("port", "targetPort"):
            number = port.get(name)
            if isinstance(number, int) and not 1 <= number <= 65535:
                told = "must be between 1 and 65535, inclusive"
                yield shown(number, told, f"spec.ports[{index}].{name}")
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            yield required_value("spec.externalName")
        return
    before = ((old or {}).get("spec") or {}).get("clusterIP")
    if before and before != spec.get("clusterIP"):
        yield shown(spec.get("clusterIPs"), "may not change once set", "spec.clusterIPs[0]")


def _config_map(value: JsonObject, _old: JsonObject | None) -> Iterator[Cause]:
    data, binary = value.get("data") or {}, value.get("binaryData") or {}
    for name in sorted(data):
        yield from _key("data", name)
        if name in binary:
            yield shown(name, "duplicate of key present in binaryData", f"data[{name}]")
    for name in sorted(binary):
        yield from _key("binaryData", name)


def _secret(value: JsonObject, _old: JsonObject | None) -> Iterator[Cause]:
    data = value.get("data") or {}
    for name in sorted(data):
        yield from _key("data", name)
    for name in _SECRET_KEYS.get(value.get("type", ""), ()):
        if name not in data:
            yield required_value(f"data[{name}]")


def _key(field: str, name: str) -> Iterator[Cause]:
    if not _KEY.fullmatch(name):
        yield shown(name, _KEY_RULE, f"{field}[{name}]")


def _binding(value: JsonObject, _old: JsonObject | None) -> Iterator[Cause]:
    role = value.get("roleRef") or {}
    if role.get("kind") not in ("Role", "ClusterRole"):
        told = 'supported values: "Role", "ClusterRole"'
        given = canonical(role.get("kind", "")).decode()
        yield Cause(f"Unsupported value: {given}: {told}", "FieldValueNotSupported", "roleRef.kind")
    if not role.get("name"):
        yield required_value("roleRef.name")


def _definition(value: JsonObject, _old: JsonObject | None) -> Iterator[Cause]:
    """Of a CRD the outline; the structure of its schemas is not checked."""
    spec, name = value["spec"], value["metadata"]["name"]
    if name != f"{spec['names']['plural']}.{spec['group']}":
        yield shown(name, 'must be spec.names.plural+"."+spec.group', "metadata.name")
    versions = spec.get("versions") or []
    stored = [version for version in versions if version.get("storage")]
    if len(stored) != 1:
        told = "must have exactly one version marked as storage version"
        yield shown(versions, told, "spec.versions")
    if not stored:
        yield shown(None, "must have at least one stored version", "status.storedVersions")
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        given = canonical(spec.get("scope")).decode()
        told = f'Unsupported value: {given}: supported values: "Cluster", "Namespaced"'
        yield Cause(told, "FieldValueNotSupported", "spec.scope")
    if "." not in spec["group"]:
        yield shown(spec["group"], "should be a domain with at least one dot", "spec.group")


_CHECKS: dict[str, Callable[[Any, Any], Iterator[Cause]]] = {
    "ClusterRoleBinding": _binding,
    "ConfigMap": _config_map,
    "CustomResourceDefinition": _definition,
    "RoleBinding": _binding,
    "Secret": _secret,
    "Service": _service,
}
