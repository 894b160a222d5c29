"""What is remembered of renders whose values must not be: a second look renders nothing again."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.expand.jobs import Job, Jobs
from tests.support.lab import Lab

FLEET = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management: [{name: mgmt, sandbox: {}, paths: [crds, clusters]}]
  sources: {"https://git.example.org/acme/fleet": .}
"""
RELEASE = """\
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata: {name: NAME, namespace: default}
spec:
  releaseName: NAME
  chart: {git: "https://git.example.org/acme/fleet", path: charts/nodes}
  values: {motd: "welcome to NAME, 4711"}
"""
TEMPLATE = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata: {name: {{ .Release.Name }}}
spec:
  template:
    spec:
      files:
        - {path: /etc/motd, content: {{ .Values.motd | quote }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {motd: {{ .Values.motd | quote }}}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, fleet=FLEET)
    lab.write("charts/nodes/Chart.yaml", "apiVersion: v2\nname: nodes\nversion: 1.0.0\n")
    lab.write("charts/nodes/templates/all.yaml", TEMPLATE)
    for name in ("one", "two", "three"):
        lab.write(f"clusters/{name}.yaml", RELEASE.replace("NAME", name))
    lab.commit()
    return lab


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The releases that are rendered."""
    found: list[str] = []
    run = Jobs._run_fresh

    def noted(self: Jobs, jobs: list[Job]) -> object:
        found.extend(job.source.release.name for job in jobs)
        return run(self, jobs)

    monkeypatch.setattr(Jobs, "_run_fresh", noted)
    return found


def test_a_plan_without_changes_renders_nothing_again(lab: Lab, rendered: list[str]) -> None:
    plan = lab.plan()
    assert sorted(rendered) == ["one", "three", "two"]
    lab.apply(plan)
    rendered.clear()
    assert lab.plan().changes == ()
    assert rendered == []
    lab.edit("clusters/two.yaml", ("4711", "4712"))
    assert {c.id.name.partition("-")[0] for c in lab.plan().changes} == {"two"}
    assert rendered == ["two"]


def test_an_apply_renders_each_release_at_most_once(lab: Lab, rendered: list[str]) -> None:
    plan = lab.plan()
    rendered.clear()
    lab.apply(plan)
    assert sorted(rendered) == ["one", "three", "two"]


def test_values_are_not_in_what_is_remembered(lab: Lab) -> None:
    lab.converge()
    lab.plan()
    content = (lab.root / ".clusterform" / "cache" / "rendered").read_bytes()
    assert b"KubeadmConfigTemplate" in content
    assert b"welcome" not in content  # nor in base64, which would hold this:
    assert b"d2VsY29tZ" not in content


def test_a_value_that_changed_live_is_seen(lab: Lab) -> None:
    lab.converge()
    path = "/api/v1/namespaces/default/secrets/one"
    lab.patch(path, {"data": {"motd": "b3RoZXI="}}, manager="kubectl-edit")
    (change,) = lab.plan().changes
    assert [(f.path, f.sensitive) for f in change.fields] == [(("f:data", "f:motd"), True)]
