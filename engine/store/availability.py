"""Says in the log when the database goes away and when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from common.logs import get_logger

PERIOD_SECONDS: Final = 2.0
"""From one line to the next, however many callers it fails: 30 a minute, so that with what others say of the same
outage (stalls, a stop) the log grows by less than a line a second."""

log = get_logger(__name__)


class Availability:
    """What was heard of one database."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._away_since: float | None = None
        self._last_line = float("-inf")
        self._more = 0

    def lost(self, error: Exception) -> None:
        """An operation has failed by a fault of the database's, which may also be that it is too busy."""
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
        if now - self._last_line < PERIOD_SECONDS:
            self._more += 1
            return
        log.warning("database.away", reason=str(error), **({"more": self._more} if self._more else {}))
        self._last_line, self._more = now, 0

    def found(self) -> None:
        """An operation has succeeded. Said a period after the last line at the earliest: it may come and go."""
        if self._away_since is None:
            return
        now = self._clock()
        if now - self._last_line < PERIOD_SECONDS:
            return
        log.warning("database.back", away_seconds=round(now - self._away_since, 1))
        self._away_since, self._last_line, self._more = None, now, 0
