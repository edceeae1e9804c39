"""A budget of calls a second that is never exceeded, whichever second is looked at.

A bucket of as many tokens as calls are allowed in a second; a token that was taken is back when its period is over: a
second, and ``GUARD_US`` for the way to the provider, on which one call may be slower than another. (In the field this
is a *sliding window log*: the times of the last calls are kept.) So n + 1 calls in a row always span more than a second
at the provider's door, and after a gap nothing is lost but what was due in it. The guard costs 3 % of the rate.

So that the tokens of a second are not all used at once, a few in a row take at least half the time that they would take
at an even pace: the other half is what catches up after a gap.
"""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction
from typing import Final

_SECOND_US: Final = 1_000_000
GUARD_US: Final = 30_000
"""Between its token and the provider's door one call may take so much longer than another. If the process stands still
meanwhile, ``delivery/standstill.py`` lets the token count from the end of that."""
_HASTE: Final = 2
"""So many times as fast as at an even pace may calls follow each other."""
_SLACK_US: Final = 10_000
"""That is looked at over so long a time, or one call: timers are not exact, and one that is late loses nothing."""
Part = tuple[int, int]
"""Number ``index`` (from 0) of so many engines."""


class TokenBucket:
    """At most ``rate_per_second`` calls in any second (rounded up if it is not whole); 0: no limit.

    Times are readings of a clock that only runs forward, in microseconds.
    """

    def __init__(self, rate_per_second: float) -> None:
        self._taken_us: deque[int] = deque()
        """When the tokens were taken that may not be back yet, oldest first."""
        self.set_rate(rate_per_second)

    def wait_us(self, now_us: int) -> int:
        """How long until a call may start; 0: now."""
        if not self.rate_per_second:
            return 0
        taken_us, free_us = self._taken_us, now_us
        if len(taken_us) >= self._most:
            free_us = taken_us[-self._most] + self._period_us
        if len(taken_us) >= self._few:
            free_us = max(free_us, taken_us[-self._few] + self._few_us)
        return max(0, free_us - now_us)

    def take(self, now_us: int) -> None:
        """Take a token for a call that starts now; ``wait_us`` says that there is one."""
        if self.rate_per_second:
            taken_us = self._taken_us
            taken_us.append(now_us)
            while taken_us[0] + self._period_us <= now_us:
                taken_us.popleft()

    def delay(self, calls: int, until_us: int) -> None:
        """The last calls, so many, may be at the provider's door no sooner than those that start at ``until_us``."""
        calls = min(calls, len(self._taken_us))
        for _ in range(calls):
            self._taken_us.pop()
        self._taken_us.extend([until_us] * calls)

    def is_full(self, now_us: int) -> bool:
        """True when all tokens are back: a new bucket would give no more."""
        return not self._taken_us or self._taken_us[-1] + self._period_us <= now_us

    def set_rate(self, rate_per_second: float) -> None:
        """Change the rate, also for the calls made already.

        Raises:
            ValueError: that is no rate.
        """
        if not (math.isfinite(rate_per_second) and rate_per_second >= 0):
            raise ValueError("a rate is a number of calls a second, 0 for no limit")
        self.rate_per_second = rate_per_second
        self._most = math.ceil(rate_per_second)
        # Exact, because the period of a rate that is not whole must not be rounded down.
        exact_us = Fraction(self._most) / Fraction(rate_per_second or 1) * _SECOND_US
        self._period_us = math.ceil(exact_us) + GUARD_US
        least_us = Fraction(self._period_us, _HASTE * (self._most or 1))
        self._few = 1 + math.floor(_SLACK_US / least_us)
        self._few_us = math.ceil(self._few * least_us)


def rate_share(rate_per_second: float, index: int, engines: int) -> float | None:
    """Return what engine number ``index`` (from 0) of ``engines`` may use of a common rate; ``None``: nothing.

    Parts are whole numbers but for one, because a bucket rounds a broken rate up: three with 3.33 of 10 calls a
    second would make 12. A rate below one call a second is one engine's alone. 0 stays 0: no limit.
    """
    if engines <= 1 or rate_per_second == 0:
        return rate_per_second
    whole = math.floor(rate_per_second)
    # Where the next whole call would go, so that nobody's part, rounded up, ever grows when the rate is lowered.
    rest = rate_per_second - whole if index == whole % engines else 0.0
    return whole // engines + (index < whole % engines) + rest or None


class RateShare:
    """This engine's part of all common rates, also while the engines among whom they are shared change.

    A part that grows counts only when a hold is over: until then the others may still use theirs by the old division,
    and the calls made by it may lie within the same second. One that shrinks counts at once.
    """

    def __init__(self, part: Part | None = None) -> None:
        """``part``: what is its own already; ``None``: nothing."""
        self._parts: list[tuple[Part | None, float]] = [(part, math.inf)]

    def become(self, part: Part | None, now_us: int, hold_us: int) -> bool:
        """From now on this is our part; True when that is news. ``None``: nothing of any rate is ours."""
        self.settle(now_us)
        latest, _ = self._parts[-1]
        if part == latest:
            return False
        self._parts[-1] = (latest, now_us + hold_us)
        self._parts.append((part, math.inf))
        return True

    def settle(self, now_us: int) -> None:
        """Forget the divisions that hold nothing back any more."""
        self._parts = [(part, until_us) for part, until_us in self._parts if until_us > now_us]

    def of(self, rate_per_second: float) -> float | None:
        """What we may use of a rate; ``None``: nothing. 0 stays 0: no limit."""
        if not rate_per_second:
            return rate_per_second
        shares = [rate_share(rate_per_second, *part) if part else None for part, _ in self._parts]
        return min((share for share in shares if share), default=None) if all(shares) else None
