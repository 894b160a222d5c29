"""The tables of planner/shape.py against the schemas of a real server and of Cluster API's CRDs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from planner.shape import ATOMIC_BUILTIN, ATOMIC_CAPI, CAPI_KINDS, UNSURE_BUILTIN
from providers.kube.api import Request
from providers.kube.http import HttpTransport
from tests.realcluster import capi

Maps = set[tuple[str, bool, bool]]
"""Field name, atomic, and whether `{}` could ever be accepted there (nothing is required)."""


def read(server: HttpTransport, path: str) -> Any:
    return json.loads(server.request(Request(method="GET", path=path)).body)


def maps_of(schema: dict[str, Any], known: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    for name, held in schema.get("properties", {}).items():
        (only,) = held.get("allOf", [held]) if len(held.get("allOf", [held])) == 1 else (held,)
        reference = (only.get("$ref") or held.get("$ref") or "").rpartition("/")[2]
        target = known.get(reference, held)
        if target.get("type") == "object" or "properties" in target:
            marks = (held, target)
            yield f"f:{name}", any(m.get("x-kubernetes-map-type") == "atomic" for m in marks)


@pytest.fixture(scope="module")
def builtin(server: HttpTransport) -> Maps:
    """Every map field of every type of the built-in API groups."""
    known: dict[str, Any] = {}
    for path in read(server, "/openapi/v3")["paths"]:
        if path.startswith(("api/", "apis/")) and "x-k8s.io" not in path and "test" not in path:
            known |= read(server, f"/openapi/v3/{path}").get("components", {}).get("schemas", {})
    assert len(known) > 400
    return {
        (name, atomic, True)
        for type_, schema in known.items()
        if type_.startswith("io.k8s.")
        for name, atomic in maps_of(schema, known)
    }


def test_a_builtin_field_of_the_table_is_atomic_wherever_it_is_a_map(builtin: Maps) -> None:
    merged = {name for name, atomic, _ in builtin if not atomic}
    assert merged & ATOMIC_BUILTIN == set()


def test_a_builtin_field_outside_of_the_tables_is_merged_everywhere(builtin: Maps) -> None:
    atomic = {name for name, is_atomic, _ in builtin if is_atomic}
    assert atomic - ATOMIC_BUILTIN - UNSURE_BUILTIN == set()


def walk(schema: dict[str, Any], name: str) -> Iterator[tuple[str, bool, bool]]:
    if schema.get("type") == "object":
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        yield name, atomic, not schema.get("required")
    for key, below in schema.get("properties", {}).items():
        yield from walk(below, f"f:{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], "item")


def test_a_field_of_cluster_apis_table_is_atomic_or_never_empty() -> None:
    """A merged map can be owned as one leaf only where `{}` was once accepted."""
    seen = set()
    for body in capi.definitions():
        if body["spec"]["names"]["kind"] not in CAPI_KINDS:
            continue
        for version in body["spec"]["versions"]:
            spec = version["schema"]["openAPIV3Schema"]["properties"].get("spec", {})
            for name, atomic, may_be_empty in walk(spec, "f:spec"):
                if name in ATOMIC_CAPI:
                    seen.add(name)
                    where = (body["metadata"]["name"], version["name"], name)
                    assert atomic or not may_be_empty, where
    assert seen == ATOMIC_CAPI
