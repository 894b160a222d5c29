"""Managers that own a map or a list as a whole: that it is there, or all that is in it.

A merged one and an atomic one are written alike in `managedFields`. What a real server makes of
each is in tests/realcluster/test_owned_maps.py.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from planner.compare import Candidate, Comparer, Comparison, NoDryRun
from planner.ssa import merged, split_conflicts
from providers.base import KindRules
from state.desired import IgnoreRule
from state.fields import owners
from state.live import Metadata, Present
from state.resource import (
    FieldPath,
    GitBlob,
    Origin,
    Resource,
    ResourceId,
    SecretRef,
    canonical,
    path_text,
    split_api_version,
)

TEAM: FieldPath = ("f:metadata", "f:labels", "f:team")
OURS = {"f:metadata": {"f:labels": {"f:team": {}}}}
THE_MAP = {"f:metadata": {"f:labels": {}}}
LABELLED = {"metadata": {"labels": {"team": "a"}}}


def entry(manager: str, fields: Any, operation: str = "Apply") -> dict[str, Any]:
    shared = {"apiVersion": "v1", "operation": operation}
    return {"manager": manager, "fieldsV1": fields, **shared}


def body_of(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "n", **content.get("metadata", {})}
    version, _, name = kind.rpartition("/")
    return {"apiVersion": version or "v1", "kind": name, **content, "metadata": metadata}


def present(kind: str, content: dict[str, Any], *entries: dict[str, Any]) -> Present:
    body = body_of(kind, content)
    body["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": list(entries)}
    metadata = msgspec.json.decode(msgspec.json.encode(body["metadata"]), type=Metadata)
    group = split_api_version(body["apiVersion"])[0]
    id_ = ResourceId("m", group, body["kind"], "n", "x")
    return Present(
        id=id_, version=body["apiVersion"], metadata=metadata, raw=msgspec.json.encode(body)
    )


@pytest.mark.parametrize(
    ("path", "entries", "expected"),
    [
        pytest.param(
            TEAM, [entry("us", OURS), entry("op", THE_MAP)], ("us",), id="a merged map is no hold"
        ),
        pytest.param(
            TEAM, [entry("us", OURS), entry("op", OURS)], ("op", "us"), id="the field itself"
        ),
        pytest.param(
            ("f:spec", "f:selector", "f:app"),
            [entry("op", {"f:spec": {"f:selector": {}}})],
            ("op",),
            id="an atomic map is one",
        ),
        pytest.param(TEAM[:2], [entry("op", OURS)], ("op",), id="what is below it"),
    ],
)
def test_who_owns_a_field(path: FieldPath, entries: Any, expected: Any) -> None:
    live = present("Service", LABELLED, *entries)
    assert owners(live, path) == expected


@pytest.mark.parametrize(
    ("other", "stays"),
    [
        pytest.param(entry("op", THE_MAP), False, id="owner of the map"),
        pytest.param(entry("op", OURS), True, id="owner of the field"),
        pytest.param(entry("clusterform", OURS, "Update"), True, id="ourselves by another verb"),
    ],
)
def test_what_git_drops_goes_unless_somebody_else_owns_the_field(other: Any, stays: bool) -> None:
    live = present("Secret", LABELLED, entry("clusterform", OURS), other)
    after = merged(live, body_of("Secret", {}))
    assert ("team" in after["metadata"].get("labels", {})) is stays


REF = SecretRef(source=GitBlob(blob="1", path="x"), document=0, path=("f:data",))
PORT = {"name": "http", "port": 80}
PORTS = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}
NOTES = {"f:metadata": {"f:annotations": {}}}
_CAPI = "infrastructure.cluster.x-k8s.io/v1beta2"


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def notes(**values: str) -> dict[str, Any]:
    return {"metadata": {"annotations": values}}


@pytest.mark.parametrize(
    ("kind", "wanted", "held", "ours", "theirs", "expected"),
    [
        pytest.param(
            "Service",
            spec(ports=[{"name": "admin", "port": 81}]),
            spec(ports=[{**PORT, "protocol": "TCP"}]),
            PORTS,
            {"f:spec": {"f:ports": {}}},
            [],
            id="a merged list that is there",
        ),
        pytest.param(
            f"{_CAPI}/DevCluster",
            notes(mine="1"),
            notes(other="2"),
            {},
            NOTES,
            [],
            id="annotations of a custom kind, of which nobody's entry tells",
        ),
        pytest.param(
            "ConfigMap", notes(mine="1"), {}, {}, NOTES, [".metadata.annotations"], id="absent"
        ),
        pytest.param(
            "Service",
            spec(selector={"app": "y"}),
            spec(selector={"app": "x"}),
            {},
            {"f:spec": {"f:selector": {}}},
            [".spec.selector"],
            id="an atomic map",
        ),
    ],
)
def test_what_conflicts_with_the_owner_of_a_map(
    kind: str, wanted: Any, held: Any, ours: Any, theirs: Any, expected: list[str]
) -> None:
    live = present(kind, held, entry("clusterform", ours), entry("op", theirs))
    takes, conflicts = split_conflicts(body_of(kind, wanted), live)
    assert (list(takes), [path_text(c.path) for c in conflicts]) == ([], expected)


def compared(
    kind: str, wanted: Any, live: Present, *ignored: FieldPath, data: Any = None
) -> Comparison:
    """The comparison where no server can be asked. `data`: sensitive values beside `wanted`."""
    rules = [IgnoreRule(kind=kind, paths=ignored)] if ignored else []
    comparer = Comparer(
        ignore=rules,
        dry_run=lambda *_: NoDryRun("switched off", by_design=True),
        recorded=lambda _: None,
        line_of=lambda *_: "",
    )
    body = body_of(kind, wanted)
    resource = Resource(
        id=live.id,
        version=live.version,
        body=canonical(body),
        origin=Origin(path="x", line=1),
        secrets=tuple((("f:data", f"f:{key}"), REF) for key in data or ()),
    )
    full = {**body, "data": dict(data)} if data else body
    found = comparer.compare(resource, body, full, live, KindRules())
    return comparer.settle(found) if isinstance(found, Candidate) else found


def test_who_keeps_a_field_in_a_conflict_is_not_asked_to_let_go_of_it() -> None:
    live = present(
        "Service",
        spec(selector={"app": "y", "tier": "z"}, ports=[PORT]),
        entry("clusterform", PORTS),
        entry("helm", {"f:spec": {"f:selector": {}}}, "Update"),
    )
    found = compared("Service", spec(selector={"app": "y"}, ports=[PORT]), live)
    assert [c.manager for c in found.conflicts] == ["helm"]
    assert found.releases == ()


def test_a_field_in_a_conflict_is_released_by_none_of_its_owners() -> None:
    fields = {"f:data": {"f:a": {}}}
    live = present(
        "ConfigMap",
        {**LABELLED, "data": {"a": "theirs"}},
        entry("clusterform", OURS),
        entry("op", fields),
        entry("helm", {**fields, **OURS}),
    )
    found = compared("ConfigMap", {**LABELLED, "data": {"a": "ours"}}, live)
    assert "data" not in json.loads(canonical(found.body))
    assert found.releases == ("helm",), "of the label alone"


def test_an_ignored_field_stays_ours_beside_an_owner_of_the_map() -> None:
    live = present("ConfigMap", LABELLED, entry("clusterform", OURS), entry("op", THE_MAP))
    found = compared("ConfigMap", {"metadata": {"labels": {"team": "b"}}}, live, TEAM)
    assert found.live_refs == (TEAM,)
    assert found.fields == ()


KEY: FieldPath = ("f:data", "f:key")
HELD_KEY = {"data": {"key": "dGhlaXJz"}}
BY_HELM = entry("helm", {"f:data": {"f:key": {}}}, "Update")


@pytest.mark.parametrize(
    ("data", "sent", "empty"),
    [
        pytest.param({"key": "b3Vycw=="}, [], None, id="the only one"),
        pytest.param({"key": "b3Vycw==", "b": "eA=="}, [("f:data", "f:b")], {}, id="one of two"),
    ],
)
@pytest.mark.parametrize("ignored", [(), (KEY,)], ids=["conflict", "ignored"])
def test_a_sensitive_value_that_is_left_to_others_is_not_sent(
    data: Any, sent: Any, empty: Any, ignored: Any
) -> None:
    live = present("Secret", {**LABELLED, **HELD_KEY}, entry("clusterform", {}), BY_HELM)
    found = compared("Secret", {**LABELLED, "data": {}}, live, *ignored, data=data)
    assert [path for path, _ in found.secrets] == sent
    assert found.body.get("data") == empty


@pytest.mark.parametrize(
    ("others", "left"),
    [
        pytest.param((), [{"class": "b", "zone": "1"}], id="ours-alone"),
        pytest.param(
            (
                {
                    "f:spec": {
                        "f:items": {'k:{"class":"a"}': {".": {}, "f:class": {}, "f:image": {}}}
                    }
                },
            ),
            [{"class": "a", "image": "x"}, {"class": "b", "zone": "1"}],
            id="others-keep-theirs",
        ),
    ],
)
def test_an_item_of_a_keyed_list_goes_as_a_whole(others: Any, left: Any) -> None:
    """Its key is in the middle of its fields: without it what comes after would not be found."""
    mine = {".": {}, "f:class": {}, "f:before": {}, "f:zone": {}}
    ours = {"f:spec": {"f:items": {f'k:{{"class":"{name}"}}': mine for name in "ab"}}}
    items = [
        {"before": "y", "class": "a", "image": "x", "zone": "1"},
        {"class": "b", "zone": "1"},
    ]
    if not others:
        del items[0]["image"]
    live = present(
        "example.org/v1/Pool",
        {"spec": {"items": items}},
        entry("clusterform", ours),
        *(entry("other", fields) for fields in others),
    )
    wanted = body_of("example.org/v1/Pool", {"spec": {"items": [{"class": "b", "zone": "1"}]}})
    assert merged(live, wanted)["spec"]["items"] == left
