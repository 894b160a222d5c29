"""Hypothesis profiles: the same examples every time, unless somebody goes looking for more.

`HYPOTHESIS_PROFILE=search pytest tests/properties` draws new examples and ten times as many.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "search",
    derandomize=False,
    deadline=None,
    database=None,
    max_examples=500,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
