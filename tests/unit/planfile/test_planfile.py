"""A plan as a file: what comes back, and what is refused (docs/plan-json.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner import planfile
from planner.changes import Plan
from state.errors import ClusterformError
from state.resource import digest
from tests.support import manifests
from tests.support.lab import Lab


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A first plan of one cluster with an add-on, and a Secret."""
    lab = Lab(tmp_path_factory.mktemp("fleet"))
    lab.write("clusters/c1.yaml", manifests.NAMESPACE + "---\n" + manifests.cluster("c1"))
    lab.write("clusters/addon.yaml", manifests.addon("c1", data="one"))
    lab.commit()
    return lab.plan()


@pytest.fixture(scope="module")
def content(made: Plan) -> bytes:
    return planfile.encode(made, created=1_000.0, tool="clusterform test", host="here")


def refused(content: bytes) -> str:
    """Why a file is no plan."""
    with pytest.raises(ClusterformError) as caught:
        planfile.decode(content, "plan.json")
    assert caught.value.code == "bad-plan"
    return caught.value.detail


def edited(content: bytes, change: Any, *, sealed: bool) -> bytes:
    """The file after somebody edited the plan in it; `sealed`: with a checksum that fits."""
    file = json.loads(content)
    change(file["plan"])
    body = msgspec.json.encode(file["plan"], order="sorted")
    if sealed:
        file["checksum"] = digest(body)
    file["plan"] = msgspec.Raw(body)
    return msgspec.json.encode(file)


def test_a_plan_comes_back_as_it_was(made: Plan, content: bytes) -> None:
    again, envelope = planfile.decode(content, "plan.json")
    assert again == made
    assert (envelope.created, envelope.tool, envelope.host) == (1_000.0, "clusterform test", "here")
    assert envelope.expires == 1_000.0 + planfile.LIFETIME
    assert envelope.checksum == digest(planfile.encode_plan(made))


def test_the_same_plan_is_the_same_bytes(made: Plan, content: bytes) -> None:
    again, _ = planfile.decode(content, "plan.json")
    assert planfile.encode_plan(again) == planfile.encode_plan(made)


def test_a_file_on_disk_is_read_and_a_missing_one_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(ClusterformError, match="cannot be used") as caught:
        planfile.read(path)
    assert (caught.value.code, caught.value.where) == ("bad-plan", str(path))
    path.write_bytes(content)
    assert planfile.read(path)[0].changes


def test_no_flipped_bit_of_the_plan_passes(content: bytes) -> None:
    """Every 97th byte of the plan, one bit of it flipped."""
    begin = content.index(b'"plan":') + len(b'"plan":')
    for position in range(begin, len(content) - 2, 97):
        broken = bytearray(content)
        broken[position] ^= 1
        assert refused(bytes(broken))


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b'{"plan":{}}', b"\xff\xfe", b"kind: Plan\n"],
    ids=["empty", "null", "list", "cut", "bare", "binary", "yaml"],
)
def test_what_is_no_plan_at_all_is_refused(content: bytes) -> None:
    assert "no clusterform plan" in refused(content)


def test_a_cut_file_is_refused(content: bytes) -> None:
    assert refused(content[: len(content) // 2])


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "", "x"])
def test_another_major_version_is_refused_by_name(content: bytes, version: str) -> None:
    def change(plan: Any) -> None:
        plan["format_version"] = version

    assert f"its format is {version}" in refused(edited(content, change, sealed=True))


def test_a_newer_minor_version_is_read_and_its_new_keys_are_ignored(
    made: Plan, content: bytes
) -> None:
    def change(plan: Any) -> None:
        plan["format_version"] = "1.99"
        plan["weather"] = "fine"

    again, _ = planfile.decode(edited(content, change, sealed=True), "plan.json")
    assert again.changes == made.changes


def test_new_keys_of_the_envelope_are_ignored(made: Plan, content: bytes) -> None:
    again, _ = planfile.decode(b'{"signature":"none",' + content[1:], "plan.json")
    assert again == made


def test_an_edit_without_a_fitting_checksum_is_refused(content: bytes) -> None:
    def change(plan: Any) -> None:
        plan["changes"].pop()

    assert "checksum" in refused(edited(content, change, sealed=False))


@pytest.mark.parametrize("what", ["dropped", "verb", "body", "digest", "unit digest", "edge"])
def test_an_edited_plan_with_a_fitting_checksum_is_not_the_approved_one(
    content: bytes, what: str
) -> None:
    def change(plan: Any) -> None:
        match what:
            case "dropped":
                plan["changes"].pop()
            case "verb":
                plan["changes"][0]["verb"] = "adopt"
            case "body":
                plan["changes"][0]["body"]["metadata"]["name"] = "other"
            case "digest":
                plan["digest"] = "0" * 64
            case "unit digest":
                plan["units"][0]["digest"] = "0" * 64
            case _:
                unit = {c["action"]["resource"]["name"]: c["unit"] for c in plan["changes"]}
                plan["graph"]["edges"] = [
                    e
                    for e in plan["graph"]["edges"]
                    if not isinstance(e["before"], dict)
                    or not isinstance(e["after"], dict)
                    or unit[e["before"]["resource"]["name"]] != unit[e["after"]["resource"]["name"]]
                ]

    assert "not those of its digest" in refused(edited(content, change, sealed=True))
