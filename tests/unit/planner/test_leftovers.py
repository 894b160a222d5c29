"""Who still owns what beside us, and the patch that ends it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from planner.leftovers import leftovers, letting_go, without
from state.live import Metadata, Present
from state.resource import ResourceId

BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "n"},
    "data": {"a": "1"},
}
OURS = {"f:data": {"f:a": {}}}


def entry(manager: str, fields: Any, operation: str = "Update", **more: str) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "fieldsV1": fields,
        **more,
    }


def present(*entries: dict[str, Any], data: Any = None, **metadata: Any) -> Present:
    body = {
        **BODY,
        "metadata": {
            "name": "x",
            "namespace": "n",
            "uid": "u",
            "resourceVersion": "7",
            "managedFields": list(entries),
            **metadata,
        },
        "data": data or {"a": "1", "b": "2"},
    }
    raw = msgspec.json.encode(body)
    read = msgspec.json.decode(msgspec.json.encode(body["metadata"]), type=Metadata)
    return Present(
        id=ResourceId("m", "", "ConfigMap", "n", "x"), version="v1", metadata=read, raw=raw
    )


BOTH = {"f:data": {".": {}, "f:a": {}, "f:b": {}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([entry("kubectl-create", BOTH)], ("kubectl-create",), id="a tool"),
        pytest.param([entry("helm", BOTH)], ("helm",), id="a deployer"),
        pytest.param([entry("manager", BOTH)], (), id="a controller keeps what it has"),
        pytest.param([entry("kubectl", BOTH, subresource="status")], (), id="status"),
        pytest.param(
            [entry("kubectl", {"f:data": {".": {}}})], (), id="only that the map is there"
        ),
        pytest.param(
            [entry("clusterform", OURS, "Apply"), entry("kubectl", {"f:data": {}})],
            (),
            id="only that the map is there, written short",
        ),
        pytest.param([entry("kubectl", {"f:data": {"f:b": {}}})], (), id="other fields"),
        pytest.param([entry("clusterform", OURS, "Apply")], (), id="ourselves"),
        pytest.param([entry("clusterform", OURS)], ("clusterform",), id="ourselves by update"),
        pytest.param([], ("before-first-apply",), id="nobody"),
    ],
)
def test_who_would_own_our_fields_beside_us(entries: Any, expected: Any) -> None:
    assert leftovers(BODY, present(*entries)) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"a": "1"}, ("kubectl",), id="with the same value"),
        pytest.param({"a": "1", "b": "2"}, (), id="with another value: taken"),
    ],
)
def test_a_map_owned_as_one_value_is_compared_as_one(data: Any, expected: Any) -> None:
    live = present(entry("kubectl", {"f:data": {}}), data=data)
    assert leftovers(BODY, live) == expected


def test_what_is_in_a_map_that_we_send_empty_is_theirs() -> None:
    live = present(
        entry("clusterform", {"f:data": {}, "f:kept": {}}, "Apply"),
        entry("kubectl", {"f:data": {".": {}, "f:a": {}}, "f:kept": {}}),
    )
    assert leftovers({**BODY, "data": {}}, live) == ()
    kept = without(live, ("kubectl",))
    assert kept is not None
    assert kept[1]["fieldsV1"] == {"f:data": {"f:a": {}}}


def test_a_field_with_another_value_is_taken_by_force_and_needs_no_release() -> None:
    live = present(entry("kubectl-edit", BOTH), data={"a": "9", "b": "2"})
    assert leftovers(BODY, live) == ()


def test_they_keep_what_we_do_not_send() -> None:
    live = present(entry("clusterform", OURS, "Apply"), entry("helm", BOTH))
    kept = without(live, ("helm",))
    assert kept is not None
    assert [(e["manager"], e["fieldsV1"]) for e in kept] == [
        ("clusterform", OURS),
        ("helm", {"f:data": {"f:b": {}}}),
    ]


def test_an_entry_without_a_field_left_goes() -> None:
    shared = {"f:data": {".": {}, "f:a": {}}}
    live = present(entry("clusterform", OURS, "Apply"), entry("helm", shared), entry("x", shared))
    kept = without(live, ("helm",))
    assert kept is not None
    assert [e["manager"] for e in kept] == ["clusterform", "x"]


def test_list_items_are_the_same_however_their_keys_are_spelled() -> None:
    mine = {"f:spec": {'k:{"name":"a","port":1}': {".": {}, "f:port": {}}}}
    theirs = {"f:spec": {'k:{"port": 1, "name": "a"}': {".": {}, "f:port": {}, "f:x": {}}}}
    live = present(entry("clusterform", mine, "Apply"), entry("kubectl", theirs))
    kept = without(live, ("kubectl",))
    assert kept is not None
    assert kept[1]["fieldsV1"] == {"f:spec": {'k:{"port": 1, "name": "a"}': {"f:x": {}}}}


def test_the_patch_fits_one_state_of_one_object_and_drops_the_annotation() -> None:
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    apply = "kubectl-client-side-apply"
    live = present(entry("clusterform", OURS, "Apply"), entry(apply, OURS), annotations=annotation)
    patch = letting_go(live, (apply,))
    assert patch is not None
    steps = {step["path"]: step for step in msgspec.json.decode(patch)}
    assert steps["/metadata/uid"]["op"] == "test"
    assert steps["/metadata/resourceVersion"]["value"] == "7"
    name = "kubectl.kubernetes.io~1last-applied-configuration"
    assert steps[f"/metadata/annotations/{name}"]["op"] == "remove"
    assert len(steps["/metadata/managedFields"]["value"]) == 1


def test_where_nothing_is_shared_nothing_is_sent() -> None:
    live = present(entry("clusterform", OURS, "Apply"), entry("kubectl", {"f:data": {"f:b": {}}}))
    assert letting_go(live, ("kubectl",)) is None
