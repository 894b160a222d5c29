"""A ClusterClass and its clusters change in one plan: the class grows first and shrinks last."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from planner.changes import Plan
from planner.select import parse
from planner.views.text import plan_text
from providers.base import Effect
from state.resource import path_text
from tests.support.lab import FLEET, Lab, by_verb, capi, change_of
from tests.support.manifests import NAMESPACE, machine_template

_CORE, _INFRA = "cluster.x-k8s.io/v1beta2", "infrastructure.cluster.x-k8s.io/v1beta2"
_BOOTSTRAP = "bootstrap.cluster.x-k8s.io/v1beta2"
_PLANE = "controlplane.cluster.x-k8s.io/v1beta2"
_TEMPLATES = f"""\
apiVersion: {_INFRA}
kind: DevClusterTemplate
metadata: {{name: small, namespace: team-a}}
spec: {{template: {{spec: {{backend: {{inMemory: {{}}}}}}}}}}
---
apiVersion: {_PLANE}
kind: KubeadmControlPlaneTemplate
metadata: {{name: small, namespace: team-a}}
spec: {{template: {{spec: {{kubeadmConfigSpec: {{verbosity: 2}}}}}}}}
---
apiVersion: {_BOOTSTRAP}
kind: KubeadmConfigTemplate
metadata: {{name: workers, namespace: team-a}}
spec: {{template: {{spec: {{verbosity: 2}}}}}}
"""


def cluster_class(*workers: str) -> str:
    offered = "".join(
        f"""      - class: {worker}
        bootstrap:
          templateRef: {{apiVersion: {_BOOTSTRAP}, kind: KubeadmConfigTemplate, name: workers}}
        infrastructure:
          templateRef: {{apiVersion: {_INFRA}, kind: DevMachineTemplate, name: workers}}
"""
        for worker in workers
    )
    return f"""\
apiVersion: {_CORE}
kind: ClusterClass
metadata: {{name: small, namespace: team-a}}
spec:
  infrastructure:
    templateRef: {{apiVersion: {_INFRA}, kind: DevClusterTemplate, name: small}}
  controlPlane:
    templateRef: {{apiVersion: {_PLANE}, kind: KubeadmControlPlaneTemplate, name: small}}
    machineInfrastructure:
      templateRef: {{apiVersion: {_INFRA}, kind: DevMachineTemplate, name: plane}}
  workers:
    machineDeployments:
{offered}"""


def cluster(name: str, worker: str) -> str:
    return f"""\
apiVersion: {_CORE}
kind: Cluster
metadata: {{name: {name}, namespace: team-a}}
spec:
  clusterNetwork: {{pods: {{cidrBlocks: [10.246.0.0/16]}}}}
  topology:
    classRef: {{name: small}}
    version: v1.34.3
    controlPlane: {{replicas: 1}}
    workers:
      machineDeployments:
        - {{class: {worker}, name: md-0, replicas: 1}}
"""


def put(lab: Lab, *manifests: str, startup: str = "1s") -> None:
    templates = (_TEMPLATES, machine_template("plane"), machine_template("workers", startup))
    lab.write("clusters/fleet.yaml", "---\n".join((NAMESPACE, *templates, *manifests)))
    lab.commit()


_SPEC = """\
          spec:
            type: object
            x-kubernetes-preserve-unknown-fields: true
"""
_KEYED_SPEC = """\
          spec:
            properties:
              workers:
                properties:
                  machineDeployments:
                    items:
                      properties: {class: {type: string}}
                      required: [class]
                      type: object
                      x-kubernetes-preserve-unknown-fields: true
                    type: array
                    x-kubernetes-list-map-keys: [class]
                    x-kubernetes-list-type: map
                type: object
                x-kubernetes-preserve-unknown-fields: true
            type: object
            x-kubernetes-preserve-unknown-fields: true
"""
"""As in Cluster API v1.14.0, api/core/v1beta2/clusterclass_types.go."""


def keyed(lab: Lab) -> None:
    """The CRD of ClusterClass with the list of worker classes keyed by class."""
    crds = (lab.root / "crds/crds.yaml").read_text().split("---\n")
    found = [
        crd.replace(_SPEC, _KEYED_SPEC) if "kind: ClusterClass\n" in crd else crd for crd in crds
    ]
    assert found != crds
    lab.write("crds/crds.yaml", "---\n".join(found))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    keyed(made)
    put(made, cluster_class("old"), cluster("c1", "old"), cluster("c2", "old"))
    made.converge()
    assert made.plan().changes == ()
    return made


def order(lab: Lab) -> list[str]:
    """Kinds of classes and clusters in the order of their successful writes."""
    return [
        r.path.rsplit("/", 1)[1]
        for r in lab.sandbox.requests()
        if r.method == "PATCH" and not r.dry_run and r.status < 300
        if r.field_manager == "clusterform" and "/cluster" in r.path
    ]


def refusals(lab: Lab) -> list[str]:
    """Writes that admission refused; a dry-run may be, it judges by the old other."""
    found = [r for r in lab.sandbox.requests() if r.status in (403, 422) and not r.dry_run]
    return [f"{r.method} {r.path}" for r in found]


def steps(plan: Plan) -> list[str]:
    return [str(c.action) for c in plan.changes if c.id.kind == "ClusterClass"]


def test_a_class_that_gains_and_loses_is_written_around_its_clusters(lab: Lab) -> None:
    before = len(order(lab))
    put(lab, cluster_class("new"), cluster("c1", "new"), cluster("c2", "new"))
    plan = lab.plan()
    assert steps(plan) == ["ClusterClass team-a/small", "ClusterClass team-a/small#1"]
    lab.apply(plan)
    written = order(lab)[before:]
    assert (written[0], written[-1], sorted(written[1:-1])) == ("small", "small", ["c1", "c2"])
    assert refusals(lab) == []
    assert lab.plan().changes == ()


def test_the_same_without_dry_runs(lab: Lab) -> None:
    put(lab, cluster_class("new"), cluster("c1", "new"), cluster("c2", "new"))
    exact, limited = lab.plan(), lab.plan(verbs=frozenset(("get", "list")))
    assert limited.digest == exact.digest
    lab.apply(limited)
    assert refusals(lab) == []
    assert lab.plan().changes == ()


def test_a_class_that_only_grows_goes_first(lab: Lab) -> None:
    before = len(order(lab))
    put(lab, cluster_class("old", "new"), cluster("c1", "new"), cluster("c2", "old"))
    plan = lab.plan()
    assert steps(plan) == ["ClusterClass team-a/small"]
    lab.apply(plan)
    assert order(lab)[before:] == ["small", "c1"]
    assert lab.plan().changes == ()


def test_a_class_that_only_shrinks_goes_last(lab: Lab) -> None:
    put(lab, cluster_class("old", "new"), cluster("c1", "new"), cluster("c2", "old"))
    lab.converge()
    before = len(order(lab))
    put(lab, cluster_class("new"), cluster("c1", "new"), cluster("c2", "new"))
    lab.apply(lab.plan())
    assert order(lab)[before:] == ["c2", "small"]
    assert refusals(lab) == []
    assert lab.plan().changes == ()


def test_a_rotated_template_of_a_class_is_pruned_after_the_class_lets_go(lab: Lab) -> None:
    put(lab, cluster_class("old"), cluster("c1", "old"), cluster("c2", "old"), startup="2s")
    plan = lab.plan()
    assert sorted(by_verb(plan)) == ["prune", "rotate", "update"]
    assert change_of(plan, "ClusterClass").impact.touched >= 2
    lab.converge()
    assert lab.plan().changes == ()
    templates = {
        t["metadata"]["labels"].get("clusterform.dev/template")
        for t in lab.list(capi("devmachinetemplates", "team-a"))
    }
    assert {"plane", "workers"} <= templates


def test_a_topology_that_leaves_git_is_refused_and_can_be_destroyed(lab: Lab) -> None:
    """Cluster API marks the Cluster itself as owned by its topology, too."""
    put(lab, cluster_class("old"), cluster("c1", "old"))
    plan = lab.plan()
    assert plan.changes == ()
    assert ["Cluster team-a/c2" in f.summary for f in plan.findings if f.kind == "refused"] == [
        True
    ]
    gone = lab.plan(mode="destroy", targets=(parse("cluster=team-a/c2"),))
    assert [(c.verb.value, str(c.id)) for c in gone.changes] == [("delete", "Cluster team-a/c2")]
    assert gone.changes[0].impact.destroyed == 2


def test_what_a_class_does_counts_also_where_its_cluster_changes_in_passing(lab: Lab) -> None:
    labelled = cluster("c1", "old").replace("{name: c1,", "{labels: {tier: web}, name: c1,")
    put(lab, cluster_class("old"), labelled, cluster("c2", "old"), startup="2s")
    plan = lab.plan()
    assert {c.id.name: c.impact.replaced for c in plan.changes if c.impact.replaced} == {
        "small": 1,
        "c1": 1,
    }


def test_the_end_of_a_pause_lets_everything_begin(lab: Lab) -> None:
    paused = cluster("c1", "old").replace(
        "{name: c1,", '{annotations: {cluster.x-k8s.io/paused: ""}, name: c1,'
    )
    put(lab, cluster_class("old"), paused, cluster("c2", "old"))
    lab.apply(lab.plan())
    put(lab, cluster_class("old"), cluster("c1", "old"), cluster("c2", "old"))
    (change,) = lab.plan().changes
    assert (change.impact.effect, change.impact.replaced) == (Effect.PROVIDER_DEFINED, 2)


_LABELLED = "template:\n    metadata: {labels: {a: b}}\n"


def _machines(name: str) -> tuple[str, str]:
    """A machine template without and with labels of its machines."""
    head = f"{{name: {name}, namespace: team-a}}\nspec:\n  "
    return f"{head}template:\n", f"{head}{_LABELLED}"


_IN_MEMORY = "spec: {backend: {inMemory: {}}}}}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Spec: {verbosity: 2}", "Spec: {verbosity: 3}", id="control-plane"),
        pytest.param("{spec: {verbosity: 2}}}", "{spec: {verbosity: 3}}}", id="bootstrap"),
        pytest.param(*_machines("plane"), id="machines-of-the-control-plane"),
        pytest.param(*_machines("workers"), id="machines-of-workers"),
        pytest.param(
            f"{{template: {{{_IN_MEMORY}",
            f"{{template: {{metadata: {{labels: {{a: b}}}}, {_IN_MEMORY}",
            id="infrastructure",
        ),
    ],
)
def test_a_run_ends_when_the_clusters_follow_any_template_of_their_class(
    lab: Lab, old: str, new: str
) -> None:
    lab.edit("clusters/fleet.yaml", (old, new))
    lab.commit()
    started = lab.clock.now()
    finished = lab.apply(lab.plan())
    assert [r.message for r in finished.results if r.outcome != "done"] == []
    assert finished.unsettled == ()
    assert lab.clock.now() - started < 1200, "it waited for something that never came"
    assert lab.plan().changes == ()


def test_the_headline_of_a_class_names_its_clusters(lab: Lab) -> None:
    put(lab, cluster_class("old"), cluster("c1", "old"), cluster("c2", "old"), startup="2s")
    text = plan_text(lab.plan(), color=False, verbose=False)
    assert "replaces 2 machines in 2 clusters: team-a/c1, team-a/c2" in text
    assert "2 of 2 clusters" in text


def test_clusters_that_a_class_makes_over_count_for_the_guard(lab: Lab) -> None:
    put(lab, cluster_class("old"), cluster("c1", "old"), cluster("c2", "old"), startup="2s")
    limited = FLEET + "  guards: {maxClustersChanged: 1, maxMachinesReplaced: null}\n"
    lab.write("clusterform.yaml", limited)
    (refusal,) = lab.plan().refusals
    assert refusal.code == "max-clusters-changed"
    assert refusal.units == ("mgmt/team-a/c1", "mgmt/team-a/c2")


def test_each_write_of_a_class_shows_what_it_changes(lab: Lab) -> None:
    put(lab, cluster_class("new"), cluster("c1", "new"), cluster("c2", "new"))
    shown = [
        [(path_text(f.path), f.after is msgspec.UNSET, f.known, f.origin) for f in c.fields]
        for c in lab.plan().changes
        if c.id.kind == "ClusterClass"
    ]
    workers, git = ".spec.workers.machineDeployments", "clusters/fleet.yaml"
    lines = (lab.root / git).read_text().splitlines()
    added = lines.index("      - class: new") + 1
    assert shown == [
        [(f'{workers}[class="new"]', False, True, f"{git}:{added}")],
        [(f'{workers}[class="old"]', True, True, f"{git}:{added - 1}")],
    ]


def test_a_class_drops_a_whole_list_after_its_clusters(lab: Lab) -> None:
    variables = "  variables:\n    - {name: size, required: false, schema: {openAPIV3Schema: {}}}\n"
    sized = cluster("c1", "old") + "    variables: [{name: size, value: big}]\n"
    put(lab, cluster_class("old") + variables, sized, cluster("c2", "old"))
    lab.converge()
    put(lab, cluster_class("new"), cluster("c1", "new"), cluster("c2", "new"))
    plan = lab.plan()
    first, second = (c for c in plan.changes if c.id.kind == "ClusterClass")
    assert b'"size"' in bytes(first.body)
    assert b'"size"' not in bytes(second.body)
    assert ".spec.variables" in {path_text(f.path) for f in second.fields}
    lab.apply(plan)
    assert refusals(lab) == []
    assert lab.plan().changes == ()


def upgraded(name: str) -> str:
    return cluster(name, "old").replace("v1.34.3", "v1.35.2")


def impacts(plan: Plan) -> dict[str, tuple[str, int]]:
    """Owner → effect and machines replaced, of the change of Cluster c1."""
    (change,) = (c for c in plan.changes if str(c.id) == "Cluster team-a/c1")
    return {p.owner: (p.effect.value, p.replaced) for p in change.impact.parts}


def test_a_class_that_changes_beside_a_version_may_replace_machines_twice(lab: Lab) -> None:
    put(lab, cluster_class("old"), upgraded("c1"), cluster("c2", "old"), startup="2s")
    plan = lab.plan()
    assert impacts(plan) == {
        "control plane": ("rolls", 1),
        "MachineDeployment md-0": ("provider-defined", 2),
    }
    text = plan_text(plan, color=False, verbose=False)
    assert "up to 2 replacements of 1 machine" in text
    assert "at most 4 replaced" in " ".join(text.split())


def test_a_version_alone_replaces_every_machine_once(lab: Lab) -> None:
    put(lab, cluster_class("old"), upgraded("c1"), cluster("c2", "old"))
    plan = lab.plan()
    assert impacts(plan) == {
        "control plane": ("rolls", 1),
        "MachineDeployment md-0": ("rolls", 1),
    }
