"""Preconditions, dry runs, ownership, the other write verbs, subresources."""

from __future__ import annotations

from typing import Any

import pytest

WRONG = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("kind", ["widget", "config_map"])
@pytest.mark.parametrize(
    ("given", "existing", "missing"),
    [
        ({"uid": WRONG}, 422, 409),
        ({"resourceVersion": "1"}, 409, 201),
        ({"resourceVersion": "999999"}, 409, 201),
        ({}, 200, 201),
    ],
    ids=["wrong uid", "create-only", "stale", "none"],
)
@pytest.mark.parametrize("dry_run", [{}, {"dryRun": "All"}], ids=["real", "dry-run"])
def test_preconditions(
    client: Any, request: Any, kind: str, given: Any, existing: int, missing: int, dry_run: Any
) -> None:
    make = request.getfixturevalue(kind)
    client.apply(make("there"))
    assert client.apply(make("there", metadata=given), **dry_run).status == existing
    assert client.apply(make("gone", metadata=given), **dry_run).status == missing


@pytest.mark.parametrize(("kind", "status"), [("widget", 422), ("config_map", 200)])
@pytest.mark.parametrize("version", ["", "0"])
def test_unconditional_resource_version(
    client: Any, request: Any, kind: str, status: int, version: str
) -> None:
    make = request.getfixturevalue(kind)
    client.apply(make())
    assert client.apply(make(metadata={"resourceVersion": version})).status == status


def test_current_uid_and_version_are_accepted_and_owned_by_nobody(client: Any, widget: Any) -> None:
    first = client.apply(widget())
    held = {n: first.metadata[n] for n in ("uid", "resourceVersion")}
    again = client.apply(widget(metadata=held))
    assert (again.status, again.body) == (200, first.body)


def test_dry_run_of_a_create_stores_nothing(client: Any, widget: Any) -> None:
    answer = client.apply(widget(), dryRun="All")
    assert answer.status == 201
    assert "resourceVersion" not in answer.metadata
    assert client.get(widget()).status == 404


def test_dry_run_of_a_change_keeps_the_old_version_and_stores_nothing(
    client: Any, clock: Any, widget: Any
) -> None:
    before = client.apply(widget())
    clock.sleep(60)
    seen = client.apply(widget(spec={"str": "b"}), dryRun="All")
    assert seen.metadata["resourceVersion"] == before.metadata["resourceVersion"]
    assert (seen.metadata["generation"], seen.body["spec"]["str"]) == (2, "b")
    assert seen.metadata["managedFields"][0]["time"] != before.metadata["managedFields"][0]["time"]
    assert client.get(widget()).body == before.body


def test_dry_run_without_a_change_is_byte_equal(client: Any, clock: Any, widget: Any) -> None:
    before = client.apply(widget())
    clock.sleep(60)
    assert client.apply(widget(), dryRun="All").body == before.body


def test_second_manager_shares_ownership_without_a_time(client: Any, widget: Any) -> None:
    before = client.apply(widget())
    after = client.apply(widget(), "other")
    entry = next(e for e in after.metadata["managedFields"] if e["manager"] == "other")
    assert "time" not in entry
    assert after.metadata["generation"] == before.metadata["generation"]
    assert after.metadata["resourceVersion"] != before.metadata["resourceVersion"]


def test_field_we_stop_sending_goes_unless_shared(client: Any, widget: Any) -> None:
    client.apply(widget(spec={"str": "a", "num": 1, "dur": "1s"}))
    client.apply(widget(spec={"num": 1}), "other")
    spec = client.apply(widget(spec={"str": "a"})).body["spec"]
    assert spec["num"] == 1
    assert "dur" not in spec


def test_forced_apply_takes_the_field_and_then_the_other_conflicts(
    client: Any, widget: Any
) -> None:
    client.apply(widget())
    assert client.apply(widget(spec={"str": "b"}), "other", force="true").status == 200
    assert client.apply(widget()).message.startswith(
        'Apply failed with 1 conflict: conflict with "other"'
    )


def test_writing_under_our_name_by_another_verb_conflicts_with_ourselves(
    client: Any, widget: Any
) -> None:
    client.apply(widget())
    client.merge(widget(), {"spec": {"str": "b"}}, "clusterform")
    assert 'conflict with "clusterform" using' in client.apply(widget()).message


def test_update_entries_name_containers_and_apply_entries_do_not(client: Any, widget: Any) -> None:
    answer = client.create(widget(spec={"lm": [{"name": "x"}]}), fieldManager="upd")
    fields = answer.metadata["managedFields"][0]["fieldsV1"]["f:spec"]
    item = {".": {}, "f:mode": {}, "f:name": {}}
    assert fields["f:lm"] == {".": {}, 'k:{"name":"x"}': item}
    applied = client.apply(widget("b", spec={"lm": [{"name": "x"}]}))
    mine = applied.metadata["managedFields"][0]["fieldsV1"]["f:spec"]
    assert mine == {"f:lm": {'k:{"name":"x"}': {".": {}, "f:name": {}}}}


def test_object_without_managed_fields_belonged_to_before_first_apply(
    client: Any, widget: Any
) -> None:
    client.apply(widget(spec={"str": "a", "num": 1}))
    client.merge(widget(), {"metadata": {"managedFields": [{}]}})
    assert "managedFields" not in client.get(widget()).metadata
    client.apply(widget())
    answer = client.get(widget())
    managers = {e["manager"] for e in answer.metadata["managedFields"]}
    assert managers == {"clusterform", "before-first-apply"}
    assert answer.body["spec"]["num"] == 1


def test_eleventh_updater_pushes_the_oldest_into_ancient_changes(
    client: Any, clock: Any, widget: Any
) -> None:
    client.apply(widget())
    for number in range(11):
        clock.sleep(1)
        client.merge(widget(), {"spec": {"mapG": {f"k{number}": "v"}}}, f"m{number}")
    managers = {e["manager"] for e in client.get(widget()).metadata["managedFields"]}
    assert "ancient-changes" in managers
    assert "m0" not in managers


def test_put_needs_the_current_version(client: Any, widget: Any) -> None:
    current = client.apply(widget()).body
    path = client.path(widget())
    assert client.send("PUT", path, widget()).status == 422
    current["spec"]["str"] = "b"
    assert client.send("PUT", path, current).status == 200
    assert client.send("PUT", path, current).status == 409


def test_json_patch_is_all_or_nothing(client: Any, widget: Any) -> None:
    client.apply(widget(spec={"set": ["a", "b"]}))
    good = [
        {"op": "test", "path": "/spec/set/0", "value": "a"},
        {"op": "remove", "path": "/spec/set/0"},
    ]
    media = "application/json-patch+json"
    answer = client.send("PATCH", client.path(widget()), good, media)
    assert answer.body["spec"]["set"] == ["b"]
    assert client.send("PATCH", client.path(widget()), good, media).status == 422


def test_status_has_its_own_endpoint(client: Any, widget: Any) -> None:
    client.apply(widget(status={"phase": "ignored"}))
    assert "status" not in client.get(widget()).body
    status = client.apply({**widget(), "status": {"phase": "P"}}, "ctl", sub="status")
    assert status.body["status"] == {"phase": "P"}
    assert status.metadata["generation"] == 1
    assert client.apply(widget()).body == status.body


def test_scale_is_written_through_its_own_endpoint(client: Any) -> None:
    pod = {"containers": [{"name": "c", "image": "i:1"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    meta = {"namespace": "sem", "name": "d"}
    deployed = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    client.apply(deployed)
    path = client.path(deployed) + "/scale"
    change = {"spec": {"replicas": 4}}
    answer = client.send("PATCH", path, change, "application/merge-patch+json", fieldManager="hpa")
    assert answer.body["kind"] == "Scale"
    assert client.get(deployed).body["spec"]["replicas"] == 4
    assert client.apply(deployed).status == 200


def test_generated_names_and_uids_follow_from_the_sequence(client: Any, config_map: Any) -> None:
    named = config_map()
    named["metadata"] = {"namespace": "sem", "generateName": "g-"}
    names = [client.send("POST", "/api/v1/namespaces/sem/configmaps", named) for _ in range(2)]
    assert [a.metadata["name"] for a in names] == ["g-00001", "g-00002"]


@pytest.mark.parametrize("media", ["application/apply-patch+json", "application/apply-patch+cbor"])
def test_other_spellings_of_apply_are_415(client: Any, widget: Any, media: str) -> None:
    client.apply(widget())
    assert (
        client.send("PATCH", client.path(widget()), widget(), media, fieldManager="m").status == 415
    )


@pytest.mark.parametrize(
    ("verb", "spec", "field", "reason"),
    [
        ("apply", {"str": None}, "spec.str", "FieldValueTypeInvalid"),
        ("create", {"lm": [{"port": 1}]}, "spec.lm[0].name", "FieldValueRequired"),
    ],
    ids=["null", "required"],
)
def test_schema_violations(
    client: Any, widget: Any, verb: str, spec: Any, field: str, reason: str
) -> None:
    answer = getattr(client, verb)(widget(spec=spec))
    assert answer.status == 422
    cause = answer.body["details"]["causes"][0]
    assert (cause["field"], cause["reason"]) == (field, reason)


def test_unknown_fields_are_pruned_outside_server_side_apply(client: Any, widget: Any) -> None:
    answer = client.create(widget(spec={"str": "a", "bogus": 1}))
    assert "bogus" not in answer.body["spec"]


def test_what_the_sandbox_does_not_carry_is_501_and_named(client: Any) -> None:
    answer = client.send("GET", "/api/v1/namespaces/sem/endpoints")
    assert (answer.status, "endpoints" in answer.message) == (501, True)
    volume = {"name": "v", "rbd": {"image": "x"}}
    pod = {"containers": [{"name": "c", "image": "i"}], "volumes": [volume]}
    meta = {"namespace": "sem", "name": "p"}
    answer = client.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod})
    assert (answer.status, '.spec.volumes[name="v"].rbd' in answer.message) == (501, True)


_WIDGET = {"apiVersion": "t.cform.test/v1beta2", "kind": "Widget", "metadata": {"name": "a"}}
_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
_WIDGETS = "/apis/t.cform.test/v1beta2/namespaces/sem/widgets"
_APPLY = "application/apply-patch+yaml"


@pytest.mark.parametrize(
    ("method", "path", "body", "media", "status"),
    [
        ("PATCH", f"{_WIDGETS}/a", [1], _APPLY, 400),
        ("PATCH", f"{_WIDGETS}/a", {**_WIDGET, "metadata": None}, _APPLY, 400),
        ("PATCH", f"{_WIDGETS}/a", {**_WIDGET, "spec": []}, _APPLY, 500),
        ("PATCH", f"{_WIDGETS}/a", {"metadata": None}, "application/merge-patch+json", 400),
        ("PATCH", f"{_WIDGETS}/a", {"spec": "x"}, "application/merge-patch+json", 422),
        ("PATCH", f"{_WIDGETS}/a", [{"op": "add"}], "application/json-patch+json", 422),
        ("POST", _WIDGETS, {**_WIDGET, "metadata": {"name": "b", "labels": {"a": 1}}}, "", 400),
        ("POST", "/apis/apps/v1/namespaces/sem/deployments", {**_DEPLOYMENT, "spec": "x"}, "", 400),
        ("DELETE", f"{_WIDGETS}/a", [1], "", 400),
        ("GET", "/apis//v1/x", None, "", 404),
        ("OPTIONS", f"{_WIDGETS}/a", None, "", 405),
    ],
)
def test_senseless_requests_are_refused(
    client: Any, widget: Any, method: str, path: str, body: Any, media: str, status: int
) -> None:
    client.apply(widget())
    answer = client.send(method, path, body, media or "application/json", fieldManager="m")
    assert answer.status == status
