"""The proof against 134 recorded answers of kube-apiserver 1.36.3 (tests/data/ssa-noop-cases.json).

`server` is what a real, non-forced apply did: `noop` left the resourceVersion alone. A false
UNCHANGED is the one mistake that must be impossible while schema and admission stay as they were.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.prove import Proof, prove
from state.live import Metadata, Present
from state.resource import ResourceId, split_api_version

CASES = json.loads((Path(__file__).parents[2] / "data" / "ssa-noop-cases.json").read_text())[
    "cases"
]
BEHIND_THE_OBJECT = {
    132: "a default was added to the CRD later",
    133: "a field of the CRD became atomic",
    134: "a list of the CRD became a set",
    136: "the storage version was switched",
    137: "a mutating admission was added later",
}
"""The proof cannot see these: schema or admission changed while the object did not."""


def live_of(body: dict[str, Any]) -> Present:
    raw = msgspec.json.encode(body)
    metadata = msgspec.json.decode(msgspec.json.encode(body["metadata"]), type=Metadata)
    group = split_api_version(body["apiVersion"])[0]
    id_ = ResourceId("mgmt", group, body["kind"], metadata.namespace, metadata.name)
    return Present(id=id_, version=body["apiVersion"], metadata=metadata, raw=raw)


def proof_of(case: dict[str, Any]) -> Proof:
    return prove(case["desired"], live_of(case["live"]), manager=case["manager"])


WRITES = [c for c in CASES if c["server"] != "noop"]


@pytest.mark.parametrize("case", WRITES, ids=lambda c: f"{c['n']}-{c['title']}")
def test_a_recorded_write_is_never_called_unchanged(case: dict[str, Any]) -> None:
    if case["n"] in BEHIND_THE_OBJECT:
        assert proof_of(case) is Proof.UNCHANGED, "this exception is no longer needed"
    else:
        assert proof_of(case) is not Proof.UNCHANGED


def test_most_recorded_noops_are_proven_without_a_request() -> None:
    noops = [c for c in CASES if c["server"] == "noop"]
    proven = [c["n"] for c in noops if proof_of(c) is Proof.UNCHANGED]
    assert len(noops) == 80
    assert len(proven) >= 65


def test_only_admission_makes_the_proof_call_a_noop_different() -> None:
    different = [
        c["title"] for c in CASES if c["server"] == "noop" and proof_of(c) is Proof.DIFFERENT
    ]
    assert different == ["mutating admission overwrites our value at every write"]


def widget(spec: dict[str, Any], fields: dict[str, Any], **metadata: Any) -> Present:
    entry = {
        "manager": "clusterform",
        "operation": "Apply",
        "apiVersion": "t/v1",
        "fieldsV1": fields,
    }
    return live_of(
        {
            "apiVersion": "t/v1",
            "kind": "Widget",
            "metadata": {"name": "w", "namespace": "n", "managedFields": [entry], **metadata},
            "spec": spec,
        }
    )


def desired(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "t/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "n"},
        "spec": spec,
    }


OWNED = {"f:spec": {"f:a": {}}}


@pytest.mark.parametrize(
    ("want", "spec", "fields", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1}, OWNED, Proof.UNCHANGED, id="same"),
        pytest.param({"a": 1}, {"a": 1.0}, OWNED, Proof.UNCHANGED, id="numbers-by-value"),
        pytest.param({"a": True}, {"a": 1}, OWNED, Proof.DIFFERENT, id="true-is-not-1"),
        pytest.param({"a": 1}, {"a": 2}, OWNED, Proof.DIFFERENT, id="value"),
        pytest.param({}, {"a": 1}, OWNED, Proof.DIFFERENT, id="stopped-sending"),
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 2}, OWNED, Proof.DIFFERENT, id="not-owned"),
        pytest.param({"a": None}, {"a": None}, OWNED, Proof.UNKNOWN, id="null"),
        pytest.param({"a": 1, "l": []}, {"a": 1}, OWNED, Proof.UNKNOWN, id="empty-list"),
    ],
)
def test_one_field(want: Any, spec: Any, fields: Any, expected: Proof) -> None:
    assert prove(desired(want), widget(spec, fields)) is expected


def test_a_terminating_object_is_not_proven() -> None:
    live = widget({"a": 1}, OWNED, deletionTimestamp="2026-01-01T00:00:00Z")
    assert prove(desired({"a": 1}), live) is Proof.UNKNOWN
