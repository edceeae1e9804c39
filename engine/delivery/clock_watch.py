"""A clock that steps back by hours delays nothing by more than a minute.

What is due later is stored as an instant. When the machine's clock is put back by two hours, a retry that was due in
five seconds is due in two hours and five seconds. So its instant is put back by as much as the clock was.
"""

from __future__ import annotations

from typing import Final

from common.logs import get_logger
from engine.delivery.state import State
from engine.domain.units import US_PER_SECOND
from engine.ports import Store

STEP_US: Final = 30 * US_PER_SECOND
"""A shorter step back delays by less than a minute, and nothing is done about it."""
_STEP_SECONDS: Final = 1.0
_CHUNK_ROWS: Final = 5_000

log = get_logger(__name__)


class ClockWatch:
    """An actor that compares the wall clock with one that only runs forward, and at its start with the latest time that
    any engine on this database has seen."""

    def __init__(self, store: Store, state: State) -> None:
        self._store, self._book, self._bell, self._clock = store, state.book, state.bell, state.clock
        self._ahead_us: int | None = None
        """How far the wall clock was ahead of the other one when they were compared last."""

    async def run(self) -> None:
        """Compare for ever."""
        while True:
            await self.compare()
            await self._clock.sleep(_STEP_SECONDS)

    async def compare(self) -> None:
        """Compare the clocks once, and take back what waits if the wall clock has stepped back."""
        ahead_us = self._clock.now_us() - self._clock.monotonic_us()
        if self._ahead_us is None or self._ahead_us - ahead_us > STEP_US:
            # Several engines may see the same step: the store tells the first that asks.
            behind_us = await self._store.turn_clock_back(self._clock.now_us())
            if behind_us > STEP_US:
                await self._put_back(behind_us)
        self._ahead_us = ahead_us

    async def _put_back(self, by_us: int) -> None:
        log.warning("clock.stepped_back", seconds=round(by_us / US_PER_SECOND))
        for mailing_id in [entry.plan.mailing_id for entry in self._book]:
            after: tuple[int, int] | None = (self._clock.now_us(), 0)
            while after is not None:
                after = await self._store.take_back(mailing_id, _CHUNK_ROWS, after=after, by_us=by_us)
        self._book.ask_all()
        self._bell.ring_for_work()
