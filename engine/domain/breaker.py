"""A circuit breaker: a dead provider is not hammered, and a living one is not held up.

Closed, calls pass. After many failures in a row it opens: nothing passes but one probe at a time,
after pauses that double. A refused token (401, or 403 for several messages in a row) blocks it: probes at a
slow, even pace. Any answer of a living provider closes it. Whatever its state, a provider that says how long it wants
to be left alone (``Retry-After``) is left alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from engine.domain.units import US_PER_SECOND

_HOLD_US_MAX: Final = 300 * US_PER_SECOND
"""No provider is left alone for longer than 5 minutes because it asked to be."""
_STEP_US: Final = 30 * US_PER_SECOND
"""A time that is earlier by less was only read before: the process may have stood still since."""
FORBIDDEN_MAX: Final = 3
"""So many different messages answered 403 in a row mean that the token is refused, and not these messages."""


class BreakerState(StrEnum):
    """What the breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    BLOCKED = "blocked"


class Breaker:
    """One for each provider. Callers ask ``ready_us``, then ``start``, and tell the end of each call.

    A call that was let through by ``start`` ends in exactly one of ``succeed``, ``fail``, ``forbid``, ``block``
    and ``abandon``, with the flag that ``start`` returned. ``jitter`` is in [0, 1).
    """

    _state: BreakerState
    _failures: int
    """Since the last success."""
    _probing: bool
    """A probe is in flight."""
    _pause_us: int
    """The present pause before the jitter."""
    _due_us: int
    """When the next probe may start."""
    _held_until_us: int
    """Before that no call may start at all; 0: nobody asked for it."""
    _hold_us: int
    """How long that was to be."""
    _forbidden: set[int]
    """Messages answered 403 since another answer came."""

    def __init__(
        self,
        failure_threshold: int = 20,
        pause_base_seconds: float = 0.5,
        pause_max_seconds: float = 30.0,
        blocked_pause_seconds: float = 30.0,
    ) -> None:
        self._failure_threshold = failure_threshold
        self._pause_base_us = round(pause_base_seconds * US_PER_SECOND)
        self._pause_max_us = round(pause_max_seconds * US_PER_SECOND)
        self._blocked_pause_us = round(blocked_pause_seconds * US_PER_SECOND)
        self._held_until_us = self._hold_us = 0
        self._close()

    @property
    def state(self) -> BreakerState:
        """What the breaker lets through now."""
        return self._state

    @property
    def failures(self) -> int:
        """Calls that failed or were refused since the last success, probes included; it opens at the threshold."""
        return self._failures

    @property
    def is_quiet(self) -> bool:
        """Closed, and no call went wrong since the last success: another success has nothing to say."""
        return self._state is BreakerState.CLOSED and not self._failures and not self._forbidden

    def held_until_us(self, now_us: int) -> int:
        """When the time is over for which the provider wants to be left alone; 0: it is not so, or over."""
        if self._held_until_us <= now_us:
            self._held_until_us = 0
        elif self._held_until_us - now_us > self._hold_us + _STEP_US:
            self._held_until_us = now_us + self._hold_us  # a clock that stepped back must not make it longer
        return self._held_until_us

    def ready_us(self, now_us: int) -> int | None:
        """Return ``now_us`` when a call may start, a later time when one may start then, and
        ``None`` while a probe is in flight: its end decides."""
        held_until_us = self.held_until_us(now_us)
        if self._state is BreakerState.CLOSED:
            return max(now_us, held_until_us)
        if self._probing:
            return None
        if self._due_us - now_us > self._pause_us + _STEP_US:
            self._due_us = now_us + self._pause_us  # a clock that stepped back must not make it longer
        return max(now_us, self._due_us, held_until_us)

    def start(self, now_us: int) -> bool:
        """Let a call through; True when it is the probe.

        Raises:
            RuntimeError: no call may start now (``ready_us`` was not asked, or not listened to).
        """
        if self.ready_us(now_us) != now_us:
            raise RuntimeError(f"the breaker is {self._state}: no call may start now")
        self._probing = self._state is not BreakerState.CLOSED
        return self._probing

    def succeed(self, probe: bool) -> None:
        """A living provider has answered: with 2xx, or with a refusal of that one message."""
        self._close()

    def fail(self, now_us: int, jitter: float, probe: bool) -> None:
        """The provider has not answered, or not in a way that helps.

        While the breaker is not closed only the probe's failure says anything: the others belong to
        calls begun before it opened, and are counted only.
        """
        self._failures += 1
        if self._state is BreakerState.CLOSED:
            if self._failures >= self._failure_threshold:
                self._state = BreakerState.OPEN
                self._pause(now_us, min(self._pause_base_us, self._pause_max_us), jitter)
        elif probe and self._state is BreakerState.OPEN:
            self._pause(now_us, min(self._pause_us * 2, self._pause_max_us), jitter)
        elif probe:
            self._block(now_us)

    def forbid(self, message_id: int, now_us: int, probe: bool) -> None:
        """The provider has answered 403: one is that message's failure, several in a row are a refused token."""
        self._forbidden.add(message_id)
        if self._state is BreakerState.BLOCKED or len(self._forbidden) >= FORBIDDEN_MAX:
            self.block(now_us, probe)
        else:
            forbidden = self._forbidden
            self._close()
            self._forbidden = forbidden

    def hold(self, now_us: int, seconds: float) -> None:
        """Start no call for that time: the provider has asked for it."""
        hold_us = min(_HOLD_US_MAX, round(seconds * US_PER_SECOND))
        if now_us + hold_us > self.held_until_us(now_us):
            self._held_until_us, self._hold_us = now_us + hold_us, hold_us

    def block(self, now_us: int, probe: bool) -> None:
        """The provider does not accept our token."""
        self._failures += 1
        if probe or self._state is not BreakerState.BLOCKED:
            still_probing = self._probing and not probe
            self._block(now_us)
            self._probing = still_probing

    def abandon(self, probe: bool) -> None:
        """The call did not take place and tells nothing; the next call may be the probe at once."""
        if probe:
            self._probing = False

    def _close(self) -> None:
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._probing = False
        self._forbidden = set()
        self._pause_us = 0
        self._due_us = 0

    def _pause(self, now_us: int, pause_us: int, jitter: float) -> None:
        """Wait for half of the pause to the whole of it, so that engines don't probe in step."""
        self._probing = False
        self._pause_us = pause_us
        self._due_us = now_us + round(pause_us * (0.5 + jitter / 2))

    def _block(self, now_us: int) -> None:
        self._state = BreakerState.BLOCKED
        self._forbidden = set()
        self._probing = False
        self._pause_us = self._blocked_pause_us
        self._due_us = now_us + self._blocked_pause_us
