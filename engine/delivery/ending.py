"""How delivery ends: nothing new begins, calls in flight end or are cancelled, their outcomes are stored.

What hangs (the store, a call that takes no cancellation) is left behind when its time is over. A call that is cancelled
may have reached the provider, so its claim stays: the next start finds it as "outcome unknown".
"""

from __future__ import annotations

import asyncio

from common.logs import get_logger
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.delivery.supervisor import Supervisor
from engine.delivery.waiting import wait_until
from engine.domain.units import US_PER_SECOND, in_us

log = get_logger(__name__)


class Ending:
    """One end of delivery; ``run`` once, after the gate has been shut for good."""

    def __init__(self, state: State, recorder: Recorder, supervisor: Supervisor) -> None:
        self._lines, self._clock, self._recorder, self._supervisor = state.lines, state.clock, recorder, supervisor

    async def run(self, call_seconds: float, outcome_seconds: float) -> None:
        """Let calls end within ``call_seconds``; store what they brought within ``outcome_seconds`` more."""
        began_us = self._clock.monotonic_us()
        calls_us = began_us + in_us(call_seconds)
        end_us = calls_us + in_us(outcome_seconds)
        # Not in the middle of a claim: what it brings would be claimed and in nobody's hand.
        await wait_until(lambda: not self._recorder.claiming.locked(), self._clock, calls_us)
        await self._stop(["ticker", "clock_watch", "audience_builder"], calls_us)
        self._recorder.withdraw(lambda _: True)
        for line in self._lines:
            line.queue.dismiss()
        await wait_until(lambda: not self._workers(), self._clock, calls_us)
        await self._cancel_calls((calls_us + end_us) // 2)
        await wait_until(lambda: not len(self._recorder), self._clock, end_us)
        await self._stop(self._supervisor.names(), end_us)

    def _workers(self) -> list[str]:
        return self._supervisor.names("worker-")

    async def _cancel_calls(self, until_us: int) -> None:
        # Answers that have come wait for their turn on the event loop: cancelled before it, they would be lost.
        await asyncio.sleep(0)
        if workers := self._workers():
            log.warning("delivery.calls_cancelled", calls=len(workers))
            await self._stop(workers, until_us)

    async def _stop(self, names: list[str], until_us: int) -> None:
        seconds = max(0, until_us - self._clock.monotonic_us()) / US_PER_SECOND
        if left := await self._supervisor.stop(*names, seconds=seconds):
            log.warning("delivery.left_running", actors=", ".join(left))
