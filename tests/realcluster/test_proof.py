"""No proof is false: random objects of many kinds, compared with a real server's dry-run and write.

FULL=1 makes 100,000 comparisons; `python -m tests.realcluster.proofs 100000` does so alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from providers.kube.http import HttpTransport
from tests.realcluster import proofs


@pytest.mark.timeout(3600)
def test_nothing_is_called_unchanged_that_the_server_would_write(
    server: HttpTransport,
    unique: Callable[[str], str],
    full: bool,
    record_property: Callable[[str, object], None],
) -> None:
    tally = proofs.run(server, unique("proofs"), 100_000 if full else 2_000)
    print(tally)
    for name, count in tally.counts.items():
        record_property(name, count)
    assert [(c.kind, c.changes, json.dumps(c.evidence)) for c in tally.false] == []
    assert tally.counts["nothing: UNCHANGED"] > tally.counts["compared"] // 10
    assert tally.counts["object: DIFFERENT"] > tally.counts["compared"] // 20
