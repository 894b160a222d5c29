"""Sensitive values leave at load as references and come back only through them."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from planner.load import Loaded, load
from providers import git, secrets
from state.errors import ClusterformError
from state.resource import GitBlob, WorktreeFile, path_text

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: cGxhbnRlZA==, both: b3RoZXI=, gone: ~}
stringData: {b: planted-b, both: planted-both}
"""
KUBEADM = """\
apiVersion: controlplane.cluster.x-k8s.io/v1beta1
kind: KubeadmControlPlane
metadata: {name: k}
spec:
  kubeadmConfigSpec:
    files:
      - {path: /a, content: planted-a}
      - {path: /b, contentFrom: {secret: {name: x, key: z}}}
      - {path: /c, content: planted-c}
    users: [{name: u, passwd: planted-p}]
    initConfiguration: {bootstrapTokens: [{token: planted-t}]}
    verbosity: 3
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def commit(root: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["add", "-A"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def loaded(root: Path, text: str, *, committed: bool = True) -> Loaded:
    (root / "x.yaml").write_text(text)
    if committed:
        commit(root)
    return load(git.open_tree(root))


def resolved(root: Path, found: Loaded) -> dict[str, str]:
    resolver = secrets.Resolver(root, root / ".clusterform")
    return {
        path_text(path): resolver.resolve(ref)
        for document in found.documents
        for path, ref in document.secrets
    }


@pytest.mark.parametrize("committed", [True, False])
def test_a_secret_is_folded_into_data_and_resolved(root: Path, committed: bool) -> None:
    found = loaded(root, SECRET, committed=committed)
    assert msgspec.json.decode(found.documents[0].body)["data"] == {}
    assert "stringData" not in found.documents[0].body.decode()
    assert "planted" not in repr(found)
    assert resolved(root, found) == {
        ".data.a": "cGxhbnRlZA==",
        ".data.b": base64.b64encode(b"planted-b").decode(),
        ".data.both": base64.b64encode(b"planted-both").decode(),
    }


def test_sensitive_fields_of_kubeadm_leave_their_items_behind(root: Path) -> None:
    found = loaded(root, KUBEADM)
    body = msgspec.json.decode(found.documents[0].body)["spec"]["kubeadmConfigSpec"]
    assert body == {
        "files": [
            {"path": "/a"},
            {"path": "/b", "contentFrom": {"secret": {"name": "x", "key": "z"}}},
            {"path": "/c"},
        ],
        "users": [{"name": "u"}],
        "initConfiguration": {"bootstrapTokens": [{}]},
        "verbosity": 3,
    }
    assert resolved(root, found) == {
        ".spec.kubeadmConfigSpec.files[0].content": "planted-a",
        ".spec.kubeadmConfigSpec.files[2].content": "planted-c",
        ".spec.kubeadmConfigSpec.users[0].passwd": "planted-p",
        ".spec.kubeadmConfigSpec.initConfiguration.bootstrapTokens[0].token": "planted-t",
    }


def test_items_of_lists_and_later_documents_are_found_again(root: Path) -> None:
    item = "  - {apiVersion: v1, kind: Secret, metadata: {name: %s}, stringData: {k: planted-%s}}\n"
    text = f"a: b\n---\napiVersion: v1\nkind: List\nitems:\n{item % ('x', 'x')}{item % ('z', 'z')}"
    found = loaded(root, text)
    values = [
        base64.b64decode(secrets.resolve(document.secrets[0][1], root, root)).decode()
        for document in found.documents
    ]
    assert values == ["planted-x", "planted-z"]


@pytest.mark.parametrize(
    "text",
    [
        SECRET.replace("planted-b,", "12,"),
        SECRET.replace("planted-b,", "yes,"),
        SECRET.replace("planted-b,", "[planted],"),
        SECRET.replace("{a: cGxhbnRlZA==, both: b3RoZXI=, gone: ~}", "planted"),
        KUBEADM.replace("planted-p", "123456789"),
    ],
)
def test_a_sensitive_value_that_is_no_text_is_an_error_that_hides_it(root, text) -> None:
    found = loaded(root, text)
    assert [part.code for part in found.errors] == ["not-text"]
    assert "planted" not in repr(found)
    assert "123456789" not in repr(found)


def test_a_secret_of_another_group_is_no_core_secret(root: Path) -> None:
    found = loaded(root, SECRET.replace("v1\n", "example.dev/v1\n"))
    assert found.documents[0].secrets == ()


def test_a_committed_file_is_named_by_its_blob_and_found_after_it_changed(root: Path) -> None:
    found = loaded(root, SECRET)
    source = found.documents[0].secrets[0][1].source
    assert isinstance(source, GitBlob)
    before = resolved(root, found)
    (root / "x.yaml").unlink()
    assert resolved(root, found) == before


def test_an_uncommitted_file_is_pinned_by_a_key_of_this_machine(root: Path) -> None:
    found = loaded(root, SECRET, committed=False)
    source = found.documents[0].secrets[0][1].source
    assert isinstance(source, WorktreeFile)
    key = root / ".clusterform" / "key"
    modes = oct(key.stat().st_mode & 0o777), oct(key.parent.stat().st_mode & 0o777)
    assert modes == ("0o600", "0o700")
    assert len(key.read_bytes()) == 32
    again = load(git.open_tree(root))
    assert again.documents[0].secrets[0][1].source == source
    assert again.uncommitted == ("x.yaml",)


def _changed(root: Path) -> None:
    (root / "x.yaml").write_text(SECRET + "# more\n")


def _linked(root: Path) -> None:
    (root / "x.yaml").rename(root / "y.yaml")
    (root / "x.yaml").symlink_to("y.yaml")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_changed, id="changed"),
        pytest.param(lambda root: (root / "x.yaml").unlink(), id="deleted"),
        pytest.param(_linked, id="a link now"),
        pytest.param(lambda root: shutil.rmtree(root / ".clusterform"), id="another machine"),
    ],
)
def test_an_uncommitted_secret_that_moved_is_refused(root: Path, change) -> None:
    found = loaded(root, SECRET, committed=False)
    change(root)
    with pytest.raises(ClusterformError) as caught:
        resolved(root, found)
    assert (caught.value.code, caught.value.where) == ("secret-moved", "x.yaml")
    assert "commit the file" in caught.value.hint


def test_a_blob_that_is_not_here_is_refused(root: Path) -> None:
    found = loaded(root, SECRET)
    ref = found.documents[0].secrets[0][1]
    elsewhere = msgspec.structs.replace(ref, source=GitBlob("0" * 40, "x.yaml"))
    with pytest.raises(ClusterformError) as caught:
        secrets.resolve(elsewhere, root, root)
    assert caught.value.code == "secret-moved"


def test_a_key_that_others_can_read_is_refused(root: Path) -> None:
    loaded(root, SECRET, committed=False)
    os.chmod(root / ".clusterform" / "key", 0o644)
    with pytest.raises(ClusterformError) as caught:
        load(git.open_tree(root))
    assert caught.value.code == "bad-key"


def test_a_value_is_extracted_once_by_overlapping_patterns() -> None:
    body = {"spec": {"a": {"b": "x", "c": "y"}}}
    patterns = (("f:spec", "f:a", "f:*"), ("f:spec", "f:a", "f:b"))
    found = secrets.extract("g", "K", body, patterns)
    assert [part.path for part in found] == [("f:spec", "f:a", "f:b"), ("f:spec", "f:a", "f:c")]
    assert body == {"spec": {"a": {}}}
