"""Finalizers, garbage collection, namespaces and definitions that empty themselves."""

from __future__ import annotations

from typing import Any

import pytest


def _owned(make: Any, name: str, *owners: Any, **metadata: Any) -> Any:
    refs = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    return make(name, metadata={"ownerReferences": refs, **metadata})


def test_delete_answers_with_a_status(client: Any, widget: Any) -> None:
    uid = client.apply(widget()).metadata["uid"]
    answer = client.delete(widget())
    details = {"name": "a", "group": "t.cform.test", "kind": "widgets", "uid": uid}
    assert (answer.body["status"], answer.body["details"]) == ("Success", details)
    assert client.get(widget()).status == 404


def test_dry_run_deletes_nothing(client: Any, widget: Any) -> None:
    client.apply(widget())
    assert client.delete(widget(), {"dryRun": ["All"]}).status == 200
    assert client.get(widget()).status == 200


def test_finalizer_holds_the_object_until_it_goes(client: Any, widget: Any) -> None:
    client.apply(widget(metadata={"finalizers": ["a.b/c"]}))
    answer = client.delete(widget())
    assert answer.metadata["deletionTimestamp"]
    assert client.apply(widget(spec={"str": "b"}, metadata={"finalizers": ["a.b/c"]})).status == 200
    client.merge(widget(), {"metadata": {"finalizers": None}})
    assert client.get(widget()).status == 404


def test_name_used_again_is_another_object(client: Any, widget: Any) -> None:
    first = client.apply(widget()).metadata["uid"]
    client.delete(widget())
    assert client.apply(widget()).metadata["uid"] != first


def test_dependents_go_with_their_last_owner(client: Any, widget: Any, config_map: Any) -> None:
    one, two = client.apply(widget("one")).body, client.apply(widget("two")).body
    client.apply(_owned(config_map, "both", one, two))
    client.apply(_owned(config_map, "mine", one))
    client.delete(widget("one"))
    assert client.get(config_map("mine")).status == 404
    assert client.get(config_map("both")).status == 200
    client.delete(widget("two"))
    assert client.get(config_map("both")).status == 404


def test_orphaned_dependents_lose_the_reference(client: Any, widget: Any, config_map: Any) -> None:
    owner = client.apply(widget()).body
    client.apply(_owned(config_map, "left", owner))
    client.delete(widget(), {"propagationPolicy": "Orphan"})
    assert "ownerReferences" not in client.get(config_map("left")).metadata


def test_foreground_owner_waits_for_its_dependents(
    client: Any, widget: Any, config_map: Any
) -> None:
    owner = client.apply(widget()).body
    held = _owned(config_map, "held", owner, finalizers=["a.b/c"])
    held["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = True
    client.apply(held)
    client.delete(widget(), {"propagationPolicy": "Foreground"})
    assert client.get(widget()).metadata["finalizers"] == ["foregroundDeletion"]
    client.merge(config_map("held"), {"metadata": {"finalizers": None}})
    assert client.get(widget()).status == 404


def _namespace(name: str = "sem") -> Any:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_namespace_empties_itself(client: Any, widget: Any) -> None:
    client.apply(widget())
    client.delete(_namespace())
    assert client.get(_namespace()).status == 404
    assert client.send("GET", "/apis/t.cform.test/v1beta2/widgets").body["items"] == []


def test_namespace_terminates_while_something_is_held(client: Any, widget: Any) -> None:
    client.apply(widget(metadata={"finalizers": ["a.b/c"]}))
    answer = client.delete(_namespace())
    assert answer.body["status"]["phase"] == "Terminating"
    client.merge(widget(), {"metadata": {"finalizers": None}})
    assert client.get(_namespace()).status == 404


def test_definition_takes_its_objects_along(client: Any, widget: Any, recorded: Any) -> None:
    client.apply(widget(metadata={"finalizers": ["a.b/c"]}))
    client.delete(recorded["crd"])
    assert client.get(recorded["crd"]).metadata["deletionTimestamp"]
    client.merge(widget(), {"metadata": {"finalizers": None}})
    assert client.get(recorded["crd"]).status == 404
    assert client.send("GET", "/apis/t.cform.test/v1beta2/widgets").body == "404 page not found\n"


def test_definition_is_established_at_once(client: Any, recorded: Any) -> None:
    conditions = client.get(recorded["crd"]).body["status"]["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


@pytest.mark.parametrize("right", [True, False])
def test_delete_preconditions(client: Any, widget: Any, right: bool) -> None:
    metadata = client.apply(widget()).metadata
    wanted = {n: metadata[n] for n in ("uid", "resourceVersion")}
    if not right:
        wanted["resourceVersion"] = "1"
    assert client.delete(widget(), {"preconditions": wanted}).status == (200 if right else 409)


def test_collection_is_deleted_by_selector(client: Any, widget: Any) -> None:
    client.apply(widget("keep"))
    client.apply(widget("drop", metadata={"labels": {"a": "b"}}))
    path = "/apis/t.cform.test/v1beta2/namespaces/sem/widgets"
    client.send("DELETE", path, labelSelector="a=b")
    assert [client.get(widget(n)).status for n in ("keep", "drop")] == [200, 404]
