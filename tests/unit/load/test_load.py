"""From a folder to documents: which files are manifests, what a body holds, what is reported."""

# ruff: noqa: E501 - a row of a table is one line

import json
import os
import subprocess
from pathlib import Path

import pytest

from planner.load import Loaded, LoadedDocument, load
from providers import git
from state.errors import ClusterformError

FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management:
    - {name: m, paths: [clusters], providers: providers.yaml, sandbox: {}}
"""
PROVIDERS = """\
apiVersion: clusterform.dev/v1
kind: Providers
providers:
  - {name: docker, type: InfrastructureProvider, version: v1.0.0, path: clusters/components}
"""


def thing(name: str, rest: str = "") -> str:
    return f"apiVersion: example.dev/v1\nkind: Thing\nmetadata: {{name: {name}}}\n{rest}"


def write(root: Path, **files: str) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def loaded(root: Path, files: dict[str, str], **options) -> Loaded:
    write(root, **files)
    return load(git.open_tree(root), **options)


def body(document: LoadedDocument) -> dict:
    return json.loads(document.body)


def one(root: Path, text: str) -> LoadedDocument:
    found = loaded(root, {"x.yaml": text})
    assert found.errors == ()
    return found.documents[0]


def findings(found: Loaded) -> list[str]:
    return [f"{part.severity} {part.where} {part.code}" for part in found.findings]


def test_a_folder_without_a_fleet_file_is_loaded_as_it_is(tmp_path: Path) -> None:
    files = {
        "b.yaml": f"---\n# nothing\n---\n{thing('b1')}---\n{thing('b2')}",
        "a/deep/c.yml": thing("c"),
        "notes.txt": "no: yaml",
        ".github/workflow.yaml": thing("hidden"),
        ".clusterform/x.yaml": thing("own"),
        ".hidden.yaml": thing("hidden"),
    }
    found = loaded(tmp_path, files)
    assert findings(found) == []
    assert [(part.name, str(part.origin)) for part in found.documents] == [
        ("c", "a/deep/c.yml:1"),
        ("b1", "b.yaml:4"),
        ("b2", "b.yaml:8"),
    ]
    assert (found.fleet.name, found.label) == (
        tmp_path.name.replace("_", "-"),
        "not in Git",
    )
    assert {part.management for part in found.documents} == {"sandbox"}


def test_a_fleet_with_providers_loads_no_file_twice(tmp_path: Path) -> None:
    files = {
        "clusterform.yaml": FLEET.replace("[clusters]", "[clusters, clusters/x.yaml, .]"),
        "providers.yaml": PROVIDERS,
        "clusters/x.yaml": thing("x"),
        "clusters/components/z.yaml": thing("z"),
    }
    found = loaded(tmp_path, files)
    assert findings(found) == []
    assert [(part.name, part.provider, part.management) for part in found.documents] == [
        ("z", "infrastructure-docker", "m"),
        ("x", "", "m"),
    ]
    assert [provider.tag for provider in found.providers] == ["infrastructure-docker"]


def test_a_fleet_file_under_another_name(tmp_path: Path) -> None:
    fleet = FLEET.replace("providers: providers.yaml, ", "")
    found = loaded(
        tmp_path, {"other.yaml": fleet, "clusters/x.yaml": thing("x")}, fleet_file="other.yaml"
    )
    assert (found.fleet.path, len(found.documents), found.findings) == ("other.yaml", 1, ())
    with pytest.raises(ClusterformError) as caught:
        load(git.open_tree(tmp_path), fleet_file="none.yaml")
    assert caught.value.code == "no-fleet-file"


def test_charts_are_listed_and_what_lies_below_a_kustomization_is_its_own(tmp_path: Path) -> None:
    files = {
        "chart/Chart.yaml": "name: x\n",
        "chart/templates/t.yaml": "{{ not yaml }}: [",
        "over/kustomization.yaml": "resources: []\n",
        "over/patch.yaml": "a: b\n",
        "x.yaml": thing("x"),
    }
    found = loaded(tmp_path, files)
    assert found.skipped == ("chart: a Helm chart",)
    assert (findings(found), [o.folder for o in found.overlays]) == ([], ["over"])
    assert [part.name for part in found.documents] == ["x"]


def test_a_kustomization_is_built_where_no_other_one_refers_to_it(tmp_path: Path) -> None:
    files = {
        "base/kustomization.yaml": "resources: [x.yaml]\n",
        "dev/kustomization.yaml": "resources: [../base]\ncomponents: [../extra]\n",
        "prod/kustomization.yml": "bases: [../base]\n",
        "extra/kustomization.yaml": "kind: Component\n",
        "alone/Kustomization": "kind: Component\n",
        "prod/patches/p.yaml": thing("p"),
        "base/x.yaml": thing("x"),
    }
    found = loaded(tmp_path, files)
    assert [o.folder for o in found.overlays] == ["dev", "prod"]
    assert found.documents == ()


def test_a_list_is_unfolded_with_the_origin_of_each_item(tmp_path: Path) -> None:
    text = """\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: a}

  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: ns}}
"""
    found = loaded(tmp_path, {"x.yaml": text})
    origins = [
        (part.name, part.origin.document, part.origin.item, part.origin.line)
        for part in found.documents
    ]
    assert origins == [("a", 0, 0, 4), ("b", 0, 1, 8)]


PROBLEMS = {
    "no kind": ("a: b\n", "warning x.yaml:1 not-a-manifest"),
    "kind is a number": ("apiVersion: v1\nkind: 3\n", "error x.yaml:1 half-a-manifest"),
    "kind forgotten": ("apiVersion: v1\nmetadata: {name: a}\n", "error x.yaml:1 half-a-manifest"),
    "version forgotten": ("kind: A\nmetadata: {name: a}\n", "error x.yaml:1 half-a-manifest"),
    "a name with a slash": ("apiVersion: v1\nkind: A\nmetadata: {name: a/b}\n", "error x.yaml:1 bad-name"),
    "no metadata": ("apiVersion: v1\nkind: A\n", "error x.yaml:1 no-name"),
    "empty name": ("apiVersion: v1\nkind: A\nmetadata: {name: ''}\n", "error x.yaml:1 no-name"),
    "number as name": ("apiVersion: v1\nkind: A\nmetadata: {name: 12}\n", "error x.yaml:1 wrong-type"),
    "generateName": (
        "---\napiVersion: v1\nkind: A\nmetadata: {generateName: a-}\n", "error x.yaml:2 generate-name",
    ),
    "label that is no text": (
        "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {wave: 1}}\n", "error x.yaml:1 wrong-type",
    ),
    "our own kind": (
        "apiVersion: clusterform.dev/v1\nkind: Cluster\nmetadata: {name: a}\n", "error x.yaml:1 not-yet",
    ),
    "a text": ("just text\n", "error x.yaml:1:1 not-an-object"),
    "nested list": ("kind: List\nitems: [{kind: List, items: []}]\n", "error x.yaml:2:9 nested-list"),
    "cluster annotation": (
        "apiVersion: v1\nkind: A\nmetadata: {name: a, annotations: {clusterform.dev/cluster: x}}\n",
        "error x.yaml:1 wrong-type",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_document_that_cannot_be_taken_is_reported(name: str, tmp_path: Path) -> None:
    text, expected = PROBLEMS[name]
    found = loaded(tmp_path, {"x.yaml": text})
    assert (findings(found), found.documents) == ([expected], ())


BODIES = {
    "nulls go": ("spec: {a: null, b: [null, {c: null}], d: {e: ~}}", {"spec": {"b": [None, {}], "d": {}}}),
    "the word null stays": ("spec: {a: 'null'}", {"spec": {"a": "null"}}),
    "kubectl's scalars": ("spec: {t: 22:22, m: 0644, e: 1e3}", {"spec": {"t": "22:22", "m": 420, "e": 1000}}),
    "an empty status goes": ("status: {}", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_normalised(name: str, tmp_path: Path) -> None:
    text, expected = BODIES[name]
    found = body(one(tmp_path, thing("x", text)))
    assert {
        key: found[key] for key in found if key not in ("apiVersion", "kind", "metadata")
    } == expected


def test_empty_metadata_goes(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  labels: {x: ~}\n  annotations: {}\n"
        "  finalizers: []\n  ownerReferences:\n  creationTimestamp: null\n"
    )
    assert body(one(tmp_path, text))["metadata"] == {"name": "a"}


def test_nulls_of_helm_values_stay(tmp_path: Path) -> None:
    text = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a}\n"
        "spec: {values: {probe: ~}, chart: ~}\n"
    )
    assert body(one(tmp_path, text))["spec"] == {"values": {"probe": None}}


def test_what_a_server_added_is_left_out_with_a_warning(tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  uid: u\n  resourceVersion: '1'\n"
        "  annotations: {kubectl.kubernetes.io/last-applied-configuration: planted}\n"
        "status: {ready: true}\n"
    )
    found = loaded(tmp_path, {"x.yaml": text})
    assert findings(found) == ["warning x.yaml:1 exported"]
    assert body(found.documents[0]) == {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}
    assert "planted" not in repr(found)


def test_the_cluster_of_an_add_on_is_taken_from_its_annotation(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
        "  annotations: {clusterform.dev/cluster: team-a/shop}\n",
    )
    assert found.cluster == "team-a/shop"
    assert body(found)["metadata"] == {"name": "a"}


def test_uncommitted_files_and_links_are_said(tmp_path: Path) -> None:
    for command in (
        ["init", "-q"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    os.symlink("/etc/passwd", tmp_path / "link.yaml")
    os.symlink("/etc/passwd", tmp_path / "README.md")
    found = loaded(tmp_path, {"x.yaml": thing("x"), ".github/w.yaml": ""})
    assert found.uncommitted == ("x.yaml",)
    assert found.label == f"{found.commit[:7]} (+1 uncommitted)"
    assert findings(found) == ["warning link.yaml skipped"]


def test_one_file_that_cannot_be_parsed_does_not_hide_the_others(tmp_path: Path) -> None:
    found = loaded(tmp_path, {"a.yaml": "a: [", "b.yaml": thing("b"), "c.yaml": "c: {"})
    assert [(part.path, part.code) for part in found.errors] == [
        ("a.yaml", "yaml-syntax"),
        ("c.yaml", "yaml-syntax"),
    ]
    assert [part.name for part in found.documents] == ["b"]
