"""How long a test waits for what must come, how it does not wait for what must time out, and what it makes of a time
that it has measured.

A machine that does other things too may let a process stand still for seconds. A limit that only says "this test ends,
whatever happens" is therefore long: it costs nothing while all is well.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

PATIENT_SECONDS = 60.0
"""Longer than a busy machine stands still, and less than what pytest gives a test."""
# Between a token and the provider's door the engine allows for 30 ms (engine/delivery/on_way.py).
_STANDSTILL_SECONDS = 0.01
_LOOK_SECONDS = 0.002
_TRIES = 5


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


@asynccontextmanager
async def standstills() -> AsyncIterator[list[float]]:
    """How long this process got nothing done, each time that it was long enough to spoil a measurement."""
    found: list[float] = []

    async def look() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
            late = time.monotonic() - before - _LOOK_SECONDS
            if late > _STANDSTILL_SECONDS:
                found.append(late)

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def undisturbed(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Mark a test that measures real time. What it finds counts on a machine that did not stand still meanwhile; else
    it measures again, in a folder of its own. A test that fails without a standstill has failed."""

    @functools.wraps(test)
    async def measured(**given: Any) -> None:
        for turn in range(_TRIES):
            own = dict(given)
            if "tmp_path" in given:
                own["tmp_path"] = given["tmp_path"] / str(turn)
                own["tmp_path"].mkdir()
            async with standstills() as stalls:
                try:
                    await test(**own)
                    break
                except Exception:
                    if not stalls or turn + 1 == _TRIES:
                        raise

    assert inspect.iscoroutinefunction(test)
    return measured
