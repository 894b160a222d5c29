"""Lists with selectors and pages, watches, discovery, identities."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.kube.api import Request, WatchRefused

WIDGETS = "/apis/t.cform.test/v1beta2/widgets"


@pytest.fixture
def labelled(client: Any, widget: Any) -> Any:
    for number in range(5):
        labels = {"n": str(number), "even": "yes"} if number % 2 == 0 else {"n": str(number)}
        client.apply(widget(f"w{number}", metadata={"labels": labels}))
    return client


def _names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("even=yes", ["w0", "w2", "w4"]),
        ("even!=yes", ["w1", "w3"]),
        ("!even,n in (1,2)", ["w1"]),
        ("even,n notin (0)", ["w2", "w4"]),
        ("n==3", ["w3"]),
    ],
)
def test_label_selectors(labelled: Any, selector: str, names: list[str]) -> None:
    assert _names(labelled.send("GET", WIDGETS, labelSelector=selector)) == names


def test_pages_cover_everything_once(labelled: Any) -> None:
    first = labelled.send("GET", WIDGETS, limit="2")
    assert first.body["metadata"]["remainingItemCount"] == 3
    names, token = _names(first), first.body["metadata"]["continue"]
    while token:
        page = labelled.send("GET", WIDGETS, limit="2", **{"continue": token})
        assert page.body["metadata"]["resourceVersion"] == first.body["metadata"]["resourceVersion"]
        names, token = names + _names(page), page.body["metadata"].get("continue")
    assert names == [f"w{n}" for n in range(5)]


def test_limit_is_ignored_with_resource_version_zero(labelled: Any) -> None:
    assert len(_names(labelled.send("GET", WIDGETS, limit="2", resourceVersion="0"))) == 5


def test_old_continue_token_is_gone(labelled: Any, file: Any, widget: Any) -> None:
    token = labelled.send("GET", WIDGETS, limit="2").body["metadata"]["continue"]
    labelled.apply(widget("more"))
    file.compact()
    answer = labelled.send("GET", WIDGETS, limit="2", **{"continue": token})
    assert (answer.status, answer.body["reason"]) == (410, "Expired")


def test_lists_are_by_namespace_or_of_all(client: Any, config_map: Any) -> None:
    client.apply(config_map())
    client.apply(config_map(metadata={"namespace": "noop"}))
    assert len(client.send("GET", "/api/v1/configmaps").body["items"]) == 2
    items = client.send("GET", "/api/v1/namespaces/sem/configmaps").body["items"]
    assert [item["metadata"]["namespace"] for item in items] == ["sem"]
    assert "kind" not in items[0], "items of built-in kinds carry no kind"


def test_either_served_version_can_be_read(client: Any, widget: Any) -> None:
    client.apply(widget())
    answer = client.send("GET", "/apis/t.cform.test/v1beta1/namespaces/sem/widgets/a")
    assert answer.body["apiVersion"] == "t.cform.test/v1beta1"
    assert answer.metadata["managedFields"][0]["apiVersion"] == "t.cform.test/v1beta2"


def _watch(client: Any, timeout: float = 1.0, **query: str) -> list[Any]:
    request = Request(method="GET", path=WIDGETS, query=(("watch", "1"), *query.items()))
    return [json.loads(line) for line in client.transport.watch(request, timeout=timeout)]


def _seen(events: list[Any]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in events]


def test_watch_goes_on_from_a_list(client: Any, widget: Any) -> None:
    start = client.send("GET", WIDGETS).body["metadata"]["resourceVersion"]
    client.apply(widget("x"))
    client.apply(widget("x", spec={"str": "b"}))
    client.apply(widget("x", spec={"str": "b"}))
    client.delete(widget("x"))
    events = _watch(client, resourceVersion=start)
    assert _seen(events) == [("ADDED", "x"), ("MODIFIED", "x"), ("DELETED", "x")]


def test_watch_by_label_sees_objects_come_and_go(client: Any, widget: Any) -> None:
    start = client.send("GET", WIDGETS).body["metadata"]["resourceVersion"]
    client.apply(widget("x"))
    client.apply(widget("x", metadata={"labels": {"a": "b"}}))
    client.apply(widget("x"))
    events = _watch(client, resourceVersion=start, labelSelector="a=b")
    assert _seen(events) == [("ADDED", "x"), ("DELETED", "x")]


def test_watch_list_ends_its_beginning_with_a_bookmark(labelled: Any) -> None:
    query = {"sendInitialEvents": "true", "allowWatchBookmarks": "true"}
    events = _watch(labelled, resourceVersionMatch="NotOlderThan", **query)
    assert [e["type"] for e in events] == [*["ADDED"] * 5, "BOOKMARK", "BOOKMARK"]
    annotations = events[5]["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_watch_from_too_long_ago_is_refused(labelled: Any, file: Any) -> None:
    file.compact()
    with pytest.raises(WatchRefused) as refused:
        _watch(labelled, resourceVersion="1")
    assert refused.value.response.status == 410


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/version", "v1.36"),
        ("/readyz", "ok"),
        ("/api", "v1"),
        ("/apis", "t.cform.test"),
        ("/apis/t.cform.test", "v1beta2"),
        ("/api/v1", "configmaps"),
        ("/apis/apps/v1", "deployments/scale"),
        ("/apis/t.cform.test/v1beta2", "widgets/status"),
    ],
)
def test_discovery(client: Any, path: str, part: str) -> None:
    request = Request(method="GET", path=path)
    response = client.transport.request(request)
    assert (response.status, part in response.body.decode()) == (200, True)


def test_stored_version_is_preferred(client: Any) -> None:
    group = client.send("GET", "/apis/t.cform.test").body
    assert group["preferredVersion"]["version"] == "v1beta2"


@pytest.mark.parametrize(
    ("verbs", "read", "existing", "new", "delete"),
    [
        ("get,list", 200, 403, 403, 403),
        ("patch", 403, 200, 403, 403),
        ("patch,create", 403, 200, 201, 403),
        ("delete", 403, 403, 403, 200),
    ],
)
def test_identities_have_their_verbs_only(
    client: Any, widget: Any, verbs: str, read: int, existing: int, new: int, delete: int
) -> None:
    client.apply(widget())
    limited = type(client)(client.transport.identity("ci", frozenset(verbs.split(","))))
    statuses = [
        limited.send("GET", WIDGETS).status,
        limited.apply(widget(), dryRun="All").status,
        limited.apply(widget("new"), dryRun="All").status,
        limited.delete(widget(), dryRun="All").status,
    ]
    assert statuses == [read, existing, new, delete]


def test_watch_needs_its_verb(client: Any) -> None:
    limited = type(client)(client.transport.identity("ci", frozenset(("get", "list"))))
    with pytest.raises(WatchRefused) as refused:
        _watch(limited)
    assert refused.value.response.status == 403
