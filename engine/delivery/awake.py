"""The clock of the rates: it stands still while this process does.

A call that has got its token and is not yet at the provider's door is held up when the process stands still: stopped
(SIGSTOP), starved of the processor, or busy with something else. The next token would come at its time all the same,
and the provider would see both at once. So time in which nothing happened is not counted, as long as a call may be on
its way. By this clock each call is at the door within ``domain.pacing.GUARD_NS``, however long the standstill.
"""

from __future__ import annotations

import asyncio
from typing import Final

from engine.domain.pacing import GUARD_NS
from engine.ports import Clock

_PULSE_SECONDS: Final = 0.01
STEP_US: Final = 20_000
"""More time than this between two readings is a standstill, and not counted at all: if each counted for a little,
several in a row would end the watch too early. The rest of the guard is for the way to the provider."""
_WATCH_US: Final = GUARD_NS // 1000


class AwakeClock:
    """Monotonic, never ahead of ``Clock.monotonic_us``. One for an engine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read_us = clock.monotonic_us()
        self._lost_us = 0
        self._watch_until_us = 0
        self._timer: asyncio.TimerHandle | None = None

    def now_us(self) -> int:
        """Microseconds since some instant, without those in which the process stood still with a call on its way."""
        read_us = self._clock.monotonic_us()
        if self._timer is not None and read_us - self._read_us > STEP_US:
            self._lost_us += read_us - self._read_us
        self._read_us = read_us
        return read_us - self._lost_us

    def watch(self) -> None:
        """A call is about to begin: from now on until it is at the provider's door a standstill is noticed."""
        if self._timer is None:
            self._read_us = self._clock.monotonic_us()
            self._set_timer()
        self._watch_until_us = self.now_us() + _WATCH_US

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_PULSE_SECONDS, self._pulse)

    def _pulse(self) -> None:
        if self.now_us() < self._watch_until_us:
            self._set_timer()
        else:
            self._timer = None
