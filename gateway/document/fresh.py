"""What is new in the document's examples each time that somebody reads it: times, and digits that nobody has yet.

People press *Execute* on examples as they stand. A time that is written down is in the past one day, and then refused;
a name or a number that is written down is taken once somebody has pressed; a password that is written down is none.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Final

_AHEAD: Final = re.compile(rb'"\+([0-9]{1,3})([hd])"')
_HOURS: Final = {b"h": 1, b"d": 24}
_DRAWN: Final = re.compile(rb"#{4,}")


def fresh(document: bytes, now: datetime) -> bytes:
    """The document in JSON as it reads ``now``, an aware time: "+1d" is the time a day later, to the minute, and each
    of four or more ``#`` in a row is a digit."""
    minute = now.replace(second=0, microsecond=0)

    def time(match: re.Match[bytes]) -> bytes:
        return b'"%s"' % (minute + timedelta(hours=int(match[1]) * _HOURS[match[2]])).isoformat().encode()

    return _DRAWN.sub(_digits, _AHEAD.sub(time, document))


def _digits(match: re.Match[bytes]) -> bytes:
    return b"".join(b"%d" % secrets.randbelow(10) for _ in match[0])
