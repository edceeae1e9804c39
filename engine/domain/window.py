"""When a mailing may send: its start and end, and the hours of the day where the client lives.

Local hours follow the clock on the client's wall. When that clock jumps over the opening time in
spring, the mailing opens where the jump lands; when it shows an hour twice in autumn, both count.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum, StrEnum
from typing import Final, Self

from common.error_codes import ErrorCode, Unfit

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MINUTE_US: Final = 60_000_000
_DAY_MINUTES: Final = 24 * 60
_DAY_US: Final = _DAY_MINUTES * _MINUTE_US
_HOUR_AND_MINUTE: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_minute(text: str) -> int:
    """Return the minutes after midnight that ``"09:00"`` stands for.

    Raises:
        Unfit: not a time of day from 00:00 to 23:59 in two and two digits.
    """
    match = _HOUR_AND_MINUTE.fullmatch(text)
    if match is None:
        raise Unfit(ErrorCode.NOT_TIME_OF_DAY.format())
    return int(match[1]) * 60 + int(match[2])


@dataclass(frozen=True, slots=True)
class LocalHours:
    """From one minute of the day (inclusive) to another (exclusive); ``from > to`` crosses midnight."""

    from_minute: int
    """Minutes after local midnight, 0 to 1439."""
    to_minute: int
    """Minutes after local midnight, 0 to 1439; not ``from_minute``: that could mean all day or never."""

    def __post_init__(self) -> None:
        """Refuse what can't be a range of hours, with ``ValueError``."""
        if not (0 <= self.from_minute < _DAY_MINUTES and 0 <= self.to_minute < _DAY_MINUTES):
            raise ValueError("minutes of the day go from 0 to 1439")
        if self.from_minute == self.to_minute:
            raise ValueError("from and to must differ; leave local hours out to send all day")

    @classmethod
    def parse(cls, from_text: str, to_text: str) -> Self:
        """Read ``"09:00", "21:00"``; ``ValueError`` when they can't be that."""
        return cls(parse_minute(from_text), parse_minute(to_text))

    def format(self) -> tuple[str, str]:
        """Write both ends as ``parse`` reads them."""
        return _hour_and_minute(self.from_minute), _hour_and_minute(self.to_minute)

    def wait_us(self, wall_us: int) -> int:
        """How long a wall clock that runs evenly and shows ``wall_us`` has to run until the hours open."""
        length_us = (self.to_minute - self.from_minute) % _DAY_MINUTES * _MINUTE_US
        since_opening_us = (wall_us - self.from_minute * _MINUTE_US) % _DAY_US
        return 0 if since_opening_us < length_us else _DAY_US - since_opening_us


def _hour_and_minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def next_open_us(hours: LocalHours | None, zone: tzinfo, now_us: int) -> int:
    """Return ``now_us`` when the hours are open in ``zone``, else the first instant at which they are.

    The wall clock runs evenly between two changes of the UTC offset, so the answer is a subtraction
    unless the offset changes on the way; then it is asked again from the instant of that change.
    (Two changes within a day that undo each other would be missed; the tz database has none.)
    """
    if hours is None:
        return now_us
    at_us = now_us
    while True:
        offset_us = _offset_us(zone, at_us)
        open_us = at_us + hours.wait_us(at_us + offset_us)
        if open_us == at_us or _offset_us(zone, open_us) == offset_us:
            return open_us
        at_us = _first_other_offset_us(zone, at_us, open_us)


def next_close_us(hours: LocalHours | None, zone: tzinfo, now_us: int) -> float:
    """Return the first instant from ``now_us`` on at which the hours are not open in ``zone``; infinity without
    hours."""
    if hours is None:
        return math.inf
    # The hours outside are a range, too.
    return next_open_us(LocalHours(hours.to_minute, hours.from_minute), zone, now_us)


def _offset_us(zone: tzinfo, at_us: int) -> int:
    """How far the wall clock in ``zone`` is ahead of UTC at an instant."""
    offset = (_EPOCH + at_us * _MICROSECOND).astimezone(zone).utcoffset() or timedelta()
    return offset // _MICROSECOND


def _first_other_offset_us(zone: tzinfo, before_us: int, after_us: int) -> int:
    """Find by bisection the instant in ``(before_us, after_us]`` at which the offset changes."""
    offset_us = _offset_us(zone, before_us)
    while after_us - before_us > 1:
        middle_us = (before_us + after_us) // 2
        if _offset_us(zone, middle_us) == offset_us:
            before_us = middle_us
        else:
            after_us = middle_us
    return after_us


class PauseReason(IntEnum):
    """Why a mailing has paused itself. The numbers are stored in the database: never renumber."""

    BUDGET = 1
    """What is left of its budget is not enough for one more message."""

    @property
    def public(self) -> str:
        """The reason as the API names it."""
        return self.name.lower()


class MailingState(StrEnum):
    """What the API shows as a mailing's ``state``."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    ENDED = "ended"

    @property
    def is_over(self) -> bool:
        """True when it can't be changed and nobody can come to match any more. It stays so: such a mailing may be
        archived."""
        return self in (MailingState.CANCELLED, MailingState.ENDED)


def is_decided(audience_fixed: bool, start_us: int, now_us: int) -> bool:
    """Whether clients that change do not change any more who gets a mailing: from its start on, if its audience is
    fixed."""
    return audience_fixed and start_us <= now_us


def mailing_state(start_us: int, end_us: int, paused: bool, cancelled: bool, now_us: int) -> MailingState:
    """Return the state at ``now_us``. What is final wins (cancelled, ended), then paused."""
    if cancelled:
        return MailingState.CANCELLED
    if now_us >= end_us:
        return MailingState.ENDED
    if paused:
        return MailingState.PAUSED
    return MailingState.ACTIVE if now_us >= start_us else MailingState.SCHEDULED


def may_send(start_us: int, end_us: int, now_us: int) -> bool:
    """True from the start (inclusive) to the end (exclusive)."""
    return start_us <= now_us < end_us
