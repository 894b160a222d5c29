"""Version constraints, held to Masterminds/semver as the engine has it (`semverCompare`)."""

from __future__ import annotations

import json
from pathlib import Path

import helm_python
import pytest

from providers.helm.constraint import satisfies, version_key
from state.errors import ClusterformError

CONSTRAINTS = """
*|x|X|1|1.x|1.X|1.*|1.2|1.2.x|1.2.*|1.2.3|=1.2.3|v1.2.3|=v1.2.3
!=1.2.3|!=1.2|!=1|!=1.2.x|!=1.x|!= 1.2.3
>1.2.3|>1.2|>1|>=1.2.3|>=1.2|>=1|=>1.2.3|<1.2.3|<1.2|<1|<=1.2.3|<=1.2|<=1|=<1.2.3|> 1.2.3|<= 1.2
~1.2.3|~1.2|~1|~1.x|~1.2.x|~0.0.1|~>1.2.3|~> 1.2|~0|~*
^1.2.3|^1.2|^1|^0.2.3|^0.2|^0.0.3|^0.0|^0|^1.x|^0.x|^1.2.x|^*
1.2 - 1.4|1.2.3 - 1.4.5|1 - 2|1.2 - 1.4.5|1.2.x - 1.4.x
>=1.2 <1.4|>=1.2, <1.4|>= 1.2.0, < 2.0.0|>1.2 <1.4 !=1.3.0|>=1.2,<2,!=1.2.3
1.2.3 || 1.4.5|~1.2 || ^2.0|<1 || >2|1.2 || >=2 <2.2
>=1.2.3-0|>=1.2.3-alpha|^1.2.3-beta.2|~1.2.3-rc.1|1.2.3-rc.1|=1.2.3-rc.1|!=1.2.3-rc.1|<1.2.3-rc.2
<=1.3.0-0|>1.2.3-alpha.1|*-0|>=0-0|>=1.2-0|^1.2-0|~1-0|>=1.2.3-0 <2.0.0-0|1.2.3-0 - 1.4.0-0|^0.2.3-0
1.2.3+build|>=1.2.3+build|>=1.2.0 <1.2.3-rc.1 || 2.x|x.2.3|1.x.3|>x|<x|>=x|!=x|<=x
"""
_VERSIONS = """
0.0.0 0.0.1 0.0.3 0.0.4 0.1.0 0.2.0 0.2.3 0.2.9 0.3.0 1.0.0 1.1.9 1.2.0 1.2.2 1.2.3 v1.2.3
1.2.4 1.2.10 1.3.0 1.4.0 1.4.5 1.4.6 1.5.0 1.10.0 2.0.0 2.1.0 2.2.0 3.0.0 1.2.3-alpha
1.2.3-alpha.1 1.2.3-beta.2 1.2.3-beta.11 1.2.3-rc.1 1.2.3-rc.2 1.2.4-rc.1 1.3.0-alpha 1.3.0-0
2.0.0-0 2.0.0-rc.1 1.2.3+build 1.2.3-rc.1+b.5 0.2.4-alpha 1.2 1
"""
VERSIONS = _VERSIONS.split()
BROKEN = ["", "abc", "1.2.3.4", ">>1", "1..2", "1.2.3 -", "||", "1 ||", "^", "1,,2", "1.2.y", "~> "]


def judged(tmp_path: Path, constraints: list[str], versions: list[str]) -> dict[str, str]:
    """What the engine says of every pair, by `constraint version`: true or false."""
    (tmp_path / "templates").mkdir(parents=True)
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: judge\nversion: 1.0.0\n")
    template = (
        "{{ range $c := .Values.c }}{{ range $v := $.Values.v }}"
        "{{ $c }}\t{{ $v }}\t{{ semverCompare $c $v }}\n{{ end }}{{ end }}"
    )
    (tmp_path / "templates/a.yaml").write_text(template)
    made = helm_python.Chart.load(tmp_path).render({"c": constraints, "v": versions})
    text = made["judge/templates/a.yaml"]
    return {
        line.rpartition("\t")[0]: line.rpartition("\t")[2] for line in text.splitlines() if line
    }


def test_every_pair_is_as_the_engine_says(tmp_path: Path) -> None:
    constraints = sorted(set(_split(CONSTRAINTS)))
    wrong = []
    pairs = judged(tmp_path, constraints, VERSIONS)
    for pair, said in pairs.items():
        constraint, _, version = pair.partition("\t")
        mine = json.dumps(satisfies(version, constraint))
        if mine != said:
            wrong.append(f"{constraint!r} {version}: {mine}, the engine says {said}")
    assert len(constraints) >= 100
    assert len(pairs) == len(constraints) * len(VERSIONS)
    assert wrong == []


def _split(table: str) -> list[str]:
    marked = table.replace(" || ", "\0").strip()
    return [c.replace("\0", " || ") for line in marked.splitlines() for c in line.split("|")]


@pytest.mark.parametrize("constraint", BROKEN)
def test_what_the_engine_refuses_is_refused(tmp_path: Path, constraint: str) -> None:
    with pytest.raises(helm_python.HelmRenderError):
        judged(tmp_path, [constraint], ["1.2.3"])
    with pytest.raises(ClusterformError) as caught:
        satisfies("1.2.3", constraint)
    assert caught.value.code == "bad-constraint"


def test_versions_sort_by_precedence() -> None:
    ordered = ["none", "0.9.0", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.11", "1.0.0", "1.10.0"]
    shuffled = ordered[3:] + ordered[:3]
    assert sorted(shuffled, key=version_key) == ordered


HUGE = ("18446744073709551616.0.0", "1.2.3-" + "a" * 251, "1.2.3" + "0" * 5_000)


@pytest.mark.parametrize("version", HUGE, ids=len)
def test_a_version_beyond_the_engines_limits_is_none(tmp_path: Path, version: str) -> None:
    with pytest.raises(helm_python.HelmRenderError):
        judged(tmp_path, ["*-0"], [version])
    assert not satisfies(version, "*-0")


BEYOND = (
    *(">=18446744073709551616", "9" * 5_000, "x" * 100_000, ">=1 " * 200 + ">=1"),
    ">=1.2.3-" + "a" * 251,
)


@pytest.mark.parametrize("constraint", BEYOND, ids=len)
def test_a_constraint_beyond_the_engines_limits_is_refused(tmp_path: Path, constraint: str) -> None:
    with pytest.raises(helm_python.HelmRenderError):
        judged(tmp_path, [constraint], ["1.2.3"])
    with pytest.raises(ClusterformError) as caught:
        satisfies("1.2.3", constraint)
    assert len(caught.value.brief) < 300
