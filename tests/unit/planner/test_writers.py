"""Whose apply is judged: the same object is a no-op for one writer and a change for another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from planner.compare import Candidate, Comparer, Comparison, NoDryRun
from planner.decide import Compared
from providers.registry import rules
from state.live import Metadata, Present
from state.resource import JsonObject, Origin, Resource, ResourceId, canonical
from state.writer import OURS, Writer

BODY: JsonObject = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "n"},
    "data": {"a": "1"},
}
FLUX = Writer("kustomize-controller")


def live(manager: str, **data: str) -> Present:
    """The object as `manager` applied it."""
    fields = {"f:data": {f"f:{key}": {} for key in data}}
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    metadata: dict[str, Any] = {
        "name": "x",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "7",
        "managedFields": [entry],
    }
    body = {**BODY, "metadata": metadata, "data": data}
    read = msgspec.json.decode(msgspec.json.encode(metadata), type=Metadata)
    id_ = ResourceId("m", "", "ConfigMap", "n", "x")
    return Present(id=id_, version="v1", metadata=read, raw=msgspec.json.encode(body))


def compared(writer: Writer, found: Present) -> Comparison:
    comparer = Comparer(
        ignore=(),
        dry_run=lambda *_: NoDryRun("not here", by_design=True),
        recorded=lambda _: None,
        line_of=lambda *_: "",
    )
    resource = Resource(
        id=found.id, version="v1", body=canonical(BODY), origin=Origin("a.yaml", 1), writer=writer
    )
    body = resource.decoded()
    result = comparer.compare(resource, body, body, found, rules("", "ConfigMap"))
    return comparer.settle(result) if isinstance(result, Candidate) else result


@pytest.mark.parametrize(
    ("writer", "manager", "expected"),
    [
        (OURS, "clusterform", Compared.UNCHANGED),
        (FLUX, "kustomize-controller", Compared.UNCHANGED),
        (FLUX, "clusterform", Compared.DIFFERENT),
        (OURS, "kustomize-controller", Compared.DIFFERENT),
    ],
)
def test_a_no_op_is_one_for_whoever_applied_it(
    writer: Writer, manager: str, expected: Compared
) -> None:
    assert compared(writer, live(manager, a="1")).compared is expected


def test_another_value_of_the_writers_own_is_a_change_and_no_conflict() -> None:
    found = compared(FLUX, live("kustomize-controller", a="2", b="3"))
    assert found.conflicts == ()
    assert [(f.path, f.before, f.after) for f in found.fields] == [
        (("f:data", "f:a"), "2", "1"),
        (("f:data", "f:b"), "3", msgspec.UNSET),
    ]
    theirs = compared(FLUX, live("somebody", a="2"))
    assert [c.manager for c in theirs.conflicts] == ["somebody"]
