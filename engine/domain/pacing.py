"""A budget of calls a second that is never exceeded, whichever second is looked at.

A token bucket, kept as the generic cell rate algorithm (ITU-T I.371): one number says when the next
call would be due if calls came evenly; a call may come up to ``slack`` before that. So a bucket of
``1 + slack / interval`` tokens, and ``n + 1`` tokens in a row span at least ``n * interval - slack``.
On the way to the provider this may shrink by ``guard``, so a closed second there sees at most
``floor((1 s + slack + guard) / interval) + 1`` calls. The interval is the first whole nanosecond
above ``(1 s + slack + guard) / rate``, which makes this the rate, rounded up if it is not whole. The
price is 3 % of the rate, or 2 % at one call a second and below, where there is no slack.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

_SECOND_NS: Final = 1_000_000_000
SLACK_NS: Final = _SECOND_NS // 100
"""A task that wakes up to 10 ms late loses nothing."""
GUARD_NS: Final = _SECOND_NS // 50
"""Between a token and the provider's door one call may take up to 20 ms longer than another."""


class TokenBucket:
    """At most ``rate_per_second`` calls in any second (rounded up if it is not whole); 0: no limit.

    It starts with one token, not with a full bucket. Times are readings of the clock, never a
    future time. One up to a second old is late, and gives nothing; a clock that steps back by more
    costs one interval of waiting.
    """

    def __init__(self, rate_per_second: float) -> None:
        self._even_ns: int | None = None
        self._configure(rate_per_second)

    def ready_us(self, now_us: int) -> int:
        """Return ``now_us`` when a call may start, else when the next token is there."""
        return now_us + -(-self._wait_ns(now_us) // 1000)

    def take(self, now_us: int) -> bool:
        """Use a token up; False, and nothing happens, when there is none at ``now_us``."""
        if self._wait_ns(now_us) > 0:
            return False
        self._even_ns = max(self._even_ns or 0, now_us * 1000) + self._interval_ns
        return True

    def set_rate(self, rate_per_second: float, now_us: int) -> None:
        """Change the rate. The next token is as near completion as it was; saved-up ones are lost."""
        if rate_per_second == self.rate_per_second:
            return
        wait_ns, old_interval_ns = self._wait_ns(now_us), self._interval_ns
        self._configure(rate_per_second)
        if old_interval_ns:
            wait_ns = -(-min(wait_ns, old_interval_ns) * self._interval_ns // old_interval_ns)
        self._even_ns = now_us * 1000 + self._slack_ns + wait_ns

    def _configure(self, rate_per_second: float) -> None:
        if not (math.isfinite(rate_per_second) and rate_per_second >= 0):
            raise ValueError("a rate is a number of calls a second, 0 for no limit")
        self.rate_per_second = rate_per_second
        # At one call a second or less being late never adds up to a call, so nothing is given away for it.
        self._slack_ns = SLACK_NS if rate_per_second > 1 else 0
        self._interval_ns = 0
        if rate_per_second > 0:  # exact, because "just above" must not be rounded away
            self._interval_ns = int((_SECOND_NS + self._slack_ns + GUARD_NS) / Fraction(rate_per_second)) + 1

    def _wait_ns(self, now_us: int) -> int:
        """How long until there is a token; 0: there is one."""
        now_ns = now_us * 1000
        if not self._interval_ns:
            return 0
        if self._even_ns is None:
            self._even_ns = now_ns + self._slack_ns
        emptied_ns = now_ns + self._slack_ns + self._interval_ns
        if self._even_ns > emptied_ns + _SECOND_NS:  # not even a call right now would leave this: the clock stepped
            self._even_ns = emptied_ns
        return max(0, self._even_ns - self._slack_ns - now_ns)


def rate_share(rate_per_second: float, index: int, engines: int) -> float | None:
    """Return what engine number ``index`` (from 0) of ``engines`` may use of a common rate; ``None``: nothing.

    Parts are whole numbers, because a bucket rounds a broken rate up: three with 3.33 of 10 calls a
    second would make 12. A rate below one call a second is one engine's alone. 0 stays 0: no limit.
    """
    if engines <= 1 or rate_per_second == 0:
        return rate_per_second
    whole = math.floor(rate_per_second)
    if whole == 0:
        return rate_per_second if index == 0 else None
    return float(whole // engines + (index < whole % engines)) or None
