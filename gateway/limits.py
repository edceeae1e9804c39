"""How many requests one caller may make."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

_CALLERS_MAX: Final = 10_000
"""Who is looked at; beyond it the one who has been silent for longest starts anew."""


class CallerRates:
    """A token bucket a caller: ``rate`` requests a second, and a second's worth of them at once."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """By caller: how many requests were left, and when that was."""

    def admit(self, caller: Hashable) -> float:
        """Count one request; 0 when it may pass, else after how many seconds the next one may."""
        if self._rate == 0:
            return 0.0
        now = self._clock()
        left, since = self._left.get(caller, (float(self._rate), now))
        left = min(self._rate, left + (now - since) * self._rate)
        if left < 1:
            return (1 - left) / self._rate
        self._left[caller] = (left - 1, now)
        self._left.move_to_end(caller)
        if len(self._left) > _CALLERS_MAX:
            self._left.popitem(last=False)
        return 0.0
