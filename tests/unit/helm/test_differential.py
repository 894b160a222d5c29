"""The engine against the `helm` binary: what they render of our charts, as parsed objects."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from providers import yamldoc
from providers.helm import binary, scan
from providers.helm.chart import Chart
from providers.helm.pool import Renderer, Request
from tests.unit.helm import chartbook
from tests.unit.helm.chartbook import (
    FUNCTIONS,
    NESTED,
    NESTED_VALUES,
    NULLS,
    NULLS_VALUES,
    TEMPLATES,
    VALUES,
)

Case = tuple[str, int]
CHARTS = {name: chartbook.files(name) for name in TEMPLATES} | {"nested": NESTED, "nulls": NULLS}
VALUES_OF = dict.fromkeys(TEMPLATES, VALUES) | {"nested": NESTED_VALUES, "nulls": NULLS_VALUES}
CASES: list[Case] = [(name, n) for name in CHARTS for n in range(len(VALUES_OF[name]))]
_DROPPED = "a null in a chart's values.yaml is no value: Helm 4 drops it, Helm 3 keeps it as null"
DIFFERENT: dict[Case, str] = {("nulls", 0): _DROPPED, ("nulls", 1): _DROPPED}
"""Differences of Helm 4, which is the engine, from Helm 3; also in docs/gitops.md."""
Objects = list[tuple[str, Any]]


def values_of(case: Case) -> dict[str, Any]:
    return VALUES_OF[case[0]][case[1]]


def of_engine() -> dict[Case, Objects | str]:
    charts = {
        name: Chart.read({p: t.encode() for p, t in files.items()}, name)
        for name, files in CHARTS.items()
    }
    requests = [
        Request(chart=charts[name], name="rel", namespace="apps", values=values_of((name, n)))
        for name, n in CASES
    ]
    renderer = Renderer()
    found: dict[Case, Objects | str] = {}
    for case, result in zip(CASES, renderer.render(requests), strict=True):
        if result.findings:
            found[case] = "refused"
        else:
            found[case] = ordered([(o.template, o.body) for o in result.objects])
    renderer.close()
    return found


def of_binary(root: Path) -> dict[Case, Objects | str]:
    for name, files in CHARTS.items():
        for path, text in files.items():
            target = root / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CASES, pool.map(lambda case: by_binary(root, case), CASES), strict=True))


def by_binary(root: Path, case: Case) -> Objects | str:
    values = root / f"values-{case[0]}-{case[1]}.json"
    values.write_text(json.dumps(values_of(case)))
    command = [
        binary.find_tool().path, "template", "rel", str(root / case[0]), "-n", "apps",
        "--include-crds", "--skip-tests", "-f", str(values),
    ]  # fmt: skip
    done = subprocess.run(
        command, env=binary.environment(str(root)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        return "refused"
    found: Objects = []
    for part in re.split(r"^---\n# Source: ", done.stdout, flags=re.MULTILINE)[1:]:
        source, _, text = part.partition("\n")
        documents, findings = yamldoc.parse(text.encode(), source)
        assert findings == [], source
        found += [(source.partition("/")[2], d.body) for d in documents]
    return ordered(found)


def ordered(found: Objects) -> Objects:
    return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[Case, Any], ...]:
    return of_engine(), of_binary(tmp_path_factory.mktemp("charts"))


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_engine_and_binary_render_the_same(both: tuple[dict[Case, Any], ...], case: Case) -> None:
    engine, by_helm = both[0][case], both[1][case]
    if case in DIFFERENT:
        assert engine != by_helm, f"equal by now: {DIFFERENT[case]}"
        return
    assert engine == by_helm
    assert engine == "refused" or engine


def test_most_of_them_render(both: tuple[dict[Case, Any], ...]) -> None:
    assert sum(found != "refused" for found in both[0].values()) >= 60


def test_every_function_is_used_by_some_chart() -> None:
    used: set[str] = set()
    for files in CHARTS.values():
        for text in files.values():
            used.update(scan.words(text))
    assert sorted(set(FUNCTIONS) - used) == []
    assert len(set(FUNCTIONS)) >= 94
