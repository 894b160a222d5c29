"""Patches and variables of a ClusterClass, applied to a template as far as values can be known.

Source: Cluster API v1.14.0, core/reconcilers/topology/cluster/patches and the book, "Writing a
ClusterClass". JSON patches with values and variables are computed. A Go template (`enabledIf`,
`valueFrom.template`) or an external patch is a function of its inputs: it is left in the result as
an `Open` with all of them, so two results say the same if and only if the inputs do.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from state.resource import JsonObject, split_api_version


class NotApplicable(Exception):
    """A patch cannot be applied to its template; the message names both."""


class Part(msgspec.Struct, frozen=True):
    """Which part of a topology a template is rendered for, as `matchResources` names them."""

    role: str
    """controlPlane, infrastructureCluster, machineDeployment or machinePool."""
    name: str = ""
    worker_class: str = ""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A template with its patches; `open` holds what only a controller can compute."""

    body: JsonObject
    open: tuple[JsonObject, ...] = ()


_OPEN = "$open"
_NAMES = {"machineDeployment": "machineDeploymentClass", "machinePool": "machinePoolClass"}


def patched(
    template: JsonObject, class_spec: JsonObject, known: Mapping[str, Any], part: Part
) -> Rendered:
    """`template` with the patches of the class that select it; `known`: variable → value.

    Raises: NotApplicable.
    """
    body = copy.deepcopy(template)
    open_: list[JsonObject] = []
    for patch in class_spec.get("patches") or ():
        steps = list(_steps(patch, template, part))
        if patch.get("external") is not None:
            open_.append({"external": patch["external"], "variables": dict(known)})
        elif not steps:
            continue
        elif patch.get("enabledIf"):
            values = [_value(step, known) for step in steps]
            condition = _inputs(str(patch["enabledIf"]), known)
            open_.append({"enabledIf": condition, "steps": steps, "values": values})
        else:
            for step in steps:
                _apply(body, step, _value(step, known), str(patch.get("name")))
    found = tuple(_unknown_in(body))
    return Rendered(body=body, open=(*open_, *found))


def without_open(body: Any) -> Any:
    """The body with every value that only a controller computes replaced by the same mark."""
    if isinstance(body, dict):
        return _OPEN if _OPEN in body else {k: without_open(v) for k, v in body.items()}
    return [without_open(item) for item in body] if isinstance(body, list) else body


def _unknown_in(body: Any) -> Iterator[JsonObject]:
    if isinstance(body, dict):
        if _OPEN in body:
            yield body
        else:
            for item in body.values():
                yield from _unknown_in(item)
    elif isinstance(body, list):
        for item in body:
            yield from _unknown_in(item)


def _steps(patch: JsonObject, template: JsonObject, part: Part) -> Iterator[JsonObject]:
    for definition in patch.get("definitions") or ():
        if _selected(definition.get("selector") or {}, template, part):
            yield from definition.get("jsonPatches") or ()


def _selected(selector: JsonObject, template: JsonObject, part: Part) -> bool:
    wanted = split_api_version(str(selector.get("apiVersion", "")))[0], selector.get("kind")
    is_ = split_api_version(str(template.get("apiVersion", "")))[0], template.get("kind")
    match = selector.get("matchResources") or {}
    if part.role not in _NAMES:
        return wanted == is_ and bool(match.get(part.role))
    names = (match.get(_NAMES[part.role]) or {}).get("names") or ()
    return wanted == is_ and any(_matches(str(name), part.worker_class) for name in names)


def _matches(pattern: str, name: str) -> bool:
    """`*` may stand at the start or the end (ClusterClass webhook)."""
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def _apply(body: JsonObject, step: JsonObject, wanted: Any, patch: str) -> None:
    path, operation = str(step.get("path", "")), step.get("op")
    *above, last = [_unescaped(name) for name in path.split("/")[1:]]
    try:
        holder: Any = body
        for name in above:
            holder = holder[int(name)] if isinstance(holder, list) else holder.setdefault(name, {})
        if operation == "remove":
            holder.pop(int(last) if isinstance(holder, list) else last)
        elif isinstance(holder, list) and last == "-":
            holder.append(wanted)
        elif isinstance(holder, list) and operation == "add":
            holder.insert(int(last), wanted)
        else:
            holder[int(last) if isinstance(holder, list) else last] = wanted
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        kind = body.get("kind")
        message = f"patch {patch}: {operation} {path} cannot be applied to {kind}"
        raise NotApplicable(message) from error


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def _value(step: JsonObject, known: Mapping[str, Any]) -> Any:
    source = step.get("valueFrom")
    if not source:
        return copy.deepcopy(step.get("value"))
    if "variable" in source:
        return copy.deepcopy(_look_up(str(source["variable"]), known))
    return {_OPEN: _inputs(str(source.get("template", "")), known)}


def _look_up(path: str, known: Mapping[str, Any]) -> Any:
    """The value of `name`, `name.field` or `name.list[0]`; one that is not there stays open."""
    found: Any = known
    for name in re.findall(r"[^.\[\]]+", path):
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            return {_OPEN: {"variable": path}}
    return found


_NAME = re.compile(r"\.([A-Za-z_]\w*(?:\.\w+)*)")
_WHOLE = re.compile(r"\$|\bindex\b|\brange\b|\bwith\b|(?<![\w)\]])\.(?![\w.])")


def _inputs(text: str, known: Mapping[str, Any]) -> JsonObject:
    """A Go template with the values that it can see: those it names, or all where it reaches."""
    if _WHOLE.search(text):
        return {"template": text, "variables": dict(known)}
    names = {name for name in _NAME.findall(text) if name.partition(".")[0] in known}
    return {"template": text, "variables": {name: _look_up(name, known) for name in sorted(names)}}


def variables(
    class_spec: JsonObject, cluster: JsonObject, overrides: JsonObject | None = None
) -> dict[str, Any]:
    """Variable → value for one part: the class's defaults, the Cluster's values, overrides.

    The builtin ones are those that follow from the Cluster. Source: Cluster API v1.14.0,
    patches/variables/variables.go.
    """
    topology = cluster["spec"].get("topology") or {}
    found: dict[str, Any] = {}
    for variable in class_spec.get("variables") or ():
        schema = (variable.get("schema") or {}).get("openAPIV3Schema") or {}
        if "default" in schema:
            found[str(variable.get("name"))] = schema["default"]
    for given in (topology.get("variables"), (overrides or {}).get("overrides")):
        found |= {str(v.get("name")): v.get("value") for v in given or () if isinstance(v, dict)}
    return {**found, "builtin": {"cluster": _builtin(cluster, topology)}}


def _builtin(cluster: JsonObject, topology: JsonObject) -> JsonObject:
    metadata = cluster["metadata"]
    reference = topology.get("classRef") or {}
    network = cluster["spec"].get("clusterNetwork") or {}
    return {
        "name": metadata.get("name"),
        "namespace": metadata.get("namespace"),
        "metadata": {
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
        },
        "topology": {
            "version": topology.get("version"),
            "class": reference.get("name") or topology.get("class"),
            "classNamespace": reference.get("namespace") or metadata.get("namespace"),
        },
        "network": {
            "serviceDomain": network.get("serviceDomain"),
            "services": (network.get("services") or {}).get("cidrBlocks"),
            "pods": (network.get("pods") or {}).get("cidrBlocks"),
        },
    }
