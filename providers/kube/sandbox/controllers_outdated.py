"""Which control-plane machines must be replaced.

Source: cluster-api v1.14 `controlplane/kubeadm/pkg/filters.go`.
"""

from __future__ import annotations

from typing import Any

from providers.kube.sandbox.controllers_objects import CLONED_FROM, CLONED_FROM_KIND, follow
from providers.kube.sandbox.controllers_subject import Subject
from state.resource import JsonObject, canonical, digest

CONFIGURED = "sandbox.clusterform.dev/kubeadm-config"
"""On a machine's KubeadmConfig: a digest of the kubeadmConfigSpec it was made from."""


_NEVER_ROLLS = {
    "clusterConfiguration": ("dns", "controlPlaneEndpoint"),
    "joinConfiguration": ("discovery", "controlPlane", "caCertPath"),
}


def template_ref(control_plane: Subject) -> JsonObject:
    """The reference to the infrastructure template."""
    machine = control_plane.spec.get("machineTemplate") or {}
    return (
        (machine.get("spec") or {}).get("infrastructureRef")
        or machine.get("infrastructureRef")
        or {}
    )


def difference(control_plane: Subject, machine: JsonObject) -> str:
    """What of a machine is not as wanted, or `""`."""
    wanted = control_plane.spec.get("version")
    if machine["spec"].get("version") != wanted:
        return f"* Version {machine['spec'].get('version')}, {wanted} required"
    infra = follow(
        control_plane.world, machine["spec"]["infrastructureRef"], control_plane.namespace
    )
    cloned = ((infra or {}).get("metadata") or {}).get("annotations") or {}
    ref = template_ref(control_plane)
    kind = f"{ref.get('kind')}.{ref.get('apiGroup')}"
    if infra and (cloned.get(CLONED_FROM), cloned.get(CLONED_FROM_KIND)) != (ref.get("name"), kind):
        return f"* {machine['spec']['infrastructureRef']['kind']} is not up-to-date"
    config = follow(
        control_plane.world, machine["spec"]["bootstrap"]["configRef"], control_plane.namespace
    )
    made = ((config or {}).get("metadata") or {}).get("annotations") or {}
    joins = ((config or {}).get("spec") or {}).get("joinConfiguration") or {}
    joined = joins.get("controlPlane") is not None
    if config and made.get(CONFIGURED) != configuration(control_plane, joined):
        return "* KubeadmConfig is not up-to-date"
    return ""


def configuration(control_plane: Subject, joined: bool) -> str:
    """A digest of what rolls a machine that joined, or initialized; empty equals missing."""
    spec = _pruned(control_plane.spec.get("kubeadmConfigSpec") or {}) or {}
    spec.pop("initConfiguration" if joined else "joinConfiguration", None)
    for part, fields in _NEVER_ROLLS.items():
        if part in spec:
            spec[part] = {k: v for k, v in spec[part].items() if k not in fields}
    return digest(canonical(_pruned(spec)))[:16]


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        pruned = {name: _pruned(inner) for name, inner in value.items()}
        return {name: inner for name, inner in pruned.items() if inner not in ({}, [], None, "")}
    return [_pruned(inner) for inner in value] if isinstance(value, list) else value
