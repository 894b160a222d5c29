"""`WorkloadCluster`: ten lines that a blueprint turns into a cluster (docs/blueprints.md).

Sugar with two layers and no more: a versioned blueprint and the cluster's own values. What it comes
to can be written out with `clusterform render`, so nobody depends on it.
"""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from planner.filereader import GROUP
from state.desired import Blueprint, FleetSpec
from state.errors import ClusterformError
from state.resource import GroupKind, JsonObject

WORKLOAD_CLUSTER = GroupKind(GROUP, "WorkloadCluster")
_FIELDS = ("blueprint", "values", "profiles")


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A checked WorkloadCluster."""

    namespace: str
    name: str
    labels: dict[str, str]
    blueprint: Blueprint
    values: JsonObject
    profiles: tuple[str, ...]


def read_workload(body: JsonObject, fleet: FleetSpec) -> Workload:
    """A WorkloadCluster's body, checked against the fleet's blueprints and profiles.

    Raises ClusterformError('workload-cluster') naming the field.
    """
    spec = body.get("spec")
    if not isinstance(spec, dict):
        raise _wrong("spec is missing")
    for field in spec:
        if field not in _FIELDS:
            raise _wrong(f'unknown field "{field}" in spec', _near(field, _FIELDS))
    known = {b.name: b for b in fleet.blueprints}
    name, at, version = str(spec.get("blueprint") or "").partition("@")
    if name not in known:
        raise _wrong(
            f'spec.blueprint: there is no blueprint "{name}"'
            if name
            else "spec.blueprint is missing",
            _near(name, known) if known else "declare it in clusterform.yaml, spec.blueprints",
        )
    blueprint = known[name]
    if at:
        blueprint = msgspec.structs.replace(blueprint, version=version)
    metadata = body["metadata"]
    return Workload(
        namespace=str(metadata.get("namespace") or "default"),
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        blueprint=blueprint,
        values=_mapping(spec.get("values", {})),
        profiles=_profiles(spec.get("profiles", []), {p.name for p in fleet.profiles}),
    )


def _mapping(value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise _wrong("spec.values is not a mapping")
    return value


def _profiles(value: Any, known: set[str]) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong("spec.profiles is not a list")
    for name in value:
        if name not in known:
            raise _wrong(f'spec.profiles: there is no profile "{name}"', _near(str(name), known))
    return tuple(value)


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f'did you mean "{near[0]}"?' if near else f"valid here: {', '.join(sorted(known))}"


def _wrong(what: str, hint: str = "") -> ClusterformError:
    return ClusterformError("workload-cluster", what, hint=hint)
