"""Somebody owns a map or a list as a whole: what the server then does is what the plan says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from planner.changes import Plan
from providers.kube.api import APPLY_PATCH, MERGE_PATCH, Request
from state.resource import path_text
from tests.realcluster import worlds
from tests.realcluster.lab import RealLab
from tests.realcluster.test_plan_is_apply import check

NAME = "mapped"
Body = dict[str, Any]


def write(lab: RealLab, body: Body) -> None:
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": lab.fleet}}
    lab.write("clusters/all.yaml", "\n---\n".join(json.dumps(d) for d in (home, body)))
    lab.commit()


def fields_of(plan: Plan) -> list[str]:
    return [path_text(f.path) for c in plan.changes for f in c.fields]


def left_out(plan: Plan) -> list[str]:
    """What findings say about fields that are left to others."""
    return [f.summary.partition(": ")[2] for f in plan.findings]


def others_apply(lab: RealLab, path: str, body: Body, config: Body) -> None:
    """An operator states `config` by server-side apply; nulls and empty maps included."""
    stated = {k: body[k] for k in ("apiVersion", "kind")} | config
    stated["metadata"] = {"name": NAME, **config.get("metadata", {})}
    query = (("fieldManager", "some-operator"), ("force", "true"))
    raw = msgspec.json.encode(stated)
    request = Request(method="PATCH", path=path, query=query, body=raw, content_type=APPLY_PATCH)
    answer = lab.server.request(request)
    assert answer.status == 200, answer.body


@dataclass(frozen=True)
class Case:
    """What Git says first and then, and what others do in between."""

    kind: str
    first: Body
    then: Body
    applied: Body = field(default_factory=dict)
    by_helm: Body = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


CASES = {
    "a label of a Secret, which is not dry-run, leaves Git": Case(
        "Secret",
        {"metadata.labels": {"team": "a", "tier": "gold"}},
        {"metadata.labels": {"tier": "gold"}},
        applied={"metadata": {"labels": None}},
        fields=(".metadata.labels.team",),
    ),
    "a selector that helm keeps holds a value that Git wants as well": Case(
        "Service",
        {},
        {"spec.selector": {"app": "y"}},
        by_helm={"spec": {"selector": {"app": "y", "tier": "z"}}},
        left=(".spec.selector is kept by helm",),
    ),
    "a sensitive value that helm keeps does not hold up what else is written": Case(
        "Secret",
        {},
        {"metadata.labels": {"tier": "gold"}},
        by_helm={"data": {"key": "dGhlaXJz"}},
        fields=(".metadata.labels.tier",),
        left=(".data.key is kept by helm",),
    ),
    "a list merged by key is edited": Case(
        "Service",
        {},
        {"spec.ports": [{"name": "admin", "port": 81}]},
        applied={"spec": {"ports": None}},
        fields=(
            '.spec.ports[port=80,protocol="TCP"]',
            '.spec.ports[port=81,protocol="TCP"]',
        ),
    ),
    "annotations of a custom kind come beside others'": Case(
        "DevCluster",
        {},
        {"metadata.annotations": {"note": "one"}},
        applied={"metadata": {"annotations": None}},
        by_helm={"metadata": {"annotations": {"other": "two"}}},
        fields=(".metadata.annotations.note",),
    ),
    "a map that is not there conflicts with who owns it": Case(
        "ConfigMap",
        {},
        {"binaryData": {"x": "AAE="}},
        applied={"binaryData": None},
        left=(".binaryData is kept by some-operator",),
    ),
}


def stated(body: Body, edits: Body) -> Body:
    for path, value in edits.items():
        worlds.put(body, path, value)
    return body


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_planned_beside_the_owner_of_a_whole(lab: RealLab, case: Case) -> None:
    body = stated(worlds.first_body(case.kind, NAME, lab.fleet), case.first)
    write(lab, body)
    lab.apply(lab.plan(), wait=False)
    path = worlds.collection(case.kind, lab.fleet, NAME)
    if case.by_helm:
        answer = lab.request("PATCH", path, case.by_helm, manager="helm", content_type=MERGE_PATCH)
        assert answer.status == 200
    if case.applied:
        others_apply(lab, path, body, case.applied)
    write(lab, stated(body, case.then))
    plan = lab.plan()
    assert fields_of(plan) == list(case.fields)
    assert left_out(plan) == list(case.left)
    before = lab.get(path)
    finished = lab.apply(plan, wait=False)
    key = (case.kind, NAME)
    check({key: before or {}}, {key: lab.get(path) or {}}, plan, finished)
    again = lab.plan()
    assert (again.changes, left_out(again)) == ((), list(case.left))
