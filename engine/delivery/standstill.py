"""What a standstill of this process means for the rates.

A call that has got its token and is not yet at the provider's door is held up when the process stands still: stopped
(SIGSTOP), starved of the processor, or busy with something else. Later calls would get their tokens in time all the
same, and the provider would see too many at once. So the tokens of the few calls that may still have been on their way
count from the end of the standstill. All others keep their time: a gap costs no more than these few calls.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Collection
from typing import Final

from engine.domain.pacing import TokenBucket
from engine.ports import Clock

_PULSE_SECONDS: Final = 0.01
STEP_US: Final = 20_000
"""More time than this between two readings is a standstill. ``domain.pacing.GUARD_US`` allows for less, and for the
way to the provider's door."""
_PULSES: Final = 3
"""A call is at the door when the loop has come round so often. Counted are pulses and not time: on a starved machine
every one of them may be late, and a call that is held up for ever would never give its token back."""


class StandstillWatch:
    """Reads the monotonic clock for the rates. One for an engine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_us = clock.monotonic_us()
        self._pulses = 0
        self._on_way: deque[tuple[int, Collection[TokenBucket]]] = deque()
        """The calls that may not be at the door: the pulse before each, and the buckets that its tokens are from."""
        self._timer: asyncio.TimerHandle | None = None

    def now_us(self) -> int:
        """Microseconds since some instant. If there was a standstill just now, the buckets know it afterwards."""
        read_us = self._clock.monotonic_us()
        if self._on_way and read_us - self._read_us > STEP_US:
            calls = Counter(bucket for _, buckets in self._on_way for bucket in buckets)
            for bucket, count in calls.items():
                bucket.delay(count, read_us)
        self._read_us = read_us
        return read_us

    def take(self, buckets: Collection[TokenBucket]) -> bool:
        """Take a token of each bucket for a call that begins at once; False, and nothing happens, when one has none."""
        now_us = self.now_us()
        if any(bucket.wait_us(now_us) for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.take(now_us)
        self._on_way.append((self._pulses, buckets))
        if self._timer is None:
            self._set_timer()
        return True

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_PULSE_SECONDS, self._pulse)

    def _pulse(self) -> None:
        self.now_us()
        self._pulses += 1
        while self._on_way and self._on_way[0][0] + _PULSES <= self._pulses:
            self._on_way.popleft()
        self._timer = None
        if self._on_way:
            self._set_timer()
