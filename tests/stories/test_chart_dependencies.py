"""Charts that a chart depends on: pinned as its Chart.lock says, and rendered with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner import locking
from planner.changes import Plan
from planner.cli.main import run
from providers.helm.dependencies import lock_digest
from providers.locked import of_chart
from state.errors import ClusterformError
from tests.stories.test_remote_sources import QUICK, colours, elsewhere, fetch, lock, refused
from tests.support.lab import Lab
from tests.support.servers import CHART_LAYER, Server, git_in, packed, serving

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: {{ .Release.Namespace }}}
data: {colour: {{ .Values.colour }}}
"""
RELEASE = """\
apiVersion: v1
kind: Namespace
metadata: {name: flux-system}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: flux-system}
spec: {url: URL/git/fleet.git, ref: {branch: main}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: app, namespace: flux-system}
spec:
  chart: {spec: {chart: ./charts/app, sourceRef: {kind: GitRepository, name: fleet}}}
"""


def child(name: str, colour: str) -> dict[str, str]:
    return {
        "templates/config.yaml": CONFIG.replace("NAME", name),
        "values.yaml": f"colour: {colour}\n",
    }


def parent(
    declared: list[dict[str, Any]], locked: list[dict[str, Any]] | None, digest: str = ""
) -> dict[str, str]:
    """A chart's folder; `locked`: what its Chart.lock names, None for no lock."""
    files = {
        "Chart.yaml": json.dumps(
            {"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": declared}
        ),
        "templates/config.yaml": CONFIG.replace("NAME", "app"),
        "values.yaml": "colour: white\n",
    }
    if locked is not None:
        made = {"dependencies": locked, "digest": digest or lock_digest(declared, locked)}
        files["Chart.lock"] = json.dumps(made)
    return files


def one(server: Server, version: str = "1.x") -> dict[str, Any]:
    return {"name": "metrics", "version": version, "repository": f"{server.url}/charts"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving() as found:
        (tmp_path / "remote").mkdir()
        found.git = tmp_path / "remote"
        found.chart("metrics", "1.4.0", child("metrics", "blue"))
        found.chart("metrics", "1.9.0", child("metrics", "black"))
        yield found


@pytest.fixture
def lab(server: Server, tmp_path: Path) -> Lab:
    """A repository whose own tree stands behind the GitRepository."""
    root = tmp_path / "repo"
    root.mkdir()
    made = Lab(root)
    made.git("remote", "add", "origin", f"{server.url}/git/fleet.git")
    made.write("clusters/release.yaml", RELEASE.replace("URL", server.url))
    return made


def put(lab: Lab, files: dict[str, str], folder: str = "charts/app") -> None:
    for path, text in files.items():
        lab.write(f"{folder}/{path}", text)


def locked_kinds(report: locking.Report) -> list[tuple[str, str, str]]:
    return [(s.kind, s.chart, s.resolved) for s in report.lock.sources]


def chart_digest(plan: Plan) -> str:
    (chart,) = plan.basis.charts
    return chart.digest


def test_a_dependency_is_pinned_at_the_version_of_the_lock(
    lab: Lab, server: Server, tmp_path: Path
) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    error = refused(lab)
    assert f"nothing says where {server.url}/charts is found" in error.brief
    assert "clusterform sources lock" in error.hint

    assert locked_kinds(lock(lab)) == [("helm", "metrics", "1.4.0")]
    plan = lab.plan()
    assert colours(plan) == {"app": "white", "metrics": "blue"}

    other = elsewhere(lab, tmp_path / "other")
    other.git("remote", "add", "origin", f"{server.url}/git/fleet.git")
    assert refused(other).hint == "run: clusterform sources fetch"
    assert len(fetch(other).fetched) == 1
    assert other.plan().digest == plan.digest


def test_the_lock_stays_until_chart_lock_moves(lab: Lab, server: Server) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    lock(lab)
    before = chart_digest(lab.plan())
    put(lab, parent([one(server)], [one(server, "1.9.0")]))
    assert "is found" in refused(lab).brief
    assert [(m.before, m.after) for m in lock(lab).moved] == [("1.4.0", ""), ("", "1.9.0")]
    plan = lab.plan()
    assert colours(plan)["metrics"] == "black"
    assert chart_digest(plan) != before


def test_what_a_dependency_holds_is_part_of_the_charts_digest(lab: Lab, server: Server) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    lock(lab)
    before = chart_digest(lab.plan())
    del server.files["/charts/index.yaml"]
    server.chart("metrics", "1.4.0", child("metrics", "pink"))
    assert len(lock(lab, "metrics").moved) == 1
    plan = lab.plan()
    assert colours(plan)["metrics"] == "pink"
    assert chart_digest(plan) != before


def test_a_dependency_of_a_registry_and_one_of_the_same_tree(lab: Lab, server: Server) -> None:
    content = packed("logging", "2.1.0", child("logging", "red"))
    server.push("charts/logging", "2.1.0", content, CHART_LAYER)
    put(lab, {"Chart.yaml": "apiVersion: v2\nname: common\nversion: 0.3.0\n",
              **child("common", "green")}, "charts/common")  # fmt: skip
    declared = [
        {"name": "logging", "version": ">=2", "repository": f"oci://{server.host}/charts"},
        {"name": "common", "version": "0.x", "repository": "file://../common"},
    ]
    exact = [{**d, "version": v} for d, v in zip(declared, ("2.1.0", "0.3.0"), strict=True)]
    put(lab, parent(declared, exact))
    (source,) = lock(lab).lock.sources
    assert (source.kind, source.chart, source.resolved[:6]) == ("oci", "logging", "2.1.0@")
    first = lab.plan()
    assert colours(first) == {"app": "white", "logging": "red", "common": "green"}
    put(lab, child("common", "lime"), "charts/common")
    again = lab.plan()
    assert colours(again)["common"] == "lime"
    assert chart_digest(again) != chart_digest(first)


def test_aliases_and_conditions_are_those_of_helm(lab: Lab, server: Server) -> None:
    server.chart("metrics", "1.5.0", child("{{ .Chart.Name }}", "blue"))
    server.chart("extra", "1.0.0", child("extra", "grey"))
    extra = {"name": "extra", "version": "1.0.0", "repository": f"{server.url}/charts"}
    declared = [
        {**one(server, "1.5.0"), "alias": "inner"},
        {**one(server, "1.5.0"), "alias": "outer"},
        {**extra, "condition": "extra.enabled"},
    ]
    put(lab, parent(declared, [one(server, "1.5.0"), one(server, "1.5.0"), extra]))
    lab.write(
        "charts/app/values.yaml", "colour: w\nouter: {colour: red}\nextra: {enabled: false}\n"
    )
    assert [chart for _, chart, _ in locked_kinds(lock(lab))] == ["extra", "metrics"]
    assert colours(lab.plan()) == {"app": "w", "inner": "blue", "outer": "red"}


def test_charts_of_helm_2_have_their_own_two_files(lab: Lab, server: Server) -> None:
    files = parent([one(server)], [one(server, "1.4.0")])
    body = yaml.safe_load(files.pop("Chart.yaml"))
    declared = {"dependencies": body.pop("dependencies")}
    files["requirements.yaml"] = json.dumps(declared)
    files["requirements.lock"] = files.pop("Chart.lock")
    files["Chart.yaml"] = json.dumps({**body, "apiVersion": "v1"})
    put(lab, files)
    assert locked_kinds(lock(lab)) == [("helm", "metrics", "1.4.0")]
    assert colours(lab.plan()) == {"app": "white", "metrics": "blue"}
    lab.edit("charts/app/requirements.yaml", ("1.x", ">=1"))
    assert "requirements.lock does not fit requirements.yaml" in refused(lab).brief


def test_a_chart_of_a_locked_repository_has_locked_dependencies(
    lab: Lab, server: Server, tmp_path: Path
) -> None:
    work = tmp_path / "remote/work"
    for path, text in parent([one(server)], [one(server, "1.4.0")]).items():
        (work / "charts/app" / path).parent.mkdir(parents=True, exist_ok=True)
        (work / "charts/app" / path).write_text(text)
    git_in(work, "init", "-q", "-b", "main")
    git_in(work, "add", "-A")
    git_in(work, "commit", "-q", "-m", "charts")
    git_in(tmp_path / "remote", "clone", "-q", "--bare", "work", "fleet.git")
    lab.git("remote", "remove", "origin")
    assert [kind for kind, _, _ in locked_kinds(lock(lab))] == ["git", "helm"]
    assert colours(lab.plan()) == {"app": "white", "metrics": "blue"}


def test_a_mapped_folder_stands_for_the_repository_of_a_dependency(
    lab: Lab, server: Server
) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    (lab.root / "vendor").mkdir()
    (lab.root / "vendor/metrics-1.4.0.tgz").write_bytes(
        packed("metrics", "1.4.0", child("metrics", "teal"))
    )
    text = (lab.root / "clusterform.yaml").read_text()
    lab.write("clusterform.yaml", f"{text}  sources:\n    {server.url}/charts: vendor\n")
    assert colours(lab.plan())["metrics"] == "teal"
    assert locked_kinds(lock(lab)) == []


def test_blueprints_and_charts_that_only_a_test_renders_are_complete_too(
    lab: Lab, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    lock(lab)
    capsys.readouterr()
    assert run(["-C", str(lab.root), "test"]) == 0
    said = capsys.readouterr().out
    assert "chart charts/app is well-formed" in said
    assert "charts/ " not in said


def test_a_login_goes_to_the_repository_of_a_dependency_and_into_no_file(
    lab: Lab, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    said = {**one(server, "1.4.0"), "repository": f"http://bob:secret@{server.host}/charts"}
    put(lab, parent([said], [said]))
    lock(lab)
    plan = lab.plan()
    assert ("/charts/metrics-1.4.0.tgz", "Basic YW5uOmh1c2g=") in server.requests
    kept = (lab.root / "clusterform.lock").read_text() + str(plan.basis)
    assert "secret" not in kept
    assert "hush" not in kept


# ---------------------------------------------------------------------- what is refused


def test_no_lock_is_an_error_with_both_ways_out(lab: Lab, server: Server) -> None:
    put(lab, parent([one(server)], None))
    error = refused(lab)
    assert "it depends on metrics 1.x, which is not in charts/, and there is no Chart.lock" in (
        error.brief
    )
    assert "helm dependency update" in error.hint
    assert "charts/" in error.hint
    with pytest.raises(ClusterformError, match=r"no Chart\.lock"):
        lock(lab)


def test_a_lock_that_is_out_of_date_is_an_error(lab: Lab, server: Server) -> None:
    put(lab, parent([one(server, ">=1")], [one(server, "1.4.0")], digest="sha256:" + "0" * 64))
    error = refused(lab)
    assert "charts/app: Chart.lock does not fit Chart.yaml" in error.brief
    assert "helm dependency update" in error.hint


def urls(url: str) -> dict[str, Any]:
    return {"name": "metrics", "version": "1.4.0", "repository": url}


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (urls("@stable"), "'@stable' is no https://, oci:// or file:// URL"),
        (urls("alias:stable"), "'alias:stable' is no https://, oci:// or file:// URL"),
        (urls("git+ssh://h/x"), "is no https://, oci:// or file:// URL"),
        (urls(""), "it depends on metrics 1.4.0, which is not in charts/"),
        (urls("file://../../../etc"), "lies outside of the repository"),
        (urls("file:///etc"), "lies outside of the repository"),
        (urls("file://../none"), "there is no Chart.yaml in charts/none"),
        (urls("file://../app"), "charts depend on each other: charts/app → charts/app"),
        ({**urls("file://../x"), "version": "../../x"}, "is no chart's version"),
        ({**urls("file://../x"), "name": "a/b"}, "is no chart's version"),
        (urls("file://../other"), "its lock says metrics 1.4.0, and file://../other has other"),
    ],
)  # fmt: skip
def test_a_dependency_that_cannot_be_had_is_one_error(
    lab: Lab, wanted: dict[str, Any], why: str
) -> None:
    put(lab, {"Chart.yaml": "apiVersion: v2\nname: other\nversion: 1.0.0\n"}, "charts/other")
    put(lab, parent([wanted], [wanted]))
    error = refused(lab)
    assert why in error.brief
    assert error.hint or "depend on each other" in why or "no chart" in why or "no Chart" in why


def test_a_name_of_one_machine_is_looked_up_in_the_lock(lab: Lab, server: Server) -> None:
    """`helm dependency update` writes the URL behind `@name` into Chart.lock."""
    put(lab, parent([{**one(server), "repository": "@mine"}], [one(server, "1.4.0")],
                    lock_digest([one(server)], [one(server, "1.4.0")])))  # fmt: skip
    lock(lab)
    assert colours(lab.plan())["metrics"] == "blue"


def test_charts_that_grow_by_what_they_depend_on_end_within_limits(lab: Lab) -> None:
    """Each one holds the one below twice: 9 MiB, 18, 36, …"""
    put(lab, {"Chart.yaml": "apiVersion: v2\nname: c0\nversion: 1.0.0\n",
              "big": "x" * (9 << 20)}, "charts/c0")  # fmt: skip
    for n in range(1, 6):
        for twin in ("", "t"):
            below = [
                {"name": f"c{n - 1}{t}", "version": "1.0.0",
                 "repository": f"file://../c{n - 1}{t}"}
                for t in (("", "t") if n > 1 else ("",))
            ]  # fmt: skip
            files = parent(below, below)
            files["Chart.yaml"] = files["Chart.yaml"].replace('"app"', f'"c{n}{twin}"')
            put(lab, files, f"charts/c{n}{twin}")
    top = [{"name": "c5", "version": "1.0.0", "repository": "file://../c5"}]
    put(lab, parent(top, top))
    assert "more than 32 MiB with its dependencies" in refused(lab).brief


def test_a_lock_of_a_thousand_names_asks_nobody(lab: Lab, server: Server) -> None:
    many = [{**one(server), "name": f"n{n}"} for n in range(1000)]
    put(lab, parent(many, many))
    with pytest.raises(ClusterformError, match="names more than 100 charts"):
        lock(lab)
    assert server.requests == []


def test_another_archive_under_a_locked_version_is_refused(lab: Lab, server: Server) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    report = lock(lab)
    shutil.rmtree(lab.root / ".clusterform/cache/sources")
    del server.files["/charts/index.yaml"]
    server.chart("metrics", "1.4.0", child("metrics", "evil"))
    with pytest.raises(ClusterformError) as caught:
        fetch(lab)
    assert caught.value.code == "digest-mismatch"
    assert report.lock.sources[0].wanted == of_chart(f"{server.url}/charts", "metrics", "1.4.0")


def test_resolving_is_bounded_as_every_fetch(lab: Lab, server: Server) -> None:
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    server.files["/charts/metrics-1.4.0.tgz"] = b"\x1f\x8b no archive"
    with pytest.raises(ClusterformError):
        lock(lab, limits=QUICK)
    assert not (lab.root / "clusterform.lock").exists()


def test_charts_that_no_release_uses_are_locked_for_tests(lab: Lab, server: Server) -> None:
    lab.remove("clusters/release.yaml")
    lab.write("clusters/space.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    put(lab, parent([one(server)], [one(server, "1.4.0")]))
    put(lab, parent([one(server)], [one(server, "7.0.0")]), "charts/bad")
    report = lock(lab)
    assert locked_kinds(report) == [("helm", "metrics", "1.4.0")]
    (note,) = report.notes
    assert note.startswith("chart charts/bad, which no release uses: ")
