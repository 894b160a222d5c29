"""Substitution, held to what Flux's and clusterctl's own packages answered (tests/data)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from providers.flux import clusterctl, envsubst, goyaml, substitute
from state.errors import ClusterformError
from tests.support.numbers import as_go_reads

DATA = Path(__file__).parents[2] / "data"
FLUX = json.loads((DATA / "flux-substitute.json").read_text())
CLUSTERCTL = json.loads((DATA / "clusterctl-templates.json").read_text())
Case = dict[str, Any]


def _id(case: Case) -> str:
    return f"{case['text']!r}{' strict' if case.get('strict') else ''}"


Outcome = tuple[Any, str]
"""A result, or the message of an error."""


def outcome(do: Callable[[], Any]) -> Outcome:
    try:
        return do(), ""
    except ClusterformError as error:
        return None, f"{error}"


@pytest.mark.parametrize("case", FLUX["texts"], ids=_id)
def test_a_text_becomes_what_flux_makes_of_it(case: Case) -> None:
    strict, answer = case.get("strict", False), case["answer"]
    found, error = outcome(
        lambda: envsubst.evaluate(case["text"], FLUX["variables"], strict=strict)
    )
    # A character cut in two is an error here; Flux finds out when it reads the YAML again.
    failed = "error" in answer or "\ufffd" in answer.get("text", "")
    assert bool(error) == failed, error
    assert error or found == answer.get("text", "")


@pytest.mark.parametrize("case", FLUX["objects"], ids=lambda case: json.dumps(case["object"])[:60])
def test_an_object_is_written_and_read_as_flux_does_it(case: Case) -> None:
    body, answer = case["object"], case["answer"]
    if text := answer.get("yaml"):
        assert goyaml.emit(body) == text

    def done() -> Any:
        values = substitute.variables(case.get("variables", FLUX["variables"]))
        strict, always = case.get("strict", False), case.get("always", False)
        return substitute.substitute(body, values, strict=strict, always=always)

    found, error = outcome(done)
    # Two keys that become one are an error here; Flux silently takes the last.
    assert bool(error) == ("error" in answer or "twice" in error), error
    assert error or as_go_reads(found) == as_go_reads(answer.get("object"))


@pytest.mark.parametrize("case", CLUSTERCTL["templates"], ids=lambda case: case["template"])
def test_a_template_becomes_what_clusterctl_makes_of_it(case: Case) -> None:
    answer = case["answer"]
    found, error = outcome(lambda: clusterctl.process(case["template"], CLUSTERCTL["variables"]))
    if answer != {"error": "panic"}:  # a negative length; the engine of Flux can do it
        assert bool(error) == ("error" in answer), error
        assert error or found == answer["text"]


def kubeadm(*commands: str, **files: str) -> dict[str, Any]:
    return {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2",
        "kind": "KubeadmConfigTemplate",
        "metadata": {"name": "workers"},
        "spec": {
            "template": {
                "spec": {
                    "preKubeadmCommands": list(commands),
                    "files": [{"path": path, "content": text} for path, text in files.items()],
                }
            }
        },
    }


def test_later_sources_win_and_lose_their_newlines() -> None:
    found = substitute.variables({"a": "1", "b": "x\ny\n"}, {"a": "2"})
    assert found == {"a": "2", "b": "xy"}


@pytest.mark.parametrize("name", ["a-b", "1a", "", "é", "a.b", "a\n"])
def test_a_name_that_flux_refuses_is_an_error(name: str) -> None:
    with pytest.raises(ClusterformError, match="cannot be a variable"):
        substitute.variables({name: "1"})


def test_a_value_that_is_no_text_is_an_error_without_the_value() -> None:
    with pytest.raises(ClusterformError) as raised:
        substitute.variables({"token": 4711})
    assert "4711" not in str(raised.value)


def test_an_undefined_variable_is_named_and_no_value_is() -> None:
    with pytest.raises(ClusterformError) as raised:
        substitute.substitute({"a": "${secret} ${gone}"}, {"secret": "hunter2"})
    assert raised.value.code == "variable-not-set"
    assert "'gone'" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_value_that_breaks_the_object_is_not_quoted() -> None:
    with pytest.raises(ClusterformError) as raised:
        substitute.substitute({"a": "x ${secret}"}, {"secret": "hunter2: ["})
    assert raised.value.code == "substitution-broke-yaml"
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("${x%*a*a*a*a*a*a*b}" * 50, {"x": "a" * 5000}),
        ("${x//a/${x}}", {"x": "a" * 100_000}),
        ("${x}" * 1000, {"x": "a" * 100_000}),
        ("${a:=" * 5000 + "}" * 5000, {"x": "1"}),
    ],
    ids=["patterns", "replacement", "repetition", "nesting"],
)
def test_what_would_take_forever_ends_with_an_error(text: str, values: dict[str, str]) -> None:
    with pytest.raises(ClusterformError, match=r"too large|compare too much"):
        substitute.substitute({"a": text}, values)


@pytest.mark.parametrize(
    ("command", "strict", "effects"),
    [
        ("echo ${HOME}", True, [("HOME", "fails the build")]),
        ("echo ${HOME}", False, [("HOME", "becomes empty")]),
        ("echo ${PROXY:-none}", True, [("PROXY", "is replaced by its default")]),
        ("echo ${HOME} ${HOME}", True, [("HOME", "fails the build")]),
        ("echo $${HOME}", True, []),
        ("echo ${region}", True, []),
        ("kill $$", True, [("$$", "becomes $")]),
        ("echo $HOME $(id)", True, []),
        ("${X-y}", True, [("", "fails the build")]),
        ("name: ${CLUSTER_NAME}", True, [("CLUSTER_NAME", "fails the build")]),
    ],
)
def test_scripts_of_machines_are_warned_about(
    command: str, strict: bool, effects: list[tuple[str, str]]
) -> None:
    found = substitute.shell_places(kubeadm(command), {"region": "eu"}, strict=strict)
    assert [one.expression for one in found] == [name for name, _ in effects]
    for one, (_, effect) in zip(found, effects, strict=True):
        assert one.effect.startswith(effect)


def test_a_warning_names_the_place() -> None:
    (found,) = substitute.shell_places(kubeadm(**{"/etc/x": "a=${A}"}), {})
    assert found.path == ("f:spec", "f:template", "f:spec", "f:files", "i:0", "f:content")


def test_other_kinds_and_disabled_objects_are_not_warned_about() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"content": "${A}"}}
    assert substitute.shell_places(config, {}) == []
    off = kubeadm("${A}")
    off["metadata"]["annotations"] = {substitute.ANNOTATION: "disabled"}
    assert substitute.shell_places(off, {}) == []


def test_a_template_that_lacks_variables_says_all_of_them() -> None:
    with pytest.raises(ClusterformError, match="the template needs A, B"):
        clusterctl.process("${B} ${A} ${C:=c} ${ B }", {})
    assert clusterctl.variables("${B} ${ A } ${C:=c}") == {"B": "", "A": "", "C": "c"}
