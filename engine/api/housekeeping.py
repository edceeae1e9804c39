"""What the API has to clear away now and then."""

from __future__ import annotations

import asyncio
from typing import Final

from common.logs import get_logger
from engine.ports import Clock, StoreUnavailable
from engine.store.store import Store

log = get_logger(__name__)

KEEP_REQUESTS_SECONDS: Final = 7 * 24 * 3600
"""So long a repeated create gets its first answer again: longer than any caller goes on repeating."""
_PERIOD_SECONDS: Final = 3600.0
_CHUNK: Final = 1_000
"""Answers forgotten in one transaction: a few milliseconds in which nobody else writes."""


class Housekeeping:
    """Forgets the answers to old requests and the sessions that have ended, once an hour. With several engines each
    does it: no harm."""

    def __init__(self, store: Store, clock: Clock, period_seconds: float = _PERIOD_SECONDS) -> None:
        self._store, self._clock, self._period_seconds = store, clock, period_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Clear away in the background, now and then once a period."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """Stop; stopping what has not started is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._forget_requests()
                await self._forget_sessions()
            except StoreUnavailable as error:
                log.warning("housekeeping.store_unavailable", error=str(error))
            except Exception:
                # Nothing depends on it before the next time; but this task must not die of it unseen.
                log.exception("housekeeping.failed")
            await asyncio.sleep(self._period_seconds)

    async def _forget_requests(self) -> None:
        before_us = self._clock.now_us() - KEEP_REQUESTS_SECONDS * 1_000_000
        forgotten = 0
        while number := await self._store.forget_requests(before_us, _CHUNK):
            forgotten += number
        if forgotten:
            log.info("housekeeping.requests_forgotten", requests=forgotten)

    async def _forget_sessions(self) -> None:
        while await self._store.forget_sessions(self._clock.now_us(), _CHUNK):
            pass
