"""What all tests share."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

# The same examples in each run: a red build is about the change, not about luck. Longer: HYPOTHESIS_PROFILE=search.
settings.register_profile("build", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "search", max_examples=5_000, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "build"))

# What is collected stays until the end. A look at all of it costs as much as many tests, and is taken again and again.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
