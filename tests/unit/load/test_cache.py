"""The cache of parsed files changes only speed, and holds nothing sensitive."""

# ruff: noqa: E501 - a row of a table is one line

import base64
import subprocess
from pathlib import Path

import pytest

from planner import parsecache
from planner.load import Loaded, load
from providers import git, secrets, yamldoc

PLAIN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ns}\ndata: {k: v}\n"
LIST = f"apiVersion: v1\nkind: List\nitems:\n  - {{apiVersion: v1, kind: A, metadata: {{name: i}}}}\n---\n{PLAIN}"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: planted-value}\n"
KUBEADM = (
    "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfigTemplate\nmetadata: {name: k}\n"
    "spec: {template: {spec: {files: [{path: /x, content: planted-value}], verbosity: 3}}}\n"
)
WARNED = "apiVersion: v1\nkind: A\nmetadata: {name: w}\nspec: {a: yes}\n"
BROKEN = "a: ["


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    texts = {"a": PLAIN, "b": LIST, "c": SECRET, "d": KUBEADM, "e": WARNED, "f": BROKEN}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "g.yaml").write_text(SECRET.replace("name: s", "name: g"))
    return folder


def loaded(root: Path, cache: Path | None, **options) -> Loaded:
    return load(git.open_tree(root), cache=cache, key_dir=root.parent / "key", **options)


def parsed_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    original = yamldoc.parse

    def counting(content, path, limits=yamldoc.MANIFEST):
        seen.append(path)
        return original(content, path, limits)

    monkeypatch.setattr(yamldoc, "parse", counting)
    return seen


def test_with_and_without_the_cache_the_same_is_loaded(root, tmp_path, monkeypatch) -> None:
    cache = tmp_path / "cache"
    without = loaded(root, None)
    seen = parsed_files(monkeypatch)
    cold = loaded(root, cache)
    assert len(seen) == 7
    seen.clear()
    warm = loaded(root, cache)
    assert (cold, warm) == (without, without)
    # Secrets, and what has to be warned of again, are parsed every time.
    assert seen == ["c.yaml", "d.yaml", "e.yaml", "f.yaml", "g.yaml"]


def test_nothing_sensitive_is_written(root: Path, tmp_path: Path) -> None:
    loaded(root, tmp_path / "cache")
    needles = [b"planted-value", base64.b64encode(b"planted-value")]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and root not in path.parents]
    assert {path.name for path in written} == {"parsed", "key", ".gitignore"}
    assert not [path for path in written if any(needle in path.read_bytes() for needle in needles)]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda content: content[:-20], id="cut"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="one bit"),
        pytest.param(lambda content: content.replace(b"files 1", b"files 0"), id="other format"),
        pytest.param(lambda _: b"\x80\x04garbage", id="garbage"),
    ],
)
def test_a_damaged_cache_is_ignored(root, tmp_path, damage) -> None:
    cache = tmp_path / "cache"
    before = loaded(root, cache)
    path = cache / "parsed"
    path.write_bytes(damage(path.read_bytes()))
    assert loaded(root, cache) == before
    assert loaded(root, cache) == before


def test_a_folder_that_cannot_be_written_is_no_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert loaded(root, tmp_path / "file" / "cache") == loaded(root, None)


def test_a_longer_table_of_sensitive_fields_makes_entries_invalid(root, tmp_path) -> None:
    loaded(root, tmp_path / "cache")

    def stricter(group: str, kind: str) -> secrets.Patterns:
        return (("f:data", "f:*"),) if kind == "ConfigMap" else secrets.sensitive(group, kind)

    found = loaded(root, tmp_path / "cache", sensitive=stricter)
    assert found == loaded(root, None, sensitive=stricter)
    assert [len(part.secrets) for part in found.documents if part.kind == "ConfigMap"] == [1, 1]


def test_files_that_are_gone_do_not_stay_forever(tmp_path: Path) -> None:
    cache = parsecache.ParseCache(tmp_path, secrets.sensitive)
    for blob in ("old1", "old2", "old3"):
        cache.put(blob, (), ())
    cache.save()
    fresh = parsecache.ParseCache(tmp_path, secrets.sensitive)
    fresh.put("new", (), ())
    fresh.save()
    assert parsecache.ParseCache(tmp_path, secrets.sensitive).get("old1") is None
    assert parsecache.ParseCache(tmp_path, secrets.sensitive).get("new") == ()
