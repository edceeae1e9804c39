"""A budget of calls a second that is never exceeded, whichever second is looked at.

A token bucket, kept as the generic cell rate algorithm (ITU-T I.371): one number says when the next
call would be due if calls came evenly; a call may come up to ``slack`` before that. So a bucket of
``1 + slack / interval`` tokens, and ``n + 1`` tokens in a row span at least ``n * interval - slack``.
On the way to the provider this may shrink by ``guard``, so a closed second there sees at most
``floor((1 s + slack + guard) / interval) + 1`` calls. The interval is the first whole nanosecond
above ``(1 s + slack + guard) / rate``, which makes this the rate, rounded up if it is not whole. The
price is 4 % of the rate, or 3 % at one call a second and below, where there is no slack.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

_SECOND_NS: Final = 1_000_000_000
SLACK_NS: Final = _SECOND_NS // 100
"""A task that wakes up to 10 ms late loses nothing."""
GUARD_NS: Final = _SECOND_NS // 100 * 3
"""Between a token and the provider's door one call may take up to 30 ms longer than another, by the clock that the
buckets are read with (``delivery/awake.py``: it stands still with the process)."""
Part = tuple[int, int]
"""Number ``index`` (from 0) of so many engines."""


class TokenBucket:
    """At most ``rate_per_second`` calls in any second (rounded up if it is not whole); 0: no limit.

    It starts with one token, not with a full bucket. Times are readings of a clock that only runs forward; one that is
    a little old is late, and gives nothing.
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

    def is_rested(self, now_us: int) -> bool:
        """True when it remembers no call that would hold up another: a new one would give no more."""
        return self._even_ns is None or self._even_ns <= now_us * 1000

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
        if not self._interval_ns:
            return 0
        now_ns = now_us * 1000
        if self._even_ns is None:
            self._even_ns = now_ns + self._slack_ns
        return max(0, self._even_ns - self._slack_ns - now_ns)


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
