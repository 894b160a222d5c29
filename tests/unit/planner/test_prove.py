"""The proof against recorded answers of kube-apiserver 1.36.3 (tests/data/ssa-noop-cases*.json).

They are made by `python -m tests.realcluster.record`. `server` is what a real, non-forced apply
did: `noop` left the resourceVersion alone. A false UNCHANGED is the one mistake that must be
impossible while schema and admission stay as they were.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.prove import Proof, prove
from planner.ssa import split_conflicts
from state.live import Metadata, Present
from state.resource import ResourceId, split_api_version

DATA = Path(__file__).parents[2] / "data"
RECORDED = json.loads((DATA / "ssa-noop-cases.json").read_text())
CASES = RECORDED["cases"]
OF_KINDS = json.loads((DATA / "ssa-noop-cases-of-kinds.json").read_text())["cases"]
_VERSIONS = RECORDED["crd"]["spec"]["versions"]
SCHEMAS = {
    version: declared["schema"]["openAPIV3Schema"]
    for declared, versions in zip(_VERSIONS, (("v1beta1", "v1"), ("v1beta2", "v2")), strict=True)
    for version in versions
}
"""Of the recorded CRD, and of its copy that is changed behind its objects."""
BEHIND_THE_OBJECT = {
    132: "a default was added to the CRD later",
    133: "a field of the CRD became atomic",
    134: "a list of the CRD became a set",
    136: "the storage version was switched",
    137: "a mutating admission was added later",
}
"""The proof cannot see these: schema or admission changed while the object did not."""
STORED_ANEW = {
    "Job, applied twice": "the second write of a Job is stored in another form",
    "PersistentVolumeClaim, applied twice": "so is that of a claim",
}
"""Nor can a dry-run see these: every byte but the resourceVersion stays, and only once."""


def live_of(body: dict[str, Any]) -> Present:
    raw = msgspec.json.encode(body)
    metadata = msgspec.json.decode(msgspec.json.encode(body["metadata"]), type=Metadata)
    group = split_api_version(body["apiVersion"])[0]
    id_ = ResourceId("mgmt", group, body["kind"], metadata.namespace, metadata.name)
    return Present(id=id_, version=body["apiVersion"], metadata=metadata, raw=raw)


def proof_of(case: dict[str, Any], *, with_schema: bool = True) -> Proof:
    group, version = split_api_version(case["desired"]["apiVersion"])
    schema = SCHEMAS[version] if with_schema and group == "t.cform.test" else None
    live = live_of(case["live"])
    return prove(case["desired"], live, manager=case["manager"], schema=schema)


def title(case: dict[str, Any]) -> str:
    return f"{case['n']}-{case['title']}"


WRITES = [c for c in CASES if c["server"] != "noop"]


@pytest.mark.parametrize("with_schema", [True, False], ids=["schema", "no-schema"])
@pytest.mark.parametrize("case", WRITES, ids=title)
def test_a_recorded_write_is_never_called_unchanged(
    case: dict[str, Any], with_schema: bool
) -> None:
    proof = proof_of(case, with_schema=with_schema)
    if case["n"] in BEHIND_THE_OBJECT:
        assert proof is Proof.UNCHANGED, "this exception is no longer needed"
    else:
        assert proof is not Proof.UNCHANGED


@pytest.mark.parametrize("case", [c for c in OF_KINDS if c["server"] != "noop"], ids=title)
def test_a_write_to_any_kind_is_never_called_unchanged(case: dict[str, Any]) -> None:
    if case["title"] in STORED_ANEW:
        assert (case["visible"], proof_of(case)) == ("same", Proof.UNCHANGED)
    else:
        assert proof_of(case) is not Proof.UNCHANGED


def proven(cases: list[dict[str, Any]], **how: bool) -> tuple[int, int]:
    """(no-ops, those proven without a request)"""
    noops = [c for c in cases if c["server"] == "noop"]
    return len(noops), sum(proof_of(c, **how) is Proof.UNCHANGED for c in noops)


def test_most_recorded_noops_are_proven_without_a_request() -> None:
    assert proven(CASES) == (80, 73)


def test_most_are_proven_without_a_schema() -> None:
    noops, found = proven(CASES, with_schema=False)
    assert (noops, found) == (80, 65)


def test_every_noop_of_the_common_kinds_is_proven_without_a_request() -> None:
    noops, found = proven(OF_KINDS)
    assert noops == found >= 75
    assert len(OF_KINDS) >= 128


def test_what_conflicts_is_read_off_the_object_beforehand() -> None:
    """The takes and conflicts that a plan shows are those that the server would name."""
    for case in OF_KINDS:
        said = "conflict" in (case["error"] or {"message": ""})["message"]
        takes, conflicts = split_conflicts(case["desired"], live_of(case["live"]))
        assert bool(takes or conflicts) == said, case["title"]


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


ATOMIC = {"m": {"type": "object", "x-kubernetes-map-type": "atomic"}}
MERGED = {"m": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}}}
FILLED = {"m": {**MERGED["m"], "x-kubernetes-map-type": "atomic"}}


@pytest.mark.parametrize(
    ("want", "live", "fields", "expected"),
    [
        pytest.param({}, {"a": 1}, None, Proof.UNKNOWN, id="empty-unknown"),
        pytest.param({}, {"a": 1}, ATOMIC, Proof.UNKNOWN, id="empty-atomic-would-be-emptied"),
        pytest.param({}, {"a": 1}, MERGED, Proof.UNCHANGED, id="empty-merged-keeps-defaults"),
        pytest.param({}, {"a": 1}, FILLED, Proof.UNCHANGED, id="empty-atomic-filled-again"),
        pytest.param({}, {"a": 2}, FILLED, Proof.UNKNOWN, id="empty-atomic-not-the-default"),
        pytest.param({"a": 1}, {"a": 1}, None, Proof.UNKNOWN, id="equal-unknown"),
        pytest.param({"a": 1}, {"a": 1}, ATOMIC, Proof.UNCHANGED, id="equal-atomic"),
        pytest.param({"a": 1}, {"a": 1}, MERGED, Proof.UNKNOWN, id="equal-merged-was-a-default"),
        pytest.param({"a": 2}, {"a": 1}, ATOMIC, Proof.DIFFERENT, id="atomic-differs"),
    ],
)
def test_a_map_that_we_own_as_one_leaf(want: Any, live: Any, fields: Any, expected: Proof) -> None:
    """Measured: `{}` empties an atomic map; a default that is then stated becomes ours."""
    schema = fields and {"properties": {"spec": {"type": "object", "properties": fields}}}
    held = widget({"m": live}, {"f:spec": {"f:m": {}}})
    assert prove(desired({"m": want}), held, schema=schema) is expected


def test_an_entry_that_no_apply_made_is_not_trusted() -> None:
    """kubectl turns older Update entries into applied ones; the next apply rewrites them."""
    nested = {"f:spec": {"f:m": {".": {}, "f:a": {}}}}
    whole = {"f:spec": {".": {}, "f:m": {"f:a": {}}}}
    want, held = desired({"m": {"a": 1}}), {"m": {"a": 1}}
    schema = {"properties": {"spec": {"type": "object", "properties": MERGED}}}
    assert prove(want, widget(held, whole)) is Proof.UNKNOWN
    assert prove(want, widget(held, nested), schema=schema) is Proof.UNKNOWN
    free = {"properties": {"spec": {"x-kubernetes-preserve-unknown-fields": True}}}
    assert prove(want, widget(held, nested), schema=free) is Proof.UNCHANGED


def test_two_entries_of_one_identity_are_not_proven() -> None:
    """`kubectl create`, then `/scale`: the next write of anybody drops one of the two."""
    live = widget({"a": 1}, OWNED)
    entry = {"manager": "kubectl-create", "operation": "Update", "apiVersion": "t/v1"}
    for others, expected in ((1, Proof.UNCHANGED), (2, Proof.UNKNOWN)):
        body = json.loads(live.raw)
        body["metadata"]["managedFields"] += [entry] * others
        assert prove(desired({"a": 1}), live_of(body)) is expected


@pytest.mark.parametrize(
    ("field", "expected"), [("data", Proof.UNCHANGED), ("selector", Proof.UNKNOWN)]
)
def test_only_a_free_form_map_is_dropped_when_empty(field: str, expected: Proof) -> None:
    """Random edits: a prune took `env.valueFrom`, and the server refuses to have it back empty."""
    entry = {
        "manager": "clusterform",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsV1": {f"f:{field}": {}},
    }
    identity = {"apiVersion": "v1", "kind": "ConfigMap"}
    metadata = {"name": "c", "namespace": "n"}
    live = live_of({**identity, "metadata": {**metadata, "managedFields": [entry]}})
    assert prove({**identity, "metadata": metadata, field: {}}, live) is expected


def test_a_terminating_object_is_not_proven() -> None:
    live = widget({"a": 1}, OWNED, deletionTimestamp="2026-01-01T00:00:00Z")
    assert prove(desired({"a": 1}), live) is Proof.UNKNOWN


@pytest.mark.parametrize(("others", "expected"), [(0, Proof.UNCHANGED), (1, Proof.UNKNOWN)])
def test_an_empty_map_that_somebody_else_sent_too_is_not_proven(
    others: int, expected: Proof
) -> None:
    """The server drops the map, and at the next write the other one's hold on it (recorded)."""

    def entry(manager: str) -> dict[str, Any]:
        return {
            "manager": manager,
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsV1": {"f:data": {}},
        }

    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"}}
    managers = [entry("clusterform"), *[entry("argocd-controller")] * others]
    live = {**body, "metadata": {**body["metadata"], "managedFields": managers}}
    assert prove({**body, "data": {}}, live_of(live)) is expected
