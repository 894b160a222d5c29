"""Field sets, merging, comparing, pruning: the arithmetic below server-side apply."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kube.sandbox import fieldset
from providers.kube.sandbox.fieldset import difference, intersection, of_value, parse, render, union
from providers.kube.sandbox.merge import compare, merge, reconcile, remove, same
from providers.kube.sandbox.schema import Schema, compile_openapi

SCHEMA: Schema = compile_openapi(
    {
        "type": "object",
        "properties": {
            "s": {"type": "string"},
            "m": {"type": "object", "additionalProperties": {"type": "string"}},
            "set": {
                "type": "array",
                "x-kubernetes-list-type": "set",
                "items": {"type": "string"},
            },
            "atomic": {"type": "array", "items": {"type": "string"}},
            "ports": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"],
                "items": {
                    "type": "object",
                    "properties": {
                        "port": {"type": "integer"},
                        "protocol": {"type": "string", "default": "TCP"},
                    },
                },
            },
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
)


@pytest.mark.parametrize(
    ("value", "owned"),
    [
        ({"s": "a"}, {"f:s": {}}),
        ({"m": {"k": "v"}}, {"f:m": {"f:k": {}}}),
        ({"m": {}}, {"f:m": {}}),
        ({"m": None}, {"f:m": {}}),
        ({"set": ["b", "a"]}, {"f:set": {'v:"a"': {}, 'v:"b"': {}}}),
        ({"set": []}, {}),
        ({"set": ["a<b&c"]}, {"f:set": {'v:"a\\u003cb\\u0026c"': {}}}),
        ({"atomic": []}, {"f:atomic": {}}),
        (
            {"ports": [{"port": 80}]},
            {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
        ),
        ({"any": {"l": [1], "o": {"x": 1}}}, {"f:any": {"f:l": {}, "f:o": {".": {}, "f:x": {}}}}),
    ],
    ids=lambda v: str(v)[:40],
)
def test_what_an_apply_owns(value: Any, owned: Any) -> None:
    found = render(of_value(SCHEMA, value))
    if "any" in value:
        found["f:any"]["f:o"].pop(".", None)
        owned["f:any"]["f:o"].pop(".", None)
    assert found == owned


def test_wire_form_round_trips_whatever_its_spelling() -> None:
    wire = {"f:l": {'k:{ "b":1, "a":2 }': {".": {}, "f:x": {}}}}
    assert render(parse(wire)) == {"f:l": {'k:{"a":2,"b":1}': {".": {}, "f:x": {}}}}


def test_set_operations() -> None:
    left, right = parse({"f:a": {}, "f:b": {"f:c": {}}}), parse({"f:b": {"f:c": {}, "f:d": {}}})
    assert render(union(left, right)) == {"f:a": {}, "f:b": {"f:c": {}, "f:d": {}}}
    assert render(difference(left, right)) == {"f:a": {}}
    assert render(intersection(left, right)) == {"f:b": {"f:c": {}}}


def test_members_come_before_what_is_below_them() -> None:
    fields = parse({"f:spec": {"f:lm": {'k:{"n":1}': {"f:p": {}}}, "f:z": {}}})
    assert [path[-1] for path in fieldset.paths(fields)] == ["f:z", "f:p"]


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        (["a", "x", "b"], ["a", "b"], ["a", "x", "b"]),
        (["b", "x", "a"], ["a", "b"], ["a", "b", "x"]),
        (["x"], ["a"], ["x", "a"]),
        (["a"], [], ["a"]),
        (["a", "b", "c"], ["c", "a"], ["b", "c", "a"]),
        ([], ["b", "a"], ["b", "a"]),
    ],
)
def test_sets_merge_in_the_order_of_the_config(live: Any, config: Any, merged: Any) -> None:
    found = merge(SCHEMA, {"set": live}, {"set": config})["set"]
    assert sorted(found) == sorted(merged)
    assert [item for item in found if item in config] == config


def test_removing_the_last_entry_leaves_null() -> None:
    assert remove(SCHEMA, {"m": {"k": "v"}}, parse({"f:m": {"f:k": {}}})) == {"m": None}


def test_comparison_names_added_containers_too() -> None:
    found = compare(SCHEMA, {"s": "a"}, {"s": "b", "m": {"k": "v"}})
    assert render(found.modified) == {"f:s": {}}
    assert render(found.added) == {"f:m": {".": {}, "f:k": {}}}


def test_order_of_a_set_is_no_difference() -> None:
    found = compare(SCHEMA, {"set": ["a", "b"]}, {"set": ["b", "a"]})
    assert (found.added, found.modified, found.removed) == ({}, {}, {})


@pytest.mark.parametrize(("left", "right"), [(1, True), (0, False), ("1", 1), ([1, 2], [2, 1])])
def test_json_values_that_python_may_confuse(left: Any, right: Any) -> None:
    assert not same(left, right)


def test_owner_of_a_part_owns_the_whole_once_it_is_atomic() -> None:
    owned = parse({"f:atomic": {'v:"a"': {}}, "f:s": {}})
    assert render(reconcile(SCHEMA, owned)) == {"f:atomic": {}, "f:s": {}}
