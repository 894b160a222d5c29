"""GitRepositories that are made of several: `spec.include`, and submodules."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.expand.fluxsources import _inside
from providers.fetch import repositories, submodules
from state.errors import ClusterformError
from tests.stories.test_remote_sources import colours, elsewhere, fetch, lock, plain, refused
from tests.support.lab import Lab
from tests.support.servers import Server, git_in, serving

SOURCE = """\
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{url: {url}/git/{name}.git, ref: {{branch: main}}{more}}}
"""
APPS = """\
apiVersion: v1
kind: Namespace
metadata: {name: flux-system}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
"""


class Remotes:
    """Git repositories on one server."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        server.git = folder

    def repository(self, name: str, files: dict[str, str], **modules: str) -> str:
        """Make one with a commit, or another commit of it; `modules`: URLs by name of a folder
        below `mods/`, pinned at the tip of the repository of that name. Its commit."""
        work = self.folder / f"{name}-work"
        work.mkdir(exist_ok=True)
        git_in(work, "init", "-q", "-b", "main")
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        lines = [f'[submodule "{m}"]\n\tpath = mods/{m}\n\turl = {u}\n' for m, u in modules.items()]
        if lines:
            (work / ".gitmodules").write_text("".join(lines))
        git_in(work, "add", "-A")
        for module in modules:
            tip = git_in(self.folder / f"{module}-work", "rev-parse", "HEAD")
            git_in(work, "update-index", "--add", "--cacheinfo", f"160000,{tip},mods/{module}")
        git_in(work, "commit", "-q", "-m", "change")
        shutil.rmtree(self.folder / f"{name}.git", ignore_errors=True)
        git_in(self.folder, "clone", "-q", "--bare", work.name, f"{name}.git")
        return git_in(work, "rev-parse", "HEAD")


@pytest.fixture
def remotes(tmp_path: Path) -> Iterator[Remotes]:
    with serving() as server:
        (tmp_path / "remote").mkdir()
        yield Remotes(server, tmp_path / "remote")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (tmp_path / "repo").mkdir()
    return Lab(tmp_path / "repo")


def declare(lab: Lab, remotes: Remotes, **sources: str) -> None:
    """GitRepositories by name, and what else their specs say; one Kustomization of `fleet`."""
    url = remotes.server.url
    made = "".join(SOURCE.format(name=n, url=url, more=m) for n, m in sources.items())
    lab.write("clusters/apps.yaml", APPS + made)


def include(name: str, **paths: str) -> str:
    more = "".join(f", {field}: {path}" for field, path in paths.items())
    return f", include: [{{repository: {{name: {name}}}{more}}}]"


# ---------------------------------------------------------------------- include


def test_files_of_another_repository_are_copied(lab: Lab, remotes: Remotes, tmp_path: Path) -> None:
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")})
    remotes.repository("base", {"x/deep/b.yaml": plain("b", "blue"), "x/no.yaml": plain("n", "x")})
    declare(lab, remotes, fleet=include("base", fromPath="x/deep", toPath="apps/base"), base="")
    assert [s.kind for s in lock(lab).lock.sources] == ["git", "git"]
    plan = lab.plan()
    assert colours(plan) == {"a": "red", "b": "blue"}
    other = elsewhere(lab, tmp_path / "other")
    fetch(other)
    assert other.plan().digest == plan.digest


def test_what_is_not_said_is_the_whole_repository_below_its_name(
    lab: Lab, remotes: Remotes
) -> None:
    remotes.repository("fleet", {"README": "x"})
    remotes.repository("apps", {"a.yaml": plain("a", "red")})
    declare(lab, remotes, fleet=include("apps"), apps="")
    lock(lab)
    assert colours(lab.plan()) == {"a": "red"}


def test_what_an_artifact_leaves_out_is_not_copied(lab: Lab, remotes: Remotes) -> None:
    remotes.repository("fleet", {"README": "x"})
    remotes.repository(
        "apps",
        {"a.yaml": plain("a", "red"), "b.yaml": plain("b", "x"), "c.yaml": plain("c", "x"),
         ".sourceignore": "b.yaml\n"},
    )  # fmt: skip
    declare(lab, remotes, fleet=include("apps"), apps=", ignore: c.yaml")
    lock(lab)
    assert colours(lab.plan()) == {"a": "red"}


def test_one_file_and_includes_of_includes(lab: Lab, remotes: Remotes) -> None:
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")})
    remotes.repository("mid", {"README": "x"})
    remotes.repository("base", {"b.yaml": plain("b", "blue")})
    declare(
        lab,
        remotes,
        fleet=include("mid", fromPath="base/b.yaml", toPath="apps/b.yaml"),
        mid=include("base"),
        base="",
    )
    lock(lab)
    assert colours(lab.plan()) == {"a": "red", "b": "blue"}


def test_the_repository_itself_may_include_others(lab: Lab, remotes: Remotes) -> None:
    """Its files are the Kustomization's alone."""
    remotes.repository("base", {"b.yaml": plain("b", "blue")})
    declare(lab, remotes, fleet=include("base", toPath="clusters/apps/base"), base="")
    lab.edit("clusters/apps.yaml", ("path: ./apps", "path: ./clusters/apps"))
    lab.write("clusters/apps/a.yaml", plain("a", "red"))
    lab.git("remote", "add", "origin", f"{remotes.server.url}/git/fleet.git")
    lock(lab)
    plan = lab.plan()
    assert colours(plan) == {"a": "red", "b": "blue"}
    (change,) = [c for c in plan.changes if c.id.name == "a"]
    assert change.release is not None
    assert change.release.text == "Kustomization flux-system/apps"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (include("none"), "includes none: GitRepository flux-system/none is not in Git"),
        (include("base", fromPath="nowhere"), "includes base: there is no nowhere in it"),
        (include("base", toPath="apps"), "includes base: apps is there already"),
        (include("base", toPath="apps/a.yaml"), "includes base: apps/a.yaml is there already"),
        (include("base", toPath="apps/a.yaml/x"), "apps/a.yaml/x is there already"),
        (include("base", toPath="../.."), "includes base: . is there already"),
        (include("fleet"), "include each other: fleet → fleet"),
    ],
)
def test_an_include_that_cannot_be_is_one_error(
    lab: Lab, remotes: Remotes, spec: str, why: str
) -> None:
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")})
    remotes.repository("base", {"b.yaml": plain("b", "blue")})
    declare(lab, remotes, fleet=spec, base="")
    with pytest.raises(ClusterformError) as caught:
        lock(lab)
    assert why in caught.value.brief
    assert caught.value.where.startswith("clusters/apps.yaml:")


@pytest.mark.parametrize(
    ("said", "path"), [("a/b", "a/b"), ("./a/", "a"), ("../../a", "a"), ("/a/../..", ""), ("", "")]
)
def test_paths_of_an_include_stay_inside(said: str, path: str) -> None:
    assert _inside(said) == path


# ---------------------------------------------------------------------- submodules

RECURSE = ", recurseSubmodules: true"


def test_submodules_are_fetched_at_the_commits_that_the_tree_names(
    lab: Lab, remotes: Remotes, tmp_path: Path
) -> None:
    deep = remotes.repository("deep", {"c.yaml": plain("c", "green")})
    remotes.repository("sub", {"b.yaml": plain("b", "blue")}, deep="../deep.git")
    remotes.repository(
        "fleet",
        {"apps/kustomization.yaml": "resources: [../mods/sub, ../mods/sub/mods/deep]\n"},
        sub=f"{remotes.server.url}/git/sub.git",
    )
    for path, name in (("sub-work", "b"), ("deep-work", "c")):
        (remotes.folder / path / "kustomization.yaml").write_text(f"resources: [{name}.yaml]\n")
    remotes.repository("deep", {})
    remotes.repository("sub", {}, deep="../deep.git")
    remotes.repository("fleet", {}, sub=f"{remotes.server.url}/git/sub.git")
    declare(lab, remotes, fleet=RECURSE)
    (source,) = lock(lab).lock.sources
    assert source.submodules
    plan = lab.plan()
    assert colours(plan) == {"b": "blue", "c": "green"}

    remotes.repository("deep", {"c.yaml": plain("c", "moved")})
    assert deep != git_in(remotes.folder / "deep-work", "rev-parse", "HEAD")
    other = elsewhere(lab, tmp_path / "other")
    fetch(other)
    assert other.plan().digest == plan.digest


def test_without_recurse_submodules_stay_empty(lab: Lab, remotes: Remotes) -> None:
    remotes.repository("sub", {"b.yaml": plain("b", "blue")})
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")}, sub="../sub.git")
    declare(lab, remotes, fleet="")
    (source,) = lock(lab).lock.sources
    assert not source.submodules
    assert not any(path.startswith("/git/sub") for path, _ in remotes.server.requests)
    assert colours(lab.plan()) == {"a": "red"}


@pytest.mark.parametrize("url", ["file:///etc", "ext::sh -c true", "--upload-pack=x", "/etc", ""])
def test_a_submodule_elsewhere_than_on_a_server_is_refused(
    lab: Lab, remotes: Remotes, url: str
) -> None:
    remotes.repository("sub", {"b.yaml": plain("b", "blue")})
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")}, sub=url)
    declare(lab, remotes, fleet=RECURSE)
    with pytest.raises(ClusterformError) as caught:
        lock(lab)
    assert "submodule mods/sub of http" in caught.value.brief
    assert "is no Git URL that is fetched" in caught.value.brief


def test_a_submodule_whose_commit_is_gone_is_named(lab: Lab, remotes: Remotes) -> None:
    remotes.repository("sub", {"b.yaml": plain("b", "blue")})
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")}, sub="../sub.git")
    shutil.rmtree(remotes.folder / "sub-work")
    remotes.repository("sub", {"b.yaml": plain("b", "other")})
    declare(lab, remotes, fleet=RECURSE)
    with pytest.raises(ClusterformError) as caught:
        lock(lab)
    assert "submodule mods/sub of http" in caught.value.brief
    assert "has no commit" in caught.value.brief


def test_submodules_end_within_limits(
    lab: Lab, remotes: Remotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "_MODULES", 1)
    remotes.repository("one", {"b.yaml": plain("b", "blue")})
    remotes.repository("two", {"b.yaml": plain("b", "blue")})
    remotes.repository("fleet", {"apps/a.yaml": "x"}, one="../one.git", two="../two.git")
    declare(lab, remotes, fleet=RECURSE)
    with pytest.raises(ClusterformError, match="more than 1 submodules"):
        lock(lab)


def test_a_submodule_of_a_folder_on_this_machine_is_an_error_with_the_way_out(
    lab: Lab, remotes: Remotes
) -> None:
    remotes.repository("sub", {"b.yaml": plain("b", "blue")})
    remotes.repository("fleet", {"apps/a.yaml": plain("a", "red")}, sub="../sub.git")
    shutil.copytree(remotes.folder / "fleet-work", lab.root.parent / "beside")
    (lab.root.parent / "beside/mods/sub").mkdir(parents=True)
    declare(lab, remotes, fleet=RECURSE)
    text = (lab.root / "clusterform.yaml").read_text()
    lab.write("clusterform.yaml", f"{text}  sources:\n    {remotes.server.url}/git: ..\n"
              f"    {remotes.server.url}/git/fleet: ../beside\n")  # fmt: skip
    assert colours(lab.plan()) == {"a": "red"}  # nothing of it is asked for
    lab.edit("clusters/apps.yaml", ("path: ./apps", "path: ./mods/sub"))
    error = refused(lab)
    assert "mods/sub is a submodule of a folder on this machine" in error.brief
    assert "spec.include" in error.hint


@pytest.mark.parametrize(
    ("url", "parent", "found"),
    [
        ("../b.git", "https://h/x/a.git", "https://h/x/b.git"),
        ("../../y/b", "https://h/x/a.git/", "https://h/y/b"),
        ("../../../../b", "https://h/x/a", "https://h/b"),
        ("./b", "ssh://git@h:22/x/a", "ssh://git@h:22/x/a/b"),
        ("../b", "git@h:x/a.git", "git@h:x/b"),
        ("https://u:p@h/b", "https://g/a", "https://h/b"),
        ("git@h:b", "https://g/a", "git@h:b"),
    ],
)
def test_relative_urls_are_meant_from_the_parents(url: str, parent: str, found: str) -> None:
    assert submodules.absolute(url, parent) == found
