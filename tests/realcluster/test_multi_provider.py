"""examples/multi-provider on a real API server, where a provider's CRDs come with a Go module.

AWS with EKS, GCP with GKE, Dev and Docker: the objects of the example are valid against the CRDs
as released, what is applied is what was planned, and the tables say nothing that the CRDs do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.builtin import plural_of
from providers.descriptor import Kind, Provider
from providers.facts import Field, fields
from providers.kube.http import HttpTransport
from providers.registry import PROVIDERS
from state.resource import GroupKind
from tests.realcluster import capi, crds
from tests.realcluster.lab import RealLab

CLUSTERS = Path(__file__).parents[2] / "examples" / "multi-provider" / "clusters"
ASKED = {"aws": ("aws", "eks"), "gcp": ("gcp", "gke"), "dev": ("dev", "docker")}
"""Module → files of the example and names of tables."""


@pytest.fixture(scope="session")
def released(server: HttpTransport) -> dict[GroupKind, dict[str, Any]]:
    """Every CRD of the modules, put into the server."""
    found = {_kind(body): body for body in capi.definitions()}
    for provider in ("aws", "gcp"):
        crds.install(server, provider)
        found |= {_kind(body): body for body in crds.definitions(provider)}
    return found


def _kind(crd: dict[str, Any]) -> GroupKind:
    return GroupKind(crd["spec"]["group"], crd["spec"]["names"]["kind"])


@pytest.mark.parametrize("provider", ASKED)
@pytest.mark.usefixtures("released")
def test_the_example_is_applied_and_the_next_plan_is_empty(lab: RealLab, provider: str) -> None:
    for name in ("namespace", *ASKED[provider]):
        text = (CLUSTERS / f"{name}.yaml").read_text()
        for old in ("namespace: multi", "name: multi", "[multi]"):
            text = text.replace(old, old.replace("multi", lab.fleet))
        # Cluster-scoped identities are this test's own, too.
        lab.write(f"clusters/{name}.yaml", text.replace("name: aws-fleet", f"name: {lab.fleet}"))
    lab.commit()
    plan = lab.plan()
    assert plan.complete, plan.findings
    finished = lab.apply(plan, wait=False)
    assert [r for r in finished.results if r.outcome != "done"] == []
    again = lab.plan()
    assert (again.changes, again.complete) == ((), True)


TABLES = [p for p in PROVIDERS if p.name in {name for names in ASKED.values() for name in names}]
KINDS = [
    pytest.param(provider, kind, facts, id=kind.kind)
    for provider in TABLES
    for kind, facts in provider.kinds.items()
]


@pytest.mark.parametrize(("provider", "kind", "facts"), KINDS)
def test_a_table_says_what_the_crd_says(
    released: dict[GroupKind, dict[str, Any]], provider: Provider, kind: GroupKind, facts: Kind
) -> None:
    spec = released[kind]["spec"]
    assert spec["names"]["plural"] == plural_of(kind.kind)
    assert (spec["scope"] == "Namespaced") == facts.namespaced
    versions = {v["name"]: v["schema"]["openAPIV3Schema"] for v in spec["versions"]}
    named = facts.versions or provider.versions
    assert set(named) <= set(versions)
    schema = versions[named[-1]]
    assert [problem for f in fields(facts.fields) for problem in _differs(schema, f)] == []
    paths = (*facts.immutable, *facts.mutable, *facts.written, *facts.rolls)
    refs = (rule.path for rule in facts.references)
    assert [path for path in (*paths, *refs) if _at(schema, path) is None] == []


def _differs(schema: dict[str, Any], field: Field) -> Iterator[str]:
    found = _at(schema, field.path)
    if found is None:
        yield f"{field.path}: no such field"
        return
    there, required = found
    if field.type not in ("any", there.get("type")):
        yield f"{field.path}: {there.get('type')}"
    if field.required != required:
        yield f"{field.path}: required is {required}"
    if field.choices and set(field.choices) != set(there.get("enum") or ()):
        yield f"{field.path}: one of {there.get('enum')}"


def _at(schema: dict[str, Any], path: str) -> tuple[dict[str, Any], bool] | None:
    required = False
    for part in path.split("."):
        name = part.removesuffix("[*]")
        properties = schema.get("properties") or {}
        if name not in properties:
            return None
        required = name in (schema.get("required") or ())
        schema = properties[name]
        if part.endswith("[*]"):
            schema = schema["items"]
    return schema, required
