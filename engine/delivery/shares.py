"""Which part of the common rates, those of providers and of mailings, is this engine's.

Each engine works its part out for itself, from the list of engines that live; together they never exceed a rate, not
while that list changes either (``domain.pacing.RateShare``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from common.logs import get_logger
from engine.delivery.bell import Bell
from engine.delivery.book import Book
from engine.delivery.gate import STALE_SECONDS, Gate
from engine.delivery.on_way import ON_WAY_SECONDS
from engine.domain.pacing import RateShare
from engine.domain.units import in_us
from engine.ports import Clock

REST_SECONDS: Final = 1 + ON_WAY_SECONDS
"""When a part of a rate changes hands, no call of the one who had it may lie within the same second at the provider.
The one who had it may be this engine's predecessor, so the first token after a start comes so much later."""

log = get_logger(__name__)


class Shares:
    """Tells the gates and the book."""

    def __init__(self, *, gates: Sequence[Gate], book: Book, bell: Bell, clock: Clock) -> None:
        self._gates, self._book, self._bell, self._clock = gates, book, bell, clock
        self._share = RateShare()
        self._rates = [0.0 for _ in gates]

    def divide(self, rates: Sequence[float], engine_id: int, engine_ids: Collection[int]) -> None:
        """The providers' rates (tokens a second, one a gate) and the mailings' are those of these engines together;
        ``engine_id`` is this one."""
        self._rates = list(rates)
        ids = sorted(engine_ids)
        if engine_id not in ids:
            # The others have taken this engine for dead while it stood still: no part of any rate is its own.
            log.error("engine.forgotten", engine_id=engine_id, remedy="restart this engine")
            self.lose()
            return
        # The others act by the new list, or start no call, when STALE_SECONDS are over.
        hold_seconds = REST_SECONDS + (STALE_SECONDS if len(ids) > 1 else 0)
        part, hold_us = (ids.index(engine_id), len(ids)), in_us(hold_seconds)
        if self._share.become(part, self._clock.monotonic_us(), hold_us):
            # A little late, for the loop's timers round down.
            asyncio.get_running_loop().call_later(hold_seconds + 0.002, self._grown)
        self._use()

    def lose(self) -> None:
        """The others may have taken this engine for dead, and use its part of the rates: until ``divide`` and the hold
        after it nothing is ours."""
        self._share.become(None, self._clock.monotonic_us(), 0)
        self._use()

    def _grown(self) -> None:
        self._share.settle(self._clock.monotonic_us())
        self._use()
        self._bell.ring()

    def _use(self) -> None:
        for gate, rate in zip(self._gates, self._rates, strict=True):
            gate.share_rate(self._share.of(rate))
        self._book.share(self._share)
