"""Quantities, selectors, patches, the table of built-in types."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kube.sandbox.builtin_core import CORE, METADATA
from providers.kube.sandbox.builtin_others import APPS, EXTENSION, POLICY
from providers.kube.sandbox.builtin_types import TypeTable
from providers.kube.sandbox.json_patch import Inapplicable, merge_patch, patched
from providers.kube.sandbox.selectors import label_selector
from providers.quantity import canonical_quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        (1, "1"),
        (0.5, "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("100Ki", "100Ki"),
        ("0", "0"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("not one", "not one"),
    ],
)
def test_quantities_are_spelled_as_the_server_does(text: Any, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize(
    ("selector", "fits"),
    [("a=b", True), ("a", True), ("!a", False), ("a in (b, c)", True), ("a notin (b)", False)],
)
def test_label_selectors(selector: str, fits: bool) -> None:
    assert label_selector(selector)({"a": "b"}) is fits


def test_merge_patch_removes_with_null() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ({"op": "add", "path": "/l/-", "value": 3}, {"l": [1, 2, 3], "a/b": 0}),
        ({"op": "add", "path": "/l/0", "value": 3}, {"l": [3, 1, 2], "a/b": 0}),
        ({"op": "remove", "path": "/a~1b"}, {"l": [1, 2]}),
        ({"op": "replace", "path": "/l/1", "value": 9}, {"l": [1, 9], "a/b": 0}),
        ({"op": "move", "from": "/a~1b", "path": "/l/0"}, {"l": [0, 1, 2]}),
        ({"op": "copy", "from": "/a~1b", "path": "/c"}, {"l": [1, 2], "a/b": 0, "c": 0}),
    ],
    ids=lambda v: v.get("op", "") if isinstance(v, dict) else "",
)
def test_json_patch(operation: Any, result: Any) -> None:
    assert patched({"l": [1, 2], "a/b": 0}, [operation]) == result


@pytest.mark.parametrize("path", ["/nope", "/l/7", "/l/x"])
def test_json_patch_refuses_what_is_not_there(path: str) -> None:
    with pytest.raises(Inapplicable):
        patched({"l": [1, 2]}, [{"op": "remove", "path": path}])


TABLE = TypeTable(METADATA, CORE, APPS, POLICY, EXTENSION)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_type_of_the_table_compiles(name: str) -> None:
    assert TABLE[name].type == "object"
