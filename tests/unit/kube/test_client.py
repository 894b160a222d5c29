"""What the answers of an API server mean, on the recorded error bodies and on odd ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.builtin import Served
from providers.kube.answers import ApiError
from providers.kube.api import Request, Response, TransportError
from providers.kube.client import KubeClient
from state.live import Absent, Present, Unreadable
from state.resource import ResourceId

BODIES = json.loads((Path(__file__).parents[2] / "data" / "error-bodies.json").read_text())
WIDGETS = Served("widgets", True)
ID = ResourceId("mgmt", "t.cform.test", "Widget", "sem", "a")
VERSION = "t.cform.test/v1beta2"


class Scripted:
    """A transport that gives prepared answers, the last one for ever."""

    def __init__(self, *answers: Response | TransportError) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    def request(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def watch(self, request: Request, *, timeout: float) -> Iterator[bytes]:
        raise NotImplementedError


def recorded(name: str) -> Response:
    entry = BODIES[name]
    body = entry["body"] if isinstance(entry["body"], str) else json.dumps(entry["body"])
    headers = {k.lower(): v for k, v in entry.get("headers", {}).items()}
    return Response(status=entry["http"], body=body.encode(), headers=headers)


def client(*answers: Response | TransportError) -> tuple[KubeClient, Scripted, list[float]]:
    transport, slept = Scripted(*answers), []
    return KubeClient("mgmt", transport, slept.append), transport, slept


def apply(kube: KubeClient, **options: bool) -> Present:
    body = {"apiVersion": VERSION, "kind": "Widget", "metadata": {"name": "a"}}
    return kube.apply(ID, VERSION, WIDGETS, body, **options)


CODES = {
    "ssa-conflict-409": "api-conflict",
    "ssa-conflict-updater-409": "api-conflict",
    "ssa-uid-mismatch": "api-stale",
    "ssa-uid-on-missing-object": "api-stale",
    "ssa-resourceVersion-mismatch": "api-stale",
    "create-exists-409": "api-exists",
    "delete-precondition-uid": "api-stale",
    "delete-precondition-rv": "api-stale",
    "delete-missing-404": "api-not-found",
    "group-missing-404": "api-no-kind",
    "namespace-missing-404": "api-not-found",
    "schema-invalid-type": "api-invalid",
    "unknown-field-ssa-crd": "api-invalid",
    "schema-invalid-pattern-422": "api-invalid",
    "name-mismatch": "api-invalid",
    "immutable-field-422": "api-invalid",
    "namespace-terminating-403": "api-forbidden",
    "rbac-forbidden-403-dry-SSA-existing": "api-forbidden",
    "unauthorized-401": "api-unauthorized",
}


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=list(CODES))
def test_recorded_errors_are_told_apart_and_sent_once(name: str, code: str) -> None:
    kube, transport, _ = client(recorded(name))
    with pytest.raises(ApiError) as error:
        apply(kube)
    assert error.value.code == code
    assert len(transport.requests) == 1


@pytest.mark.parametrize("name", ["too-many-requests-429", "cache-not-ready-429"])
def test_a_server_that_is_busy_is_asked_again_after_the_time_it_names(name: str) -> None:
    kube, transport, slept = client(recorded(name))
    with pytest.raises(ApiError) as error:
        apply(kube)
    assert error.value.code == "api-unavailable"
    assert (len(transport.requests), slept[0]) == (5, 1.0)


def test_a_write_is_not_tried_again_once_the_lock_is_lost() -> None:
    kube, transport, _ = client(recorded("too-many-requests-429"))
    kube.may_write = lambda: False
    with pytest.raises(ApiError) as error:
        apply(kube)
    assert (error.value.code, len(transport.requests)) == ("lock-lost", 1)


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxys_answer_to_a_write_is_ambiguous(status: int) -> None:
    kube, transport, _ = client(Response(status=status, body=b"<html>bad gateway</html>"))
    with pytest.raises(ApiError) as error:
        apply(kube)
    assert (error.value.code, len(transport.requests)) == ("api-ambiguous", 1)


@pytest.mark.parametrize(
    ("sent", "code", "attempts"), [(True, "api-ambiguous", 1), (False, "api-unavailable", 5)]
)
def test_a_cut_write_is_sent_again_only_if_it_was_never_sent(
    sent: bool, code: str, attempts: int
) -> None:
    kube, transport, _ = client(TransportError("cut", sent=sent))
    with pytest.raises(ApiError) as error:
        apply(kube)
    assert (error.value.code, len(transport.requests)) == (code, attempts)


ODD = {
    "html": Response(status=200, body=b"<html>login</html>"),
    "empty": Response(status=200, body=b""),
    "list-instead": Response(status=200, body=b"[]"),
    "no-metadata": Response(status=200, body=b'{"kind": "Widget"}'),
    "retry-after-date": Response(
        status=404, body=b"{}", headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    ),
    "details-text": Response(
        status=409, body=b'{"kind": "Status", "details": "x", "message": "m"}'
    ),
    "causes-texts": Response(
        status=422, body=b'{"kind": "Status", "details": {"causes": ["x"]}, "message": "m"}'
    ),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=list(ODD))
def test_an_odd_answer_is_an_error_of_ours_and_never_an_absence(answer: Response) -> None:
    kube, _, _ = client(answer)
    try:
        found = kube.get(ID, VERSION, WIDGETS)
    except ApiError:
        return
    assert isinstance(found, Unreadable) or answer.status == 404


def test_an_odd_page_of_a_list_is_an_error_and_not_a_shorter_list() -> None:
    kube, _, _ = client(Response(status=200, body=b"<html>"))
    with pytest.raises(ApiError):
        list(kube.objects(VERSION, "Widget", WIDGETS))


def discovery(**body: object) -> Response:
    return Response(status=200, body=json.dumps(body).encode())


NO_GROUPS = discovery(kind="APIGroupList", groups=[])
GROUP = {"versions": [{"groupVersion": VERSION}]}
LISTED = discovery(kind="APIGroupList", groups=[GROUP])
GADGETS = discovery(resources=[{"name": "gadgets", "kind": "Gadget", "namespaced": True}])


def test_a_missing_object_and_a_missing_kind_are_absent() -> None:
    page = recorded("group-missing-404")
    for answers in ((recorded("delete-missing-404"),), (page, NO_GROUPS), (page, LISTED, GADGETS)):
        kube, _, _ = client(*answers)
        assert isinstance(kube.get(ID, VERSION, WIDGETS), Absent)


def test_a_page_of_a_proxy_that_says_404_proves_no_absence() -> None:
    page = Response(status=404, body=b"default backend - 404")
    widgets = discovery(resources=[{"name": "widgets", "kind": "Widget", "namespaced": True}])
    for answers in ((page,), (page, LISTED, page), (page, LISTED, widgets)):
        kube, _, _ = client(*answers)
        assert isinstance(kube.get(ID, VERSION, WIDGETS), Unreadable)
    kube, _, _ = client(page)
    with pytest.raises(ApiError):
        kube.served(VERSION)


def test_a_503_of_a_proxy_after_a_write_is_ambiguous_and_one_of_the_server_is_not() -> None:
    kube, transport, _ = client(Response(status=503, body=b"upstream connect error"))
    with pytest.raises(ApiError) as raised:
        apply(kube)
    assert (raised.value.code, len(transport.requests)) == ("api-ambiguous", 1)
    status = {"kind": "Status", "reason": "ServiceUnavailable", "message": "starting", "code": 503}
    own = Response(status=503, body=json.dumps(status).encode())
    kube, transport, _ = client(own)
    with pytest.raises(ApiError) as raised:
        apply(kube)
    assert (raised.value.code, len(transport.requests)) == ("api-unavailable", 5)


def test_the_value_that_an_error_quotes_is_withheld() -> None:
    kube, _, _ = client(recorded("schema-invalid-pattern-422"))
    with pytest.raises(ApiError) as error:
        apply(kube)
    assert "12xx" not in str(error.value)
    assert "spec.qty" in str(error.value)


@pytest.mark.parametrize(
    "message",
    [
        'Secret "a" is invalid: data[k]: Duplicate value: "hunter2"',
        'x is invalid: type: Unsupported value: "hunter2": supported values: "a"',
        "failed to create typed patch object: .data.k: expected string, got "
        '&value.valueUnstructured{Value:map[string]interface {}{"a":"hunter2"}}',
        'x: spec: Invalid value: map[string]interface{}{"x":"hunter2: y"}: must be a string',
    ],
)
def test_no_message_keeps_a_value(message: str) -> None:
    status = {"kind": "Status", "reason": "Invalid", "message": message, "code": 422}
    kube, _, _ = client(Response(status=422, body=json.dumps(status).encode()))
    with pytest.raises(ApiError) as raised:
        apply(kube)
    assert "hunter2" not in str(raised.value)
    assert raised.value.brief
