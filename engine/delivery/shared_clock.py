"""The time that all engines on one database agree on: the database's.

Engines tell each other with times how long a claim is theirs, and whether they live. If each took its own clock, one
that is ahead would take living engines for dead, and their claims over. So such times are the database's: each engine
reads them with the control record, and between two readings reckons with its monotonic clock, which no step moves.
Alone on a SQLite file it goes on from the time of its start.
"""

from __future__ import annotations

from typing import Final

from common.logs import get_logger
from engine.domain.units import US_PER_SECOND
from engine.ports import Clock

_DIFFERS_US: Final = US_PER_SECOND
_AGREES_US: Final = 500_000
"""Less than where a difference begins, so that one near it is told once."""
_FAULT_US: Final = 30_000_000
"""A difference that nobody can take for a rounding error: mailings start, end and keep local hours by this clock."""

log = get_logger(__name__)


class SharedClock:
    """One for an engine."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` is this machine's."""
        self.own = clock
        # How far the database's clock is ahead of our monotonic one: it was read between question and answer.
        self._least_us = self._most_us = clock.now_us() - clock.monotonic_us()
        self.ahead_us = 0
        """How far this machine's clock is ahead of the database's, for certain; negative: behind."""
        self._differs = False

    def now_us(self) -> int:
        """The database's time now, or a little more (as long as a question to it takes): what is ours ends early."""
        return self.own.monotonic_us() + self._most_us

    def least_us(self) -> int:
        """The database's time now, or a little less: what is another's is over for certain."""
        return self.own.monotonic_us() + self._least_us

    @property
    def fault(self) -> str:
        """What is wrong with this machine's clock, or the database's; empty: nothing that holds anything up."""
        if abs(self.ahead_us) < _FAULT_US:
            return ""
        side = "ahead of" if self.ahead_us > 0 else "behind"
        return f"this machine's clock is {abs(self.ahead_us) / US_PER_SECOND:.0f} s {side} the database's"

    def read(self, database_us: int | None, asked_us: int) -> None:
        """The database, asked at ``asked_us`` (monotonic), has just told its time; ``None``: it has no clock of its
        own."""
        if database_us is None:
            return
        heard_us, now_us = self.own.monotonic_us(), self.own.now_us()
        self._least_us, self._most_us = database_us - heard_us, database_us - asked_us
        most_us = database_us + heard_us - asked_us
        self.ahead_us = max(0, now_us - most_us) or min(0, now_us - database_us)
        self._tell()

    def _tell(self) -> None:
        if self._differs == (abs(self.ahead_us) > (_AGREES_US if self._differs else _DIFFERS_US)):
            return
        self._differs = not self._differs
        if self._differs:
            log.warning("clock.differs", ahead_seconds=round(self.ahead_us / US_PER_SECOND, 1), of="the database's")
        else:
            log.info("clock.agrees")
