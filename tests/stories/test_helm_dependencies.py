"""Charts completed by their lock render as those that `helm dependency update` completed."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from planner.expand.charts import Charts
from planner.expand.sources import Files, Sources, from_lock
from providers import git
from providers.archive import Store
from providers.helm import binary, ignore
from providers.helm.archive import read_archive
from providers.helm.chart import Chart
from providers.helm.dependencies import Dependency, _digest_of_helm_2, absent
from providers.locked import Lock
from providers.secrets import Pins
from state.errors import ClusterformError
from tests.support.servers import serving

Contents = dict[str, bytes]
IGNORE = """\
# what a folder holds beside the chart
*.tmp
/ci/
docs/[a-c]*.md
templates/x?.yaml
!values.ya*l
"""
NO_NEGATED = IGNORE.replace("!values.ya*l\n", "")
FILES = [
    "values.yaml", "a.tmp", "deep/b.tmp", "ci/values.yaml", "deep/ci/c", "docs/a1.md", "docs/d.md",
    "docs/sub/a.md", "templates/x1.yaml", "templates/x12.yaml", "templates/.hidden",
    "templates/deep/.hidden", "templates/_helpers.tpl",
]  # fmt: skip


def helm(folder: Path, *arguments: str) -> None:
    """Run helm where nothing is known and no network is reached."""
    subprocess.run(
        [binary.find_tool().path, *arguments], cwd=folder, env=binary.environment(str(folder)),
        check=True, capture_output=True,
    )  # fmt: skip


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def completed(root: Path, folder: str) -> Chart:
    tree = git.open_tree(root)
    sources = Sources(tree, (), Store(root / "cache"), from_lock(Lock()))
    findings: list[object] = []
    return Charts(sources, Pins(root), findings).read(Files(tree, folder), folder)  # type: ignore[arg-type]


def packed_by_helm(root: Path, rules: str) -> Contents:
    write(root, {f"child/{path}": f"# {path}\n" for path in FILES})
    write(root, {
        "child/Chart.yaml": "apiVersion: v2\nname: child\nversion: 1.0.0\n",
        "child/.helmignore": rules,
        "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n"
        "- {name: child, version: 1.x, repository: file://../child}\n",
    })  # fmt: skip
    helm(root, "dependency", "update", "app")
    packed = root / "app/charts/child-1.0.0.tgz"
    content = packed.read_bytes()
    packed.unlink()
    return read_archive(content, "child")


@pytest.mark.parametrize("rules", ["", NO_NEGATED, "*\n", "deep\n", "docs/\n", "templates/*\n"])
def test_the_same_files_are_packed(tmp_path: Path, rules: str) -> None:
    try:
        theirs = packed_by_helm(tmp_path, rules)
    except subprocess.CalledProcessError:
        assert rules == "*\n"  # without Chart.yaml it is none, for both
        return
    chart = completed(tmp_path, "app")
    ours = read_archive(chart.files["charts/child-1.0.0.tgz"], "child")
    beside = {"Chart.yaml", "Chart.lock"}  # Helm writes its own form of them
    assert sorted(ours.keys() - beside) == sorted(theirs.keys() - beside)
    assert {p: c for p, c in ours.items() if p not in beside} == {
        p: c for p, c in theirs.items() if p not in beside
    }


def test_a_negated_rule_leaves_out_what_does_not_fit() -> None:
    files = dict.fromkeys(FILES, b"") | {".helmignore": b"!values.ya*l\n"}
    assert ignore.kept(files, "c") == {"values.yaml": b""}


@pytest.mark.parametrize("rule", ["a**b", "[", "[z-a]", "a\\", "[]"])
def test_a_rule_that_is_none_is_an_error(rule: str) -> None:
    with pytest.raises(ClusterformError, match="is no rule of Helm"):
        ignore.kept({".helmignore": rule.encode(), "a": b""}, "c")


def test_rules_of_many_stars_are_linear() -> None:
    began = time.process_time()
    rule = "*a" * 2_000 + "b"
    ignore.kept(
        {".helmignore": rule.encode(), **{f"d/{'a' * 250}{n}": b"" for n in range(20)}}, "c"
    )
    assert time.process_time() - began < 2


def test_the_url_behind_a_name_of_this_machine_is_taken_from_the_lock(tmp_path: Path) -> None:
    with serving() as server:
        server.chart("child", "1.4.0", {"values.yaml": "a: 1\n"}, apiVersion="v2")
        index = json.loads(server.files["/charts/index.yaml"]) | {"apiVersion": "v1"}
        server.files["/charts/index.yaml"] = json.dumps(index).encode()
        write(tmp_path, {
            "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n"
            "- {name: child, version: 1.x, repository: '@mine', condition: child.on, tags: [t]}\n",
        })  # fmt: skip
        helm(tmp_path, "repo", "add", "mine", f"{server.url}/charts")
        helm(tmp_path, "dependency", "update", "app")
        files = {n: (tmp_path / "app" / n).read_bytes() for n in ("Chart.yaml", "Chart.lock")}
        assert absent(files, "app") == (Dependency("child", "1.4.0", f"{server.url}/charts"),)
        files["Chart.yaml"] = files["Chart.yaml"].replace(b"[t]", b"[u]")
        with pytest.raises(ClusterformError, match=r"Chart\.lock does not fit"):
            absent(files, "app")


def test_helm_takes_the_digest_of_helm_2_that_is_taken_here(tmp_path: Path) -> None:
    declared = {"name": "child", "version": "1.x", "repository": "file://../child"}
    text = "".join(f"  {key}: '{value}'\n" for key, value in declared.items()).replace(
        "  ", "- ", 1
    )
    write(tmp_path, {
        "child/Chart.yaml": "apiVersion: v1\nname: child\nversion: 1.0.0\n",
        "app/Chart.yaml": "apiVersion: v1\nname: app\nversion: 1.0.0\n",
        "app/requirements.yaml": f"dependencies:\n{text}",
        "app/requirements.lock": f"dependencies:\n{text.replace('1.x', '1.0.0')}"
        f"digest: {_digest_of_helm_2([declared])}\n",
    })  # fmt: skip
    chart = completed(tmp_path, "app")
    assert "charts/child-1.0.0.tgz" in chart.files
    helm(tmp_path, "dependency", "build", "app")
    lock = tmp_path / "app/requirements.lock"
    lock.write_text(lock.read_text().replace("digest: sha256:", "digest: sha256:0"))
    with pytest.raises(subprocess.CalledProcessError):
        helm(tmp_path, "dependency", "build", "app")
    (tmp_path / "app/charts/child-1.0.0.tgz").unlink()
    with pytest.raises(ClusterformError, match=r"requirements\.lock does not fit"):
        completed(tmp_path, "app")
