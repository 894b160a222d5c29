"""The real sops, with a key of its own: what it encrypts comes to a real server in clear."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import msgspec
import pytest

from state.errors import ClusterformError
from tests.realcluster.binaries import AGE, SOPS, where
from tests.realcluster.lab import RealLab

TEXT = """\
apiVersion: v1
kind: Secret
metadata: {{name: tokens, namespace: {namespace}}}
stringData:
  # why it is here
  token: {value}
  multi: |
    line one
    {value}
"""


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The public half; the other one is in the environment, as on a machine that applies."""
    file = tmp_path / "age.key"
    subprocess.run([where(AGE), "-o", file], check=True, capture_output=True)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(file))
    monkeypatch.setenv("CLUSTERFORM_SOPS", str(where(SOPS)))
    return file.read_text().partition("public key: ")[2].splitlines()[0]


def encrypted(text: str, key: str) -> str:
    arguments = ["--encrypt", "--age", key, "--encrypted-regex", "^(data|stringData)$"]
    forms = ["--input-type", "yaml", "--output-type", "yaml", "/dev/stdin"]
    done = subprocess.run(
        [where(SOPS), *arguments, *forms], input=text.encode(), check=True, capture_output=True
    )
    return done.stdout.decode()


@pytest.fixture
def sealing(lab: RealLab) -> RealLab:
    """A fleet whose applies decrypt."""
    text = (lab.root / "clusterform.yaml").read_text()
    lab.write("clusterform.yaml", text + "  decryption: {provider: sops}\n")
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {lab.fleet}}}\n"
    lab.write("clusters/namespace.yaml", namespace)
    return lab


def live(lab: RealLab) -> dict[str, str]:
    found = lab.get(f"/api/v1/namespaces/{lab.fleet}/secrets/tokens")
    assert found is not None
    return {name: base64.b64decode(value).decode() for name, value in found["data"].items()}


def secret(lab: RealLab, value: str) -> str:
    return TEXT.format(namespace=lab.fleet, value=value)


def test_what_sops_encrypted_arrives_in_clear_and_stays(sealing: RealLab, key: str) -> None:
    lab = sealing
    lab.write("clusters/tokens.yaml", encrypted(secret(lab, "hush-hush-1"), key))
    plan = lab.plan()
    lab.apply(plan)
    assert live(lab) == {"token": "hush-hush-1", "multi": "line one\nhush-hush-1\n"}
    assert b"hush" not in msgspec.json.encode(plan)
    assert lab.plan().changes == ()
    lab.write("clusters/tokens.yaml", encrypted(secret(lab, "hush-hush-2"), key))
    plan = lab.plan()
    assert [c.id.kind for c in plan.changes] == ["Secret"]
    lab.apply(plan)
    assert live(lab)["token"] == "hush-hush-2"
    assert lab.plan().changes == ()


def test_what_kustomize_moved_is_decrypted_all_the_same(sealing: RealLab, key: str) -> None:
    lab = sealing
    text = secret(lab, "hush-hush-1").replace(f", namespace: {lab.fleet}", "")
    lab.write("clusters/s.yaml", encrypted(text, key))
    lab.write(
        "clusters/kustomization.yaml",
        f"namespace: {lab.fleet}\nresources:\n- namespace.yaml\n- s.yaml\n",
    )
    lab.apply(lab.plan())
    assert live(lab)["token"] == "hush-hush-1"
    assert lab.plan().changes == ()


def test_a_document_that_somebody_moved_does_not_pass_its_mac(sealing: RealLab, key: str) -> None:
    lab = sealing
    text = encrypted(secret(lab, "hush-hush-1"), key)
    lab.write("clusters/tokens.yaml", text.replace("name: tokens", "name: other"))
    with pytest.raises(ClusterformError) as caught:
        lab.apply(lab.plan())
    assert caught.value.brief == "clusters/tokens.yaml cannot be decrypted"
    assert "MAC mismatch" in caught.value.detail
    assert lab.get(f"/api/v1/namespaces/{lab.fleet}") is None


def test_without_the_key_nothing_is_written(
    sealing: RealLab, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = sealing
    lab.write("clusters/tokens.yaml", encrypted(secret(lab, "hush-hush-1"), key))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/nowhere")
    with pytest.raises(ClusterformError) as caught:
        lab.apply(lab.plan())
    assert caught.value.code == "sops"
    assert lab.get(f"/api/v1/namespaces/{lab.fleet}") is None
