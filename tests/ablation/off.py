"""One process with one safeguard off: it lives, or it runs tests, and prints a line of JSON about it.

Run by ``campaign.py``: ``python -m tests.ablation.off NAME lives KIND FIRST LIVES SECONDS`` or ``… NAME test ID``. An
empty name: nothing is off.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tests.ablation.table import safeguards
from tests.simulation.ablate import install

ENGINES: Final = 3


def main(arguments: Sequence[str]) -> int:
    """Switch it off, before anything of the product is imported."""
    name, what, *rest = arguments
    troubles = None
    if name:
        (safeguard,) = (one for one in safeguards() if one.name == name)
        install(safeguard.changes)
        troubles = safeguard.troubles
    if what == "lives":
        kind, *limits = rest
        first, number, seconds = (int(text) for text in limits)
        print(json.dumps(_live(kind, troubles, first, number, seconds)))
        return 0
    print(json.dumps({"failed": _failed(rest[0])}))
    return 0


def _failed(test: str) -> str:
    """How a test failed; empty: it did not, or could not begin."""
    import pytest

    class Reports:
        failed = ""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and report.when == "call":
                crash = getattr(report.longrepr, "reprcrash", None)
                self.failed = str(crash.message if crash else report.longrepr).partition("\n")[0]

    reports = Reports()
    pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--tb=short", test], plugins=[reports])
    return reports.failed


def _live(kind: str, troubles: tuple[str, ...] | None, first: int, number: int, seconds: int) -> dict[str, object]:
    """Live until a life breaks the invariant, or the number or the time is reached."""
    from tests.simulation.campaign import settle

    settle()
    began = time.monotonic()
    live = _lives(kind, troubles)
    for seed in range(first, first + number):
        try:
            faults = live(seed)
        except Exception:
            faults = [f"the life itself failed: {traceback.format_exc(limit=-2)}"]
        if faults or time.monotonic() - began > seconds:
            return {"lives": seed - first + 1, "seed": seed, "faults": faults[:5]}
    return {"lives": number, "seed": first + number - 1, "faults": []}


def _lives(kind: str, troubles: tuple[str, ...] | None) -> Callable[[int], list[str]]:
    from tests.simulation.campaign import live, live_many_here

    return partial(live_many_here, engines=ENGINES, troubles=troubles) if kind == "many" else live


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
