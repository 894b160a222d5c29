"""The example fleets load without a finding, and their manifests fit their CRDs."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated import EXAMPLES, Fleet, documents, holds

from planner.load import load
from providers.git import open_tree


@pytest.mark.parametrize("name", ["quickstart", "topology"])
def test_an_example_loads_without_a_finding(name: str, tmp_path: Path) -> None:
    loaded = load(open_tree(EXAMPLES / name), key_dir=tmp_path)
    assert loaded.findings == ()
    assert loaded.documents


def test_every_component_of_the_quickstart_is_accepted_and_comes_up(fleet: Fleet) -> None:
    folders = sorted((EXAMPLES / "quickstart/management").glob("*/"))
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    found = [obj for file in files for obj in documents(str(file.relative_to(EXAMPLES)))]
    first = ("Namespace", "CustomResourceDefinition")
    for obj in sorted(found, key=lambda o: o["kind"] not in first):
        fleet.apply(obj)
    fleet.wait(1)
    managers = [obj["metadata"] for obj in found if obj["kind"] == "Deployment"]
    assert len(managers) == 5
    for metadata in managers:
        path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}"
        assert holds(fleet.send("GET", path), "Available")


def test_contract_labels_stand_where_upstream_has_them(components: list[dict[str, object]]) -> None:
    labelled = set()
    for crd in components:
        labels = crd["metadata"].get("labels") or {}  # type: ignore[attr-defined]
        if labels.get("cluster.x-k8s.io/v1beta2") == "v1beta2":
            labelled.add(crd["spec"]["group"].partition(".")[0])  # type: ignore[index]
    assert labelled == {"bootstrap", "controlplane", "infrastructure"}
