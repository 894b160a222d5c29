"""Records what Flux's and clusterctl's own packages answer to `questions`.

    python -m tests.realcluster.flux.answers            writes tests/data/flux-substitute.json and
                                                        tests/data/clusterctl-templates.json
    python -m tests.realcluster.flux.answers --check    says what would change, exit 1 if anything

Error texts are kept for people; tests compare whether there is one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.realcluster.binaries import ANSWERS, BuildFailed, build, where
from tests.realcluster.flux import questions
from tests.realcluster.flux.questions import Question

DATA = Path(__file__).parents[2] / "data"
SUBSTITUTE = DATA / "flux-substitute.json"
TEMPLATES = DATA / "clusterctl-templates.json"
_FLUX, _CLUSTERCTL = ANSWERS

Answer = dict[str, Any]


def ask(program: Path, asked: Iterable[Question]) -> list[Answer]:
    """One answer for each question."""
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in asked)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def flux(asked: Iterable[Question]) -> list[Answer]:
    """By fluxcd/pkg/envsubst and fluxcd/pkg/kustomize."""
    return ask(where(_FLUX), asked)


def clusterctl(asked: Iterable[Question]) -> list[Answer]:
    """By clusterctl's yamlprocessor. One process for each: it panics on some templates."""
    found = []
    for one in asked:
        try:
            found += ask(where(_CLUSTERCTL), [one])
        except subprocess.CalledProcessError:
            found.append({"error": "panic"})
    return found


def recorded() -> dict[Path, dict[str, Any]]:
    """Both files as they would be written now."""
    texts, objects = list(questions.texts()), list(questions.objects())
    templates, ignores = list(questions.templates()), list(questions.ignores())
    return {
        SUBSTITUTE: {
            "note": "Answers of fluxcd/pkg/envsubst v1.7.1 (texts) and fluxcd/pkg/kustomize "
            "v1.35.6 (objects; yaml is the text that it substitutes in). Variables are the same "
            "everywhere but where a case has its own. Made by tests.realcluster.flux.answers.",
            "variables": questions.VARIABLES,
            "texts": _paired(texts, flux(texts)),
            "objects": _paired(objects, flux(objects)),
            "paths": questions.PATHS,
            "ignores": _paired(ignores, flux(ignores)),
        },
        TEMPLATES: {
            "note": "Answers of clusterctl's yamlprocessor (cluster-api v1.14.0). Made by "
            "tests.realcluster.flux.answers.",
            "variables": questions.VARIABLES,
            "templates": _paired(templates, clusterctl(templates)),
        },
    }


def _paired(asked: list[Question], answered: list[Answer]) -> list[dict[str, Any]]:
    cases = []
    for question, answer in zip(asked, answered, strict=True):
        case = {name: value for name, value in question.items() if value is not False}
        if case.get("variables") == questions.VARIABLES:
            del case["variables"]
        case.pop("paths", None)
        cases.append({**case, "answer": answer})
    return cases


def main() -> int:
    """Write or check; exit 1 when something differs or nothing can be asked."""
    try:
        build(ANSWERS)
    except BuildFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    different = 0
    for path, content in recorded().items():
        text = json.dumps(content, indent=1, ensure_ascii=True, sort_keys=True) + "\n"
        if path.exists() and path.read_text() == text:
            continue
        different = 1
        print(f"{path.name} differs")
        if "--check" not in sys.argv:
            path.write_text(text)
    return different if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
