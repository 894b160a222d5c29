"""Which status field means what, by the contract that a provider keeps (providers.infrastructure).

A provider of contract v1beta1 reports other fields than one of v1beta2; the simulated ones report
what the real ones do, so that a reader of the wrong field is found here.
"""

from __future__ import annotations

from providers.descriptor import Role
from providers.kube.sandbox.controllers_objects import CONTROL_PLANE, INFRASTRUCTURE, initialized
from providers.registry import provided
from state.resource import JsonObject, split_api_version

_ENDINGS = {
    "Template": Role.TEMPLATE,
    "ControlPlane": Role.CONTROL_PLANE,
    "MachinePool": Role.POOL,
    "Cluster": Role.CLUSTER,
    "Machine": Role.MACHINE,
}
"""Roles by the names that contracts prescribe, for kinds that no table has."""


def role_of(group: str, kind: str) -> Role | None:
    """What a kind is for; None where nobody would be at work on it."""
    known = provided(group, kind)
    if known is not None:
        return None if known[0].contract == "none" else known[1].role
    if group not in (INFRASTRUCTURE, CONTROL_PLANE):
        return None
    return next((role for ending, role in _ENDINGS.items() if kind.endswith(ending)), None)


def _old(value: JsonObject) -> bool:
    known = provided(split_api_version(value["apiVersion"])[0], value["kind"])
    return known is not None and known[0].contract == "v1beta1"


def ready(value: JsonObject | None) -> bool:
    """Infrastructure is provisioned."""
    return initialized(value, "provisioned") or _says(value, "ready")


def report_ready(value: JsonObject) -> None:
    """Say that infrastructure is provisioned."""
    if _old(value):
        value["status"]["ready"] = True
    else:
        value["status"]["initialization"] = {"provisioned": True}


def started(value: JsonObject | None) -> bool:
    """A control plane answers."""
    return initialized(value, "controlPlaneInitialized") or _says(value, "initialized")


def report_started(value: JsonObject) -> None:
    """Say that a control plane answers; there are no machines to look for."""
    status = value["status"]
    if _old(value):
        status.update(initialized=True, ready=True)
    else:
        status["initialization"] = {"controlPlaneInitialized": True}
    status["externalManagedControlPlane"] = True


def _says(value: JsonObject | None, field: str) -> bool:
    return bool(((value or {}).get("status") or {}).get(field))
