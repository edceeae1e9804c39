"""How many messages a second were sent lately."""

from __future__ import annotations

from collections import deque

_US_PER_SECOND = 1_000_000
_KEPT_SECONDS = 60


class RateMeter:
    """Counts by the second; remembers the last 60 seconds in which anything was sent."""

    def __init__(self, window_seconds: int = 10) -> None:
        self._window_seconds = window_seconds
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_KEPT_SECONDS)

    def add(self, count: int, now_us: int) -> None:
        """``count`` messages were sent now."""
        if not count:
            return
        second = now_us // _US_PER_SECOND
        if self._seconds and self._seconds[-1][0] == second:
            count += self._seconds.pop()[1]
        self._seconds.append((second, count))

    def per_second(self, now_us: int) -> float:
        """The mean rate over the window, or since the first message in it; 0: nothing was sent in it."""
        since = now_us // _US_PER_SECOND - self._window_seconds
        recent = [(second, count) for second, count in self._seconds if second > since]
        if not recent:
            return 0.0
        span_seconds = max(1.0, now_us / _US_PER_SECOND - recent[0][0])
        return sum(count for _, count in recent) / span_seconds

    def typical(self) -> float:
        """The mean rate of the seconds in which anything was sent, however long ago; 0: unknown."""
        # The last second may have only begun: it counts only when there is no other.
        whole = list(self._seconds)[:-1] or list(self._seconds)
        return sum(count for _, count in whole) / len(whole) if whole else 0.0
