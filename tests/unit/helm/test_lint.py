"""What a chart says of itself, as `helm lint` judges it."""

from __future__ import annotations

import pytest

from providers.helm.lint import lint

GOOD = "apiVersion: v2\nname: a\nversion: 1.2.3\n"


def said(chart: str, **files: str) -> list[str]:
    contents = {"Chart.yaml": chart, **{name.replace("_", "."): f for name, f in files.items()}}
    found = lint({name: text.encode() for name, text in contents.items()}, "charts/a")
    return [f"{f.severity} {f.where}: {f.summary}" for f in found]


@pytest.mark.parametrize(
    "chart",
    [
        GOOD,
        "apiVersion: v1\nname: a\nversion: 0.1.0-rc.1+b.2\n",
        f'{GOOD}type: library\nappVersion: "1.0"\nicon: a.png\n',
    ],
    ids=["least", "of Helm 2", "library"],
)
def test_nothing_is_said_of_a_good_chart(chart: str) -> None:
    assert said(chart) == []


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ("name: a\nversion: 1.2.3\n", "error charts/a/Chart.yaml:1: apiVersion is missing"),
        (GOOD.replace("v2", "v3"), "error charts/a/Chart.yaml:1: apiVersion is 'v3'"),
        (GOOD.replace("name: a\n", ""), "error charts/a/Chart.yaml:1: name is missing"),
        (GOOD.replace("1.2.3", ""), "error charts/a/Chart.yaml:3: version is missing"),
        (GOOD.replace("1.2.3", "1.2"), "error charts/a/Chart.yaml:3: version is not a text"),
        (
            GOOD.replace("1.2.3", "one"),
            "error charts/a/Chart.yaml:3: version one is not SemVer",
        ),
        (
            GOOD.replace("1.2.3", "v1.2.3"),
            "warning charts/a/Chart.yaml:3: version v1.2.3 is not SemVer",
        ),
        (f"{GOOD}appVersion: 1.0\n", "warning charts/a/Chart.yaml:4: appVersion is not a text"),
        (f"{GOOD}type: app\n", "error charts/a/Chart.yaml:4: type 'app' is not known"),
        (f"{GOOD}deprecated: true\n", "warning charts/a/Chart.yaml:4: the chart is deprecated"),
        (
            f"{GOOD}dependencies: [{{name: b, version: 1.x}}]\n",
            "warning charts/a/Chart.yaml:1: charts/a: it depends on b 1.x, which is not in charts/,"
            " and there is no Chart.lock",
        ),
        (
            f"{GOOD.replace('v2', 'v1')}type: library\n",
            "warning charts/a/Chart.yaml:4: type is only read with apiVersion v2",
        ),
        ("", "error charts/a/Chart.yaml:1: it is not one YAML mapping"),
    ],
)
def test_what_is_wrong_has_its_line(chart: str, told: str) -> None:
    assert said(chart) == [told]


def test_values_that_are_no_yaml_are_an_error() -> None:
    (told,) = said(GOOD, values_yaml="a: [\n")
    assert told.startswith("error charts/a/values.yaml:")
