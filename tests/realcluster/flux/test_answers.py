"""Substitution is that of Flux's own packages: as recorded, and for what chance asks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.flux import envsubst, goyaml, substitute
from state.errors import ClusterformError
from tests.realcluster.flux import answers, questions
from tests.realcluster.flux.answers import Answer
from tests.realcluster.flux.questions import Question
from tests.support.numbers import as_go_reads


def test_the_recorded_answers_are_given_today() -> None:
    for path, content in answers.recorded().items():
        assert json.loads(path.read_text()) == json.loads(json.dumps(content)), path.name


@pytest.mark.parametrize("seed", range(3))
def test_a_random_text_becomes_what_flux_makes_of_it(seed: int, full: bool) -> None:
    asked = list(questions.random_texts(seed, 20_000 if full else 2_000))
    pairs = zip(asked, answers.flux(asked), strict=True)
    assert [pair for pair in pairs if not _same_text(*pair)] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_random_object_becomes_what_flux_makes_of_it(seed: int, full: bool) -> None:
    asked = list(questions.random_objects(seed, 10_000 if full else 1_000))
    pairs = zip(asked, answers.flux(asked), strict=True)
    assert [pair for pair in pairs if not _same_object(*pair)] == []


def _same_text(question: Question, answer: Answer) -> bool:
    try:
        found = envsubst.evaluate(
            question["text"], question["variables"], strict=question["strict"]
        )
    except ClusterformError:
        return "error" in answer or "\ufffd" in answer["text"]
    return bool(answer.get("text", "") == found and "error" not in answer)


_YAML_V3 = "found a tab character where an indentation space is expected"
"""kyaml cannot read back its own literal block of a text that begins with a tab."""


def _same_object(question: Question, answer: Answer) -> bool:
    body: dict[str, Any] = question["object"]
    if "yaml" in answer and goyaml.emit(body) != answer["yaml"]:
        return False
    try:
        values = substitute.variables(question["variables"])
        found = substitute.substitute(body, values, strict=question["strict"])
    except ClusterformError:
        return "error" in answer
    if _YAML_V3 in answer.get("error", ""):
        return True
    return bool(as_go_reads(answer.get("object")) == as_go_reads(found))
