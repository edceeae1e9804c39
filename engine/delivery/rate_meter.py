"""How many messages a second were sent lately, and how many can be."""

from __future__ import annotations

from collections import deque

from engine.domain.units import US_PER_SECOND

_KEPT_SECONDS = 60


class RateMeter:
    """Counts by the second; remembers the last 60 seconds in which anything was sent, and the last 60 at full speed."""

    def __init__(self, window_seconds: int = 10) -> None:
        self._window_seconds = window_seconds
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_KEPT_SECONDS)
        self._full: deque[tuple[int, int]] = deque(maxlen=_KEPT_SECONDS)
        """(workers, messages) of seconds at full speed."""
        self._workers = 0
        """Of the second under way, how many workers were all busy, whenever anything was counted; 0: not all were."""
        self._workers_before = 0
        """The same of the second before it."""

    def add(self, count: int, now_us: int, *, busy_workers: int = 0) -> None:
        """``count`` messages were sent now. ``busy_workers``: so many workers there are, all of them have work, and
        more work waits for them; 0: what was sent is not all that could be, for a rate or lack of messages held them
        back."""
        second = now_us // US_PER_SECOND
        if self._seconds and self._seconds[-1][0] == second:
            self._workers = busy_workers if busy_workers == self._workers else 0
            self._seconds[-1] = (second, self._seconds[-1][1] + count)
        elif count:
            self._close(second)
            self._workers = busy_workers
            self._seconds.append((second, count))

    def _close(self, next_second: int) -> None:
        """The second under way is over: it was at full speed if it was so throughout, and the one before it too, so
        that it did not begin in the middle."""
        if not self._seconds:
            return
        second, count = self._seconds[-1]
        if self._workers and self._workers == self._workers_before and next_second == second + 1:
            self._full.append((self._workers, count))
        self._workers_before = self._workers if next_second == second + 1 else 0

    def per_second(self, now_us: int) -> float:
        """The mean rate over the window, or since the first message in it; 0: nothing was sent in it."""
        since = now_us // US_PER_SECOND - self._window_seconds
        recent = [(second, count) for second, count in self._seconds if second > since]
        if not recent:
            return 0.0
        span_seconds = max(1.0, now_us / US_PER_SECOND - recent[0][0])
        return sum(count for _, count in recent) / span_seconds

    def full_speed(self, workers: int) -> float:
        """The mean rate of the last seconds in which so many workers had all they could do, however long ago and
        whatever rates held them back since; 0: there were none yet."""
        counts = [count for number, count in self._full if number == workers]
        return sum(counts) / len(counts) if counts else 0.0
