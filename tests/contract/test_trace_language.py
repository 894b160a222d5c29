"""What a run of a trace replaces in an answer, and that it replaces nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.kube.api import Request, Response
from tests.contract.traces.language import Part, apply, config, thing, topic, trace, uid, until_gone
from tests.contract.traces.running import Normal, Run, differing, written

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def normal(*values: Any) -> list[Any]:
    found = Normal("ns-7")
    return [found.value(value) for value in values]


def test_equal_values_have_equal_placeholders_in_order_of_appearance() -> None:
    seen = normal(*({"metadata": {"uid": u, "resourceVersion": v}} for u, v in (
        (TWO, "9"), (ONE, "9"), (TWO, "12"))))  # fmt: skip
    assert [(o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for o in seen] == [
        ("<uid 1>", "<version 1>"),
        ("<uid 2>", "<version 1>"),
        ("<uid 1>", "<version 2>"),
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"data": {"a": "9", "time of day": "2020-01-01T00:00:00Z"}}, None),
        ({"spec": {"date": "2020-01-01T00:00:00Z", "replicas": 9, "clusterIP": "None"}}, None),
        ({"kind": "XList", "metadata": {"resourceVersion": "4"}}, "<list version>"),
        ({"message": f"in ns-7: UID in precondition: {ONE}"}, "in $ns: UID in precondition"),
        ({"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}, "<time>"),
        ({"metadata": {"generateName": "s-", "name": "s-x7k2p"}}, "<generated 1>"),
    ],
    ids=["data", "spec", "list", "message", "time", "name"],
)
def test_only_what_no_two_servers_share_is_replaced(value: Any, shown: str | None) -> None:
    found = normal(value)[0]
    if shown is None:
        assert found == value
    else:
        assert shown in json.dumps(found)


def test_causes_in_any_order_are_one_answer() -> None:
    causes = [{"field": field, "message": "m", "reason": "r"} for field in ("b", "a")]
    told = 'X "x" is invalid: [{}: m, {}: m]'
    first, second = (
        {
            "kind": "Status",
            "message": told.format(*(cause["field"] for cause in listed)),
            "details": {"causes": listed},
        }
        for listed in (causes, causes[::-1])
    )
    assert normal(first) == normal(second)


class Scripted:
    """Answers in order; remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self._answers = list(answers)
        self.asked: list[Request] = []

    def request(self, request: Request) -> Response:
        self.asked.append(request)
        status, body = self._answers.pop(0) if self._answers else (200, {})
        return Response(status=status, body=json.dumps(body).encode())

    def watch(self, request: Request, *, timeout: float) -> Any:
        raise NotImplementedError((request, timeout))


def test_parts_of_earlier_answers_take_their_places_and_waits_repeat() -> None:
    made = {"metadata": {"uid": ONE, "resourceVersion": "5", "name": "a"}}
    server = Scripted((201, {}), (201, made), (200, made), (200, made), (404, {}))
    waited: list[float] = []
    steps = trace(
        "t", apply(config()), apply(config(metadata={"uid": uid(1)})), until_gone(config())
    )
    seen = Run(server, "ns-7", waited.append).observe(topic("x", steps)[0])
    assert [found["status"] for found in seen] == [201, 200, 404]
    assert json.loads(server.asked[2].body)["metadata"]["uid"] == ONE
    assert len(waited) == 1
    assert server.asked[-1].method == "DELETE", "the namespace goes with the run"


def test_a_part_of_what_was_not_answered_is_an_error() -> None:
    step = trace("t", apply(thing("ConfigMap", metadata={"uid": Part(1, ("nothing",))})))
    with pytest.raises(IndexError):
        Run(Scripted((201, {})), "ns-7", lambda _: None).observe(topic("x", step)[0])


def test_a_missing_and_a_further_step_differ() -> None:
    one, two = {"step": "1 a", "status": 200}, {"step": "2 b", "status": 200}
    assert differing([one], [one]) == {}
    assert differing([one], [one, two]).keys() == {"missing"}
    assert differing([one, two], [one]).keys() == {"2 b"}


def test_the_recording_is_a_line_an_observation() -> None:
    text = written({"b": [{"step": "1"}, {"step": "2"}], "a": [{"step": "1"}]})
    assert list(json.loads(text)) == ["a", "b"]
    assert sum('"step"' in line for line in text.splitlines()) == 3
