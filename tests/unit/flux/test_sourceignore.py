"""Which files an artifact leaves out, held to what Flux's own package answered (tests/data)."""

import json
from pathlib import Path
from typing import Any

import pytest

from providers.flux import sourceignore

FLUX = json.loads((Path(__file__).parents[2] / "data" / "flux-substitute.json").read_text())


@pytest.mark.parametrize("case", FLUX["ignores"], ids=lambda case: repr(case["ignored"])[:80])
def test_the_same_files_are_kept_as_by_flux(case: dict[str, Any]) -> None:
    files = {
        "/".join([*one["folder"], sourceignore.FILE]): one["rules"].encode()
        for one in case["ignored"]
    }
    assert sourceignore.kept(FLUX["paths"], files, None) == case["answer"].get("kept", [])


def test_the_rules_of_the_source_object_come_last() -> None:
    files = {sourceignore.FILE: b"*.md\n"}
    assert sourceignore.kept(["a.md", "b.yaml"], files, "!a.md\n*.yaml") == ["a.md"]


def test_without_rules_pictures_and_ci_files_are_left_out() -> None:
    paths = ["a.yaml", "x/b.png", ".github/w.yaml", ".sops.yaml", ".git/config"]
    assert sourceignore.kept(paths, {}, None) == ["a.yaml"]
    assert sourceignore.kept(paths, {}, "*.md") == [
        "a.yaml", "x/b.png", ".github/w.yaml", ".sops.yaml",
    ]  # fmt: skip
