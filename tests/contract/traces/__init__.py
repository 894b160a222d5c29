"""What every Kubernetes API is asked in the same words; answers are in tests/data/traces.json."""

from __future__ import annotations

from tests.contract.traces import applying, capi, deleting, kinds, merging, reading
from tests.contract.traces.language import Trace

ALL: tuple[Trace, ...] = (
    *applying.TRACES,
    *merging.TRACES,
    *kinds.TRACES,
    *capi.TRACES,
    *deleting.TRACES,
    *reading.TRACES,
)
