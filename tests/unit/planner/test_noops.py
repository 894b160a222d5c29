"""What a dry-run showed is not asked again on this machine, until anything behind it moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.compare import Denied, NoDryRun
from planner.dryrun import DryRunner
from planner.noops import FORMAT, NoOps
from planner.render import Scopes
from providers.builtin import Served
from providers.kube.client import KubeClient
from state.live import Absent, Present
from state.resource import (
    GitBlob,
    GroupKind,
    Origin,
    Resource,
    ResourceId,
    SecretRef,
    canonical,
)
from tests.unit.planner.test_prove import live_of

KIND = GroupKind("t", "Widget")
FACTS = ("cluster", "object", "7", "t/v1", "body", "crd/1")


def test_a_verdict_is_kept_over_runs(tmp_path: Path) -> None:
    first = NoOps(tmp_path)
    assert not first.knows(*FACTS)
    first.learn(*FACTS)
    first.save()
    assert NoOps(tmp_path).knows(*FACTS)


@pytest.mark.parametrize("moved", range(len(FACTS)))
def test_any_fact_that_moved_makes_it_unknown(tmp_path: Path, moved: int) -> None:
    first = NoOps(tmp_path)
    first.learn(*FACTS)
    first.save()
    other = [*FACTS]
    other[moved] += "x"
    assert not NoOps(tmp_path).knows(*other)
    other[moved] = ""
    assert not NoOps(tmp_path).knows(*other)


def test_what_is_not_known_is_never_kept(tmp_path: Path) -> None:
    first = NoOps(tmp_path)
    first.learn("cluster", "", "7")
    first.save()
    assert not NoOps(tmp_path).knows("cluster", "", "7")


@pytest.mark.parametrize("damage", [b"", b"x", FORMAT + b"\0" * 48, FORMAT[:-2] + b"2\n"])
def test_a_damaged_file_is_an_empty_one(tmp_path: Path, damage: bytes) -> None:
    first = NoOps(tmp_path)
    first.learn(*FACTS)
    first.save()
    (tmp_path / "noops").write_bytes(damage)
    assert not NoOps(tmp_path).knows(*FACTS)


def test_no_word_of_what_was_asked_is_in_the_file(tmp_path: Path) -> None:
    first = NoOps(tmp_path)
    first.learn(*FACTS)
    first.save()
    assert (tmp_path / "noops").stat().st_size == len(FORMAT) + 32 + 16


# ---------------------------------------------------------------- with a server


class Server(KubeClient):
    """Answers dry-runs with what it was told, and counts them."""

    def __init__(self, answer: Present, edition: str = "crd", schema: Any = None) -> None:
        super().__init__("mgmt", None, lambda _: None)  # type: ignore[arg-type]
        self.answer = answer
        self.asked = 0
        self.edition = edition
        self.schema = schema

    def apply(self, *_: Any, **how: Any) -> Present:
        assert how["dry_run"]
        self.asked += 1
        return self.answer

    def uid(self) -> str:
        return "cluster-uid"

    def get(self, id_: ResourceId, *_: Any) -> Any:
        if not self.edition:
            return Absent(id_)
        version = {"name": "v1", "schema": {"openAPIV3Schema": self.schema or {}}}
        return live_of(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": id_.name, "uid": self.edition, "generation": 1},
                "spec": {"versions": [version]},
            }
        )


ENTRY = {"manager": "clusterform", "operation": "Apply", "apiVersion": "t/v1"}
BODY = {
    "apiVersion": "t/v1",
    "kind": "Widget",
    "metadata": {"name": "w", "namespace": "n"},
    "spec": {"m": {}},
}


def held(version: str = "7", time: str = "2026-01-01T00:00:00Z", **spec: Any) -> Present:
    entry = {**ENTRY, "time": time, "fieldsV1": {"f:spec": {"f:m": {}}}}
    metadata = {
        **BODY["metadata"],  # type: ignore[dict-item]
        "uid": "object-uid",
        "resourceVersion": version,
        "managedFields": [entry],
    }
    return live_of({**BODY, "metadata": metadata, "spec": {"m": {"a": 1}, **spec}})


def resource(**parts: Any) -> Resource:
    return Resource(
        id=ResourceId("mgmt", "t", "Widget", "n", "w"),
        version="t/v1",
        body=canonical(BODY),
        origin=Origin(path="a.yaml", line=1),
        unit="mgmt",
        **parts,
    )


def asks(tmp_path: Path | None, server: Server, **how: Any) -> Present | NoDryRun | Denied:
    """One plan's question about the object."""
    scopes = Scopes()
    scopes.add("mgmt", KIND, Served("widgets", True))
    refresh = how.pop("refresh", "fast")
    noops = NoOps(tmp_path, ask=refresh != "full")
    runner = DryRunner(lambda _: server, scopes, refresh=refresh, noops=noops)
    found = runner(how.pop("resource", resource()), how.pop("body", BODY), how.pop("live", held()))
    noops.save()
    return found


def test_a_noop_is_asked_about_once(tmp_path: Path) -> None:
    server = Server(held(time="2026-02-02T00:00:00Z"))
    for _ in range(3):
        assert isinstance(asks(tmp_path, server), Present)
    assert server.asked == 1


def test_full_asks_every_time(tmp_path: Path) -> None:
    server = Server(held())
    asks(tmp_path, server)
    asks(tmp_path, server, refresh="full")
    assert server.asked == 2


def test_a_change_is_asked_about_every_time(tmp_path: Path) -> None:
    server = Server(held(n=2))
    asks(tmp_path, server)
    asks(tmp_path, server)
    assert server.asked == 2


def test_a_moved_object_or_body_is_asked_about_again(tmp_path: Path) -> None:
    server = Server(held())
    asks(tmp_path, server)
    asks(tmp_path, server, live=held(version="8"))
    asks(tmp_path, server, body={**BODY, "spec": {"m": {}, "n": 1}})
    assert server.asked == 3


def test_another_definition_is_asked_about_again(tmp_path: Path) -> None:
    for edition in ("crd", "crd-made-anew"):
        server = Server(held(), edition)
        asks(tmp_path, server)
        assert server.asked == 1


def test_without_the_definition_nothing_is_kept(tmp_path: Path) -> None:
    server = Server(held(), edition="")
    asks(tmp_path, server)
    asks(tmp_path, server)
    assert server.asked == 2


def test_a_document_with_a_secret_is_neither_asked_about_nor_kept(tmp_path: Path) -> None:
    ref = SecretRef(source=GitBlob("0" * 40, "a.yaml"), document=0, path=("f:spec", "f:m"))
    server = Server(held())
    secret = resource(secrets=((("f:spec", "f:m"), ref),))
    for refresh in ("fast", "full"):
        assert isinstance(asks(tmp_path, server, resource=secret, refresh=refresh), NoDryRun)
    assert server.asked == 0
    assert not (tmp_path / "noops").exists()


def test_the_schema_is_asked_before_the_server(tmp_path: Path) -> None:
    merged = {"type": "object", "properties": {"a": {"type": "integer"}}}
    schema = {"properties": {"spec": {"properties": {"m": merged}}}}
    server = Server(held(), schema=schema)
    assert isinstance(asks(tmp_path, server), Present)
    assert server.asked == 0
    asks(tmp_path, server, refresh="full")
    assert server.asked == 1
