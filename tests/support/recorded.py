"""Recorded Cluster API objects, and the same as a server of v1beta1 gives them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

_DATA = json.loads((Path(__file__).parents[1] / "data" / "capi-converged.json").read_bytes())
_OLD_COUNTERS = {"upToDateReplicas": "updatedReplicas"}
_INITIALIZATION = {
    "Cluster": {
        "infrastructureProvisioned": "infrastructureReady",
        "controlPlaneInitialized": "controlPlaneReady",
    },
    "KubeadmControlPlane": {"controlPlaneInitialized": "initialized"},
    "DevCluster": {"provisioned": "ready"},
    "Machine": {
        "infrastructureProvisioned": "infrastructureReady",
        "bootstrapDataSecretCreated": "bootstrapReady",
    },
    "KubeadmConfig": {"dataSecretCreated": "ready"},
}


def recorded(which: str, kind: str) -> list[Any]:
    """Fresh copies of all objects of a kind; `which` is plain or topology."""
    return [copy.deepcopy(o) for o in _DATA[which] if o["kind"] == kind]


def one(kind: str, which: str = "plain") -> Any:
    """The first of them."""
    return recorded(which, kind)[0]


def as_v1beta1(body: Any, *, conditions: bool = True) -> Any:
    """An object as v1beta1 has it (api/core/v1beta1/conversion.go of v1.14).

    Without `conditions` as a server before v1.9 gives it, which had no `status.v1beta2`.
    """
    found = copy.deepcopy(body)
    found["apiVersion"] = found["apiVersion"].partition("/")[0] + "/v1beta1"
    status = found["status"]
    old = (status.pop("deprecated", None) or {}).get("v1beta1") or {}
    new = {"conditions": status.pop("conditions", [])}
    for name in ("readyReplicas", "availableReplicas", "upToDateReplicas"):
        if name in status:
            new[name] = status.pop(name)
    for name, value in (status.pop("initialization", None) or {}).items():
        status[_INITIALIZATION[found["kind"]][name]] = value
    status.update(old)
    if conditions:
        status["v1beta2"] = new
    return found


def set_condition(body: Any, kind: str, status: str, **fields: Any) -> Any:
    """The object with a condition set, wherever this version of it keeps them."""
    home = body["status"].get("v1beta2") or body["status"]
    listed = [c for c in home.setdefault("conditions", []) if c["type"] != kind]
    listed.append({"type": kind, "status": status, **{"reason": f"Is{kind}", **fields}})
    home["conditions"] = listed
    return body


def drop_condition(body: Any, kind: str) -> Any:
    """The object without a condition."""
    home = body["status"].get("v1beta2") or body["status"]
    home["conditions"] = [c for c in home["conditions"] if c["type"] != kind]
    return body
