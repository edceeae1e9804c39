"""Breakdowns of large mailings by tag, code, zone and provider: read before somebody asks, so that nobody waits.

A breakdown reads all messages of a mailing, a second for a million. So those of the newest large mailings are read in
the background, one after the other, and read again when the mailing has gone on. Who asks for another one waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from common.logs import get_logger
from engine.api.caller import caller_key
from engine.api.fresh import Fresh
from engine.api.questions import EVERYBODY, Questions
from engine.domain.errors import NotFound
from engine.ports import Clock, StoreUnavailable
from engine.store.errors import TooLong
from engine.store.rows import Breakdown
from engine.store.store import Store

log = get_logger(__name__)

KEEP_SECONDS: Final = 2.0
"""How long a breakdown is kept; ten times as long as it took, if that is more."""
STALE_SECONDS: Final = 60.0
"""For so much longer it is given while the next one is read."""
AHEAD_AT_MOST: Final = 20
"""So many mailings, the newest ones, have theirs read before somebody asks."""
_PERIOD_SECONDS: Final = 5.0
SHARE_SENDING: Final = 1 / 50
"""While messages are sent, reading ahead takes this part of one processor at most."""
SHARE_IDLE: Final = 1 / 4
_AGAIN_US: Final = 600_000_000
"""So often one is read anew although no counter has changed: clients may have been deleted."""


@dataclass(frozen=True, slots=True)
class _Read:
    at_us: int
    counts: Sequence[int | None]
    """Of the mailing when the reading began."""


class Breakdowns:
    """Shared by all who ask. With several engines each reads for itself."""

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
        self._kept: Fresh[int, Breakdown] = Fresh(clock, KEEP_SECONDS, stale_seconds=STALE_SECONDS)
        self._read: dict[int, _Read] = {}
        """What was read ahead, by mailing."""
        self._task: asyncio.Task[None] | None = None

    async def of(self, mailing_id: int) -> Breakdown:
        """The breakdown of a mailing for who makes the call that is being answered."""
        caller = caller_key()
        return await self._kept.get(mailing_id, lambda: self._make(mailing_id, caller))

    async def _make(self, mailing_id: int, caller: str) -> Breakdown:
        key = ("breakdown", mailing_id)
        return await self._questions.ask(key, caller, lambda: self._store.mailing_breakdown(mailing_id))

    def start(self) -> None:
        """Read ahead in the background."""
        self._task = asyncio.create_task(self._run(), name="breakdowns")

    async def stop(self) -> None:
        """Stop; stopping what has not started is no error."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        rests_until = 0.0
        while True:
            # First a rest: an engine that starts has more urgent things to read.
            await asyncio.sleep(self._period_seconds)
            began = time.monotonic()
            try:
                if await self.look(reads=began >= rests_until):
                    ended = time.monotonic()
                    rests_until = ended + (ended - began) / (SHARE_SENDING if self._is_sending() else SHARE_IDLE)
            except (StoreUnavailable, TooLong, NotFound) as error:
                log.debug("breakdowns.not_read", error=str(error))
            except Exception:
                log.exception("breakdowns.failed")

    async def look(self, *, reads: bool = True) -> bool:
        """Keep for longer what is still true of the newest large mailings, and read one of the others: one that was not
        read yet, or else the one whose reading is the longest ago.

        Args:
            reads: ``False``: nothing is read just now.

        Returns:
            Whether one was read.
        """
        now_us = self._clock.now_us()
        large = await self._store.large_mailings(AHEAD_AT_MOST)
        self._read = {mailing_id: read for mailing_id, read in self._read.items() if mailing_id in large}
        due = [mailing_id for mailing_id, counts in large.items() if not self._renew(mailing_id, counts, now_us)]
        if not (due and reads):
            return False
        mailing_id = min(due, key=lambda each: self._read[each].at_us if each in self._read else 0)
        self._read[mailing_id] = _Read(now_us, large[mailing_id])
        await self._kept.refresh(mailing_id, lambda: self._make(mailing_id, EVERYBODY))
        return True

    def _renew(self, mailing_id: int, counts: Sequence[int | None], now_us: int) -> bool:
        """Whether nothing has changed since it was read, as far as counters tell, and it is still there."""
        read = self._read.get(mailing_id)
        if read is None or read.counts != counts or now_us >= read.at_us + _AGAIN_US:
            return False
        return self._kept.renew(mailing_id)
