"""The decision table is total, every row is reached, and its promises hold in every cell."""

import itertools
from collections import Counter
from collections.abc import Iterator

import pytest

from planner.decide import TABLE, Case, Compared, Decision, Fate, Nature, Seen, decide

COMPARABLE = (Seen.OURS, Seen.ENTRY_ONLY, Seen.LABEL_ONLY, Seen.FOREIGN, Seen.KEPT)


def cells() -> Iterator[Case]:
    axes = ((True, False), Seen, (True, False), Compared, Nature, Fate, (True, False))
    for desired, seen, recorded, compared, nature, fate, permitted in itertools.product(*axes):
        case = Case(
            desired=desired,
            seen=seen,
            recorded=recorded,
            compared=compared,
            nature=nature,
            fate=fate,
            permitted=permitted,
        )
        if (compared is not Compared.NOT_COMPARED) == (desired and seen in COMPARABLE):
            yield case


ALL = tuple(cells())
OUTCOMES = {case: decide(case) for case in ALL}


def test_every_cell_has_a_row_and_every_row_a_cell() -> None:
    reached = Counter(row.name for row in OUTCOMES.values())
    assert len(ALL) == 2 * len(Nature) * len(Fate) * 2 * (9 + 4 + 5 * 4)
    assert [row.name for row in TABLE if row.name not in reached] == []


@pytest.mark.parametrize("case", [c for c in ALL if c.seen is Seen.UNREADABLE][:200])
def test_the_unreadable_is_never_written(case: Case) -> None:
    assert OUTCOMES[case].then in (Decision.BLOCKED, Decision.IGNORE)


def outcomes(**axes: object) -> set[Decision]:
    return {
        row.then
        for case, row in OUTCOMES.items()
        if all(getattr(case, name) == value for name, value in axes.items())
    }


def test_only_what_is_ours_by_label_and_entry_is_deleted() -> None:
    for seen in Seen:
        if seen is not Seen.OURS:
            assert not outcomes(desired=False, seen=seen) & {Decision.DELETE, Decision.PRUNE}


def test_a_protected_object_is_deleted_only_with_permission() -> None:
    protected = outcomes(desired=False, nature=Nature.PROTECTED, permitted=False)
    assert not protected & {Decision.DELETE, Decision.PRUNE, Decision.CASCADE}


def test_templates_are_pruned_and_never_deleted_at_once() -> None:
    assert Decision.DELETE not in outcomes(desired=False, nature=Nature.TEMPLATE)


def test_nothing_of_a_cluster_goes_while_its_fate_is_refused_or_unknown() -> None:
    writes = {Decision.CREATE, Decision.UPDATE, Decision.ADOPT, Decision.REPLACE,
              Decision.DELETE, Decision.PRUNE, Decision.CASCADE}  # fmt: skip
    assert not outcomes(fate=Fate.REFUSED) & writes
    assert not outcomes(fate=Fate.UNKNOWN) & writes


def test_what_the_cascade_takes_is_not_deleted_on_its_own() -> None:
    assert Decision.DELETE not in outcomes(fate=Fate.GOES, nature=Nature.CASCADED)


def test_what_a_running_controller_applies_is_refused() -> None:
    assert outcomes(desired=True, seen=Seen.KEPT, fate=Fate.STAYS) == {Decision.REFUSED}


def test_another_fleets_object_is_refused() -> None:
    assert outcomes(desired=True, seen=Seen.OTHER_FLEET, fate=Fate.STAYS) == {Decision.REFUSED}


def test_replacing_needs_a_kind_that_may_be_replaced() -> None:
    for nature in Nature:
        if nature is not Nature.REPLACEABLE:
            assert Decision.REPLACE not in outcomes(nature=nature)


def test_an_unchanged_object_of_ours_is_a_noop_whatever_else_holds() -> None:
    """What lets the planner pass over nearly every object of a fleet without its cell."""
    assert outcomes(desired=True, seen=Seen.OURS, compared=Compared.UNCHANGED, fate=Fate.STAYS) == {
        Decision.NOOP
    }
