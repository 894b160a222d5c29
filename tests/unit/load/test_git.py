"""Which files a tree has, and which of them are committed. A real git, a throw-away repository."""

# ruff: noqa: E501 - a row of a table is one line

import os
import subprocess
from pathlib import Path

import pytest

from providers import git
from state.errors import ClusterformError


def run(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    run(root, "init", "-q", "-b", "main")
    write(root, "a.yaml", "a: 1\n")
    write(root, "sub/b.yaml", "b: 1\n")
    write(root, ".gitignore", "ignored/\n")
    run(root, "add", "-A")
    run(root, "commit", "-qm", "first")
    return root


def blobs(tree: git.SourceTree) -> dict[str, bool]:
    """Path → is it the commit's?"""
    return {found.path: bool(found.blob) for found in tree.files()}


CLEAN = {".gitignore": True, "a.yaml": True, "sub/b.yaml": True}


def test_a_clean_tree_is_the_commit(repo: Path) -> None:
    tree = git.open_tree(repo)
    assert blobs(tree) == CLEAN
    assert tree.commit == run(repo, "rev-parse", "HEAD")
    assert (tree.describe, tree.uncommitted, tree.skipped) == (tree.commit[:7], (), ())
    assert tree.files("a.yaml")[0].blob == run(repo, "rev-parse", "HEAD:a.yaml")


@pytest.mark.parametrize(
    ("change", "uncommitted", "expected"),
    [
        pytest.param(lambda r: write(r, "a.yaml", "a: 2\n"), ("a.yaml",), {"a.yaml": False}, id="same size"),
        pytest.param(lambda r: write(r, "a.yaml", "a: 12\n"), ("a.yaml",), {"a.yaml": False}, id="other size"),
        pytest.param(lambda r: write(r, "c.yaml", "c: 1\n"), ("c.yaml",), {"c.yaml": False}, id="untracked"),
        pytest.param(lambda r: write(r, "ignored/c.yaml", ""), (), {}, id="ignored"),
        pytest.param(lambda r: (r / "a.yaml").unlink(), ("a.yaml",), {"a.yaml": None}, id="deleted"),
        pytest.param(lambda r: os.utime(r / "a.yaml", (1, 1)), (), {}, id="touched only"),
        pytest.param(lambda r: run(r, "rm", "-q", "--cached", "a.yaml"), (), {}, id="removed from the index"),
        pytest.param(
            lambda r: (write(r, "a.yaml", "a: 3\n"), run(r, "add", "a.yaml")),
            ("a.yaml",), {"a.yaml": False}, id="staged",
        ),
        pytest.param(
            lambda r: (write(r, "a.yaml", "a: 3\n"), run(r, "add", "a.yaml"), write(r, "a.yaml", "a: 1\n")),
            (), {}, id="staged, then put back",
        ),
        pytest.param(
            lambda r: run(r, "update-index", "--assume-unchanged", "a.yaml") or write(r, "a.yaml", "a: 2\n"),
            ("a.yaml",), {"a.yaml": False}, id="assumed unchanged",
        ),
        pytest.param(lambda r: write(r, "ü \n.yaml", ""), ("ü \n.yaml",), {"ü \n.yaml": False}, id="odd name"),
    ],
)  # fmt: skip
def test_what_differs_from_the_commit_is_uncommitted(repo, change, uncommitted, expected) -> None:
    change(repo)
    tree = git.open_tree(repo)
    wanted = {path: known for path, known in (CLEAN | expected).items() if known is not None}
    assert (blobs(tree), tree.uncommitted) == (wanted, uncommitted)


def test_a_revision_is_read_from_the_object_store(repo: Path) -> None:
    write(repo, "a.yaml", "a: 2\n")
    run(repo, "commit", "-qam", "second")
    write(repo, "a.yaml", "a: 3\n")
    (repo / "sub/b.yaml").unlink()
    tree = git.open_tree(repo, "HEAD~1")
    assert tree.read(["a.yaml", "sub/b.yaml"]) == {"a.yaml": b"a: 1\n", "sub/b.yaml": b"b: 1\n"}
    assert (blobs(tree), tree.uncommitted) == (CLEAN, ())
    assert git.read_blob(repo, tree.files("a.yaml")[0].blob) == b"a: 1\n"


@pytest.mark.parametrize("ref", ["nowhere", "--help", "HEAD:a.yaml", "-", ""])
def test_an_unknown_revision_is_an_error(repo: Path, ref: str) -> None:
    with pytest.raises(ClusterformError) as caught:
        git.open_tree(repo, ref)
    assert caught.value.code == "no-such-revision"


def test_a_folder_of_the_repository_is_a_root_of_its_own(repo: Path) -> None:
    write(repo, "sub/c.yaml", "c: 1\n")
    write(repo, "elsewhere.yaml", "x: 1\n")
    tree = git.open_tree(repo / "sub")
    assert (blobs(tree), tree.uncommitted) == ({"b.yaml": True, "c.yaml": False}, ("c.yaml",))
    assert blobs(git.open_tree(repo / "sub", "HEAD")) == {"b.yaml": True}


def test_links_and_submodules_are_skipped_and_never_followed(repo: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.yaml", "planted: 1\n")
    (repo / "link.yaml").symlink_to(tmp_path / "outside/secret.yaml")
    (repo / "folder").symlink_to(tmp_path / "outside")
    run(repo, "init", "-q", "module")
    run(repo / "module", "commit", "-q", "--allow-empty", "-m", "x")
    run(repo, "-c", "advice.addEmbeddedRepo=false", "add", "-A")
    run(repo, "commit", "-qm", "links")
    for tree in (git.open_tree(repo), git.open_tree(repo, "HEAD")):
        assert blobs(tree) == CLEAN
        assert [entry.path for entry in tree.skipped] == ["folder", "link.yaml", "module"]


def test_a_tracked_folder_replaced_by_a_link_is_deleted(repo: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/b.yaml", "b: 1\n")
    (repo / "sub/b.yaml").unlink()
    (repo / "sub").rmdir()
    (repo / "sub").symlink_to(tmp_path / "outside")
    tree = git.open_tree(repo)
    assert tree.uncommitted == ("sub/b.yaml",)
    with pytest.raises(ClusterformError, match="symbolic link"):
        tree.read(["sub/b.yaml"])


def test_nothing_that_the_repository_configures_is_run(repo: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    script = f"touch {trace}; cat"
    for name in ("filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "core.sshCommand"):
        run(repo, "config", name, script)
    write(repo, ".gitattributes", "*.yaml filter=evil\n")
    write(repo, "a.yaml", "a: 2\n")
    tree = git.open_tree(repo)
    tree.read(["a.yaml"])
    git.open_tree(repo, "HEAD").read(["a.yaml"])
    assert not trace.exists()


def test_the_callers_git_variables_do_not_matter(repo, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert blobs(git.open_tree(repo)) == CLEAN


def test_before_the_first_commit_everything_is_uncommitted(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q")
    write(tmp_path, "a.yaml", "")
    tree = git.open_tree(tmp_path)
    assert (tree.commit, tree.describe, tree.uncommitted) == ("", "no commit yet", ("a.yaml",))


def test_a_folder_without_git_works(tmp_path: Path) -> None:
    write(tmp_path, "x/a.yaml", "a: 1\n")
    (tmp_path / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe.yaml")
    tree = git.open_tree(tmp_path)
    assert (tree.commit, tree.describe, tree.uncommitted) == ("", "not in Git", ())
    assert (blobs(tree), tree.read(["x/a.yaml"])) == ({"x/a.yaml": False}, {"x/a.yaml": b"a: 1\n"})
    assert [entry.path for entry in tree.skipped] == ["link", "pipe.yaml"]


def test_a_folder_that_its_repository_ignores_is_a_folder_without_git(repo: Path) -> None:
    write(repo, "ignored/a.yaml", "a: 1\n")
    tree = git.open_tree(repo / "ignored")
    assert (blobs(tree), tree.describe) == ({"a.yaml": False}, "not in Git")


def test_a_machine_without_git_reads_folders(repo: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git.open_tree(repo).describe == "not in Git"
    with pytest.raises(ClusterformError) as caught:
        git.open_tree(repo, "HEAD")
    assert caught.value.code == "no-git"


def test_a_file_that_changes_while_it_is_read_is_an_error(repo: Path) -> None:
    tree = git.open_tree(repo)
    write(repo, "a.yaml", "a: 2\n")
    with pytest.raises(ClusterformError) as caught:
        tree.read(["a.yaml"])
    assert caught.value.code == "source-moved"


def test_a_missing_blob_is_an_error(repo: Path) -> None:
    with pytest.raises(ClusterformError) as caught:
        git.read_blob(repo, "0" * 40)
    assert caught.value.code == "no-such-blob"


@pytest.mark.parametrize("name", ["..", ".", ".git"])
def test_a_commit_with_a_path_that_leads_out_of_it_is_refused(name: str, tmp_path: Path) -> None:
    def plumbing(*arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=tmp_path, input=given, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    plumbing("init", "-q")
    blob = plumbing("hash-object", "-w", "--stdin", given=b"x\n")
    inner = b"100644 evil.yaml\0" + bytes.fromhex(blob)
    options = ("hash-object", "-t", "tree", "--literally", "-w", "--stdin")
    below = plumbing(*options, given=inner)
    tree = plumbing(*options, given=f"40000 {name}\0".encode() + bytes.fromhex(below))
    commit = plumbing("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "x", tree)
    with pytest.raises(ClusterformError) as caught:
        git.open_tree(tmp_path, commit)
    assert caught.value.code == "bad-tree"
