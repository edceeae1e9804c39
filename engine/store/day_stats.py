"""Statistics for the report of a day: each counts by quarters of an hour, for days of all time zones begin with one.

A row of ``mailing_stat`` has one number as its key, which begins with the quarter: so a day is a range of the index.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ENDED: Final = "ended"
"""Messages that ended unsent, by reason."""
FAILED: Final = "failed"
"""Calls after which the message was not sent, by provider and HTTP status (0: no answer)."""
QUARTER_US: Final = 900_000_000
_STATUSES: Final = 1_024
_PROVIDERS: Final = 32_768
WIDTHS: Final = {ENDED: 64, FAILED: _STATUSES * _PROVIDERS}
"""How many keys a quarter has, by kind."""


class Failed(NamedTuple):
    """What a key of ``FAILED`` says."""

    provider_id: int
    http_status: int
    """0: there was no answer."""


def ended_key(at_us: int, reason: int) -> int:
    """The key of a message that ended then."""
    return at_us // QUARTER_US * WIDTHS[ENDED] + reason


def failed_key(at_us: int, provider_id: int, http_status: int | None) -> int:
    """The key of a call that ended then."""
    status = min(http_status or 0, _STATUSES - 1)
    return (at_us // QUARTER_US * _PROVIDERS + provider_id) * _STATUSES + status


def failed_of(rest: int) -> Failed:
    """What is left of a key of ``FAILED`` without its quarter."""
    return Failed(*divmod(rest, _STATUSES))
