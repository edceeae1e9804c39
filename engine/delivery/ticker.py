"""Due messages from the store into the queues, mailings past their end out of the way.

It runs every tick and wakes early for whatever comes first: a start time, a due
retry, an end, a breaker's probe, a lane of the queue that runs low, or somebody
who rings the bell because something changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from common.logs import get_logger
from engine.delivery.background import Background
from engine.delivery.book import SWEEPING, Entry
from engine.delivery.claimer import Claimer
from engine.delivery.plan_reader import PlanReader
from engine.delivery.recorder import Recorder
from engine.delivery.state import State
from engine.domain.units import US_PER_SECOND, in_us
from engine.ports import Store

_SWEEP_ROWS = 5_000
_REST_US_MIN = 500

log = get_logger(__name__)


class Ticker:
    """An actor; its inbox is the bell."""

    def __init__(self, store: Store, state: State, *, plans: PlanReader, recorder: Recorder) -> None:
        self._store, self._plans, self._recorder = store, plans, recorder
        self._book, self._lines, self._clock, self._bell = state.book, state.lines, state.clock, state.bell
        self._claimers = [Claimer(store, state, line, recorder=recorder) for line in state.lines]
        self._tick_us = in_us(state.settings.tick_seconds)
        self._next_tick_us = 0
        self._background = Background()
        self.due_lag_seconds = 0.0
        """How long the oldest due message has waited, as seen at the last tick."""

    def clients_changed(self, client_ids: Iterable[int]) -> None:
        """A claim under way may have read these clients as they were before."""
        for claimer in self._claimers:
            claimer.clients_changed(client_ids)

    def check_arrivals(self) -> None:
        """A claim under way may have read clients as they were before another engine changed them."""
        for claimer in self._claimers:
            claimer.check_arrivals()

    async def run(self) -> None:
        """Keep the queue filled for ever."""
        while True:
            self._bell.work.clear()
            now_us = self._clock.now_us()
            if now_us >= self._next_tick_us or self._next_tick_us - now_us > self._tick_us:
                await self._tick(now_us)
            if not await self._turn():
                await self._rest(now_us)

    async def _tick(self, now_us: int) -> None:
        await self._plans.reload()
        self._book.ask_all()
        self._background.start(self._see_lag(now_us))  # a question for each mailing, for which no claim should wait
        self._next_tick_us = now_us + self._tick_us

    async def _see_lag(self, now_us: int) -> None:
        lag_us = 0
        for entry in list(self._book):
            if entry.may_send(now_us) and entry.plan.pending:
                due_us = await self._store.next_due_us(entry.plan.mailing_id)
                if due_us is not None:
                    lag_us = max(lag_us, now_us - max(due_us, entry.plan.start_us))
        self.due_lag_seconds = lag_us / US_PER_SECOND

    async def _turn(self) -> bool:
        """Sweep and fill once; True when there is more to do at once."""
        more = False
        for entry in list(self._book):
            now_us = self._clock.now_us()
            if entry.is_over(now_us):
                self._empty_lane(entry.plan.mailing_id)
                if entry.asks(now_us):
                    more |= await self._sweep(entry, now_us)
        for claimer in self._claimers:
            more |= await claimer.fill()
        return more

    def _empty_lane(self, mailing_id: int) -> None:
        """Give back what waits in the queue: it would wait for its token beyond the mailing's end."""
        if any(line.queue.queued(mailing_id) for line in self._lines):
            self._recorder.withdraw(lambda claim: claim.mailing_id == mailing_id)

    async def _sweep(self, entry: Entry, now_us: int) -> bool:
        entry.ask_us[SWEEPING] = None
        sweep = self._store.cancel_pending if entry.plan.cancelled else self._store.expire
        try:
            swept = await sweep(entry.plan.mailing_id, _SWEEP_ROWS, now_us)
        except BaseException:
            entry.expects(0, SWEEPING)
            raise
        if swept < _SWEEP_ROWS:
            return False
        entry.expects(0, SWEEPING)
        return True

    async def _rest(self, began_us: int) -> None:
        """Until the bell rings, or what comes first after ``began_us``, when this turn began: a moment that has passed
        since, while the store was busy, was not seen by this turn."""
        # The loop's timers round down, the wall clock may be slewed: a little late beats a spin. And a clock that was
        # put back since the turn began must not make the rest longer than a tick.
        delay_us = max(self._wake_us(began_us) - self._clock.now_us(), _REST_US_MIN)
        delay_seconds = min(delay_us, max(self._tick_us, _REST_US_MIN)) / US_PER_SECOND
        try:
            async with asyncio.timeout(delay_seconds):
                await self._bell.work.wait()
        except TimeoutError:
            pass

    def _wake_us(self, now_us: int) -> int:
        moments = [self._next_tick_us]
        for entry in self._book:
            moments += (entry.plan.start_us, entry.plan.end_us)
        for claimer in self._claimers:
            moments += claimer.moments(now_us)
        return min((moment for moment in moments if moment > now_us), default=now_us)
