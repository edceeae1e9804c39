"""What the sandbox does wrong on demand.

Which call fails is decided by a hash of (seed, message id, number of the call for that id), not by
a generator that calls draw from in turn: so the same messages fail in each run, whatever the order
in which they arrive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from email.utils import formatdate, parsedate_to_datetime
from typing import Final, Literal, cast

from scripts.sandbox.switches import Reader, changed, check_shares, number, one_of, range_as_json, seconds_range, share

RETRY_AFTER_SECONDS_MAX: Final = 86_400.0
_DATE_IN: Final = "date+"
SHARES: Final = (
    "share_400", "share_429", "share_5xx", "share_reset", "share_hang", "share_garbage", "share_unanswered"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Faults:
    """All the switches; by default everything works."""

    latency_seconds: tuple[float, float] = (0.0, 0.0)
    """Each answer waits this long: shortest and longest, evenly spread between them."""
    share_400: float = 0.0
    share_429: float = 0.0
    share_5xx: float = 0.0
    """500, 502 and 503 in equal parts."""
    share_reset: float = 0.0
    """The connection is reset after the request has arrived."""
    share_hang: float = 0.0
    """No answer, ever."""
    share_garbage: float = 0.0
    """200 with a body that is not JSON."""
    share_unanswered: float = 0.0
    """The text is taken and goes out, and the connection is reset in the place of an answer: a receipt may follow."""
    retry_after: float | str | None = None
    """``Retry-After`` of 429 and 503: seconds, an HTTP date, or ``date+N``: an HTTP date N seconds from now."""
    outage: bool | Literal["reset"] = False
    """True: 503 for all. "reset": every connection is reset."""
    reject_token: bool | Literal[401, 403] = False
    """True or 401: 401 for all, whatever the token. 403: the same with 403."""

    def changed(self, changes: Mapping[str, object]) -> Faults:
        """Return a copy with ``changes`` as they come out of JSON.

        Raises:
            BadSwitches: unknown names or values, all of them at once.
        """
        result = changed(self, changes, _READERS)
        check_shares(result.shares())
        return result

    def shares(self) -> tuple[float, ...]:
        """The shares, in the order of ``SHARES``."""
        return tuple(cast("float", getattr(self, name)) for name in SHARES)

    def as_json(self) -> dict[str, object]:
        """For the control API; what ``changed`` accepts."""
        return asdict(self) | {"latency_seconds": range_as_json(self.latency_seconds)}

    def retry_after_header(self, now: float) -> str | None:
        """The header's value at ``now`` (seconds since the epoch)."""
        if self.retry_after is None:
            return None
        if isinstance(self.retry_after, float):
            return str(math.ceil(self.retry_after))
        if self.retry_after.startswith(_DATE_IN):
            # Rounded up: a date has whole seconds, and "not before" must stay true.
            return formatdate(math.ceil(now + float(self.retry_after.removeprefix(_DATE_IN))), usegmt=True)
        return self.retry_after


def _retry_after(value: object) -> float | str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return number(value, RETRY_AFTER_SECONDS_MAX)
    try:
        if value.startswith(_DATE_IN):
            number(float(value.removeprefix(_DATE_IN)), RETRY_AFTER_SECONDS_MAX)
        else:
            parsedate_to_datetime(value)
    except ValueError:
        raise ValueError('should be seconds, an HTTP date, "date+N" (N seconds from now) or null') from None
    return value


_READERS: Final[Mapping[str, Reader]] = {
    "latency_seconds": seconds_range,
    **dict.fromkeys(SHARES, share),
    "retry_after": _retry_after,
    "outage": one_of(False, True, "reset"),
    "reject_token": one_of(False, True, 401, 403),
}
assert set(_READERS) == {field.name for field in fields(Faults)}

NO_FAULTS: Final = Faults()
