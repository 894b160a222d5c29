"""validate as a user meets it: rules by name, lines of fields, and formats for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.cli.main import run
from planner.rules.table import TABLE
from planner.views.findings import findings_github
from planner.views.rules import rule_text, rules_markdown
from providers.yamldoc import Finding
from state.errors import Exit
from tests.support.manifests import NAMESPACE, cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cluster whose control plane has two machines, and workers that are ahead of it."""
    root = tmp_path / "repo"
    root.mkdir()
    text = cluster(control_planes=2, version="v1.34.3")
    head, _, tail = text.rpartition("v1.34.3")
    (root / "c1.yaml").write_text(f"{NAMESPACE}---\n{head}v1.35.0{tail}")
    return root


def clusterform(folder: Path, *arguments: str) -> int:
    return run(["-C", str(folder), *arguments])


def line(folder: Path, text: str) -> int:
    lines = (folder / "c1.yaml").read_text().split("\n")
    return next(i for i, each in enumerate(lines, 1) if text in each)


def test_a_finding_has_its_rule_its_line_its_reason_and_a_way_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clusterform(folder, "validate") == Exit.ERROR
    told = capsys.readouterr().out
    assert "error[V4]: MachineDeployment team-a/c1-md0: v1.35 is newer than" in told
    assert f"--> c1.yaml:{line(folder, 'version: v1.35.0')}\n" in told
    assert "error[V7]: KubeadmControlPlane team-a/c1: spec.replicas is 2" in told
    assert f"--> c1.yaml:{line(folder, 'replicas: 2')}\n" in told
    assert "upgrade the control plane first" in told
    assert "are valid" not in told


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert clusterform(folder, "validate", "--format", "json") == Exit.ERROR
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["errors"], told["objects"]) == (False, 2, 8)
    assert [f["code"] for f in told["findings"]] == ["V7", "V4"]
    assert told["findings"][0]["path"] == "c1.yaml"


def test_sarif(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clusterform(folder, "validate", "--format", "sarif")
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    rules = told["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == ["V4", "V7"]
    for result in told["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "c1.yaml"
        assert place["region"]["startLine"] > 1


def test_github(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clusterform(folder, "validate", "--format", "github")
    first, *_ = capsys.readouterr().out.split("\n")
    assert first.startswith(f"::error file=c1.yaml,line={line(folder, 'replicas: 2')},title=V7::")


def test_no_text_of_a_file_begins_a_workflow_command() -> None:
    finding = Finding(
        severity="error", code="x", summary="a\n::set-env name=B::c 100%", path="a,b:c.yaml"
    )
    told = findings_github([finding])
    assert told == "::error file=a%2Cb%3Ac.yaml,title=x::a%0A::set-env name=B::c 100%25\n"


@pytest.mark.parametrize("asked", ["V4", "v4", " v4 ", "worker-skew"])
def test_a_rule_is_explained(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--explain", asked]) == Exit.OK
    told = capsys.readouterr().out
    assert told.startswith("V4 worker-skew\n")
    for label in ("why:", "severity:", "looked at in:", "else enforced by:", "way out:"):
        assert label in told


def test_an_unknown_rule_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--explain", "V99"]) == Exit.ERROR
    error = capsys.readouterr().err
    assert "there is no rule 'V99'" in error
    assert "V1, V2" in error
    assert "V26" in error


def test_the_table_is_whole_and_explains_every_rule() -> None:
    assert [e.id for e in TABLE] == [f"V{n}" for n in range(1, 27)]
    assert len({e.name for e in TABLE}) == len(TABLE)
    for entry in TABLE:
        assert all((entry.summary, entry.why, entry.upstream, entry.way_out))
        assert max(len(row) for row in rule_text(entry).split("\n")) <= 100


@pytest.mark.parametrize("example", ["quickstart", "topology"])
def test_the_examples_are_clean(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert clusterform(ROOT / "examples" / example, "validate") == Exit.OK
    told = capsys.readouterr().out
    assert "warning" not in told


def test_the_documentation_is_that_of_the_table() -> None:
    """Regenerate it with GOLDEN=1."""
    import os

    page = ROOT / "docs" / "validation.md"
    head, mark, _ = page.read_text().partition("<!-- the table -->\n")
    wanted = head + mark + rules_markdown()
    if os.environ.get("GOLDEN"):
        page.write_text(wanted)
    assert page.read_text() == wanted


EMPTY = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clusters.cluster.x-k8s.io}
spec:
  group: cluster.x-k8s.io
  names: {kind: Cluster, plural: clusters}
  scope: Namespaced
  versions:
    - name: v1beta2
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                clusterNetwork: {type: object, minProperties: 1}
                availabilityGates: {type: array, minItems: 1, items: {type: object}}
---
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {name: c1, namespace: team-a}
spec:
  clusterNetwork: {}
  availabilityGates: []
"""


def test_what_a_crd_says_of_empty_fields_is_v24_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c1.yaml").write_text(EMPTY)
    assert clusterform(tmp_path, "validate", "--format", "json") == Exit.ERROR
    told = json.loads(capsys.readouterr().out)
    found = [(f["code"], f["line"]) for f in told["findings"] if f["severity"] == "error"]
    assert found == [("V24", 26), ("V24", 27)]


def test_a_warning_that_somebody_accepted_is_not_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NAMESPACE + "---\n" + cluster()
    (tmp_path / "c1.yaml").write_text(text)
    assert clusterform(tmp_path, "validate") == Exit.OK
    assert "warning[V7]" in capsys.readouterr().out
    plane = "KubeadmControlPlane\nmetadata: {name: c1, "
    known = plane + "annotations: {clusterform.dev/accepts: V7}, "
    (tmp_path / "c1.yaml").write_text(text.replace(plane, known))
    assert clusterform(tmp_path, "validate") == Exit.OK
    assert "warning" not in capsys.readouterr().out
