"""WatchMailing: reads the counters twice a second, once for all who watch a mailing, and tells what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from engine.api.convert_stats import ProgressMeter, is_over
from engine.api.errors import Stopping
from engine.api.outlook import Outlook
from engine.ports import Clock
from engine.store.store import Store
from mailing.v1 import mailing_stats_pb2

PERIOD_SECONDS: Final = 0.5
"""Half of what is promised (once a second while it changes)."""
IDLE_US: Final = 15_000_000
"""A sign of life while nothing changes: proxies cut connections on which nothing happens."""


class Watch:
    """Shared by all who watch."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        outlook: Outlook,
        stopping: asyncio.Event,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._store, self._clock, self._outlook, self._stopping = store, clock, outlook, stopping
        self._period_seconds = period_seconds
        self._feeds: dict[int, _Feed] = {}

    async def follow(self, mailing_id: int) -> AsyncGenerator[mailing_stats_pb2.MailingProgress, None]:
        """Tell the progress until every message is final. Who is slow gets the latest, and misses what was between.

        Raises:
            NotFound: there is no such mailing, or not any more.
            Stopping: the engine stops.
        """
        feed = self._feeds.get(mailing_id)
        if feed is None or feed.is_done:
            feed = self._feeds[mailing_id] = _Feed(self._store, self._clock, self._outlook, self._stopping, mailing_id)
            feed.start(self._period_seconds)
        feed.watchers += 1
        try:
            seen = 0
            while True:
                await feed.later_than(seen)
                if feed.error is not None:
                    # Each watcher raises it: without what the others have added to its traceback.
                    raise feed.error.with_traceback(None)
                seen = feed.version
                assert feed.latest is not None
                yield feed.latest
                if feed.is_all_told(seen):
                    return
        finally:
            feed.watchers -= 1
            if feed.watchers == 0:
                feed.stop()
                if self._feeds.get(mailing_id) is feed:
                    del self._feeds[mailing_id]


class _Feed:
    """The progress of one mailing, as it was last read."""

    def __init__(self, store: Store, clock: Clock, outlook: Outlook, stopping: asyncio.Event, mailing_id: int) -> None:
        self._store, self._clock, self._outlook = store, clock, outlook
        self._stopping, self._mailing_id = stopping, mailing_id
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.watchers = 0
        self.version = 0
        """Grows whenever there is something to tell."""
        self.latest: mailing_stats_pb2.MailingProgress | None = None
        self.error: Exception | None = None
        """Why there is nothing more to tell, when it is not that all is told."""
        self.is_done = False

    def start(self, period_seconds: float) -> None:
        """Read now, and again each period."""
        self._task = asyncio.create_task(self._run(period_seconds), name=f"watch-{self._mailing_id}")

    def stop(self) -> None:
        """Nobody watches any more."""
        if self._task is not None:
            self._task.cancel()

    def is_all_told(self, seen: int) -> bool:
        """Whether a watcher who has seen this version has seen the end."""
        return self.is_done and self.error is None and seen == self.version

    async def later_than(self, seen: int) -> None:
        """Wait for something that a watcher has not been told."""
        while self.version <= seen and self.error is None:
            await self._changed.wait()

    async def _run(self, period_seconds: float) -> None:
        try:
            await self._read(period_seconds)
        except Exception as error:
            self.error = error
        self.is_done = True
        self._wake()

    async def _read(self, period_seconds: float) -> None:
        meter, told_us = ProgressMeter(), 0
        while True:
            row = await self._store.get_mailing(self._mailing_id)
            now_us = self._clock.now_us()
            progress = meter.read(row, await self._outlook.of(row), now_us)
            self.is_done = is_over(row)
            if self.latest is None or _differs(self.latest, progress) or now_us - told_us >= IDLE_US or self.is_done:
                self.latest, told_us = progress, now_us
                self.version += 1
                self._wake()
            if self.is_done:
                return
            await self._pause(period_seconds)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _pause(self, period_seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), period_seconds)
        except TimeoutError:
            return
        raise Stopping


def _differs(told: mailing_stats_pb2.MailingProgress, progress: mailing_stats_pb2.MailingProgress) -> bool:
    """True when anything has changed but the time of reading, and times that move on with it while nothing goes out."""
    return _lasting(told) != _lasting(progress)


def _lasting(progress: mailing_stats_pb2.MailingProgress) -> mailing_stats_pb2.MailingProgress:
    kept = mailing_stats_pb2.MailingProgress()
    kept.CopyFrom(progress)
    kept.ClearField("time")
    kept.ClearField("estimated_completion_time")
    kept.forecast.ClearField("completion_time")
    return kept
