"""How many requests one caller may make, and how many imports may run."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from common.error_codes import ErrorCode
from gateway.http.problems import Problem

SIGN_IN_RATE: Final = 50
"""Sign-ins a second of one address: a large office in the morning. How many may fail the engine decides."""
_IMPORT_RETRY: Final = {"Retry-After": "10"}
_CALLERS_MAX: Final = 10_000
"""Who is looked at; beyond it the one who has been silent for longest starts anew."""


class CallerRates:
    """A token bucket a caller: ``rate`` requests a second, and a second's worth of them at once; 0: no limit."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[int, tuple[float, float]] = OrderedDict()
        """By the caller's hash: how many requests were left, and when that was. Headers themselves may be long, and are
        secrets; Python's hashes can't be foreseen."""

    def admit(self, caller: Hashable) -> float:
        """Count one request; 0 when it may pass, else after how many seconds the next one may."""
        if self._rate == 0:
            return 0.0
        now, key = self._clock(), hash(caller)
        left, since = self._left.get(key, (float(self._rate), now))
        left = min(self._rate, left + (now - since) * self._rate)
        if left < 1:
            return (1 - left) / self._rate
        self._left[key] = (left - 1, now)
        self._left.move_to_end(key)
        if len(self._left) > _CALLERS_MAX:
            self._left.popitem(last=False)
        return 0.0

    def require(self, caller: Hashable, code: ErrorCode = ErrorCode.TOO_MANY_REQUESTS) -> None:
        """Count one request. Raises Problem (429) when it is one too many; ``code``: of whom."""
        wait_seconds = self.admit(caller)
        if wait_seconds:
            headers = {"Retry-After": str(math.ceil(wait_seconds))}
            raise Problem(429, code.format(max=self._rate), headers=headers)


class ImportPlaces:
    """How many imports may run at a time, of all callers and of one."""

    def __init__(self, places: int, of_one: int) -> None:
        self._places, self._of_one = places, of_one
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def hold(self, caller: Hashable) -> Iterator[None]:
        """Have a place for as long as the block runs. Raises Problem: 429, the caller has too many; 503, all have."""
        if self._taken[caller] >= self._of_one:
            raise Problem(429, ErrorCode.TOO_MANY_IMPORTS.format(max=self._of_one), headers=_IMPORT_RETRY)
        if self._taken.total() >= self._places:
            raise Problem(503, ErrorCode.TOO_MANY_IMPORTS_OF_ALL.format(max=self._places), headers=_IMPORT_RETRY)
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]
