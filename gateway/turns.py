"""Long work in short turns: other requests are answered between them."""

from __future__ import annotations

import asyncio
import time
from typing import Final

TURN_SECONDS: Final = 0.005


class Turns:
    """``await pause()`` after each piece of work: it lets others go on when the turn has lasted long enough."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self._end = time.perf_counter() + TURN_SECONDS

    async def pause(self) -> None:
        """End the turn when its time is over."""
        if time.perf_counter() >= self._end:
            await asyncio.sleep(0)
            self._end = time.perf_counter() + TURN_SECONDS
