"""A day by the clock of one place, and when what is told of it each day is due.

A day begins at the first instant that has its date there, so it has 23 or 25 hours when that place changes its clock,
or none at all when the place skips a date. Days follow each other without a gap. A time of day that the clock jumps
over is where the jump lands, and of one that comes twice the first counts: as for local hours (``domain.window``).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from engine.domain.window import LocalHours, next_open_us

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
FIRST_DATE: Final = date(1970, 1, 2)
LAST_DATE: Final = date(9998, 12, 30)
"""From there on a day may end beyond what times can tell."""


class Day(NamedTuple):
    """A date at one place."""

    date: date
    start_us: int
    end_us: int
    """Exclusive."""


def day_of(day: date, zone: tzinfo) -> Day:
    """When that date is. ``day`` lies between ``FIRST_DATE`` and ``LAST_DATE``."""
    return Day(day, _start_us(day, zone), _start_us(day + _DAY, zone))


def due_us(day: date, minute: int, zone: tzinfo) -> int:
    """When the report of a date is due: on the day after, at that minute after midnight (0 to 1439)."""
    start_us = _start_us(day + _DAY, zone)
    return next_open_us(LocalHours(minute, 0), zone, start_us) if minute else start_us


def latest_due(now_us: int, minute: int, zone: tzinfo) -> date:
    """The last date whose report is due by now."""
    last = yesterday(now_us, zone)
    return next(day for day in (last - _DAY * back for back in range(3)) if due_us(day, minute, zone) <= now_us)


def yesterday(now_us: int, zone: tzinfo) -> date:
    """The date before the one that it is there now."""
    return (_EPOCH + now_us * _MICROSECOND).astimezone(zone).date() - _DAY


def _start_us(day: date, zone: tzinfo) -> int:
    """The first instant of a date. Of a midnight that the clock jumps over Python tells the instant of the jump, for it
    reckons with the offset from before."""
    return (datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH) // _MICROSECOND
