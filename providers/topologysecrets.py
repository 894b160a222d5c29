"""Sensitive values in ClusterClasses and topologies: patches and variables that carry them.

A patch can write what a KubeadmConfigTemplate would hold (`files[].content`, `users[].passwd`), and
a variable can feed it. A patch's value is sensitive where its path or a field inside has such a
name, a variable's where its own name says so. Source of the forms: Cluster API v1.14.0,
api/core/v1beta2/clusterclass_types.go and cluster_types.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from providers.capi import CLUSTER, CLUSTER_CLASS
from state.resource import FieldPath, GroupKind, JsonObject

_FIELD = re.compile(r"^(content|passwd|data|password|additionalConfig)$")
_HOLDERS = frozenset({"files", "users"})
"""Lists of items with such fields: a Go template that makes one makes those, too."""
_WORDS = re.compile(r"passw|secret|token|credential|private_?key|api_?key", re.IGNORECASE)
_NAMES_ONE = re.compile(r"(name|ref|refs|ttl|enabled)$", re.IGNORECASE)
"""`pullSecretName` says where a secret is, not what."""


def topology_secrets(kind: GroupKind, body: JsonObject) -> Iterator[FieldPath]:
    """Where text stands in such a body that must not be shown; nothing for other kinds."""
    spec = body.get("spec")
    if kind == CLUSTER_CLASS:
        yield from _of_class(spec)
    elif kind == CLUSTER:
        yield from _of_topology(spec)


def _of_class(spec: Any) -> Iterator[FieldPath]:
    fed: set[str] = set()
    for at, patch in _items(spec, ("f:spec",), "patches"):
        for within, definition in _items(patch, at, "definitions"):
            for here, step in _items(definition, within, "jsonPatches"):
                yield from _of_step(step, here)
                fed |= _fed_by(step)
    for at, variable in _items(spec, ("f:spec",), "variables"):
        if _says_secret(variable.get("name")) or variable.get("name") in fed:
            schema = variable.get("schema")
            found = schema.get("openAPIV3Schema") if isinstance(schema, dict) else None
            if isinstance(found, dict):
                for name in ("default", "example"):
                    path = (*at, "f:schema", "f:openAPIV3Schema", f"f:{name}")
                    yield from _texts(found.get(name), path)


def _names_in(step: JsonObject) -> list[str]:
    path = str(step.get("path")).split("/")
    return [n for n in path if n and not n.isdigit() and n != "-"]


def _is_sensitive(names: list[str]) -> bool:
    return bool(names) and (bool(_FIELD.match(names[-1])) or _says_secret(names[-1]))


def _of_step(step: JsonObject, at: FieldPath) -> Iterator[FieldPath]:
    """A value set at a sensitive field; of a larger one the fields of that name inside."""
    path, names = (*at, "f:value"), _names_in(step)
    source = step.get("valueFrom")
    if isinstance(source, dict) and (_is_sensitive(names) or _HOLDERS & set(names[-1:])):
        yield from _texts(source.get("template"), (*at, "f:valueFrom", "f:template"))
    if _is_sensitive(names):
        yield from _texts(step.get("value"), path)
    else:
        yield from _inside(step.get("value"), path)


def _fed_by(step: JsonObject) -> set[str]:
    """Variables whose values land in a sensitive field, or in the text that makes one."""
    source, names = step.get("valueFrom"), _names_in(step)
    if not isinstance(source, dict):
        return set()
    fed = set()
    if _is_sensitive(names):
        fed.add(re.split(r"[.\[]", str(source.get("variable")))[0])
    if _is_sensitive(names) or _HOLDERS & set(names[-1:]):
        fed |= set(re.findall(r"\.([A-Za-z_]\w*)", str(source.get("template") or "")))
    return fed


def _inside(value: Any, at: FieldPath) -> Iterator[FieldPath]:
    if isinstance(value, dict):
        for name, found in value.items():
            path = (*at, f"f:{name}")
            hidden = bool(_FIELD.match(name)) or _says_secret(name)
            yield from _texts(found, path) if hidden else _inside(found, path)
    elif isinstance(value, list):
        for index, found in enumerate(value):
            yield from _inside(found, (*at, f"i:{index}"))


def _of_topology(spec: Any) -> Iterator[FieldPath]:
    topology = spec.get("topology") if isinstance(spec, dict) else None
    if not isinstance(topology, dict):
        return
    at: FieldPath = ("f:spec", "f:topology")
    yield from _variables(topology, at, "variables")
    plane = topology.get("controlPlane")
    yield from _overrides(plane, (*at, "f:controlPlane"))
    workers = topology.get("workers")
    for name in ("machineDeployments", "machinePools"):
        for here, entry in _items(workers, (*at, "f:workers"), name):
            yield from _overrides(entry, here)


def _overrides(entry: Any, at: FieldPath) -> Iterator[FieldPath]:
    found = entry.get("variables") if isinstance(entry, dict) else None
    if isinstance(found, dict):
        yield from _variables(found, (*at, "f:variables"), "overrides")


def _variables(holder: JsonObject, at: FieldPath, name: str) -> Iterator[FieldPath]:
    for here, variable in _items(holder, at, name):
        path = (*here, "f:value")
        secret = _says_secret(variable.get("name"))
        yield from (
            _texts(variable.get("value"), path) if secret else _inside(variable.get("value"), path)
        )


def _items(holder: Any, at: FieldPath, name: str) -> Iterator[tuple[FieldPath, JsonObject]]:
    found = holder.get(name) if isinstance(holder, dict) else None
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, dict):
            yield (*at, f"f:{name}", f"i:{index}"), item


def _texts(value: Any, at: FieldPath) -> Iterator[FieldPath]:
    if isinstance(value, str):
        yield at
    elif isinstance(value, dict):
        for name, found in value.items():
            yield from _texts(found, (*at, f"f:{name}"))
    elif isinstance(value, list):
        for index, found in enumerate(value):
            yield from _texts(found, (*at, f"i:{index}"))


def _says_secret(name: Any) -> bool:
    return isinstance(name, str) and bool(_WORDS.search(name)) and not _NAMES_ONE.search(name)
