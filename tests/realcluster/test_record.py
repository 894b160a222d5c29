"""The recorded answers are what this server gives today; FULL=1 plays all of them anew."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.realcluster import record
from tests.realcluster.recording.server import Server

SAMPLE_OF_FIRST = frozenset((5, 13, 27, 43, 58, 63, 72, 78, 93, 110, 117, 120, 132))
SAMPLE_OF_KINDS = frozenset((201, 220, 246, 253, 257, 259, 274, 281, 284, 292, 297, 315, 324))


@pytest.fixture(scope="module")
def recorder() -> Iterator[Server]:
    """A server of its own: the cases change definitions and have fixed names."""
    with record.opened() as server:
        yield server


@pytest.mark.timeout(600)
def test_the_first_cases_come_out_as_recorded(recorder: Server, full: bool) -> None:
    again = record.record_first(recorder, () if full else SAMPLE_OF_FIRST)
    assert len(again["cases"]) == (134 if full else len(SAMPLE_OF_FIRST))
    assert record.differing(json.loads(record.FIRST.read_text()), again) == []


@pytest.mark.timeout(600)
def test_the_cases_of_kinds_come_out_as_recorded(recorder: Server, full: bool) -> None:
    again = record.record_more(recorder, () if full else SAMPLE_OF_KINDS)
    assert len(again["cases"]) == (len(record.NEW_CASES) if full else len(SAMPLE_OF_KINDS))
    assert record.differing(json.loads(record.MORE.read_text()), again) == []
