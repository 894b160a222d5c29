"""Repositories that mean harm end soon with one clear finding; nothing leaves, nothing runs."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.kustomize import tool
from providers.kustomize.build import build, build_many
from providers.kustomize.options import FluxBuild, Request

CONFIG = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
PLUGIN = b"apiVersion: x.test/v1\nkind: P\nmetadata: {name: p%s}\n"
EXEC = PLUGIN % (b", annotations: {config.kubernetes.io/function: 'exec: {path: ./run.sh}'}")
CONTAINER = PLUGIN % (b", annotations: {config.kubernetes.io/function: 'container: {image: x}'}")
HELM = b"apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: p}\nname: x\n"
BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
)


def top(text: str, **files: bytes) -> dict[str, bytes]:
    return {"kustomization.yaml": text.encode(), **files}


def diamond(depth: int) -> dict[str, bytes]:
    """Each level names the next twice: 2^depth ways down."""
    files = {
        f"{n}/kustomization.yaml": f"resources: [../{n + 1}, ./x]\n".encode() for n in range(depth)
    }
    files |= {
        f"{n}/x/kustomization.yaml": f"resources: [../../{n + 1}]\n".encode() for n in range(depth)
    }
    return files | {
        f"{depth}/kustomization.yaml": b"resources: [a.yaml]\n",
        f"{depth}/a.yaml": CONFIG,
    }


CASES: dict[str, tuple[dict[str, bytes], str, str]] = {
    "remote base": (
        top("resources: [https://github.com/o/r//base?ref=v1]\n"),
        "",
        "kustomize-remote",
    ),
    "remote base by shorthand": (
        top("resources: [github.com/o/r//base]\n"),
        "",
        "kustomize-remote",
    ),
    "remote base by ssh": (top("resources: ['git@h.example:o/r.git']\n"), "", "kustomize-remote"),
    "remote base by any host": (top("bases: [git.example.org/o/r.git]\n"), "", "kustomize-remote"),
    "remote component": (top("components: ['ssh://git@h/o/r']\n"), "", "kustomize-remote"),
    "remote file": (top("resources: [http://127.0.0.1/x.yaml]\n"), "", "kustomize-remote"),
    "remote patch": (top("patches: [{path: https://h/p.yaml}]\n"), "", "kustomize-remote"),
    "remote generator file": (
        top("configMapGenerator: [{name: g, files: ['k=https://h/p']}]\n"),
        "",
        "kustomize-remote",
    ),
    "remote schema": (top("openapi: {path: https://h/p.json}\n"), "", "kustomize-remote"),
    "a file of the machine": (top("resources: [../../etc/passwd]\n"), "", "kustomize-outside"),
    "a file of the machine in a generator": (
        top("secretGenerator: [{name: s, files: [../../../etc/shadow]}]\n"),
        "",
        "kustomize-outside",
    ),
    "a file of the machine as environment": (
        top("secretGenerator: [{name: s, envs: [/etc/environment]}]\n"),
        "",
        "kustomize-outside",
    ),
    "an absolute path": (top("resources: [/etc/passwd]\n"), "", "kustomize-outside"),
    "a home": (top("resources: [~/x.yaml]\n"), "", "kustomize-outside"),
    "through a folder and out": (
        top("resources: [x/../../y]\n", **{"x/a": b""}),
        "",
        "kustomize-outside",
    ),
    "a patch from outside": (top("patches: [{path: ../../p.yaml}]\n"), "", "kustomize-outside"),
    "helm": (top("helmCharts: [{name: x, repo: https://h}]\n"), "", "kustomize-refused"),
    "helm as a generator": (
        top("generators: [g.yaml]\n", **{"g.yaml": HELM}),
        "",
        "kustomize-refused",
    ),
    "an exec function": (
        top("generators: [g.yaml]\n", **{"g.yaml": EXEC}),
        "",
        "kustomize-refused",
    ),
    "a container function": (
        top("transformers: [g.yaml]\n", **{"g.yaml": CONTAINER}),
        "",
        "kustomize-refused",
    ),
    "a plugin": (
        top("validators: [g.yaml]\n", **{"g.yaml": PLUGIN % b""}),
        "",
        "kustomize-refused",
    ),
    "an inline plugin": (
        top("transformers: ['apiVersion: x/v1\n\n  kind: P\n\n  metadata: {name: p}']\n"),
        "",
        "kustomize-refused",
    ),
    "a base of itself": (top("resources: [.]\n"), "", "kustomize-cycle"),
    "bases in a ring": (
        {
            "a/kustomization.yaml": b"resources: [../b]\n",
            "b/kustomization.yaml": b"resources: [../a]\n",
        },
        "a",
        "kustomize-cycle",
    ),
    "exponentially many ways": (diamond(40), "0", "kustomize-limit"),
    "many files": (
        top(
            "resources: [" + ",".join(f"f{n}.yaml" for n in range(6000)) + "]\n",
            **{f"f{n}.yaml": CONFIG for n in range(6000)},
        ),
        "",
        "kustomize-limit",
    ),
    "an alias bomb in the kustomization": ({"kustomization.yaml": BOMB}, "", "yaml-limit"),
    "an alias bomb in a resource": (
        top(
            "resources: [a.yaml]\n", **{"a.yaml": CONFIG + b"x:\n  " + BOMB.replace(b"\n", b"\n  ")}
        ),
        "",
        "kustomize-failed",
    ),
    "deep nesting in a resource": (
        top("resources: [a.yaml]\n", **{"a.yaml": CONFIG + b"x: " + b"[" * 100_000}),
        "",
        "kustomize-failed",
    ),
    "two kustomization files": (
        top("resources: []\n", **{"kustomization.yml": b""}),
        "",
        "kustomize-ambiguous",
    ),
    "no mapping": ({"kustomization.yaml": b"[]\n"}, "", "not-an-object"),
    "resources are no list": (top("resources: {a: b}\n"), "", "kustomize-file"),
    "a resource is no text": (top("resources: [{a: b}]\n"), "", "kustomize-file"),
    "a generator is no mapping": (top("configMapGenerator: [x]\n"), "", "kustomize-file"),
    "nothing": (top(""), "", "kustomize-failed"),
    "a name with a break": (top('resources: ["a\\n../../b"]\n'), "", "kustomize-missing"),
    "a NUL": (top('resources: ["a\\0b"]\n'), "", "yaml-control"),
}


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where builds make their folders: nothing may be left there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flux", [None, FluxBuild()], ids=["kustomize", "flux"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("nothing_left")
def test_it_ends_with_one_clear_finding(name: str, flux: FluxBuild | None) -> None:
    files, folder, code = CASES[name]
    started = time.monotonic()
    built = build(files, folder, flux=flux)
    assert time.monotonic() - started < 20
    if name == "nothing" and flux is not None:
        assert built.objects == ()
        return
    (finding,) = built.findings
    assert (finding.code, finding.severity, built.objects) == (code, "error", ())
    assert finding.path
    assert len(finding.summary) + len(finding.detail) < 1000


def _huge() -> dict[str, bytes]:
    """A generator that repeats a file of half a megabyte a hundred times."""
    entries = ",".join(f"k{n}=big" for n in range(100))
    return top(f"configMapGenerator: [{{name: g, files: [{entries}]}}]\n", big=b"x" * (1 << 19))


@pytest.mark.usefixtures("nothing_left")
def test_a_huge_result_ends_at_the_limit() -> None:
    (finding,) = build(_huge(), "").findings
    assert finding.code == "kustomize-failed"
    assert "more than 32 MiB" in finding.detail


@pytest.mark.usefixtures("nothing_left")
def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeping = tool.Tool(("/bin/sh", "-c", "/bin/sleep 60"), "sleep")
    monkeypatch.setattr(tool, "find_tool", lambda: sleeping)
    monkeypatch.setattr(tool, "WALL_SECONDS", 0.3)
    (finding,) = build(
        top("resources: [a.yaml]\nnamePrefix: p\n", **{"a.yaml": CONFIG}), ""
    ).findings
    assert finding.detail == "it took more than 0.3 s"


@pytest.mark.usefixtures("nothing_left")
def test_what_takes_too_much_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        tool, "LIMITED", tool.LIMITED.replace(f"-v {tool.MEMORY >> 10}", "-v 300000")
    )
    (finding,) = build(
        top("resources: [a.yaml]\nnamePrefix: p\n", **{"a.yaml": CONFIG}), ""
    ).findings
    assert finding.code == "kustomize-failed"


@pytest.mark.usefixtures("nothing_left")
def test_the_surroundings_are_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    said = tool.Tool(("/bin/sh", "-c", "/usr/bin/env; exec 1>&2; /usr/bin/env; exit 3"), "env")
    with pytest.raises(tool.Failed) as raised:
        tool.run(said, {"a": b""}, "", unrestricted=False)
    assert "hunter2" not in str(raised.value)
    assert "PATH=\n" in str(raised.value)
    assert os.environ["HOME"] not in str(raised.value)


def test_no_tool_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool.sysconfig, "get_path", lambda _: "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    (finding,) = build(
        top("resources: [a.yaml]\nnamePrefix: p\n", **{"a.yaml": CONFIG}), ""
    ).findings
    assert finding.code == "no-kustomize"
    assert build(top("resources: [a.yaml]\n", **{"a.yaml": CONFIG}), "").findings == ()


@pytest.mark.usefixtures("nothing_left")
def test_one_bad_build_does_not_stop_the_others() -> None:
    files = {"a/kustomization.yaml": b"resources: [/etc/passwd]\n", "b/a.yaml": CONFIG}
    bad, good = build_many(files, [Request(path="a"), Request(path="b", flux=FluxBuild())])
    assert (bad.failed, good.failed) == (True, False)


def test_a_path_of_a_thousand_folders_is_no_danger() -> None:
    files = {"/".join(["d"] * 2000) + "/a.yaml": CONFIG}
    assert build(files, "", flux=FluxBuild()).findings == ()


@pytest.mark.parametrize(
    "text",
    [
        "patches: [{patch: 'stringData: {p: hunter2'}]\n",
        "patches: [{patch: 'hunter2'}]\n",
        "patches: [{target: {kind: Secret}, patch: '[{op: x, path: /a, value: hunter2}]'}]\n",
        "secretGenerator: [{name: a, literals: [hunter2]}]\n",
        "secretGenerator: [{name: a, literals: [a=hunter2, a=hunter2]}]\n",
    ],
)
def test_what_may_be_secret_is_not_quoted(text: str) -> None:
    secret = b"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: hunter2}\n"
    (finding,) = build(top(f"resources: [a.yaml]\n{text}", **{"a.yaml": secret}), "").findings
    assert finding.detail
    assert "hunter2" not in f"{finding}"
