"""Defaults inside atomic values of built-in kinds: what a server adds that `managedFields` hides.

An atomic value is compared whole, so one defaulted field in it would send the object to a dry-run.
Defaults of a stable API never change. Sources: k8s.io/kubernetes pkg/apis/*/v1/defaults.go v1.36.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.quantity import canonical_quantity


def builtin_filled(field: str, value: Any) -> Any:
    """The value of the field `f:…` with its defaults; as it is where it has none."""
    fill = _FILLS.get(field)
    return value if fill is None else fill(value)


def _each(fill: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    def fill_items(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [fill(item) if isinstance(item, dict) else item for item in value]

    return fill_items


def _field_ref(value: Any) -> Any:
    return {"apiVersion": "v1", **value} if isinstance(value, dict) else value


def _traffic(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of a NetworkPolicy."""
    if "ports" not in rule:
        return rule
    return {**rule, "ports": _each(lambda port: {"protocol": "TCP", **port})(rule["ports"])}


def _scoped(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of an admission webhook or policy."""
    return {"scope": "*", **rule}


def _constraints(value: Any) -> Any:
    """What an admission policy matches."""
    if not isinstance(value, dict):
        return value
    filled = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, **value}
    for rules in ("resourceRules", "excludeResourceRules"):
        if rules in filled:
            filled[rules] = _each(_scoped)(filled[rules])
    return filled


def _claim(template: dict[str, Any]) -> dict[str, Any]:
    """A claim template of a StatefulSet; its quantities are spelled by the server."""
    spec = {"volumeMode": "Filesystem", **template.get("spec", {})}
    resources = spec.get("resources")
    if isinstance(resources, dict):
        spec["resources"] = {
            key: {name: canonical_quantity(q) for name, q in held.items()}
            if isinstance(held, dict)
            else held
            for key, held in resources.items()
        }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "status": {"phase": "Pending"},
        **template,
        "spec": spec,
    }


def _source(source: dict[str, Any]) -> dict[str, Any]:
    """One source of a projected volume."""
    filled = dict(source)
    token, downward = source.get("serviceAccountToken"), source.get("downwardAPI")
    if isinstance(token, dict):
        filled["serviceAccountToken"] = {"expirationSeconds": 3600, **token}
    if isinstance(downward, dict) and "items" in downward:
        filled["downwardAPI"] = {**downward, "items": _each(_downward)(downward["items"])}
    return filled


def _downward(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "fieldRef": _field_ref(item["fieldRef"])} if "fieldRef" in item else item


_FILLS: dict[str, Callable[[Any], Any]] = {
    "f:egress": _each(_traffic),
    "f:fieldRef": _field_ref,
    "f:ingress": _each(_traffic),
    "f:matchConstraints": _constraints,
    "f:rules": _each(_scoped),
    "f:sources": _each(_source),
    "f:volumeClaimTemplates": _each(_claim),
}
