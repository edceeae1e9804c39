"""Claims that dead engines have left are taken back when their lease is over.

The lease of an engine that could not reach the database is over as well, and that
engine may hold outcomes which it will store as soon as it can. So after an outage,
and after a start, an engine first waits until all the others have had the time.
"""

from __future__ import annotations

from typing import Final

from common.logs import get_logger
from engine.delivery.shared_clock import SharedClock
from engine.delivery.state import State
from engine.domain.units import in_us
from engine.ports import Store

_RECOVER_ROWS = 1_000
_STEP_SECONDS = 1.0
_GAP_SECONDS: Final = 2.0
RETURN_SECONDS: Final = 10.0
"""Within this time of the database's return an engine has stored what it holds: 5 s at most until a dead connection is
noticed and replaced, 1 s until its recorder tries again, the rest for the transactions."""

log = get_logger(__name__)


class Contact:
    """Since when this engine has been in touch with the database without a gap."""

    def __init__(self, clock: SharedClock, *, gap_seconds: float) -> None:
        """A longer silence than ``gap_seconds`` is a gap, whether the database was away or this process frozen; and as
        good as one is a jump of the clock by which leases end."""
        self._clock, self._gap_us = clock, in_us(gap_seconds)
        self._since_us: int | None = None
        self._last: tuple[int, int] | None = None

    def touch(self) -> None:
        """The database has just answered."""
        if self._since_us is None or self._is_gap():
            self._since_us = self._clock.own.monotonic_us()
        self._last = self._clock.own.monotonic_us(), self._clock.least_us()

    def lasts_us(self) -> int:
        """For how long there has been no gap; 0 in one."""
        return 0 if self._since_us is None or self._is_gap() else self._clock.own.monotonic_us() - self._since_us

    def _is_gap(self) -> bool:
        if self._last is None:
            return True
        monotonic_us, shared_us = self._last
        silent_us = max(self._clock.own.monotonic_us() - monotonic_us, self._clock.least_us() - shared_us)
        return silent_us > self._gap_us


class Recovery:
    """An actor that only follows the clock."""

    def __init__(self, store: Store, state: State) -> None:
        lease_seconds = state.settings.lease_seconds
        self._store, self._hand, self._clock = store, state.hand, state.shared_clock
        self._book, self._bell = state.book, state.bell
        # A lease has three eighths of its time left, at least, while renewals work: a shorter silence ends none.
        self.contact = Contact(self._clock, gap_seconds=min(_GAP_SECONDS, lease_seconds / 3))
        self._wait_us = in_us(max(lease_seconds, RETURN_SECONDS))

    async def run(self) -> None:
        """Recover for ever."""
        while True:
            await self.recover()
            await self._clock.own.sleep(_STEP_SECONDS)

    async def recover(self) -> None:
        """Take back what is over, unless its engine may be on its way back."""
        recovered = _RECOVER_ROWS
        while recovered == _RECOVER_ROWS:
            # Before the check: should this process freeze after it, nothing is taken that was not over then.
            over_us = self._clock.least_us()
            if not self._may_recover():
                return
            now_us = self._clock.own.now_us()
            recovered = await self._store.recover(now_us, _RECOVER_ROWS, expired_only=True, over_us=over_us)
            if recovered:
                log.warning("leases.recovered", messages=recovered)
                self._book.ask_all()
                self._bell.ring_for_work()

    def _may_recover(self) -> bool:
        if self._hand.expiring(self._clock.now_us()):
            return False  # our own leases first: what we hold ourselves is not lost
        return not self._store.shared or self.contact.lasts_us() >= self._wait_us
