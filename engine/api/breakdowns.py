"""Breakdowns of large mailings by tag, code, zone and provider: nobody waits for them.

To count one takes a second or two for a million messages. So those that are not true any more are counted anew in the
background, one after the other, and kept in the database; who asks gets the one that is kept. Only a large mailing of
which none is kept is counted for who asks: one from before they were kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from common.logs import get_logger
from engine.api.caller import caller_key
from engine.api.questions import EVERYBODY, Questions
from engine.domain.errors import NotFound
from engine.ports import Clock, StoreUnavailable
from engine.store.breakdowns import Due
from engine.store.errors import TooLong
from engine.store.rows import Breakdown, StatsRow
from engine.store.store import Store

log = get_logger(__name__)

KEEP_US: Final = 2_000_000
"""One that is newer is new enough for who asks."""
_PERIOD_SECONDS: Final = 5.0
SHARE_SENDING: Final = 1 / 50
"""While messages are sent, counting takes this part of one processor at most."""
SHARE_IDLE: Final = 1 / 4
"""While none are, or for one that somebody has asked for."""


class Breakdowns:
    """Shared by all who ask. Of several engines one counts a mailing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        questions: Questions,
        is_sending: Callable[[], bool],
        period_seconds: float = _PERIOD_SECONDS,
    ) -> None:
        """``is_sending``: whether there is somebody to be spared; ``period_seconds``: from one look to the next."""
        self._store, self._clock, self._questions = store, clock, questions
        self._is_sending, self._period_seconds = is_sending, period_seconds
        self._asked: set[int] = set()
        """Mailings that somebody has asked for, and got an old breakdown of."""
        self._is_asked = asyncio.Event()
        self._below: int | None = None
        """Where the next look at mailings of long ago begins; ``None``: behind the newest ones."""
        self._task: asyncio.Task[None] | None = None

    async def of(self, row: StatsRow) -> Breakdown:
        """The breakdown of a mailing for who makes the call that is being answered."""
        mailing_id = row.mailing.id
        if row.breakdown is None:
            return await self._count(mailing_id, caller_key())
        if row.breakdown_us is not None and not 0 <= self._clock.now_us() - row.breakdown_us < KEEP_US:
            self._asked.add(mailing_id)
            self._is_asked.set()
        return row.breakdown

    async def _count(self, mailing_id: int, caller: str) -> Breakdown:
        return await self._questions.ask(
            ("breakdown", mailing_id), caller, lambda: self._store.read_breakdown(mailing_id, self._clock.now_us())
        )

    def start(self) -> None:
        """Count in the background."""
        self._task = asyncio.create_task(self._run(), name="breakdowns")

    async def stop(self) -> None:
        """Stop; stopping what has not started is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        ended, took = time.monotonic(), 0.0
        while True:
            await self._wait()  # also at first: an engine that starts has more urgent things to read
            while (rest_seconds := ended + took / self._share() - time.monotonic()) > 0:
                await self._rest(rest_seconds)
            began = time.monotonic()
            try:
                if await self.look():
                    ended = time.monotonic()
                    took = ended - began
            except Exception as error:
                if isinstance(error, StoreUnavailable | TooLong | NotFound):
                    log.debug("breakdowns.not_read", error=str(error))
                else:
                    log.exception("breakdowns.failed")
                # Who was not served asks still, and so nothing else would make this wait.
                await asyncio.sleep(self._period_seconds)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._period_seconds):
                await self._is_asked.wait()
        except TimeoutError:
            pass

    async def _rest(self, seconds: float) -> None:
        """Not for longer than a period: sending may end, or begin."""
        await asyncio.sleep(min(seconds, self._period_seconds))

    def _share(self) -> float:
        return SHARE_SENDING if self._is_sending() and not self._asked else SHARE_IDLE

    async def look(self) -> bool:
        """Count one breakdown that is not true any more, or is not there: one that was asked for first. Mailings of
        long ago have their turns when there is none among the newest.

        Returns:
            Whether one was counted.
        """
        now_us = self._clock.now_us()
        newest = await self._store.breakdown_due(sorted(self._asked), now_us)
        due = newest.due
        if due is None:
            self._asked.clear()
            due = await self._older(newest.lowest_id, now_us)
        else:
            self._asked.discard(due.mailing_id)
        if not self._asked:
            self._is_asked.clear()
        if due is None or not await self._store.begin_breakdown(due, now_us):
            return False
        await self._count(due.mailing_id, EVERYBODY)
        return True

    async def _older(self, newest_from: int | None, now_us: int) -> Due | None:
        if newest_from is None:
            return None
        found = await self._store.breakdown_due((), now_us, newest_from if self._below is None else self._below)
        self._below = found.lowest_id
        return found.due
