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
KEEP_AUDIT_DAYS: Final = 365.0
KEEP_NETWORKS_SECONDS: Final = 90 * 24 * 3600
"""So long an account is known in a network from which it has signed in."""
_DAY_US: Final = 24 * 3600 * 1_000_000
_PERIOD_SECONDS: Final = 3600.0
_CHUNK_PAUSE_SECONDS: Final = 0.05
"""Between two chunks of what there may be millions of: whoever sends comes first."""
_CHUNK: Final = 1_000
"""Answers forgotten in one transaction: a few milliseconds in which nobody else writes."""


class Housekeeping:
    """Forgets the answers to old requests, the sessions that have ended, the networks from which nobody has signed in
    for long, and old audit events, once an hour. With several engines each does it: no harm."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        period_seconds: float = _PERIOD_SECONDS,
        *,
        audit_keep_days: float = KEEP_AUDIT_DAYS,
    ) -> None:
        """``audit_keep_days``: so long the audit list is kept; 0: for ever."""
        self._store, self._clock, self._period_seconds = store, clock, period_seconds
        self._audit_keep_us = int(audit_keep_days * _DAY_US)
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
                await self._forget_networks()
                await self._forget_audit()
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

    async def _forget_networks(self) -> None:
        before_us = self._clock.now_us() - KEEP_NETWORKS_SECONDS * 1_000_000
        while await self._store.forget_networks(before_us, _CHUNK):
            pass

    async def _forget_audit(self) -> None:
        if not self._audit_keep_us:
            return
        before_us, forgotten = self._clock.now_us() - self._audit_keep_us, 0
        while number := await self._store.forget_audit(before_us, _CHUNK):
            forgotten += number
            await asyncio.sleep(_CHUNK_PAUSE_SECONDS)
        if forgotten:
            log.info("housekeeping.audit_forgotten", events=forgotten)
