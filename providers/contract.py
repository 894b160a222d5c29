"""Which contract an object speaks, and the fields that say it is done.

Cluster API finds the contract by a label of the CRD, `cluster.x-k8s.io/<contract>: <versions joined
by _>`, never by the version's name: `AWSCluster` v1beta2 implements contract v1beta1. Sources:
Cluster API v1.14.0 internal/contract/version.go; its book, "Provider contracts" (InfraCluster,
InfraMachine, InfraMachinePool, control plane, bootstrap config).
"""

from __future__ import annotations

import enum

from providers.base import value
from state.resource import GroupKind, JsonObject, split_api_version

V1BETA1 = "v1beta1"
V1BETA2 = "v1beta2"
_LABEL = "cluster.x-k8s.io/"


class Role(enum.StrEnum):
    """What a provider's kind is to Cluster API."""

    INFRA_CLUSTER = "infrastructure cluster"
    INFRA_MACHINE = "infrastructure machine"
    INFRA_POOL = "infrastructure machine pool"
    CONTROL_PLANE = "control plane"
    BOOTSTRAP = "bootstrap config"


_DONE: dict[Role, tuple[str, str]] = {
    Role.INFRA_CLUSTER: ("status.initialization.provisioned", "status.ready"),
    Role.INFRA_MACHINE: ("status.initialization.provisioned", "status.ready"),
    Role.INFRA_POOL: ("status.initialization.provisioned", "status.ready"),
    Role.CONTROL_PLANE: ("status.initialization.controlPlaneInitialized", "status.initialized"),
    Role.BOOTSTRAP: ("status.initialization.dataSecretCreated", "status.ready"),
}
"""Role → the field of contract v1beta2, and of v1beta1."""


def role_of(kind: GroupKind) -> Role | None:
    """The role of a kind, by its group and the contract's naming rules."""
    if kind.kind.endswith(("Template", "Identity")):
        return None
    if kind.group.startswith("infrastructure."):
        if kind.kind.endswith("Cluster"):
            return Role.INFRA_CLUSTER
        if kind.kind.endswith("MachinePool"):
            return Role.INFRA_POOL
        return Role.INFRA_MACHINE if kind.kind.endswith("Machine") else None
    if kind.group.startswith("controlplane."):
        return Role.CONTROL_PLANE
    if kind.group.startswith("bootstrap."):
        return Role.BOOTSTRAP
    return None


def contract_of(crd: JsonObject, version: str = "") -> str:
    """The highest contract that the CRD claims for `version`, else for any; `""`: none."""
    found = value(crd, "metadata.labels")
    if not isinstance(found, dict):
        return ""
    claimed = {c: str(found.get(_LABEL + c) or "").split("_") for c in (V1BETA2, V1BETA1)}
    for contract, versions in claimed.items():
        if version and version in versions:
            return contract
    return next((c for c, versions in claimed.items() if versions != [""]), "")


def version_of(body: JsonObject) -> str:
    """The version that an object was read in."""
    return split_api_version(str(body.get("apiVersion") or ""))[1]


def needed(role: Role, body: JsonObject) -> bool:
    """Whether the answer hangs on the contract: only the field of v1beta1 says "done"."""
    new, old = _DONE[role]
    return value(body, new) is None and value(body, old) is True


def done(role: Role, body: JsonObject, contract: str) -> bool:
    """Whether the role's field says "done".

    With no contract known (the CRD may not be readable) the field of v1beta2 decides if it is
    there; else that of v1beta1 counts, unless the object keeps `status.initialization`, as only
    contract v1beta2 does: there `status.ready` may mean anything.
    """
    new, old = _DONE[role]
    if contract == V1BETA2:
        return value(body, new) is True
    if contract == V1BETA1:
        return value(body, old) is True
    if value(body, new) is not None:
        return value(body, new) is True
    return value(body, old) is True and not isinstance(value(body, "status.initialization"), dict)
