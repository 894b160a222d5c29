"""Charts through a plan: hooks, CRDs, post-renderers, warnings, also from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.load import Loaded, LoadedDocument
from planner.workspace import Workspace
from state.resource import Hook
from tests.support.lab import FLEET, Lab

SOURCES = "  sources:\n    ssh://git@x/charts: charts\n"
REPOSITORY = """apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: charts, namespace: team}
spec: {url: ssh://git@x/charts, interval: 1h}
"""
CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: things, kind: Thing, singular: thing, listKind: ThingList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata: {name: plain}
data: {size: {{ .Values.size | quote }}, image: {{ .Values.image }}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: before
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gone, annotations: {helm.sh/hook: pre-delete}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: tested, annotations: {helm.sh/hook: test}}
"""
RELEASE = """apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: team}
spec:
  chart:
    spec:
      chart: ./app
      sourceRef: {kind: GitRepository, name: charts}
      SPEC
  MORE
"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


class Repository:
    """A fleet with one release of one chart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lab = Lab(root, fleet=FLEET + SOURCES)
        self.lab.write("clusters/source.yaml", REPOSITORY)
        self.chart("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n")
        self.chart("values.yaml", "size: 1\nimage: x\n")
        self.chart("templates/a.yaml", TEMPLATE)
        self.chart("crds/thing.yaml", CRD)
        self.release()

    def chart(self, path: str, text: str) -> None:
        self.lab.write(f"charts/app/{path}", text)

    def release(self, more: str = "", spec: str = "") -> None:
        self.lab.write("clusters/shop.yaml", RELEASE.replace("SPEC", spec).replace("MORE", more))
        self.lab.commit()

    @property
    def loaded(self) -> Loaded:
        return Workspace(self.root, controllers=False).loaded

    @property
    def found(self) -> dict[str, LoadedDocument]:
        """The rendered documents, by name."""
        loaded = self.loaded
        assert loaded.errors == ()
        return {d.name: d for d in loaded.documents if d.release}

    def body(self, name: str) -> Any:
        return msgspec.json.decode(self.found[name].body)

    @property
    def said(self) -> list[str]:
        return [f.summary for f in self.loaded.findings]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_hooks_are_marked_and_those_that_are_not_run_are_named(repository: Repository) -> None:
    for _ in range(2):  # rendered, and from the cache
        found = repository.found
        assert found.keys() == {"plain", "before", "things.example.org"}
        assert found["before"].hook == Hook(("pre-install", "pre-upgrade"), -5)
        assert found["plain"].hook is None
        assert repository.said == [
            "HelmRelease team/shop: hooks that are not run: ConfigMap gone (pre-delete)"
        ]
        assert [t[:15] for t in repository.loaded.renderers] == ["helm-python-sdk"]


def test_hooks_that_are_off_are_left_out(repository: Repository) -> None:
    repository.release("install: {disableHooks: true}")
    assert repository.found["before"].hook == Hook(("pre-upgrade",), -5)
    repository.release("install: {disableHooks: true}\n  upgrade: {disableHooks: true}")
    assert "before" not in repository.found


@pytest.mark.parametrize(
    ("more", "once"),
    [
        ("", True),
        ("upgrade: {crds: CreateReplace}", False),
        ("install: {crds: Skip}", None),
        ("install: {crds: Skip}\n  upgrade: {crds: Create}", True),
    ],
)
def test_crds_follow_their_policy(repository: Repository, more: str, once: bool | None) -> None:
    repository.release(more)
    found = repository.found
    assert ("things.example.org" in found) is (once is not None)
    if once is not None:
        assert found["things.example.org"].once is once
    assert found["plain"].once is False


def test_post_renderers_come_before_common_metadata(repository: Repository) -> None:
    repository.chart("templates/web.yaml", DEPLOYMENT)
    repository.release(
        """commonMetadata: {labels: {owner: us}}
  postRenderers:
    - kustomize:
        images: [{name: web, newName: mirror/web, newTag: "2"}]
        patches:
          - target: {kind: ConfigMap, name: plain}
            patch: |
              - {op: replace, path: /data/size, value: "9"}
              - {op: add, path: /metadata/labels, value: {owner: patch, more: x}}
    - kustomize: {patches: [{patch: '{"apiVersion": "v1", "kind": "ConfigMap", "metadata":
        {"name": "plain"}, "data": {"second": "yes"}}'}]}"""
    )
    assert repository.body("web")["spec"]["template"]["spec"]["containers"] == [
        {"name": "web", "image": "mirror/web:2"}
    ]
    plain = repository.body("plain")
    assert plain["data"] == {"size": "9", "image": "x", "second": "yes"}
    assert plain["metadata"]["labels"] == {"owner": "us", "more": "x"}
    assert repository.body("before")["metadata"]["labels"] == {"owner": "us"}
    assert "labels" not in repository.body("things.example.org")["metadata"]
    steps = repository.found["plain"].origin.via
    assert "templates/a.yaml" in str(steps)
    assert repository.found["before"].hook


def test_old_forms_of_patches_are_taken(repository: Repository) -> None:
    repository.release(
        """postRenderers:
    - kustomize:
        patchesStrategicMerge:
          - {apiVersion: v1, kind: ConfigMap, metadata: {name: plain}, data: {a: b}}
        patchesJson6902:
          - target: {version: v1, kind: ConfigMap, name: plain}
            patch: [{op: remove, path: /data/size}]"""
    )
    assert repository.body("plain")["data"] == {"a": "b", "image": "x"}


def test_hooks_go_past_post_renderers_where_the_release_says_so(repository: Repository) -> None:
    repository.release("postRenderStrategy: nohooks\n  commonMetadata: {labels: {owner: us}}")
    assert "labels" not in repository.body("before")["metadata"]
    assert repository.body("plain")["metadata"]["labels"] == {"owner": "us"}


def test_a_patch_that_fails_is_an_error_at_the_release(repository: Repository) -> None:
    repository.release(
        "postRenderers: [{kustomize: {patches: [{target: {kind: ConfigMap}, patch: "
        "'[{op: remove, path: /data/none}]'}]}}]"
    )
    [error] = repository.loaded.errors
    assert error.summary.startswith("HelmRelease team/shop: postRenderers: kustomize cannot")
    assert error.path == "clusters/shop.yaml"


def test_values_files_are_paths_of_the_repository(repository: Repository) -> None:
    repository.lab.write("charts/app/values-prod.yaml", "size: 7\n")
    repository.lab.write("charts/more.yaml", "image: prod\n")
    repository.release(spec="valuesFiles: [./app/values-prod.yaml, more.yaml]")
    assert repository.body("plain")["data"] == {"size": "7", "image": "prod"}
    repository.release(spec="valuesFiles: [none.yaml]")
    assert "valuesFiles: there is no none.yaml" in repository.loaded.errors[0].summary


def test_warnings_of_charts_and_fields_are_said_once_and_every_time(
    repository: Repository,
) -> None:
    repository.chart("templates/r.yaml", "# {{ uuidv4 }} {{ now }}\n")
    second = RELEASE.replace("name: shop", "name: second").replace("SPEC", "")
    repository.lab.write("clusters/second.yaml", second.replace("MORE", "releaseName: r2"))
    repository.release("upgrade: {force: true}")
    for _ in range(2):
        chance = [text for text in repository.said if text.startswith("chart app")]
        assert chance == [
            "chart app 1.0.0 does not render the same twice: now in templates/r.yaml,"
            " uuidv4 in templates/r.yaml"
        ]
        assert any("team/shop: spec.upgrade.force: Helm may" in text for text in repository.said)


def test_capabilities_that_nobody_knows_are_an_error_at_the_release(
    repository: Repository,
) -> None:
    repository.chart("templates/k.yaml", "# {{ .Capabilities.KubeVersion }}\n")
    repository.release()
    [error] = repository.loaded.errors
    assert error.code == "no-capabilities"
    assert (error.path, error.hint) == ("clusters/shop.yaml", "clusterform sources lock")


def test_no_finding_shows_a_value_of_a_secret(repository: Repository) -> None:
    repository.lab.write(
        "clusters/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: team}\n"
        "stringData:\n  values.yaml: 'size: hush-hush-4711'\n",
    )
    repository.chart("templates/f.yaml", "{{ fail (printf `size %s is wrong` .Values.size) }}")
    repository.release("valuesFrom: [{kind: Secret, name: s}]")
    [error] = repository.loaded.errors
    assert error.summary == (
        "HelmRelease team/shop: chart app 1.0.0 cannot be rendered: templates/f.yaml:1: size"
        " (value withheld) is wrong"
    )
