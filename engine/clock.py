"""Real time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

# Unlike CLOCK_MONOTONIC it goes on while the machine sleeps, as the world does (Linux only).
_MONOTONIC: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's wall clock: ``ports.Clock`` outside the simulation."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000

    def monotonic_us(self) -> int:
        """Microseconds since the machine was started, or so."""
        return time.clock_gettime_ns(_MONOTONIC) // 1_000

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller."""
        await asyncio.sleep(seconds)
