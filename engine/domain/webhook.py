"""A webhook's deliveries: their states, and how long they are tried."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from engine.domain.retry import RetryPolicy
from engine.domain.units import in_us

WEBHOOKS_MAX: Final = 32
"""Each has calls of its own under way (``CALLS_MAX``): so many that hang hold up nobody."""
CALLS_MAX: Final = 4
"""Of one webhook at the same time. Events of one mailing wait for each other, so these are of different ones."""
TRIED_SECONDS: Final = 3 * 24 * 3600.0
"""From an event to the last attempt to tell it."""
_RETRY: Final = RetryPolicy(base_seconds=5.0, max_seconds=3600.0)


class DeliveryState(IntEnum):
    """Where a delivery is. The numbers are stored in the database: never renumber. Indexes hold the first two."""

    BEHIND = 0
    """It waits for an earlier one of its stream."""
    READY = 1
    """It is tried when it is due."""
    DELIVERED = 2
    GIVEN_UP = 3

    @property
    def public(self) -> str:
        """The word that the API has for it."""
        return "pending" if self in (DeliveryState.BEHIND, DeliveryState.READY) else self.name.lower()


def next_try_us(now_us: int, attempt: int, jitter: float, create_us: int) -> int | None:
    """When to try again after attempt number ``attempt`` (from 1) has failed; ``None``: never.

    Args:
        now_us: the time.
        attempt: how many there were.
        jitter: in [0, 1). A pause has half of its length at least, so that the pauses grow.
        create_us: when the delivery was made.
    """
    due_us = now_us + in_us(_RETRY.delay_seconds(attempt, 0.5 + jitter / 2))
    return due_us if due_us <= create_us + in_us(TRIED_SECONDS) else None
