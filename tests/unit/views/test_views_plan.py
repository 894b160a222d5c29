"""Rules that hold for plans of any size and content."""

from __future__ import annotations

import json
import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planbuild import addon, change, field, plan
from plancases import many, typical

from planner.changes import Cause, Change, Finding, Verb
from planner.views import effects, fences, grouping, names
from planner.views.clean import clean, clean_lines, wrapped
from planner.views.graphs import graph_text, ranges
from planner.views.jsonview import plan_json
from planner.views.markdown import plan_markdown
from planner.views.text import plan_text
from planner.views.values import change_text, changed_lines, pair
from providers.base import Effect, Impact

# ---------------------------------------------------------------------- Markdown at its limit


def test_markdown_of_10_000_changes_is_cut_and_keeps_every_delete() -> None:
    made = many(deletes=2_000, updates=8_000)
    text = plan_markdown(made)
    assert len(text) <= 65_000
    assert "**Cut to fit:**" in text
    assert "8,000 to change" in text
    listed = set(re.findall(r"\bgone-\d+\b", text))
    assert listed == {f"gone-{n}" for n in range(2_000)}


def test_deletes_that_cannot_fit_are_counted_and_the_reader_is_sent_away() -> None:
    text = plan_markdown(many(deletes=10_000, updates=0))
    assert len(text) <= 65_000
    assert "10,000 objects go or are replaced; they do not all fit here" in text
    assert "Do not approve by this comment" in text


@pytest.mark.parametrize("limit", [4_000, 8_000, 20_000])
def test_markdown_keeps_any_limit_with_deletes_first(limit: int) -> None:
    text = plan_markdown(many(deletes=20, updates=900), limit=limit)
    assert len(text) <= limit
    assert all(f"gone-{n}" in text for n in range(20))


def test_a_destroyed_cluster_is_named_in_a_cut_comment() -> None:
    gone = [
        change(
            f"team-a/old-{n}",
            "Cluster",
            f"old-{n}",
            Verb.DELETE,
            impact=Impact(effect=Effect.DESTROYS, destroyed=4, live=4),
            cascade=("1 control-plane machine", "3 worker machines of md0"),
        )
        for n in range(600)
    ]
    text = plan_markdown(plan(*gone, *many(0, 3_000).changes, clusters=1_000))
    assert len(text) <= 65_000
    assert all(f"Cluster old-{n}\n" in text or f"old-{n}\n" in text for n in range(600))


@pytest.mark.parametrize("limit", [600, 3_000, 65_000])
def test_names_and_messages_of_any_length_keep_the_limit(limit: int) -> None:
    made = plan(
        change("team-a/shop", "ConfigMap", "n" * 70_000, Verb.DELETE),
        change("team-a/shop", "ConfigMap", "m", Verb.UPDATE, field("data.x", "a", "b" * 100_000)),
        findings=[Finding(kind="refused", summary="s" * 90_000, hint="h" * 90_000)],
        unreadable={"team-b/x": "r" * 90_000},
    )
    text = plan_markdown(made, limit=limit)
    assert len(text) <= limit
    assert "1 to destroy" in text


def test_a_cut_comment_closes_every_fence_and_every_details() -> None:
    text = plan_markdown(many(deletes=500, updates=9_000))
    assert text.count("<details>") == text.count("</details>")
    assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0


# ---------------------------------------------------------------------- hostile data


def test_a_value_with_five_backticks_cannot_close_its_fence() -> None:
    text = fences.fence("`````\n# out")
    assert text.startswith("``````\n")
    assert text.endswith("\n``````")


@given(st.text())
def test_cleaned_text_is_one_harmless_line(text: str) -> None:
    shown = clean(text)
    assert "\n" not in shown
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode()


@given(st.text(alphabet="`ab \n|", max_size=30))
def test_a_code_span_has_no_run_of_backticks_like_its_own(text: str) -> None:
    shown = fences.span(text)
    if shown:
        marks = re.match("`+", shown).group()  # type: ignore[union-attr]
        runs = re.findall("`+", shown[len(marks) : -len(marks)])
        assert all(len(run) < len(marks) for run in runs)


def test_cleaning_keeps_words_of_all_languages() -> None:
    assert clean("Grüße 東京 — ✔") == "Grüße 東京 — ✔"
    assert clean_lines("a\n\tb") == "a\n\tb"


def test_no_view_shows_the_values_of_a_sensitive_field() -> None:
    made = plan(
        change(
            "team-a/shop",
            "Secret",
            "s",
            Verb.UPDATE,
            field("data.token", "hunter2", "hunter3", sensitive=True),
        )
    )
    views = (
        plan_text(made, verbose=True, color=False),
        plan_markdown(made),
        plan_json(made),
    )
    assert not any("hunter" in view for view in views)
    shown = json.loads(plan_json(made))["changes"][0]["fields"][0]
    assert shown["sensitive"]
    assert "before" not in shown
    assert "after" not in shown


# ---------------------------------------------------------------------- grouping


def _flush(cluster: str, before: str = "5", after: str = "1") -> Change:
    return change(
        cluster,
        "ConfigMap",
        f"{cluster.partition('/')[2]}-config",
        Verb.UPDATE,
        field("data.flush", before, after),
    )


def test_identical_changes_are_one_family_whatever_the_cluster_is_called() -> None:
    alone, families = grouping.group([_flush("a/x"), _flush("b/y"), _flush("b/z", "10")])
    assert not alone
    (family,) = families
    assert [c.unit for c in family.alike] == ["mgmt-eu/a/x", "mgmt-eu/b/y"]
    assert [c.unit for (c,) in family.outliers] == ["mgmt-eu/b/z"]


@pytest.mark.parametrize(
    "other",
    [
        change("b/y", "Secret", "y-config", Verb.UPDATE, field("data.flush", "5", "1")),
        change("b/y", "ConfigMap", "y-other", Verb.UPDATE, field("data.flush", "5", "1")),
        change("b/y", "ConfigMap", "y-config", Verb.ADOPT, field("data.flush", "5", "1")),
        change("b/y", "ConfigMap", "y-config", Verb.UPDATE, field("data.mode", "5", "1")),
        change(
            "b/y",
            "ConfigMap",
            "y-config",
            Verb.UPDATE,
            field("data.flush", "5", "1"),
            impact=Impact(effect=Effect.IN_PLACE),
        ),
        change(
            "b/y",
            "ConfigMap",
            "y-config",
            Verb.UPDATE,
            field("data.flush", "5", "1", cause=Cause.DRIFT, by="kubectl"),
        ),
        addon("b/y", "ConfigMap", "b/y-config", Verb.UPDATE, field("data.flush", "5", "1")),
    ],
    ids=["kind", "name", "verb", "path", "effect", "cause", "inside the cluster"],
)
def test_what_differs_in_more_than_values_is_no_family(other: Change) -> None:
    alone, families = grouping.group([_flush("a/x"), other])
    assert len(alone) == 2
    assert not families


def test_rotations_of_one_template_are_a_family_although_their_hashes_differ() -> None:
    changes = [
        made
        for n in range(3)
        for made in (
            change(
                f"team-a/c{n}",
                "AWSMachineTemplate",
                f"c{n}-md0-{n}aaa",
                Verb.ROTATE,
                field("spec.type", "large", "xlarge"),
                logical=f"c{n}-md0",
                predecessor=f"c{n}-md0-{n}bbb",
            ),
            change(
                f"team-a/c{n}",
                "MachineDeployment",
                f"c{n}-md0",
                Verb.UPDATE,
                field(
                    "spec.ref.name",
                    f"c{n}-md0-{n}bbb",
                    f"c{n}-md0-{n}aaa",
                    cause=Cause.TRIGGERED,
                    by=f"AWSMachineTemplate c{n}-md0",
                ),
            ),
        )
    ]
    alone, families = grouping.group(changes)
    assert not alone
    assert [len(f.alike) for f in families] == [3, 3]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), unique=True))
def test_grouping_loses_and_doubles_nothing(clusters: list[tuple[str, int]]) -> None:
    changes = [_flush(f"{team}/c{n}", before=str(n % 2)) for team, n in clusters]
    alone, families = grouping.group(changes)
    found = [*alone, *(c for f in families for c in f.all)]
    assert sorted(c.action for c in found) == sorted(c.action for c in changes)


def test_lost_objects_are_named_cluster_by_cluster() -> None:
    made = plan(
        *(change(f"team-a/c{n}", "ConfigMap", "old", Verb.DELETE) for n in range(30)), clusters=30
    )
    for text in (plan_text(made, verbose=False, color=False), plan_markdown(made)):
        assert all(f"team-a/c{n}" in text for n in range(30))


# ---------------------------------------------------------------------- pieces


@pytest.mark.parametrize(
    ("given_field", "words"),
    [
        (field("a", 7, 5), "7 → 5"),
        (field("a", "5", "1"), '"5" → "1"'),
        (field("a", "m6i.large", "m6i.xlarge"), "m6i.large → m6i.xlarge"),
        (field("a", msgspec.UNSET, True), "(not set) → true"),
        (field("a", "x", msgspec.UNSET), "x → (removed)"),
        (field("a", "x", msgspec.UNSET, known=False), "x → (known after apply)"),
        (field("a", "x", "y", sensitive=True), "(sensitive, changed)"),
        (field("a", msgspec.UNSET, "y", sensitive=True), "(sensitive, new)"),
        (field("a", "true", True), '"true" → true'),
        (field("a", "", "x"), '"" → "x"'),
        (field("a", "x", "(removed)"), '"x" → "(removed)"'),
        (field("a", None, [1, {"b": 2}]), 'null → [1,{"b":2}]'),
    ],
)
def test_values_in_words(given_field: object, words: str) -> None:
    assert change_text(given_field) == words  # type: ignore[arg-type]


def test_long_values_are_cut_around_their_difference() -> None:
    old, new = pair("x" * 100 + "OLD" + "y" * 100, "x" * 100 + "NEW" + "y" * 100, 40)
    assert "OLD" in old
    assert "NEW" in new
    assert max(len(old), len(new)) <= 40


def test_a_block_shows_its_changed_lines_only() -> None:
    lines = [f"line {n}" for n in range(1_000)]
    moved = [*lines[:10], "ten", *lines[11:990], "nine-ninety", *lines[991:]]
    short = field("data.x", "a\nb\nc\nd", "a\nB\nc\nD")
    assert changed_lines(short) == ["- b", "+ B", "- d", "+ D"]
    shown = changed_lines(field("data.x", "\n".join(lines), "\n".join(moved)))
    assert len(shown) == 13
    assert shown[-1].startswith("… ")


@pytest.mark.parametrize(
    ("impact", "words"),
    [
        (Impact(), ""),
        (Impact(effect=Effect.IN_PLACE), "in place"),
        (Impact(effect=Effect.SCALES, added=2, live=2, total=4), "scales 2 → 4"),
        (Impact(effect=Effect.SCALES, added=3, total=3), "3 machines"),
        (
            Impact(effect=Effect.SCALES, removed=2, live=4, total=2, note="oldest first"),
            "scales 4 → 2, removes 2 (oldest first)",
        ),
        (
            Impact(
                effect=Effect.ROLLS,
                replaced=3,
                live=3,
                total=3,
                peak=4,
                floor=3,
                note="one at a time",
            ),
            "rolls 3 of 3, one at a time, peak 4",
        ),
        (Impact(effect=Effect.UNKNOWN, because="no"), "effect on machines unknown, no"),
    ],
)
def test_effects_in_words(impact: Impact, words: str) -> None:
    assert effects.effect_text(impact) == words


def test_two_management_clusters_are_told_apart() -> None:
    one, two = names.Names(["a/x/y"]), names.Names(["a/x/y", "b/x/y", "b"])
    assert one.unit("a/x/y:addons") == "x/y add-ons"
    assert two.unit("b/x/y") == "b/x/y"
    assert two.unit("b") == "b shared"
    assert one.unit("a") == "shared"


def test_clusters_are_folded_by_namespace() -> None:
    found = names.fold([f"t/c{n}" for n in range(40)] + ["u/a", "u/b"])
    assert found == ["t/* (40)", "u/a", "u/b"]


@given(st.text(alphabet="ab ", max_size=80), st.integers(5, 30))
def test_wrapping_keeps_all_words(text: str, width: int) -> None:
    assert " ".join(wrapped(text, width, "  ")).split() == text.split()


def test_ranges_of_steps() -> None:
    assert ranges([5, 1, 2, 3, 9, 10]) == "1 to 3, 5, 9, 10"


def test_the_same_finding_is_shown_once() -> None:
    made = plan(findings=[Finding(kind="warning", summary="plain yes")] * 500)
    text = plan_text(made, verbose=False, color=False)
    assert text.count("plain yes") == 1
    assert "(500 times)" in text


def test_the_graph_goes_in_the_order_of_execution() -> None:
    text = graph_text(typical(), "text")
    steps = [text.index(f"{mark} ") for mark in ("± AWSMachineTemplate", "~ MachineDeployment")]
    assert steps == sorted(steps)
    assert "rolled out (within 60 min): control plane before workers" in text


def test_a_plan_with_both_halves_of_a_replacement_counts_it_once() -> None:
    made = plan(
        change("", "ClusterResourceSet", "x", Verb.REPLACE, namespace="t", step=0),
        change("", "ClusterResourceSet", "x", Verb.REPLACE, namespace="t", step=1),
    )
    text = plan_text(made, verbose=False, color=False)
    assert "1 to replace" in text
    assert text.count("-/+ ") == 1


@pytest.mark.slow
def test_10_000_changes_render_fast() -> None:
    made = many(deletes=2_000, updates=8_000)
    for view in (lambda: plan_text(made, verbose=False, color=True), lambda: plan_markdown(made)):
        began = time.perf_counter()
        view()
        assert time.perf_counter() - began < 2  # measured 0.2 s; room for a loaded machine
