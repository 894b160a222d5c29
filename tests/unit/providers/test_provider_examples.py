"""`examples/multi-provider` against the tables: every field known, nothing missing."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.validate import all_findings
from planner.workspace import Workspace
from providers.base import values
from providers.facts import fields, problems
from providers.registry import PROVIDERS, provided
from state.resource import GroupKind
from tests.support import standins

EXAMPLES = Path(__file__).parents[3] / "examples"
FLEETS = ("multi-provider", "legacy")


def objects() -> Iterator[Any]:
    for fleet in FLEETS:
        for body in standins.documents(EXAMPLES / fleet / "clusters"):
            group = body["apiVersion"].rpartition("/")[0]
            if provided(group, body["kind"]):
                name = f"{body['kind']} {body['metadata']['name']}"
                yield pytest.param(body, id=name)


OBJECTS = tuple(objects())


def kind_of(body: Any) -> Any:
    found = provided(body["apiVersion"].rpartition("/")[0], body["kind"])
    assert found is not None
    return found[1]


def unlisted(found: Any, path: str, listed: dict[str, str]) -> Iterator[str]:
    """Fields that the table does not list, maps and lists that it leaves open apart."""
    inside = any(other.startswith((f"{path}.", f"{path}[*]")) for other in listed)
    if listed.get(path) in ("object", "array", "any") and not inside:
        return
    if isinstance(found, dict):
        for name, inner in found.items():
            yield from unlisted(inner, f"{path}.{name}", listed)
    elif isinstance(found, list):
        for inner in found:
            yield from unlisted(inner, f"{path}[*]", listed)
    elif path not in listed:
        yield path


@pytest.mark.parametrize("body", OBJECTS)
def test_an_example_fits_its_table(body: Any) -> None:
    assert list(problems(body, kind_of(body))) == []
    listed = {field.path: field.type for field in fields(kind_of(body).fields)}
    if body["apiVersion"].startswith(("cluster.weave.works", "cluster.k8s.io")):
        return  # their CRDs look into no spec
    # The resources of Azure Service Operator are its own; only what makes them objects is known.
    body.get("spec", {}).pop("resources", None)
    if not body["apiVersion"].startswith("ipam."):
        assert list(unlisted(body.get("spec") or {}, "spec", listed)) == []


@pytest.mark.parametrize("body", OBJECTS)
def test_without_a_required_field_it_does_not(body: Any) -> None:
    kind = kind_of(body)
    for field in fields(kind.fields):
        if not field.required:
            continue
        parent, _, name = field.path.rpartition(".")
        without = copy.deepcopy(body)
        holders = [h for _, h in values(without, parent) if isinstance(h, dict) and name in h]
        if holders:
            for holder in holders:
                del holder[name]
            assert any(p.endswith(f".{name} is required") for p in problems(without, kind))


def test_every_provider_has_its_example() -> None:
    used = {
        GroupKind(p.values[0]["apiVersion"].rpartition("/")[0], p.values[0]["kind"])
        for p in OBJECTS
    }  # type: ignore[index]
    without = [p.name for p in PROVIDERS if used.isdisjoint(p.kinds)]
    # Supervisor has the kinds of vSphere over again, in a group of its own.
    assert without == ["vsphere-supervisor"]


def bodies(fleet: str) -> list[Any]:
    """What an example declares: its files, or what its releases come to."""
    if fleet in FLEETS:
        return list(standins.documents(EXAMPLES / fleet / "clusters"))
    loaded = Workspace(EXAMPLES / fleet, cache=False).loaded
    return [msgspec.json.decode(d.body) for d in loaded.documents if not d.cluster]


@pytest.mark.parametrize("fleet", [*FLEETS, "flux-v1", "flux-v2", "blueprints"])
def test_the_stand_ins_are_what_the_tables_say(fleet: str) -> None:
    path = EXAMPLES / fleet / "management" / "crds.yaml"
    kinds = standins.needed(bodies(fleet))
    if fleet == "legacy":
        kinds = [k for k in kinds if k not in standins.CORE]
    text = (
        "# Stand-ins for the CRDs of the providers: names, scopes, versions and contracts are\n"
        "# theirs, schemas look into nothing. Made from the tables by `make golden`.\n"
    ) + standins.crds(kinds)
    if os.environ.get("GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, "make golden, read the diff"


def test_validate_has_nothing_against_the_examples_but_their_age() -> None:
    workspace = Workspace(EXAMPLES / "multi-provider")
    found = all_findings(workspace.loaded, workspace.line_of)
    assert sorted({(f.severity, f.code) for f in found}) == [("warning", "legacy")]
    assert sorted(f.path for f in found) == [
        "clusters/byoh.yaml",
        "clusters/docker.yaml",
        "clusters/packet.yaml",
    ]
