"""Every edit does to machines what its plan said: replaced, added, removed, peak and floor."""

from __future__ import annotations

import os

import pytest

from providers.base import Impact
from tests.realcluster import capi
from tests.realcluster.controllers.campaign import Campaign, Edit, Outcome
from tests.realcluster.controllers.edits import SCRIPTS, smoke
from tests.realcluster.controllers.observer import Machines, Observed
from tests.realcluster.lab import transport_of

CHOSEN = SCRIPTS if os.environ.get("FULL") == "1" else smoke()
EDITS = [edit for script in CHOSEN for edit in script.edits]
NOTHING = Impact()

pytestmark = pytest.mark.timeout(2400)  # the first test waits for the whole campaign


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All scripts run once, side by side."""
    plane = capi.found(capi.MANAGED_FOLDER)
    machines = Machines(transport_of(plane))
    campaign = Campaign(plane, tmp_path_factory.mktemp("campaign"), machines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig))
        campaign.run(CHOSEN)
    machines.stop()
    return campaign.outcomes


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.id)
def test_predict(edit: Edit, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[edit.id]
    assert not found.failure, found.failure
    assert found.predicted or not edit.options, "nothing was planned to be destroyed"
    for owner, seen in found.observed.items():
        said = found.predicted.get(owner, NOTHING)
        if edit.at_most:
            bounds = zip(_counts(seen), _planned(said), strict=True)
            assert all(found <= most for found, most in bounds), (owner, said, seen)
            continue
        assert _counts(seen) == _planned(said), (owner, said, seen)
        if said is not NOTHING:
            assert seen.peak == said.peak, (owner, said, seen)
            assert seen.floor >= min(said.floor, seen.before), (owner, said, seen)
    assert {*found.predicted} <= {*found.observed}, "the plan names an owner that has no machines"
    assert any(edit.at_most in line for line in found.said) or not edit.at_most, found.said


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.id)
def test_after_an_edit_nothing_moves_and_nothing_is_left_to_do(
    edit: Edit, outcomes: dict[str, Outcome]
) -> None:
    found = outcomes[edit.id]
    assert not found.failure, found.failure
    assert found.second == []
    assert not any(seen.gone or seen.new for seen in found.afterwards.values()), found.afterwards


def _counts(seen: Observed) -> tuple[int, int, int]:
    return seen.replaced, seen.new, seen.gone


def _planned(said: Impact) -> tuple[int, int, int]:
    lost = said.removed + said.destroyed
    return said.replaced, said.replaced + said.added, said.replaced + lost
