"""Patches and variables of a ClusterClass: JSON patches with values and variables.

Source: cluster-api v1.14 `exp/topology` inline patches. Go templates (`valueFrom.template`,
`enabledIf`) and external patches are not simulated, and say so.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from state.resource import JsonObject


class Unsupported(Exception):
    """The class uses what the sandbox does not simulate."""


class Part(msgspec.Struct, frozen=True):
    """Which part of a topology a template is rendered for, as `matchResources` names them."""

    role: str
    deployment: str = ""
    worker_class: str = ""


def patched(template: JsonObject, spec: JsonObject, cluster: JsonObject, part: Part) -> JsonObject:
    """The template with the patches of the class (`spec`) that select it."""
    value = copy.deepcopy(template)
    for patch in spec.get("patches") or ():
        if patch.get("enabledIf") or patch.get("external"):
            raise Unsupported(f"patch {patch['name']}: enabledIf and external are not simulated")
        for definition in patch.get("definitions") or ():
            if _selected(definition["selector"], template, part):
                for step in definition["jsonPatches"]:
                    _apply(value, step, spec, cluster)
    return value


def _selected(selector: JsonObject, template: JsonObject, part: Part) -> bool:
    same = (selector.get("apiVersion"), selector.get("kind")) == (
        template["apiVersion"],
        template["kind"],
    )
    match = selector.get("matchResources") or {}
    if part.role != "machineDeployment":
        return same and bool(match.get(part.role))
    names = (match.get("machineDeploymentClass") or {}).get("names") or ()
    return same and any(name in ("*", part.worker_class) for name in names)


def _apply(value: JsonObject, step: JsonObject, spec: JsonObject, cluster: JsonObject) -> None:
    *above, last = [_unescaped(name) for name in step["path"].split("/")[1:]]
    holder: Any = value
    for name in above:
        holder = holder[int(name)] if isinstance(holder, list) else holder.setdefault(name, {})
    if step["op"] == "remove":
        holder.pop(int(last) if isinstance(holder, list) else last)
        return
    wanted = _value(step, spec, cluster)
    if isinstance(holder, list) and last == "-":
        holder.append(wanted)
    elif isinstance(holder, list) and step["op"] == "add":
        holder.insert(int(last), wanted)
    else:
        holder[int(last) if isinstance(holder, list) else last] = wanted


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def _value(step: JsonObject, spec: JsonObject, cluster: JsonObject) -> Any:
    source = step.get("valueFrom")
    if not source:
        return copy.deepcopy(step.get("value"))
    if "variable" not in source:
        raise Unsupported("valueFrom.template is not simulated")
    first, *rest = source["variable"].split(".")
    found = _variables(spec, cluster).get(first)
    for name in rest:
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        raise Unsupported(f"variable {source['variable']} has no value")
    return copy.deepcopy(found)


def _variables(spec: JsonObject, cluster: JsonObject) -> dict[str, Any]:
    topology, metadata = cluster["spec"]["topology"], cluster["metadata"]
    defaults = {
        variable["name"]: variable["schema"]["openAPIV3Schema"].get("default")
        for variable in spec.get("variables") or ()
    }
    given = {v["name"]: v["value"] for v in topology.get("variables") or ()}
    shown = {"name": metadata["name"], "namespace": metadata["namespace"]}
    shown["topology"] = {"version": topology["version"]}
    built_in = {"cluster": shown, "controlPlane": {"version": topology["version"]}}
    return {**defaults, **given, "builtin": built_in}
