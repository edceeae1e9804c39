"""What all tests share."""

from __future__ import annotations

import gc
import os
import sys

from hypothesis import HealthCheck, settings

# The same examples in each run: a red build is about the change, not about luck. Longer: HYPOTHESIS_PROFILE=search.
settings.register_profile("build", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "search", max_examples=5_000, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "build"))

# A fifth of the processor's time was the garbage collector's. The tests themselves stay until the end, so it does not
# look at them again; and what they leave behind may lie for a while.
gc.disable()
gc.set_threshold(10_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_runtest_teardown() -> None:
    """Forget the applications of tests that are over: aiohttp keeps the middlewares of the last 1,024 handlers, and
    with them thousands of objects of each application."""
    if (applications := sys.modules.get("aiohttp.web_app")) is not None:
        applications._cached_build_middleware.cache_clear()
