"""Secrets that patches and variables of a class put into machines: in no plan, in no file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from planner.views.jsonview import plan_json
from planner.views.markdown import plan_markdown
from planner.views.text import plan_text
from tests.stories.test_classes import cluster, cluster_class, put
from tests.support.lab import Lab

PATCHES = """\
  variables:
    - name: adminPassword
      required: false
      schema: {openAPIV3Schema: {type: string, default: hunter1}}
    - name: extra
      required: false
      schema: {openAPIV3Schema: {type: string, default: hunter6, example: hunter7}}
  patches:
    - name: extra
      definitions:
        - selector:
            apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
            kind: KubeadmConfigTemplate
            matchResources: {machineDeploymentClass: {names: [old]}}
          jsonPatches:
            - op: add
              path: /spec/template/spec/ignition/containerLinuxConfig/additionalConfig
              valueFrom: {variable: extra}
    - name: users
      definitions:
        - selector:
            apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
            kind: KubeadmConfigTemplate
            matchResources: {machineDeploymentClass: {names: [old]}}
          jsonPatches:
            - op: add
              path: /spec/template/spec/users
              value: [{name: admin, passwd: hunter2}]
            - op: add
              path: /spec/template/spec/files
              value: [{path: /etc/a, content: hunter3}]
"""
VARIABLES = """\
    variables:
      - {name: adminPassword, value: hunter4}
"""


OTHER = """\
  variables:
    - {name: other, required: false, schema: {openAPIV3Schema: {type: string}}}
"""


def made(number: int) -> str:
    return (cluster_class("old") + PATCHES).replace("hunter", f"hunter{number}-")


def test_no_secret_of_a_class_or_a_topology_is_in_a_plan(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    topology = cluster("c1", "old") + VARIABLES
    put(lab, made(1), topology)
    first = lab.plan()
    lab.converge()
    live = lab.get("/apis/cluster.x-k8s.io/v1beta2/namespaces/team-a/clusterclasses/small")
    assert live is not None
    assert "hunter1-3" in str(live["spec"]["patches"]), "the value itself is applied"
    assert lab.plan().changes == ()
    put(lab, made(2), topology.replace("hunter4", "hunter5"))
    second = lab.plan()
    assert {c.id.kind for c in second.changes} == {"Cluster", "ClusterClass"}
    for plan in (first, second):
        views = (
            plan_text(plan, color=False, verbose=True),
            plan_markdown(plan),
            plan_json(plan),
            msgspec.json.encode(plan).decode(),  # as it is saved, with all bodies
        )
        assert not [view for view in views if "hunter" in view]
    lab.converge()
    assert lab.plan().changes == ()
    files = [f for f in (tmp_path / ".clusterform").rglob("*") if f.is_file()]
    found = [f.name for f in files if b"hunter" in f.read_bytes() and "sandbox" not in f.name]
    assert found == []


def test_a_secret_that_a_class_drops_is_not_in_the_step_that_still_offers_it(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path)
    put(lab, made(1), cluster("c1", "old"))
    lab.converge()
    put(lab, cluster_class("new") + OTHER, cluster("c1", "new"))
    plan = lab.plan()
    assert [c.action.step for c in plan.changes if c.id.kind == "ClusterClass"] == [0, 1]
    assert b"hunter" not in msgspec.json.encode(plan)
    lab.converge()
    assert lab.plan().changes == ()
