"""An event loop in virtual time: it never waits, it moves the clock to the next timer.

Nothing here knows threads or sockets, so a run is a function of its seed.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

EPOCH_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z: when virtual time begins."""


class Stuck(Exception):
    """Nothing is ready and no timer is set: the simulated program would wait for ever."""


class _NoWaitSelector(selectors.SelectSelector):
    """Advances the time instead of letting it pass."""

    def __init__(self, start_seconds: float) -> None:
        super().__init__()
        self.now_seconds = start_seconds

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self.now_seconds += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual, and so is every ``sleep``, ``call_later`` and ``timeout``."""

    def __init__(self, start_seconds: float = 0.0) -> None:
        self._virtual = _NoWaitSelector(start_seconds)
        super().__init__(self._virtual)
        # A crash is a loop that is simply not run any more; what it leaves behind is no news.
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self._virtual.now_seconds


class VirtualClock:
    """``ports.Clock`` on a ``VirtualLoop``."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, in virtual time."""
        return EPOCH_US + round(self._loop.time() * 1_000_000)

    def monotonic_us(self) -> int:
        """Virtual time again: it never steps."""
        return round(self._loop.time() * 1_000_000)

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller for virtual seconds."""
        await asyncio.sleep(seconds)
