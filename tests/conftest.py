"""What all tests share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_BROWSER: Final = Path(__file__).parent / "browser"
_BROWSERS: Final = 2
"""Processes of ``scripts/test`` in which the tests with a browser run. They keep a core busy, while others wait."""
_PLACES: Final = {path.name: place for place, path in enumerate(sorted(_BROWSER.glob("test_*.py")))}

# The same examples in each run: a red build is about the change, not about luck. Longer: HYPOTHESIS_PROFILE=search.
settings.register_profile("build", derandomize=True, deadline=None, database=None)
# For the count of branches, which makes each example twice as dear: `scripts/test` runs all examples without it.
settings.register_profile("branches", settings.get_profile("build"), max_examples=10)
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


@pytest.fixture(scope="module", autouse=True)
def _what_a_file_leaves_behind() -> Iterator[None]:
    """Collect the garbage of a file while it still runs: what was left open (a socket, a loop) fails the file that
    opened it, each time, and not once in ten runs the test of another file in which the collector happened to run.

    What is left then is in use (modules, caches), and is not looked at again: half a million objects of one file's
    cache cost each later file 0.4 s."""
    yield
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown() -> None:
    """Forget the applications of tests that are over: aiohttp keeps the middlewares of the last 1,024 handlers, and
    with them thousands of objects of each application."""
    if (applications := sys.modules.get("aiohttp.web_app")) is not None:
        applications._cached_build_middleware.cache_clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests with a browser first: nothing takes longer than one process' share of them."""
    items.sort(key=lambda item: not item.path.is_relative_to(_BROWSER))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """A file goes to one process, and of those with a browser every second goes to the same."""
    if config.getvalue("dist") != "loadfile":
        return None
    scheduling = LoadFileScheduling(config, log)
    scheduling._split_scope = _share
    return scheduling


def _share(test: str) -> str:
    file = test.partition("::")[0]
    folder, _, name = file.rpartition("/")
    return f"browser {_PLACES[name] % _BROWSERS}" if folder == "tests/browser" else file
