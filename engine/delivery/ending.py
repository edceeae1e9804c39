"""How delivery ends: nothing new, calls in flight to their end or cut, their outcomes stored.

Whatever hangs (the store, a call that takes no cancellation) is left behind when its time is over. A call that is cut
may have reached the provider, so its claim stays: the next start finds it as "outcome unknown".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from engine.delivery.queue import DeliveryQueue
from engine.delivery.recorder import Recorder
from engine.delivery.supervisor import Supervisor
from engine.ports import Clock

_LOOK_SECONDS = 0.005
_US_PER_SECOND = 1_000_000

log = structlog.get_logger(__name__)


class Ending:
    """One end of delivery; ``run`` once, after the gate has been shut for good."""

    def __init__(self, queue: DeliveryQueue, recorder: Recorder, supervisor: Supervisor, clock: Clock) -> None:
        self._queue, self._recorder, self._supervisor, self._clock = queue, recorder, supervisor, clock

    async def run(self, call_seconds: float, outcome_seconds: float) -> None:
        """Let calls end within ``call_seconds``; store what they brought within ``outcome_seconds`` more."""
        began_us = self._clock.monotonic_us()
        calls_us = began_us + int(call_seconds * _US_PER_SECOND)
        end_us = calls_us + int(outcome_seconds * _US_PER_SECOND)
        # Not in the middle of a claim: what it brings would be claimed and in nobody's hand.
        await self._until(lambda: not self._recorder.claiming.locked(), calls_us)
        await self._stop(["ticker", "clock_watch", "audience_builder"], calls_us)
        self._give_back()
        self._queue.dismiss()
        await self._until(lambda: not self._workers(), calls_us)
        await self._cut((calls_us + end_us) // 2)
        await self._until(lambda: not len(self._recorder), end_us)
        await self._stop(self._supervisor.names(), end_us)

    def _give_back(self) -> None:
        self._recorder.give_back([claim.given_back() for claim in self._queue.withdraw(lambda _: True)])

    def _workers(self) -> list[str]:
        return self._supervisor.names("worker-")

    async def _cut(self, until_us: int) -> None:
        # Answers that have come wait for their turn on the event loop: cancelled before it, they would be lost.
        await asyncio.sleep(0)
        if workers := self._workers():
            log.warning("delivery.calls_cut", calls=len(workers))
            await self._stop(workers, until_us)

    async def _stop(self, names: list[str], until_us: int) -> None:
        seconds = max(0, until_us - self._clock.monotonic_us()) / _US_PER_SECOND
        if left := await self._supervisor.stop(*names, seconds=seconds):
            log.warning("delivery.left_running", actors=", ".join(left))

    async def _until(self, reached: Callable[[], bool], until_us: int) -> None:
        while not reached() and self._clock.monotonic_us() < until_us:
            await self._clock.sleep(_LOOK_SECONDS)
