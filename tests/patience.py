"""How long a test waits for what must come, and how it does not wait for what must time out.

A machine that does other things too may let a process stand still for seconds. A limit that only says "this test ends,
whatever happens" is therefore long: it costs nothing while all is well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENT_SECONDS = 60.0
"""Longer than a busy machine stands still, and less than what pytest gives a test."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds.

    Raises:
        TimeoutError: it did not hold for ``PATIENT_SECONDS``.
    """
    async with asyncio.timeout(PATIENT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def let_time_pass(seconds: float = PATIENT_SECONDS) -> None:
    """Set the clock of the running loop ahead: whatever waits for less has waited long enough. So a limit may be
    patient while the test prepares what it is for, and still be over at once."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
