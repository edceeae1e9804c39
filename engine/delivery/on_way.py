"""The calls that have got their token and may not be at the provider's door yet.

A call is held up when this process stands still: stopped (SIGSTOP), starved of the processor, or busy with something
else. If a token counted from the moment in which it was taken, the calls after the one that is held up would get theirs
in time, and the provider would see too many calls at once. So a token counts from the moment in which its call is
certainly at the door: when the event loop has come round four times since, with 10 ms in between. Turns are counted and
not time, for time passes also while nothing happens.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from engine.domain.pacing import TokenBucket
from engine.ports import Clock

_TURNS: Final = 4
_TURN_SECONDS: Final = 0.01
ON_WAY_SECONDS: Final = _TURNS * _TURN_SECONDS
"""How long a call is on its way while nothing stands still."""


class CallsOnWay:
    """Tells the buckets when calls are at the door. One for an engine."""

    def __init__(self, clock: Clock) -> None:
        self.now_us = clock.monotonic_us
        """The clock that the buckets are read with."""
        self._turns = deque[list[TokenBucket]]([] for _ in range(_TURNS))
        """The buckets of the tokens of the last turns, oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def take(self, wanted: Iterable[tuple[TokenBucket, int]]) -> bool:
        """Take so many tokens of each bucket for a call that begins at once; False, and nothing happens, when one has
        too few."""
        now_us = self.now_us()
        if any(bucket.wait_us(now_us, tokens) for bucket, tokens in wanted):
            return False
        for bucket, tokens in wanted:
            bucket.take(now_us, tokens)
            self._turns[-1].extend([bucket] * tokens)
        if self._timer is None:
            self._set_timer()
        return True

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TURN_SECONDS, self._turn)

    def _turn(self) -> None:
        arrived, now_us = Counter(self._turns.popleft()), self.now_us()
        self._turns.append([])
        for bucket, tokens in arrived.items():
            bucket.arrive(tokens, now_us)
        self._timer = None
        if any(self._turns):
            self._set_timer()
