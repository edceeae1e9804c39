"""Times as text: RFC 3339 in UTC, with microseconds. What people write is read by the gateway, not here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

MIN_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""0001-01-01T00:00:00Z, the first instant that RFC 3339 and google.protobuf.Timestamp both can tell."""
MAX_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""9999-12-31T23:59:59.999999Z, the last one."""


def format_rfc3339(us: int) -> str:
    """Write microseconds since the epoch, from ``MIN_US`` to ``MAX_US``, as ``2026-01-31T06:00:00.000000Z``."""
    text = (_EPOCH + us * _MICROSECOND).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text + "Z"
