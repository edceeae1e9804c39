"""Units of time: settings and people speak of seconds, the engine reckons with whole microseconds (``..._us``)."""

from __future__ import annotations

from typing import Final

US_PER_SECOND: Final = 1_000_000


def in_us(seconds: float) -> int:
    """Return so many seconds as microseconds, rounded down."""
    return int(seconds * US_PER_SECOND)
