"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902). Pure; neither changes its input."""

from __future__ import annotations

import copy
from typing import Any

from providers.kube.sandbox.merge import same
from state.resource import JsonObject


class Inapplicable(Exception):
    """The patch does not fit the object."""


def merge_patch(value: Any, change: Any) -> Any:
    """`value` with the merge patch on it; null removes."""
    if not isinstance(change, dict):
        return change
    merged = dict(value) if isinstance(value, dict) else {}
    for name, inner in change.items():
        if inner is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), inner)
    return merged


def patched(value: JsonObject, operations: Any) -> JsonObject:
    """`value` after the operations of a JSON patch, all or nothing."""
    if not isinstance(operations, list):
        raise Inapplicable("a JSON patch is a list of operations")
    result = copy.deepcopy(value)
    for operation in operations:
        try:
            _perform(result, operation)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Inapplicable("not an operation of a JSON patch") from error
    return result


def _perform(document: JsonObject, operation: JsonObject) -> None:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(document, path, copy.deepcopy(operation["value"]))
        case "remove":
            _remove(document, path)
        case "replace":
            _remove(document, path)
            _add(document, path, copy.deepcopy(operation["value"]))
        case "move":
            _add(document, path, _remove(document, _pointer(operation["from"])))
        case "copy":
            _add(document, path, copy.deepcopy(_read(document, _pointer(operation["from"]))))
        case "test":
            if not same(_read(document, path), operation.get("value")):
                raise Inapplicable(f"testing path {operation['path']} failed")
        case other:
            raise Inapplicable(f"unknown operation {other!r}")


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _read(document: Any, path: list[str]) -> Any:
    try:
        for part in path:
            document = document[int(part)] if isinstance(document, list) else document[part]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise Inapplicable(f"there is nothing at /{'/'.join(path)}") from error
    return document


def _add(document: Any, path: list[str], value: Any) -> None:
    parent = _read(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else int(path[-1]), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise Inapplicable(f"/{'/'.join(path[:-1])} is neither a map nor a list")


def _remove(document: Any, path: list[str]) -> Any:
    value, parent = _read(document, path), _read(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return value
