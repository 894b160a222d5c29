"""Charts and repositories that are named by URL: locked, fetched, and read without the network."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest

from planner import locking
from planner.changes import Plan
from planner.cli.main import run
from planner.views.sources import lock_text
from providers import git
from providers.fetch.web import Limits
from providers.helm.pool import Capabilities, Renderer, Request, Result
from state.errors import ClusterformError
from tests.support.lab import FLEET, Lab
from tests.support.servers import CHART_LAYER, Server, git_in, packed, serving, tgz

QUICK = Limits(silence=5, total=20)
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}
data: {colour: "COLOUR"}
"""
SOURCES = """\
apiVersion: v1
kind: Namespace
metadata: {name: flux-system}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: flux-system}
spec: {url: URL/git/fleet.git, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
"""
APPS = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: flux-system}
spec: {url: URL/charts}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: metrics, namespace: flux-system}
spec:
  chart: {spec: {chart: metrics, version: 1.x, sourceRef: {kind: HelmRepository, name: charts}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: registry, namespace: flux-system}
spec: {type: oci, url: oci://HOST/charts}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: logging, namespace: flux-system}
spec:
  chart: {spec: {chart: logging, version: ">=2", sourceRef: {kind: HelmRepository, name: registry}}}
"""


def colour(name: str) -> dict[str, str]:
    return {"templates/config.yaml": CONFIG.replace("COLOUR", name)}


def plain(name: str, colour: str) -> str:
    """The same, without a chart."""
    text = CONFIG.replace("{{ .Release.Name }}", name).replace("COLOUR", colour)
    return text.replace("{{ .Release.Namespace }}", "flux-system")


class Remote:
    """A Git repository, a chart repository and a registry on one server."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        server.git = folder
        git_in(self.work, "init", "-q", "-b", "main")
        self.write("apps/apps.yaml", APPS.replace("URL", server.url).replace("HOST", server.host))
        self.commit()
        git_in(folder, "clone", "-q", "--bare", "work", "fleet.git")
        server.chart("metrics", "1.4.0", colour("blue"))
        server.chart("metrics", "2.0.0", colour("black"))
        server.push(
            "charts/logging", "2.1.0", packed("logging", "2.1.0", colour("red")), CHART_LAYER
        )

    def write(self, path: str, text: str) -> None:
        target = self.work / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)

    def commit(self) -> str:
        git_in(self.work, "add", "-A")
        git_in(self.work, "commit", "-q", "-m", "change")
        return git_in(self.work, "rev-parse", "HEAD")

    def push(self, *references: str) -> None:
        git_in(self.work, "push", "-q", "-f", "../fleet.git", *references)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    with serving() as server:
        yield Remote(server, tmp_path / "remote")


@pytest.fixture
def lab(remote: Remote, tmp_path: Path) -> Lab:
    root = tmp_path / "repo"
    root.mkdir()
    made = Lab(root)
    made.write("clusters/sources.yaml", SOURCES.replace("URL", remote.server.url))
    made.commit()
    return made


def lock(lab: Lab, *update: str, limits: Limits = QUICK) -> locking.Report:
    return locking.lock(lab.workspace(), update, lambda _: None, limits)


def fetch(lab: Lab) -> locking.Fetched:
    return locking.fetch(lab.workspace(), lambda _: None, QUICK)


def elsewhere(lab: Lab, folder: Path) -> Lab:
    """The same repository on another machine."""
    lab.commit()
    git_in(folder.parent, "clone", "-q", str(lab.root), folder.name)
    other = Lab.reopen(folder, lab.clock.now())
    other.git("remote", "remove", "origin")
    return other


def colours(plan: Plan) -> dict[str, str]:
    return {
        c.id.name: json.loads(bytes(c.body))["data"]["colour"]
        for c in plan.changes
        if c.id.kind == "ConfigMap"
    }


def refused(lab: Lab) -> ClusterformError:
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    return caught.value


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket of this process connects. Git of a plan may use no protocol (below)."""

    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a plan used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_locked_here_and_fetched_there_is_one_plan(lab: Lab, tmp_path: Path) -> None:
    report = lock(lab)
    assert [(s.kind, s.chart) for s in report.lock.sources] == [
        ("git", ""), ("helm", "metrics"), ("oci", "logging"),
    ]  # fmt: skip
    plan = lab.plan()
    assert colours(plan) == {"metrics": "blue", "logging": "red"}

    other = elsewhere(lab, tmp_path / "other")
    assert refused(other).hint == "run: clusterform sources fetch"
    assert len(fetch(other).fetched) == 3
    again = other.plan()
    assert (again.digest, again.basis.lock) == (plan.digest, plan.basis.lock)
    assert msgspec.json.encode(again.changes) == msgspec.json.encode(plan.changes)
    assert (fetch(other).fetched, fetch(other).present) == ((), 3)


@pytest.mark.usefixtures("remote")
def test_a_plan_and_validate_use_no_network(
    lab: Lab, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(lab)
    request.getfixturevalue("offline")
    assert colours(lab.plan()) == {"metrics": "blue", "logging": "red"}
    assert run(["-C", str(lab.root), "validate"]) == 0
    capsys.readouterr()


def test_git_of_a_plan_may_use_no_protocol(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(ClusterformError) as caught:
        git._git(tmp_path, "ls-remote", f"{remote.server.url}/git/fleet.git")
    assert "not allowed" in caught.value.detail


def test_what_is_not_locked_names_both_ways_out(lab: Lab, remote: Remote) -> None:
    error = refused(lab)
    assert error.brief.endswith(f"nothing says where {remote.server.url}/git/fleet.git is found")
    assert "clusterform sources lock" in error.hint
    assert "spec.sources" in error.hint


def test_a_bucket_must_be_mapped(lab: Lab) -> None:
    mine = "sourceRef: {kind: GitRepository, name: fleet}"
    text = (lab.root / "clusters/sources.yaml").read_text()
    lab.write(
        "clusters/sources.yaml",
        text.replace(mine, "sourceRef: {kind: Bucket, name: b}")
        + "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: Bucket\n"
        "metadata: {name: b, namespace: flux-system}\n"
        "spec: {endpoint: s3.example.org, bucketName: b}\n",
    )  # fmt: skip
    with pytest.raises(ClusterformError) as caught:
        lock(lab)
    assert "spec.sources" in caught.value.hint
    assert not (lab.root / "clusterform.lock").exists()


def test_the_map_goes_before_the_lock(lab: Lab, remote: Remote) -> None:
    lock(lab)
    lab.write("charts/metrics/Chart.yaml", "name: metrics\nversion: 1.0.0\n")
    lab.write("charts/metrics/templates/config.yaml", CONFIG.replace("COLOUR", "green"))
    lab.write("clusterform.yaml", f"{FLEET}  sources:\n    {remote.server.url}/charts: charts\n")
    assert colours(lab.plan())["metrics"] == "green"
    assert [m.after for m in lock(lab).moved] == [""]


def test_what_moves_is_seen_by_an_update_only(lab: Lab, remote: Remote) -> None:
    first = lock(lab)
    remote.server.chart("metrics", "1.5.0", colour("purple"))
    remote.write("apps/more.yaml", plain("more", "white"))
    commit = remote.commit()
    remote.push("main")
    again = lock(lab)
    assert (again.lock, again.moved) == (first.lock, ())
    assert colours(lab.plan())["metrics"] == "blue"

    updated = lock(lab, "metrics")
    assert [(m.what, m.before, m.after) for m in updated.moved] == [
        (f"{remote.server.url}/charts metrics 1.x", "1.4.0", "1.5.0")
    ]
    assert colours(lab.plan())["metrics"] == "purple"
    assert [m.after for m in lock(lab, "fleet").moved] == [commit]
    assert colours(lab.plan())["more"] == "white"
    said = lock_text(updated)
    assert f"  ~ {remote.server.url}/charts metrics 1.x  1.4.0 → 1.5.0" in said


def test_a_moved_tag_is_seen_by_an_update_only(lab: Lab, remote: Remote) -> None:
    git_in(remote.work, "tag", "v1")
    remote.push("v1")
    lab.edit("clusters/sources.yaml", ("branch: main", "tag: v1"))
    first = lock(lab).lock
    remote.write("apps/note.md", "moved")
    moved = remote.commit()
    git_in(remote.work, "tag", "-f", "v1")
    remote.push("v1")
    assert lock(lab).lock == first
    assert [m.after for m in lock(lab, "*").moved] == [moved]


def test_a_secret_that_a_fetched_folder_brings_is_a_value_of_a_chart(
    lab: Lab, remote: Remote
) -> None:
    remote.server.chart("metrics", "1.6.0", colour("{{ .Values.colour }}"))
    text = (remote.work / "apps/apps.yaml").read_text()
    named = "metadata: {name: metrics, namespace: flux-system}\nspec:\n"
    given = "  valuesFrom: [{kind: Secret, name: colours}]\n"
    assert named in text
    remote.write("apps/apps.yaml", text.replace(named, named + given))
    remote.write(
        "apps/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: colours, namespace: flux-system}\n"
        "stringData: {values.yaml: 'colour: hush-hush-4711'}\n",
    )
    remote.commit()
    remote.push("main")
    lock(lab)
    lab.workspace().checked()
    assert b"hush" not in (lab.root / "clusterform.lock").read_bytes()
    for path in (lab.root / ".clusterform/cache").iterdir():
        assert not path.is_file() or b"hush-hush" not in path.read_bytes()


def test_a_name_that_nothing_has_is_an_error(lab: Lab) -> None:
    lock(lab)
    with pytest.raises(ClusterformError) as caught:
        lock(lab, "metrix")
    assert caught.value.code == "nothing-matches"
    assert "metrics" in caught.value.detail


def test_a_changed_cache_is_refused_and_made_anew(lab: Lab) -> None:
    report = lock(lab)
    digest = report.lock.sources[1].digest
    path = lab.root / ".clusterform/cache/sources" / digest.removeprefix("sha256:")
    path.write_bytes(packed("metrics", "1.4.0", colour("evil")))
    error = refused(lab)
    assert digest in error.brief
    assert error.brief.count("sha256:") == 2
    assert len(fetch(lab).fetched) == 1
    assert colours(lab.plan())["metrics"] == "blue"


def test_another_chart_under_the_same_version_is_refused_naming_both(
    lab: Lab, remote: Remote
) -> None:
    report = lock(lab)
    del remote.server.files["/charts/index.yaml"]
    remote.server.chart("metrics", "1.4.0", colour("evil"))
    shutil.rmtree(lab.root / ".clusterform/cache/sources")
    with pytest.raises(ClusterformError) as caught:
        fetch(lab)
    assert caught.value.code == "digest-mismatch"
    assert report.lock.sources[1].digest in caught.value.brief
    assert caught.value.brief.count("sha256:") == 2


def test_a_commit_that_no_name_leads_to_any_more_is_still_fetched_or_named(
    lab: Lab, remote: Remote
) -> None:
    """A server may refuse single commits; this one does by default."""
    lock(lab)
    locked = git_in(remote.work, "rev-parse", "HEAD")
    remote.write("apps/note.md", "later")
    remote.commit()
    remote.push("main")
    shutil.rmtree(lab.root / ".clusterform/cache/sources")
    assert len(fetch(lab).fetched) == 3

    git_in(remote.work, "checkout", "-q", "--orphan", "new")
    remote.commit()
    remote.push("new:main")
    git_in(remote.work.parent / "fleet.git", "reflog", "expire", "--expire=now", "--all")
    git_in(remote.work.parent / "fleet.git", "gc", "-q", "--prune=now")
    shutil.rmtree(lab.root / ".clusterform/cache/sources")
    with pytest.raises(ClusterformError) as caught:
        fetch(lab)
    assert f"has no commit {locked} any more" in caught.value.brief


def test_pruning_removes_what_the_lock_does_not_name_and_nothing_else(
    lab: Lab, remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(lab)
    remote.server.chart("metrics", "1.5.0", colour("purple"))
    lock(lab, "metrics")
    cache = lab.root / ".clusterform/cache/sources"
    before = {path.name for path in cache.iterdir()}
    (cache / "notes.txt").write_text("mine")
    (cache / ("0" * 64)).symlink_to(lab.root / "clusterform.yaml")
    assert (fetch(lab).pruned, len(before)) == (0, 5)  # four of them, and .gitignore
    capsys.readouterr()
    assert run(["-C", str(lab.root), "sources", "fetch", "--prune"]) == 0
    assert capsys.readouterr().out == (
        "Nothing to fetch: 3 sources in the cache.\n"
        "Removed 1 archive that clusterform.lock does not name, 0.0 MiB.\n"
    )
    after = {path.name for path in cache.iterdir()}
    assert after - before == {"notes.txt", "0" * 64}
    assert len(before - after) == 1
    assert colours(lab.plan())["metrics"] == "purple"


def test_links_of_a_chart_are_left_out_and_said_once(lab: Lab, remote: Remote) -> None:
    remote.write("charts/Chart.yaml", "apiVersion: v2\nname: linked\nversion: 1.0.0\n")
    (remote.work / "charts/values.yaml").symlink_to("../apps/apps.yaml")
    (remote.work / "charts/crds").symlink_to("../apps")
    (remote.work / "linked").symlink_to("charts")
    release = (
        "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
        "metadata: {name: NAME, namespace: flux-system}\nspec:\n"
        "  chart: {spec: {chart: PATH, sourceRef: {kind: GitRepository, name: fleet}}}\n"
    )
    text = (remote.work / "apps/apps.yaml").read_text()
    made = [
        release.replace("NAME", n).replace("PATH", p)
        for n, p in (("a", "charts"), ("b", "./charts/"))
    ]
    remote.write("apps/apps.yaml", text + "".join(made))
    remote.commit()
    remote.push("main")
    lock(lab)
    found = [f for f in lab.workspace().loaded.findings if f.code == "chart-link"]
    assert [(f.severity, f.path, f.summary) for f in found] == [
        (
            "warning",
            "charts/crds",
            "chart linked 1.0.0 is rendered without its symbolic links crds, values.yaml: Helm"
            " would follow them",
        )
    ]
    remote.write("apps/apps.yaml", text + release.replace("NAME", "a").replace("PATH", "linked"))
    remote.commit()
    remote.push("main")
    with pytest.raises(ClusterformError, match="linked is a symbolic link or a submodule"):
        lock(lab, "fleet")


def test_test_hooks_are_left_out_and_counted(
    lab: Lab, remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = CONFIG.replace(
        "}}, namespace", "}}-probe, annotations: {helm.sh/hook: test}, namespace"
    )
    remote.server.chart("metrics", "1.9.0", {**colour("blue"), "templates/tests/probe.yaml": probe})
    lock(lab)
    plan = lab.plan()
    assert colours(plan) == {"metrics": "blue", "logging": "red"}
    assert [(c.name, c.tests) for c in plan.basis.charts] == [("logging", 0), ("metrics", 1)]
    run(["-C", str(lab.root), "-v", "plan"])
    said = " ".join(capsys.readouterr().out.split())
    assert "metrics-1.9.0.tgz, 1 test hook left out" in said


def test_credentials_of_a_url_are_in_no_file_and_no_message(lab: Lab, remote: Remote) -> None:
    lab.edit("clusters/sources.yaml", ("http://", "http://ann:hush@"))
    assert "hush" not in str(refused(lab).brief) + refused(lab).hint
    lock(lab)
    plan = lab.plan()
    assert b"hush" not in (lab.root / "clusterform.lock").read_bytes()
    assert b"hush" not in msgspec.json.encode(plan)
    assert all("hush" not in text for request in remote.server.requests for text in request)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"formatVersion": 2}', b"<<<<<<< HEAD\n",
    b'{"formatVersion": 1, "sauces": []}', b'{"formatVersion": 1, "sources": [{"kind": "git"}]}',
    b'{"formatVersion":1,"sources":[{"kind":"git","url":"x","resolved":"y","digest":"../../x"}]}',
])  # fmt: skip
def test_a_bad_or_newer_lock_is_one_clear_error(lab: Lab, content: bytes) -> None:
    (lab.root / "clusterform.lock").write_bytes(content)
    error = refused(lab)
    assert (error.code, error.where) == ("bad-lock", "clusterform.lock")
    assert error.hint


def test_charts_are_rendered_with_the_capabilities_of_the_lock(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = lock(lab).lock.cluster("mgmt")
    assert facts is not None
    assert facts.kubernetes == "v1.36.3+sandbox"
    assert facts.kinds["v1/ConfigMap"] == "Namespaced"
    assert facts.kinds["rbac.authorization.k8s.io/v1/ClusterRole"] == "Cluster"
    asked: list[Request] = []

    class Noting(Renderer):
        def render(self, requests: Iterable[Request]) -> Iterator[Result]:
            asked.extend(requests)
            return super().render(asked)

    monkeypatch.setattr("planner.expand.expansion.Renderer", Noting)
    shutil.rmtree(lab.root / ".clusterform")  # the server is not asked, and renders are forgotten
    fetch(lab)
    assert lab.workspace().loaded.errors == ()
    found = {request.capabilities for request in asked}
    assert found == {Capabilities(kube_version="v1.36.3+sandbox", api_versions=facts.api_versions)}
    assert {"v1", "apps/v1", "apps/v1/Deployment"} <= set(facts.api_versions)


def test_a_chart_sees_the_locked_versions(lab: Lab, remote: Remote) -> None:
    said = '{{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.APIVersions.Has "v1/Pod" }}'
    if shutil.which("helm") is None and not (Path(sys.executable).parent / "helm").exists():
        pytest.skip("the helm binary renders charts that ask for capabilities")
    asking = {"templates/config.yaml": CONFIG.replace('"COLOUR"', f"'{said}'")}
    remote.server.chart("metrics", "1.7.0", asking)
    lock(lab)
    kept = (lab.root / "clusterform.lock").read_text()
    lab.write("clusterform.lock", kept.replace("v1.36.3+sandbox", "v1.31.9"))
    assert colours(lab.plan())["metrics"] == "v1.31.9 true"


def test_a_management_cluster_out_of_reach_keeps_what_was_locked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = lock(lab).lock.clusters

    def unreachable(*_: Any) -> NoReturn:
        raise ClusterformError("unreachable", "mgmt cannot be reached: no route")

    monkeypatch.setattr("planner.workspace.Workspace.api", unreachable)
    report = lock(lab)
    assert report.lock.clusters == known
    assert report.notes == (
        "mgmt: mgmt cannot be reached: no route; what the lock says of it stays",
    )


def test_the_plan_says_what_it_was_rendered_from(
    lab: Lab, remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = CONFIG.replace("COLOUR", '{{ (lookup "v1" "Secret" "a" "b").x }}')
    remote.server.chart("metrics", "1.9.0", {"templates/config.yaml": asking})
    lock(lab)
    (lab.root / ".clusterform/cache/rendered").unlink()
    basis = lab.plan().basis
    assert basis.lock.startswith("sha256:")
    assert [s.where for s in basis.sources] == ["clusterform.lock"] * 3
    assert [(c.name, c.version, c.lookups) for c in basis.charts] == [
        ("logging", "2.1.0", 0), ("metrics", "1.9.0", 1),
    ]  # fmt: skip
    assert any("helm" in renderer for renderer in basis.renderers)
    run(["-C", str(lab.root), "-v", "plan"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"clusterform.lock {basis.lock}" in said
    assert f"source {remote.server.url}/charts at 1.9.0, from clusterform.lock" in said
    assert "chart metrics 1.9.0 " in said
    assert "1 lookup in charts found nothing (rendered without a cluster)" in said


def test_a_checkout_beside_the_repository_stands_in_the_basis(lab: Lab, remote: Remote) -> None:
    shutil.copytree(remote.work, lab.root.parent / "beside")
    lab.write(
        "clusterform.yaml", f"{FLEET}  sources:\n    {remote.server.url}/git/fleet: ../beside\n"
    )
    lock(lab)
    (beside, *_) = [s for s in lab.plan().basis.sources if s.where == "../beside"]
    assert beside.revision == git_in(remote.work, "rev-parse", "HEAD")


def test_an_artifact_of_a_registry_with_a_login(
    lab: Lab, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remote.server
    layer = tgz({"apps/config.yaml": plain("made", "gold")})
    digest = server.push("fleet", "1.2.0", layer, "application/vnd.cncf.flux.content.v1.tar+gzip")
    server.token = "Bearer t0ken"
    server.files["/token"] = b'{"token": "t0ken"}'
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": "YTpi"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    text = SOURCES.replace("GitRepository", "OCIRepository").replace("branch: main", "semver: 1.x")
    lab.write(
        "clusters/sources.yaml", text.replace("URL/git/fleet.git", f"oci://{server.host}/fleet")
    )
    (source,) = lock(lab).lock.sources
    assert source.resolved == f"1.2.0@{digest}"
    assert colours(lab.plan()) == {"made": "gold"}
    assert ("/token", "Basic YTpi") in server.requests
    assert "YTpi" not in (lab.root / "clusterform.lock").read_text()


THING = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Thing, listKind: ThingList, plural: things, singular: thing}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: SCHEMA}
    - name: v1beta1
      served: true
      storage: false
      deprecated: true
      deprecationWarning: use example.org/v1
      schema: {openAPIV3Schema: SCHEMA}
    - {name: v1alpha1, served: false, storage: false, schema: {openAPIV3Schema: SCHEMA}}
"""
SCHEMA = (
    "{type: object, description: long, properties: {spec: {type: object, required: [size],"
    " properties: {size: {type: integer, format: int32}}}}}"
)
OBJECT = (
    "apiVersion: example.org/{0}\nkind: Thing\nmetadata: {{name: {1}, namespace: flux-system}}\n"
)


def with_things(lab: Lab) -> None:
    """The cluster has a CRD that Git does not have, and Git objects of its kind."""
    lab.write("crds/thing.yaml", THING.replace("SCHEMA", SCHEMA))
    lock(lab)
    lab.converge(targets=())
    lab.remove("crds/thing.yaml")
    lab.write("clusters/a.yaml", OBJECT.format("v1", "a") + "spec: {sise: 1}\n")
    lab.write("clusters/b.yaml", OBJECT.format("v1beta1", "b") + "spec: {size: 1}\n")
    lab.write("clusters/c.yaml", OBJECT.format("v1alpha1", "c") + "spec: {size: 1}\n")


def about_things(lab: Lab, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    capsys.readouterr()
    run(["-C", str(lab.root), "validate", "--format", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    return [(f"{f['path']}:{f['line']}", f["summary"]) for f in found if "Thing" in f["summary"]]


def test_objects_are_held_to_the_locked_crds_where_no_cluster_is_reached(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_things(lab)
    assert about_things(lab, capsys) == []
    report = lock(lab)
    assert [(m.before, m.after) for m in report.moved if m.what == "CRDs of mgmt"] == [
        ("", "Thing.example.org")
    ]
    noted = (lab.root / "clusterform.schemas.jsonl").read_text()
    assert "description" not in noted
    ci = elsewhere(lab, tmp_path / "ci")
    fetch(ci)
    assert about_things(ci, capsys) == [
        ("clusters/a.yaml:4", "Thing flux-system/a: spec.sise is not a field of this kind"),
        ("clusters/a.yaml:4", "Thing flux-system/a: spec.size is required"),
        ("clusters/b.yaml:1", "Thing flux-system/b: use example.org/v1"),
        (
            "clusters/c.yaml:1",
            "Thing flux-system/c: example.org/v1alpha1 is not served by the CRD at hand,"
            " which serves v1, v1beta1",
        ),
    ]


def test_crds_of_git_go_before_locked_ones(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with_things(lab)
    lock(lab)
    lab.write("crds/thing.yaml", THING.replace("SCHEMA", SCHEMA.replace("size", "sise")))
    assert ("clusters/b.yaml:4", "Thing flux-system/b: spec.sise is required") in about_things(
        lab, capsys
    )
    lock(lab)
    assert not (lab.root / "clusterform.schemas.jsonl").exists()


def test_schemas_that_are_not_the_locks_are_refused(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    with_things(lab)
    lock(lab)
    file = lab.root / "clusterform.schemas.jsonl"
    file.write_text(file.read_text().replace("integer", "string"))
    for problem in ("it is sha256:", "it is not there"):
        assert run(["-C", str(lab.root), "validate"]) == 1
        said = capsys.readouterr().err
        assert f"clusterform.schemas.jsonl cannot be used: {problem}" in said
        file.unlink(missing_ok=True)
    assert lock(lab).lock.schemas
    assert len(about_things(lab, capsys)) == 4


def test_a_cluster_out_of_reach_keeps_the_crds_that_were_noted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_things(lab)
    known = lock(lab).lock.schemas

    def unreachable(*_: Any) -> NoReturn:
        raise ClusterformError("unreachable", "mgmt cannot be reached: no route")

    monkeypatch.setattr("planner.workspace.Workspace.api", unreachable)
    report = lock(lab)
    assert (report.lock.schemas, report.moved) == (known, ())
    assert report.notes == (
        "mgmt: mgmt cannot be reached: no route; what the lock says of it stays",
    )


def test_crds_that_may_not_be_listed_are_a_note(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with_things(lab)
    known = lock(lab).lock.schemas

    def forbidden(*_: Any) -> NoReturn:
        raise ClusterformError("api-forbidden", "you may not list customresourcedefinitions")

    monkeypatch.setattr("providers.kube.client.KubeClient.objects", forbidden)
    report = lock(lab)
    assert report.lock.schemas == known
    assert report.notes == (
        "mgmt: CRDs: you may not list customresourcedefinitions; what was noted stays",
    )
