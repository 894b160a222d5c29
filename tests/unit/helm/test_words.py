"""Plain words and days in what a chart renders to: Helm's reading, and that of a Flux release."""

from __future__ import annotations

from typing import Any

import pytest

from providers.helm.made import Text, objects_of
from providers.yamlscalar import resolve_by_kustomize


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("Off", "Off"),
        ("n", "n"),
        ("true", True),
        ("null", None),
        ("0777", 511),
        ("2020-01-01", "2020-01-01T00:00:00Z"),
        ("2020-1-2", "2020-01-02T00:00:00Z"),
        ("2020-13-01", "2020-13-01"),
        ("2020-01-02T03:04:05.120Z", "2020-01-02T03:04:05.120Z"),
        ("2020-01-02 03:04:05", "2020-01-02 03:04:05"),
    ],
)
def test_kustomize_reads_words_as_text_and_days_as_times(text: str, value: Any) -> None:
    assert resolve_by_kustomize(text) == value


def test_a_release_of_flux_is_read_by_kustomize_but_for_its_crds() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {on: yes}\n"
    texts = [Text("crds/a.yaml", text, crd=True), Text("templates/a.yaml", text)]
    crd, made = objects_of(texts, (), by_kustomize=True)[0]
    assert (crd.body["data"], made.body["data"]) == ({"true": True}, {"on": "yes"})
    assert objects_of(texts, ())[0][1].body["data"] == {"true": True}
