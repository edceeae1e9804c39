"""A budget of calls, or of what they weigh, a second that is never exceeded, whichever second is looked at.

A bucket of as many tokens as calls are allowed in a second; each is back a second after its call was at the provider's
door. (In the field this is a *sliding window log*: the times of the last calls are kept.) So n + 1 calls in a row
always span more than a second there, and after a gap nothing is lost but what was due in it. When a call is at the door
``delivery/on_way.py`` tells, some 35 ms after the token was taken: this costs 3 to 4 % of the rate.

So that the tokens of a second are not all used at once, calls follow each other at twice the even pace at most: the
other half is what catches up after a gap.

Where a rate counts SMS segments, a call takes as many tokens as its text has segments. A text of more than a second's
worth waits until all tokens are there, takes them, and owes the rest: these come back a second later each time.
"""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction
from functools import lru_cache
from typing import Final

from engine.domain.units import US_PER_SECOND

_HASTE: Final = 2
"""So many times as fast as at an even pace may calls follow each other."""
_SLACK_US: Final = 10_000
"""Timers are not exact: what one that is late by so much has missed may be made up for at once."""
_PERIOD_US_MAX: Final = 100 * 366 * 86_400 * US_PER_SECOND
"""A century: a rate may be as small as a number can be."""
Part = tuple[int, int]
"""Number ``index`` (from 0) of so many engines."""


class TokenBucket:
    """At most ``rate_per_second`` tokens in any second (rounded up if it is not whole); 0: no limit.

    Times are readings of a clock that only runs forward, in microseconds.
    """

    def __init__(self, rate_per_second: float) -> None:
        self._on_way = 0
        """Tokens of calls that may not be at the door."""
        self._arrived_us: deque[int] = deque()
        """When the other calls were there whose tokens may not be back yet, oldest first; each once a token."""
        self._even_us = 0.0
        """When the next call is due at the highest pace."""
        self._pace_us = 0.0
        self.set_rate(rate_per_second)

    def wait_us(self, now_us: int, tokens: int = 1) -> int:
        """How long until a call that takes so many tokens may start, in microseconds, or a time in which none may; 0:
        one may start now."""
        if not self.rate_per_second:
            return 0
        left = self._most - self._on_way - min(tokens, self._most) + 1
        if left <= 0:
            return self._period_us
        free_us = math.ceil(self._even_us)
        if len(self._arrived_us) >= left:
            free_us = max(free_us, self._arrived_us[-left] + self._period_us)
        return max(0, free_us - now_us)

    def take(self, now_us: int, tokens: int = 1) -> None:
        """Take tokens for a call that starts now; ``wait_us`` says that they are there."""
        self._on_way += tokens
        self._even_us = max(self._even_us, now_us - _SLACK_US) + self._pace_us * tokens

    def arrive(self, tokens: int, now_us: int) -> None:
        """The calls that took so many tokens, the oldest of those on their way, are at the provider's door by now."""
        self._on_way -= tokens
        if tokens <= self._most or not self._most:
            self._arrived_us.extend([now_us] * tokens)
        else:  # one call of more than a second's worth
            self._arrived_us.extend(now_us + place // self._most * self._period_us for place in range(tokens))
        while self._arrived_us and self._arrived_us[0] + self._period_us <= now_us:
            self._arrived_us.popleft()

    def is_full(self, now_us: int) -> bool:
        """True when all tokens are back: a new bucket would give no fewer."""
        return not self._on_way and (not self._arrived_us or self._arrived_us[-1] + self._period_us <= now_us)

    def set_rate(self, rate_per_second: float) -> None:
        """Change the rate, also for the calls made already.

        Raises:
            ValueError: that is no rate.
        """
        if not (math.isfinite(rate_per_second) and rate_per_second >= 0):
            raise ValueError("a rate is a number of calls a second, 0 for no limit")
        self.rate_per_second = rate_per_second
        self._most, self._period_us = _most_in_period(rate_per_second)
        old_us, self._pace_us = self._pace_us, self._period_us / max(1, _HASTE * self._most)
        self._even_us -= max(0.0, old_us - self._pace_us)


@lru_cache(maxsize=1024)
def _most_in_period(rate_per_second: float) -> tuple[int, int]:
    """So many calls there may be in so many microseconds, which are longer than a second."""
    most = math.ceil(rate_per_second)
    # Exact, because the period of a rate that is not whole must not be rounded down.
    exact_us = Fraction(most) / Fraction(rate_per_second or 1) * US_PER_SECOND
    return most, min(math.floor(exact_us) + 1, _PERIOD_US_MAX)


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
        """From now on this is our part; True when it was another one before. ``None``: nothing of any rate is ours."""
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
