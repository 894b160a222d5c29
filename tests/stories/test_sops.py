"""Documents that SOPS encrypted, where the fleet lets an apply decrypt them.

`sops` is a script here that opens a made-up cipher; the real one is in tests/realcluster.
"""

from __future__ import annotations

import base64
import stat
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.changes import Plan, Verb
from planner.views.text import plan_text
from state.errors import ClusterformError
from tests.support.lab import FLEET, Lab

SOPS = """\
#!{python}
import base64, pathlib, re, sys
log = pathlib.Path({log!r})
log.write_text(log.read_text() + " ".join(sys.argv[1:]) + "\\n" if log.exists() else " ".join(sys.argv[1:]) + "\\n")
text = sys.stdin.read()
if "BROKEN" in text:
    sys.exit("Failed to get the data key required to decrypt the SOPS file.")
text = re.sub(
    r"ENC\\[AES256_GCM,data:([^,]*),[^]]*\\]",
    lambda found: base64.b64decode(found[1]).decode(),
    text,
)
print(text)
"""  # noqa: E501
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
PATH = "/api/v1/namespaces/shop/secrets/tokens"


def encrypted(text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    return f"ENC[AES256_GCM,data:{data},iv:a,tag:b,type:str]"


def secret(**values: str) -> str:
    lines = "".join(f"  {key}: {encrypted(value)}\n" for key, value in values.items())
    return (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: tokens, namespace: shop}\n"
        f"stringData:\n{lines}sops: {{mac: x, version: 3.9.0}}\n"
    )


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    (tmp_path / "repo").mkdir()
    lab = Lab(tmp_path / "repo", fleet=FLEET + "  decryption: {provider: sops}\n")
    command = tmp_path / "opener"
    command.write_text(SOPS.format(python=sys.executable, log=str(tmp_path / "runs")))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CLUSTERFORM_SOPS", str(command))
    lab.write(
        "clusters/namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    )
    lab.commit()
    lab.converge()
    return lab


def runs(lab: Lab) -> list[str]:
    log = lab.root.parent / "runs"
    return log.read_text().splitlines() if log.exists() else []


def live(lab: Lab) -> dict[str, str]:
    found = lab.get(PATH)
    assert found is not None
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def only(plan: Plan) -> Any:
    (change,) = plan.changes
    return change


def test_a_plan_decrypts_nothing_and_an_apply_what_it_writes(lab: Lab) -> None:
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-1", b="hush-hush-2"))
    plan = lab.plan()
    assert only(plan).verb is Verb.CREATE
    assert runs(lab) == []
    lab.apply(plan)
    assert runs(lab) == ["--decrypt --input-type yaml --output-type yaml /dev/stdin"]
    assert live(lab) == {"a": "hush-hush-1", "b": "hush-hush-2"}
    assert lab.plan().changes == ()
    lab.commit()
    assert lab.plan().changes == ()
    kept = b"".join(
        path.read_bytes()
        for path in (lab.root / ".clusterform").rglob("*")
        if path.is_file() and "sandbox" not in path.name
    )
    for value in (b"hush-hush-1", base64.b64encode(b"hush-hush-1")):
        assert value not in kept + msgspec.json.encode(plan)


def test_other_ciphertexts_are_a_change_that_shows_no_value(lab: Lab) -> None:
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-1"))
    lab.converge()
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-9"))
    plan = lab.plan()
    assert [f.path[-1] for f in only(plan).fields] == ["f:clusterform.dev/encrypted"]
    text = plan_text(plan, verbose=True, color=False) + msgspec.json.encode(plan).decode()
    assert "hush" not in text
    assert base64.b64encode(b"hush-hush-1").decode() not in text
    lab.apply(plan)
    assert live(lab) == {"a": "hush-hush-9"}
    assert lab.plan().changes == ()


def test_a_value_that_somebody_changed_live_is_written_again(lab: Lab) -> None:
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-1"))
    lab.converge()
    moved = base64.b64encode(b"their-own-value").decode()
    lab.patch(PATH, {"data": {"a": moved}}, manager="kubectl-edit")
    plan = lab.plan()
    assert only(plan).verb is Verb.UPDATE
    assert "their-own" not in msgspec.json.encode(plan).decode()
    lab.apply(plan)
    assert live(lab) == {"a": "hush-hush-1"}
    assert lab.plan().changes == ()


def test_an_apply_that_cannot_decrypt_writes_nothing(lab: Lab) -> None:
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-1") + "# BROKEN\n")
    lab.write("clusters/other.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n")
    with pytest.raises(ClusterformError) as caught:
        lab.apply(lab.plan())
    assert caught.value.brief == "clusters/tokens.yaml cannot be decrypted"
    assert "Failed to get the data key" in caught.value.detail
    assert lab.get("/api/v1/namespaces/other") is None


def test_without_the_command_the_way_out_is_said(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-1"))
    monkeypatch.setenv("CLUSTERFORM_SOPS", "/nowhere/sops")
    with pytest.raises(ClusterformError) as caught:
        lab.apply(lab.plan())
    assert "there is no command /nowhere/sops" in caught.value.brief


def test_what_kustomize_built_is_decrypted_object_by_object(lab: Lab) -> None:
    lab.write(
        "clusters/kustomization.yaml", "namespace: shop\nresources:\n- namespace.yaml\n- s.yaml\n"
    )
    lab.write("clusters/s.yaml", secret(a="hush-hush-1").replace(", namespace: shop", ""))
    lab.converge()
    assert live(lab) == {"a": "hush-hush-1"}
    assert runs(lab) == ["--decrypt --ignore-mac --input-type json --output-type json /dev/stdin"]
    assert lab.plan().changes == ()


def test_any_field_may_be_encrypted_and_none_is_shown(lab: Lab) -> None:
    path = "/api/v1/namespaces/shop/configmaps/mixed"
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mixed, namespace: shop}\n"
        f"data:\n  open: '1'\n  closed: {encrypted('hush-hush-1')}\nsops: {{mac: x}}\n"
    )
    lab.write("clusters/mixed.yaml", text)
    lab.converge()
    found = lab.get(path)
    assert found is not None
    assert found["data"] == {"open": "1", "closed": "hush-hush-1"}
    lab.edit("clusters/mixed.yaml", ("open: '1'", "open: '2'"))
    plan = lab.plan()
    assert [f.path[-1] for f in only(plan).fields] == ["f:open"]
    lab.write("clusters/mixed.yaml", text.replace(encrypted("hush-hush-1"), encrypted("hush-2")))
    plan = lab.plan()
    lab.apply(plan)
    assert "hush" not in msgspec.json.encode(plan).decode()
    assert lab.plan().changes == ()


def test_a_fleet_that_does_not_say_so_leaves_them_alone(lab: Lab) -> None:
    lab.write("clusterform.yaml", FLEET)
    lab.write("clusters/tokens.yaml", secret(a="hush-hush-1"))
    plan = lab.plan()
    assert plan.changes == ()
    assert [f.kind for f in plan.findings] == ["blocked"]
