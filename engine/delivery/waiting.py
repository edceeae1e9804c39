"""Waiting for something that nobody announces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.ports import Clock

SETTLE_SECONDS: Final = 0.5
"""A pause or an edit returns when the calls that had begun have been answered, but does not wait for longer than that:
those calls have begun before it, and no new one begins."""
_STEP_SECONDS: Final = 0.005


async def wait_until(reached: Callable[[], bool], clock: Clock, until_us: int) -> None:
    """Return when it is reached, or at ``until_us`` (monotonic)."""
    while not reached() and clock.monotonic_us() < until_us:
        await clock.sleep(_STEP_SECONDS)
