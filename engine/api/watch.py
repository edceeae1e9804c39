"""WatchMailing: reads the counters twice a second, and tells what has changed."""

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

    async def follow(self, mailing_id: int) -> AsyncGenerator[mailing_stats_pb2.MailingProgress, None]:
        """Tell the progress until every message is final.

        Raises:
            NotFound: there is no such mailing, or not any more.
            Stopping: the engine stops.
        """
        meter = ProgressMeter()
        told, told_us = None, 0
        while True:
            row = await self._store.get_mailing(mailing_id)
            now_us = self._clock.now_us()
            progress = meter.read(row, await self._outlook.of(row), now_us)
            if told is None or _differs(told, progress) or now_us - told_us >= IDLE_US:
                told, told_us = progress, now_us
                yield progress
            if is_over(row):
                return
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._period_seconds)
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
