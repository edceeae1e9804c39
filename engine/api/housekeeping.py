"""What the API has to clear away now and then."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from common.logs import get_logger
from engine.domain.events import KEEP_DAYS
from engine.ports import Clock, StoreUnavailable
from engine.store.store import Store

log = get_logger(__name__)

KEEP_REQUESTS_SECONDS: Final = 7 * 24 * 3600
"""So long a repeated create gets its first answer again: longer than any caller goes on repeating."""
KEEP_AUDIT_DAYS: Final = 365.0
KEEP_NETWORKS_SECONDS: Final = 90 * 24 * 3600
"""So long an account is known in a network from which it has signed in."""
_DAY_US: Final = 24 * 3600 * 1_000_000
_PERIOD_SECONDS: Final = 60.0
_CHUNK_PAUSE_SECONDS: Final = 0.05
"""Between two chunks of what there may be millions of: whoever sends comes first."""
_LOG_SECONDS: Final = 1.0
"""From the removal of a phone number to the emptying of the log; what is removed meanwhile goes with it."""
_LOG_REST_SECONDS: Final = 5.0
"""From one emptying to the next, however much is removed."""
_EVENTS_CHUNK: Final = 100
"""The same of events, which may have a thousand messages each."""
_DETAILS_CHUNK: Final = 250
"""The same of messages, of which each is in half a dozen indexes."""
_PAUSE_FACTOR: Final = 19
"""So many times as long as it took to remove that chunk nothing is removed."""
_CHUNK: Final = 1_000
"""Answers forgotten in one transaction: a few milliseconds in which nobody else writes."""


class Housekeeping:
    """Forgets, once a minute, the answers to old requests, the sessions that have ended, the networks from which nobody
    has signed in for long, old audit events, and the numbers that mailings have told; and soon after a phone number was
    removed what the database's log still says of it; and, if they are not to be kept, messages of mailings that ended
    long ago. With several engines each does it: no harm."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        period_seconds: float = _PERIOD_SECONDS,
        log_seconds: float = _LOG_SECONDS,
        *,
        audit_keep_days: float = KEEP_AUDIT_DAYS,
        event_keep_days: float = KEEP_DAYS,
        keep_days: float = 0,
    ) -> None:
        """``audit_keep_days``: so long the audit list is kept; 0: for ever. ``event_keep_days``: the same of events.
        ``keep_days``: the same of messages, once their mailing has ended."""
        self._store, self._clock = store, clock
        self._period_seconds, self._log_seconds = period_seconds, log_seconds
        self._keep_us = int(keep_days * _DAY_US)
        self._audit_keep_us = int(audit_keep_days * _DAY_US)
        self._event_keep_us = int(event_keep_days * _DAY_US)
        self._number_gone = asyncio.Event()
        self._number_gone.set()  # before a crash, perhaps
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Clear away in the background, now and then once a period."""
        self._store.on_number_gone = self._number_gone.set
        self._tasks = [
            asyncio.create_task(self._run(self._forget_old), name="housekeeping"),
            asyncio.create_task(self._run(self._forget_log), name="housekeeping of the log"),
        ]
        if self._keep_us:
            details = self._run(self._remove_details)
            self._tasks.append(asyncio.create_task(details, name="housekeeping of details"))

    async def stop(self) -> None:
        """Stop; stopping what has not started is no error."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
                continue
            except StoreUnavailable as error:
                log.debug("housekeeping.store_unavailable", error=str(error))  # the store has warned of it
            except Exception:
                # Nothing depends on it before the next time; but this task must not die of it unseen.
                log.exception("housekeeping.failed")
            await asyncio.sleep(self._period_seconds)

    async def _forget_old(self) -> None:
        await self._forget_requests()
        await self._forget_sessions()
        await self._forget_networks()
        await self._forget_audit()
        await self._forget_events()
        while await self._store.forget_told(self._clock.now_us(), _CHUNK):
            pass
        await asyncio.sleep(self._period_seconds)

    async def _forget_log(self) -> None:
        await self._number_gone.wait()
        await asyncio.sleep(self._log_seconds)
        self._number_gone.clear()
        if not await self._store.forget_log():  # somebody reads what was there before
            self._number_gone.set()
            return
        await asyncio.sleep(_LOG_REST_SECONDS)

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

    async def _forget_events(self) -> None:
        if not self._event_keep_us:
            return
        before_us, forgotten = self._clock.now_us() - self._event_keep_us, 0
        while number := await self._store.forget_events(before_us, _EVENTS_CHUNK):
            forgotten += number
            await asyncio.sleep(_CHUNK_PAUSE_SECONDS)
        if forgotten:
            log.info("housekeeping.events_forgotten", events=forgotten)

    async def _forget_audit(self) -> None:
        if not self._audit_keep_us:
            return
        before_us, forgotten = self._clock.now_us() - self._audit_keep_us, 0
        while number := await self._store.forget_audit(before_us, _CHUNK):
            forgotten += number
            await asyncio.sleep(_CHUNK_PAUSE_SECONDS)
        if forgotten:
            log.info("housekeeping.audit_forgotten", events=forgotten)

    async def _remove_details(self) -> None:
        """A chunk, and a pause that is many times as long: so what removes takes a twentieth of the writer's time at
        most, and less when others make it wait."""
        messages: Counter[int] = Counter()
        while True:
            now_us, began = self._clock.now_us(), time.monotonic()
            removed = await self._store.remove_details(now_us - self._keep_us, _DETAILS_CHUNK, now_us)
            if removed is None:
                break
            messages[removed.mailing_id] += removed.messages
            if removed.is_last:
                number = messages.pop(removed.mailing_id)
                log.info("housekeeping.details_removed", mailing_id=removed.mailing_id, messages=number)
            await asyncio.sleep(max(_CHUNK_PAUSE_SECONDS, _PAUSE_FACTOR * (time.monotonic() - began)))
        await asyncio.sleep(self._period_seconds)
