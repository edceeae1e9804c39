"""When to call the provider again for a message it did not take.

Exponential backoff with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from engine.domain.units import US_PER_SECOND

MAX_RETRY_AFTER_SECONDS: Final = 7 * 24 * 3600.0
"""No provider is believed that wants to be left alone for longer."""

_MAX_DOUBLINGS: Final = 1000
"""2.0**1024 would overflow; whatever the base, the maximum is reached long before."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait between attempts, in seconds."""

    base_seconds: float
    """The longest possible wait after the first attempt; doubles with each further one."""
    max_seconds: float
    """The longest possible wait after any attempt."""

    def delay_seconds(self, attempt: int, jitter: float) -> float:
        """Return the wait after attempt number ``attempt`` (from 1); ``jitter`` is in [0, 1)."""
        longest = self.base_seconds * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS)
        return jitter * min(self.max_seconds, longest)

    def due_us(self, now_us: int, attempt: int, jitter: float, retry_after_seconds: float | None) -> int:
        """Return when to try again: after the jittered delay, and never before ``Retry-After`` is over."""
        delay_seconds = max(self.delay_seconds(attempt, jitter), retry_after_seconds or 0.0)
        return now_us + math.ceil(delay_seconds * US_PER_SECOND)


def parse_retry_after(value: str | None, now_us: int) -> float | None:
    """Read a ``Retry-After`` header: a number of seconds or an HTTP date (RFC 9110, 10.2.3 and 5.6.7).

    Returns the seconds from ``now_us`` on, 0 for a date in the past, at most seven days; ``None``
    when there is no header or it can't be read, since a broken one must not stop the retries.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:  # the asctime form and "-0000" name no zone; HTTP dates are UTC
        when = when.replace(tzinfo=UTC)
    seconds = (when - _EPOCH).total_seconds() - now_us / US_PER_SECOND
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
