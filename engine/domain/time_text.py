"""Times as text: RFC 3339 with an offset on input, UTC ``Z`` with microseconds on output."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

MIN_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""0001-01-01T00:00:00Z, the first instant that RFC 3339 and google.protobuf.Timestamp both can tell."""
MAX_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""9999-12-31T23:59:59.999999Z, the last one."""

# RFC 3339, 5.6: "T" and "Z" may be lower case, a space may stand for the "T".
_DATE_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)


def parse_rfc3339(text: str) -> int:
    """Return the instant in microseconds since the epoch; finer fractions are dropped.

    Raises:
        ValueError: not a date and time, no offset, a leap second, or outside the years 1 to 9999.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("must be a date and time like 2026-01-31T09:00:00+03:00")
    date, time, fraction, offset = match.groups()
    if offset is None:
        raise ValueError("needs an offset from UTC, like 2026-01-31T09:00:00+03:00 or 2026-01-31T06:00:00Z")
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:
        raise ValueError("there is no such date or time of day") from None
    us = (moment - _EPOCH) // _MICROSECOND + int((fraction or "")[:6].ljust(6, "0"))
    if not MIN_US <= us <= MAX_US:
        raise ValueError("must be in the years 1 to 9999 of UTC")
    return us


def format_rfc3339(us: int) -> str:
    """Write microseconds since the epoch, from ``MIN_US`` to ``MAX_US``, as ``2026-01-31T06:00:00.000000Z``."""
    text = (_EPOCH + us * _MICROSECOND).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text + "Z"
