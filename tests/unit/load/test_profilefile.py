"""Profiles of a Fleet file by their way into clusters, and what no add-on provider could do."""

# ruff: noqa: E501 - a row of a table is one line

import pytest

from planner.fleetfile import read_fleet
from state.desired import Profile

PATHS = {"clusters", "cni", "flux.yaml"}
HEAD = """\
apiVersion: clusterform.dev/v1
kind: Fleet
metadata: {name: acme}
spec:
  management: [{name: m, paths: [clusters], sandbox: {}}]
  profiles:
    cni: {path: cni, selector: {}}
"""


def read(profile: str) -> tuple[Profile, str]:
    content = f"{HEAD}    {profile}\n".encode()
    fleet, findings = read_fleet(content, "clusterform.yaml", PATHS.__contains__)
    told = [f"{f.line}:{f.column} {f.severity}[{f.code}] {f.summary}" for f in findings]
    return fleet.profiles[-1], "\n".join(told)


def test_a_profile_goes_through_the_kubeconfig_unless_it_says_otherwise() -> None:
    found, told = read("a: {path: cni, selector: {env: prod}}")
    assert (found.through, found.handed_over, found.strategy, told) == ("kubeconfig", False, "", "")


@pytest.mark.parametrize(
    ("fields", "strategy"),
    [
        ("path: cni, through: clusterResourceSet", "Reconcile"),
        ("path: cni, through: clusterResourceSet, strategy: ApplyOnce", "ApplyOnce"),
        ("chart: b, repository: 'oci://r.example.org/c', through: helmChartProxy", "Continuous"),
        (
            "chart: b, repository: 'https://r.example.org', through: helmChartProxy, strategy: InstallOnce",
            "InstallOnce",
        ),
    ],
)
def test_what_is_handed_over_follows_its_edits_unless_it_says_otherwise(
    fields: str, strategy: str
) -> None:
    found, told = read(f"a: {{{fields}, selector: {{env: prod}}}}")
    assert (found.strategy, found.handed_over, told) == (strategy, True, "")


MISTAKES = {
    "no selector": (
        "a: {path: cni, through: clusterResourceSet}",
        "8:5 error[no-selector] Fleet spec.profiles.a has no selector, and a ClusterResourceSet selects clusters by labels",
    ),
    "no selector of a chart": (
        "a: {chart: b, repository: 'https://r.example.org', through: helmChartProxy}",
        "8:5 error[no-selector] Fleet spec.profiles.a has no selector, and a HelmChartProxy selects clusters by labels",
    ),
    "an empty selector": (
        "a: {path: cni, selector: {}, through: clusterResourceSet}",
        "8:20 error[no-selector] Fleet spec.profiles.a.selector is empty, and a ClusterResourceSet then selects no cluster",
    ),
    "an unknown way": (
        "a: {path: cni, selector: {}, through: clusterResourcSet}",
        '8:34 error[unknown-value] unknown value "clusterResourcSet" of Fleet spec.profiles.a.through',
    ),
    "a strategy of nobody": (
        "a: {path: cni, selector: {}, strategy: Reconcile}",
        "8:34 error[wrong-way] Fleet spec.profiles.a.strategy is of an add-on provider, and this profile goes through the kubeconfig",
    ),
    "a strategy of the other one": (
        "a: {path: cni, selector: {e: p}, through: clusterResourceSet, strategy: InstallOnce}",
        '8:67 error[unknown-value] unknown value "InstallOnce" of Fleet spec.profiles.a.strategy',
    ),
    "flux": (
        "a: {gitops: {engine: flux2, components: flux.yaml, url: u}, selector: {e: p}, through: clusterResourceSet}",
        "8:83 error[wrong-way] Fleet spec.profiles.a.gitops goes through the kubeconfig only",
    ),
    "a folder as a chart": (
        "a: {path: cni, selector: {e: p}, through: helmChartProxy}",
        "8:5 error[wrong-way] Fleet spec.profiles.a: a HelmChartProxy needs a chart's repository",
    ),
    "a chart of this repository": (
        "a: {chart: charts/b, selector: {e: p}, through: helmChartProxy}",
        "8:5 error[wrong-way] Fleet spec.profiles.a: a HelmChartProxy needs a chart's repository",
    ),
    "a path as a chart's name": (
        "a: {chart: charts/b, repository: 'https://r.example.org', selector: {e: p}, through: helmChartProxy}",
        "8:9 error[wrong-type] Fleet spec.profiles.a.chart is not the name of a chart",
    ),
    "a repository that nobody asks": (
        "a: {path: cni, repository: 'https://r.example.org', selector: {e: p}}",
        "8:20 error[wrong-way] Fleet spec.profiles.a.repository: only a HelmChartProxy takes a chart from there",
    ),
    "an order that a new cluster does not know": (
        "a: {path: cni, selector: {e: p}, through: clusterResourceSet, after: [cni]}",
        "8:67 warning[no-order] Fleet spec.profiles.a.after orders the run that writes the ClusterResourceSet: a cluster that is made later gets it as soon as it answers",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_place(name: str) -> None:
    text, expected = MISTAKES[name]
    assert read(text)[1] == expected


def test_a_password_in_a_repository_is_refused_and_not_repeated() -> None:
    url = "'https://joe:hush@r.example.org'"
    _, told = read(f"a: {{chart: b, repository: {url}, selector: {{}}, through: helmChartProxy}}")
    assert "[wrong-type] Fleet spec.profiles.a.repository is no URL" in told
    assert "hush" not in told
