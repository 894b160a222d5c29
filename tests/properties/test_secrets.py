"""Planted secrets appear nowhere: no output, plan, journal, cache, record or error of any command.

Every value that is looked for stands in Git or is made live by the simulated controllers. Only
`kubeconfig`, whose purpose it is, and the sandbox's own file may hold one.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from planner import workspace
from planner.cli.main import run
from providers.kube.sandbox.faults import Fault
from state.resource import canonical
from tests.support.lab import Lab, capi
from tests.support.manifests import NAMESPACE, cluster

pytestmark = pytest.mark.slow
PLACES = ("data", "text", "kubeconfig", "file", "passwd", "plane", "live", "edited")


def canary(place: str, generation: int) -> str:
    return f'cnry-{place}{generation} Zq/"+é&%'


def fleet(generation: int) -> str:
    def said(place: str) -> str:
        return json.dumps(canary(place, generation), ensure_ascii=False)

    data = base64.b64encode(canary("data", generation).encode()).decode()
    pool = "            - {name: node-labels, value: pool=md0}\n"
    files = (
        f"      files:\n        - {{path: /etc/a, content: {said('file')}}}\n"
        f"      users:\n        - {{name: ops, passwd: {said('passwd')}}}\n"
    )
    plane = f"  kubeadmConfigSpec:\n    files: [{{path: /etc/b, content: {said('plane')}}}]\n"
    text = cluster(workers=1).replace(pool, pool + files)
    text = text.replace("  machineTemplate:\n", plane + "  machineTemplate:\n")
    return f"""{NAMESPACE}---
apiVersion: v1
kind: Secret
metadata: {{name: login, namespace: team-a}}
data: {{password: {data}}}
stringData: {{other: {said("text")}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: far-kubeconfig, namespace: team-a}}
type: cluster.x-k8s.io/secret
stringData: {{value: {said("kubeconfig")}}}
---
{text}"""


class Shell:
    """Runs commands and keeps everything that they print."""

    def __init__(self, lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
        self.lab = lab
        self.capfd = capfd
        self.said = ""

    def __call__(self, *arguments: str, code: int | tuple[int, ...] = 0) -> str:
        for verbose in ((), ("-v",)) if arguments[0] not in ("apply", "destroy") else ((),):
            done = run(["-C", str(self.lab.root), *verbose, *arguments])
            out, err = self.capfd.readouterr()
            self.said += out + err
            assert done in (code if isinstance(code, tuple) else (code,)), (arguments, out, err)
        return out + err


@pytest.fixture
def shell(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """The command line on the lab's clock, so that a rollout takes no time."""
    lab = Lab(tmp_path)
    lab.write("clusters/c1.yaml", fleet(1))
    lab.commit()
    monkeypatch.setattr(workspace, "real_ids", lambda: lab.ids)
    monkeypatch.setattr(workspace, "WallClock", lambda: lab.clock)
    return Shell(lab, capfd)


# ---------------------------------------------------------------- the story


def look(shell: Shell, *, changes: bool) -> None:
    """Every command that reads."""
    shell("validate")
    for form in ("text", "markdown", "json"):
        shell("plan", "--format", form, "-o", "plan.json")
        shell("plan", "--format", form, "--refresh", "off")
        shell("show", "plan.json", "--format", form)
        shell("drift", "--format", form, code=(0, 2))
    for form in ("text", "dot", "mermaid"):
        shell("graph", "plan.json", "--format", form)
        shell("graph", "--format", form)
    if changes:
        return
    for form in ("text", "json"):
        shell("status", "--format", form)
        shell("status", "team-a/c1", "--format", form)
    shell("state", "list")
    shell("state", "history")
    for name in ("Secret/team-a/login", "Secret/team-a/far-kubeconfig"):
        shell("state", "show", f"mgmt/{name}")
    shell("state", "show", "mgmt/KubeadmControlPlane/team-a/c1")
    shell("state", "rebuild")


def test_no_planted_secret_appears_anywhere(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = shell.lab
    monkeypatch.chdir(lab.root)
    look(shell, changes=True)
    shell("--log-format", "json", "plan", "-o", "plan.json")
    shell("apply", "plan.json")
    look(shell, changes=False)

    lab.write("clusters/c1.yaml", fleet(2))
    look(shell, changes=True)  # uncommitted: pinned by an HMAC
    lab.commit()
    change_live(lab)
    look(shell, changes=True)
    stale_and_refused(shell)
    done = run(["-C", str(lab.root), "-v", "--log-format", "json", "apply", "--auto-approve"])
    shell.said += "".join(shell.capfd.readouterr())
    assert done == 0
    look(shell, changes=False)
    wrong_input(shell)
    check_nothing_leaked(shell)


def change_live(lab: Lab) -> None:
    """Somebody puts values of their own into the live objects."""
    value = base64.b64encode(canary("live", 1).encode()).decode()
    lab.patch(
        "/api/v1/namespaces/team-a/secrets/login",
        {"data": {"password": value, "more": value}},
        manager="kubectl-edit",
    )
    content = [{"path": "/etc/b", "content": canary("live", 2)}]
    lab.patch(
        capi("kubeadmcontrolplanes", "team-a", "c1"),
        {"spec": {"kubeadmConfigSpec": {"files": content}}},
        manager="kubectl-edit",
    )


def stale_and_refused(shell: Shell) -> None:
    """Errors about objects that hold secrets."""
    lab = shell.lab
    shell("plan", "-o", "old.json")
    value = base64.b64encode(canary("edited", 1).encode()).decode()
    path = "/api/v1/namespaces/team-a/secrets/login"
    lab.patch(path, {"data": {"password": value}}, manager="kubectl-edit")
    refusal = f'Secret "login" is invalid: data: Invalid value: "{canary("data", 2)}": too secret'
    lab.sandbox.fault(
        Fault(
            kind="status", method="PATCH", path=".*/kubeadmcontrolplanes/c1", status=422,
            reason="Invalid", message=refusal, count=None,
        )
    )  # fmt: skip
    shell("plan")
    shell("apply", "--expect-digest", "0" * 64, "old.json", code=3)
    shell("apply", "old.json", code=(1, 4, 5))
    lab.sandbox.clear_faults()


def wrong_input(shell: Shell) -> None:
    """Secrets that cannot be read as such."""
    bad = canary("text", 3)
    for wrong in (
        "stringData: {pin: 1234567890123}",
        f"data: {{key: {json.dumps(bad)}}}",
        f"stringData: [{json.dumps(bad)}]",
        f"stringData: {{key: {json.dumps(bad)}, key: {json.dumps(bad)}}}",
        f"stringData: {{key: {json.dumps(bad)}",
        f"stringData: {{key: !secret {json.dumps(bad)}}}",
    ):
        head = "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, namespace: team-a}\n"
        shell.lab.write("clusters/bad.yaml", head + wrong + "\n")
        for command in ("validate", "plan", "drift"):
            shell(command, code=(0, 1, 2, 3))
    shell.lab.remove("clusters/bad.yaml")


# ---------------------------------------------------------------- the search


def check_nothing_leaked(shell: Shell) -> None:
    places = {"output": shell.said.encode(), **dict(files(shell.lab)), **dict(records(shell.lab))}
    assert {"journal.db", "plan.json", "old.json"} <= {Path(p).name for p in places}
    assert any("cache" in p for p in places)
    leaks = [
        f"{name} as {form} in {place}"
        for name, value in secrets(shell.lab)
        for form, needle in forms(value)
        for place, content in places.items()
        if needle in content
    ]
    assert leaks == []


def secrets(lab: Lab) -> Iterator[tuple[str, str]]:
    """Planted ones and those that the controllers made."""
    for place in PLACES:
        for generation in (1, 2, 3):
            yield f"{place}{generation}", canary(place, generation)
    yield "number", "1234567890123"
    found = 0
    for secret in lab.list("/api/v1/namespaces/team-a/secrets"):
        for key, held in (secret.get("data") or {}).items():
            value = base64.b64decode(held).decode()
            if key != "format":
                yield f"{secret['metadata']['name']}.{key}", value
            for part in re.findall(r'"(?:token|client-key-data)": ?"([^"]{8,})"', value):
                found += 1
                yield f"part of {secret['metadata']['name']}", part
    assert found, "the live kubeconfig has no token that could be looked for"


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """The ways in which a value may be written down."""
    raw = value.encode()
    yield "raw", raw
    yield "JSON", json.dumps(value)[1:-1].encode()
    yield "JSON", json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield "URL", quote(value).encode()
    yield "URL", quote_plus(value, safe="").encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        yield "base64", coded[(0, 2, 3)[shift] : len(coded) // 4 * 4 - 4]
    for content in (raw, canonical(value), base64.b64encode(raw), canonical(base64.b64encode(raw))):
        yield "hash", hashlib.sha256(content).hexdigest()[:16].encode()


def files(lab: Lab) -> Iterator[tuple[str, bytes]]:
    """Everything that lies around, but for Git and the sandbox."""
    for path in lab.root.rglob("*"):
        inside = path.relative_to(lab.root)
        in_git = inside.parts[0] in (".git", "clusters", "crds")
        if path.is_file() and not in_git and "sandbox" not in path.name:
            yield str(inside), path.read_bytes()


def records(lab: Lab) -> Iterator[tuple[str, bytes]]:
    """What clusterform keeps in the management cluster, unpacked."""
    for item in lab.list("/api/v1/namespaces/clusterform-system/configmaps"):
        name = item["metadata"]["name"]
        packed = (item.get("binaryData") or {}).get("records")
        yield name, msgspec.json.encode(item)
        if packed:
            yield f"{name} unpacked", gzip.decompress(base64.b64decode(packed))
