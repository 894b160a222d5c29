"""`clusterform test`: values that are declared, schemas at hand, warnings, edits that are tried."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from planner.cases import Case
from planner.cli.main import run as main
from planner.testing import run
from planner.trial import Outcome, Tried
from planner.views.tests import junit
from planner.workspace import Workspace
from tests.stories.test_gitops import lab_of
from tests.support.lab import Lab

TEST = """\
apiVersion: clusterform.dev/v1
kind: Test
metadata: {name: more}
spec:
"""
META = "metadata: {name: odd, namespace: shop}\n"


def failed(cases: list[Case]) -> dict[str, tuple[str, ...]]:
    return {case.name: case.problems for case in cases if not case.passed}


def named(cases: list[Case], name: str) -> Case:
    found = [case for case in cases if case.name == name]
    assert len(found) == 1, [case.name for case in cases]
    return found[0]


def with_test(lab: Lab, spec: str) -> list[Case]:
    """The cases with one more file of tests."""
    lab.write("tests/more.yaml", TEST + spec)
    return run(lab.workspace())


@pytest.mark.parametrize("example", ["flux-v1", "flux-v2", "blueprints"])
def test_the_examples_pass_their_own_tests(tmp_path: Path, example: str) -> None:
    cases = run(lab_of(tmp_path, example).workspace())
    assert failed(cases) == {}
    assert any("rolls nothing" in case.name or "roll nothing" in case.name for case in cases)


def test_a_chart_is_rendered_with_each_of_its_ci_values(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("charts/dev-cluster/ci/typo-values.yaml", "nodePools: {web: {type: m6i}}\n")
    cases = run(lab.workspace())
    smallest = named(cases, "chart charts/dev-cluster with ci/smallest-values.yaml")
    assert smallest.passed
    assert "has one control-plane machine" in smallest.notes[0]
    wrong = named(cases, "chart charts/dev-cluster with ci/typo-values.yaml")
    assert wrong.group == "charts"
    (problem,) = wrong.problems
    assert problem.startswith("charts/dev-cluster/ci/typo-values.yaml: chart charts/dev-cluster: ")
    assert "the values do not fit values.schema.json" in problem
    assert set(failed(cases)) == {wrong.name}


def test_what_a_chart_renders_is_held_to_schemas_and_rules(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("charts/dev-cluster/ci/even-values.yaml", "controlPlane: {replicas: 2, type: 1s}\n")
    spec = """\
  charts:
    - chart: charts/dev-cluster
      namespace: shop
      values: [charts/dev-cluster/ci/even-values.yaml, "tests/values/chart-*.yaml"]
"""
    lab.write("tests/values/chart-bad.yaml", 'podCidr: "10.0.0.0/8"\nextra: {}\n')
    template = "charts/dev-cluster/templates/extra.yaml"
    lab.write(
        template,
        "{{- if hasKey .Values `extra` }}\napiVersion: cluster.x-k8s.io/v1beta2\n"
        "kind: MachineHealthCheck\nmetadata: {name: extra, namespace: shop}\n"
        "spec: {clusterName: test}\nextra: true\n{{- end }}\n",
    )
    cases = with_test(lab, spec)
    even = named(cases, "chart charts/dev-cluster with ci/even-values.yaml")
    assert even.group == "more"
    assert even.where == "tests/more.yaml:6"
    (problem,) = even.problems
    assert "KubeadmControlPlane shop/test-control-plane: spec.replicas is 2" in problem
    bad = named(cases, "chart charts/dev-cluster with tests/values/chart-bad.yaml")
    assert any(": extra is not a field of this kind" in each for each in bad.problems)
    assert not any("ci/smallest" in case.name for case in cases)  # the test says which files count


def test_a_release_is_rendered_with_each_file_over_its_values(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("tests/values/none.yaml", "controlPlane: {replicas: 4}\n")
    spec = "  releases:\n    - {release: shop/shop-dev, values: [tests/values/none.yaml]}\n"
    cases = with_test(lab, spec)
    assert named(cases, "release shop/shop-dev with tests/values/next-minor.yaml").passed
    (problem,) = named(cases, "release shop/shop-dev with tests/values/none.yaml").problems
    assert "KubeadmControlPlane shop/shop-dev-control-plane: spec.replicas is 4" in problem


def test_a_version_that_the_crd_does_not_serve_names_those_that_it_does(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.edit(
        "charts/dev-cluster/templates/cluster.yaml",
        ("infrastructure.cluster.x-k8s.io/v1beta2", "infrastructure.cluster.x-k8s.io/v1alpha4"),
    )
    (problem,) = named(
        run(lab.workspace()), "chart charts/dev-cluster with ci/smallest-values.yaml"
    ).problems
    assert problem.endswith(
        "DevCluster default/test: infrastructure.cluster.x-k8s.io/v1alpha4 is not served by the"
        " CRD at hand, which serves v1beta2"
    )


def test_what_has_no_schema_is_counted(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("clusters/dev/a.yaml", "apiVersion: a.example.org/v1\nkind: Odd\n" + META)
    lab.write("clusters/dev/b.yaml", "apiVersion: b.example.org/v1\nkind: Odd\n" + META)
    (case,) = (case for case in run(lab.workspace()) if case.group == "schemas")
    assert case.passed
    assert ", 2 Odd, " in case.notes[0]


def test_a_cluster_of_a_blueprint_is_rendered_with_other_values(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "blueprints")
    lab.write("values/even.yaml", "controlPlane: {replicas: 2}\n")
    spec = "  releases:\n    - {release: team-a/shop-prod, values: [values/even.yaml]}\n"
    (problem,) = named(
        with_test(lab, spec), "release team-a/shop-prod with values/even.yaml"
    ).problems
    assert "shop-prod-control-plane: spec.replicas is 2" in problem


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            "  chart: []\n",
            'tests/more.yaml:5:3: unknown field "chart" in Test spec; did you mean "charts"?',
        ),
        (
            "  charts:\n    - {chart: charts/aws-cluster, value: [a.yaml]}\n",
            'tests/more.yaml:6:35: unknown field "value" in Test spec.charts[0];'
            ' did you mean "values"?',
        ),
        (
            "  charts:\n    - chart: charts/none\n",
            "tests/more.yaml:6:7: Test spec.charts[0].chart does not exist: charts/none; ",
        ),
        (
            "  releases:\n    - release: shop/shop-dev\n      values: [tests/values/gone.yaml]\n",
            "tests/more.yaml:7:16: there is no values file tests/values/gone.yaml; ",
        ),
        ("  releases:\n    - release: shop/shop-dev\n", "Test spec.releases[0].values is missing"),
        ("  releases: {a: 1}\n", "tests/more.yaml:5:3: Test spec.releases is not a list"),
    ],
    ids=["unknown list", "unknown field", "no chart", "no file", "no values", "no list"],
)
def test_a_wrong_test_file_is_a_finding_at_its_line(
    tmp_path: Path, spec: str, problem: str
) -> None:
    (case,) = with_test(lab_of(tmp_path, "flux-v1"), spec)
    assert problem in case.problems[0]


def test_what_is_declared_and_not_there_fails_its_case(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("tests/values/list.yaml", "- a\n")
    spec = """\
  charts:
    - {chart: charts/dev-cluster, management: other}
    - {chart: charts/dev-cluster, values: [tests/values/list.yaml]}
  releases:
    - {release: shop/none, values: [tests/values/next-minor.yaml]}
  edits:
    - {name: no release, release: shop/none, set: {a: 1}}
    - {name: no field, release: shop/shop-dev, set: {"nodePools.md0.count.more": 1}}
"""
    assert {name: found[0] for name, found in failed(with_test(lab, spec)).items()} == {
        "chart charts/dev-cluster with ci/smallest-values.yaml": (
            'tests/more.yaml:6: there is no management cluster "other"; valid here: mgmt'
        ),
        "chart charts/dev-cluster with tests/values/list.yaml": (
            "tests/values/list.yaml: the document is not an object"
        ),
        "release shop/none with tests/values/next-minor.yaml": (
            "the repository has no release shop/none;"
            " write NAMESPACE/NAME of a HelmRelease or WorkloadCluster"
        ),
        "no release": (
            "the repository has no release shop/none;"
            " write NAMESPACE/NAME of a HelmRelease or WorkloadCluster"
        ),
        "no field": (
            "clusters/dev/shop-dev.yaml:1: HelmRelease shop/shop-dev:"
            " set: nodePools.md0.count.more cannot be set in these values"
        ),
    }


EDITS = """\
  edits:
    - {name: two more, release: shop/shop-dev, set: {nodePools.md0.count: 5}, rolls: false}
    - {name: rolls, release: shop/shop-dev, set: {kubernetesVersion: v1.35.3}, rolls: false}
"""


def test_tests_may_lie_among_the_manifests(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a.yaml").write_text(
        f"{TEST}  expect:\n    - object: {{kind: ConfigMap, name: a}}\n"
    )
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    cases = run(Workspace(tmp_path))
    assert failed(cases) == {}
    assert any(case.group == "more" for case in cases)


def test_a_fleet_without_clusters_is_one_failure(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    head = "apiVersion: clusterform.dev/v1\nkind: Fleet\nmetadata: {name: a}\n"
    lab.write("clusterform.yaml", f"{head}spec: {{management: []}}\n")
    (problems,) = failed(run(lab.workspace())).values()
    assert problems == ("clusterform.yaml:4:1: the Fleet has no management cluster",)


def test_a_report_that_cannot_be_written_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = lab_of(tmp_path, "blueprints")
    lab.remove("tests/shop.yaml")
    assert main(["-C", str(lab.root), "test", "--junit", str(tmp_path / "none/a.xml")]) == 1
    assert "error[cannot-write]: " in capsys.readouterr().err


def test_an_edit_is_tried_once_for_the_same_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    first = with_test(lab, EDITS)
    assert named(first, "two more").passed
    (problem,) = named(first, "rolls").problems
    assert problem.startswith("replaced: ")
    made: list[str] = []

    def outcome(_: Workspace, tried: Tried) -> Outcome:
        made.append(tried.after.fleet.name)
        return Outcome(machines=dict.fromkeys(("replaced", "added", "removed", "destroyed"), 0))

    monkeypatch.setattr("planner.tries.outcome", outcome)
    lab.write("docs/readme.yaml", "# nothing of the fleet\n")
    assert failed(with_test(lab, EDITS)) == {"rolls": (problem,)}
    assert made == []
    lab.edit("charts/aws-cluster/values.yaml", ("replicas: 3", "replicas: 5"))
    assert failed(with_test(lab, EDITS)) == {}
    assert made == ["flux-v1"] * 2


SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-token, namespace: {{ .Release.Namespace }}}
stringData: {token: "{{ .Values.kubernetesVersion }}-{{ .Values.token }}"}
"""
TOKEN = """\
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: shop}
stringData: {values.yaml: "token: hunter22hunter22"}
"""


def test_a_release_with_secrets_is_tried_and_none_is_kept(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("charts/aws-cluster/templates/secret.yaml", SECRET)
    lab.write("clusters/dev/token.yaml", TOKEN)
    lab.edit(
        "clusters/dev/shop-dev.yaml",
        ("  values:\n", "  valuesFrom:\n    - secretKeyRef: {name: token}\n  values:\n"),
    )
    cases = with_test(lab, EDITS)
    assert set(failed(cases)) == {"rolls"}
    files = [path for path in (tmp_path / ".clusterform").rglob("*") if path.is_file()]
    assert any(path.name == "trials" for path in files)
    assert not any(b"hunter22" in path.read_bytes() for path in files)
    assert "hunter22" not in junit(cases)


def test_values_that_only_a_cluster_knows_are_a_note_and_fail_an_edit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.edit(
        "clusters/dev/shop-dev.yaml",
        ("  values:\n", "  valuesFrom:\n    - secretKeyRef: {name: token}\n  values:\n"),
    )
    lab.write("tests/more.yaml", f"{TEST}{EDITS}")
    assert main(["-C", str(lab.root), "test"]) == 1
    told = capsys.readouterr().out
    reason = "HelmRelease shop/shop-dev: not rendered: its values from Secret shop/token"
    case = "  ✔ release shop/shop-dev with tests/values/next-minor.yaml\n"
    assert f"{case}      ! clusters/dev/shop-dev.yaml:1: {reason}" in told
    assert f"      clusters/dev/shop-dev.yaml:1: {reason}" in told
    assert "2 failed" in told


def test_what_cannot_be_tried_is_tried_again(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    spec = "  edits:\n    - {name: odd, release: shop/shop-dev, set: {a: 1}}\n"
    lab.write(
        "charts/aws-cluster/templates/odd.yaml", "apiVersion: o.example.org/v1\nkind: Odd\n" + META
    )
    problem = ("the release cannot be tried: ",)
    for _ in range(2):
        (said,) = named(with_test(lab, spec), "odd").problems
        assert said.startswith(problem)


def test_processes_give_the_report_of_one(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write("tests/more.yaml", TEST + EDITS)

    def report(jobs: int) -> list[str]:
        shutil.rmtree(tmp_path / ".clusterform", ignore_errors=True)
        command = [
            sys.executable,
            "-P",
            "-c",
            "from planner.start import main; main()",
            "test",
            "-j",
            str(jobs),
        ]
        done = subprocess.run(command, cwd=lab.root, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "")
        return done.stdout.splitlines()[:-1]

    assert report(1) == report(2)
