"""docs/plan.schema.json is the schema of the plan's own types. Regenerate it with GOLDEN=1."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import _json_schema

from planner import planfile
from planner.changes import Plan
from planner.planfile import Envelope
from tests.support import manifests
from tests.support.lab import Lab

SCHEMA = Path(__file__).parents[3] / "docs" / "plan.schema.json"
ROOT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A saved plan of clusterform",
    "description": "Written by tests/unit/planfile/test_schema.py. Words: docs/plan-json.md.",
}


@pytest.fixture
def schema(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of envelope and plan together, with enums opened: a reader tolerates new names."""
    plain = msgspec.to_builtins

    def with_raw(value: Any, **given: Any) -> Any:
        """msgspec makes no schema of a `Raw` default; its JSON is its value."""
        return (
            msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else plain(value, **given)
        )

    monkeypatch.setattr(_json_schema, "to_builtins", with_raw)
    (top, plan), components = msgspec.json.schema_components(
        [Envelope, Plan], ref_template="#/$defs/{name}"
    )
    components["Envelope"]["properties"]["plan"] = plan
    return {**ROOT, **top, "$defs": dict(sorted(opened(components).items()))}


def opened(node: Any) -> Any:
    """Every enum as a string with its known values as examples; text flowed onto one line."""
    if isinstance(node, list):
        return [opened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "enum" in node and "tag" not in node and len(node["enum"]) > 1:
        rest = {key: value for key, value in node.items() if key != "enum"}
        node = {**rest, "type": "string", "examples": node["enum"]}
    if isinstance(node.get("description"), str):
        node = {**node, "description": " ".join(node["description"].split())}
    return {key: opened(value) for key, value in node.items()}


def test_the_schema_is_up_to_date(schema: dict[str, Any]) -> None:
    text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN"):
        SCHEMA.write_text(text, encoding="utf-8", newline="")
    assert text == SCHEMA.read_bytes().decode(), "make golden, or GOLDEN=1 pytest on this file"


def test_a_saved_plan_fits_the_schema(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.write("clusters/c1.yaml", manifests.NAMESPACE + "---\n" + manifests.cluster("c1"))
    lab.write(
        "clusters/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: team-a}\n"
        "stringData: {password: first}\n",
    )
    lab.commit()
    content = planfile.encode(lab.plan(), created=0.0, tool="test", host="here")
    known = json.loads(SCHEMA.read_text())
    assert list(misfits(json.loads(content), known, known["$defs"], "")) == []


def misfits(value: Any, schema: dict[str, Any], defs: dict[str, Any], at: str) -> list[str]:
    """What does not fit, for the few words of JSON Schema that msgspec uses."""
    if "$ref" in schema:
        return misfits(value, defs[schema["$ref"].rpartition("/")[2]], defs, at)
    if "anyOf" in schema:
        tried = [misfits(value, option, defs, at) for option in schema["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    allowed, wanted = schema.get("enum", [value]), schema.get("type")
    found = [f"{at}: not one of {allowed}"] * (value not in allowed)
    if wanted and not isinstance(value, TYPES[wanted]):
        return [*found, f"{at}: not {wanted}"]
    if isinstance(value, dict) and "properties" in schema:
        found += [
            f"{at}: {key} is missing" for key in schema.get("required", ()) if key not in value
        ]
        found += [f"{at}: {key} is not known" for key in value if key not in schema["properties"]]
        for key in value.keys() & schema["properties"].keys():
            found += misfits(value[key], schema["properties"][key], defs, f"{at}.{key}")
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        for index, item in enumerate(value):
            of = first[index] if index < len(first) else schema.get("items") or {}
            found += misfits(item, of, defs, f"{at}[{index}]")
    return found


TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
