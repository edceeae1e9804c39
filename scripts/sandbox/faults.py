"""What the sandbox does wrong on demand.

Which call fails is decided by a hash of (seed, message id, number of the call for that id), not by
a generator that calls draw from in turn: so the same messages fail in each run, whatever the order
in which they arrive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from email.utils import formatdate, parsedate_to_datetime
from typing import Final, Literal, cast

LATENCY_SECONDS_MAX: Final = 600.0
RETRY_AFTER_SECONDS_MAX: Final = 86_400.0
_DATE_IN: Final = "date+"
SHARES: Final = ("share_400", "share_429", "share_5xx", "share_reset", "share_hang", "share_garbage")


class BadFaults(ValueError):
    """A change that makes no sense; ``errors`` has a line for each field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in errors.items()))
        self.errors = dict(errors)


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
    retry_after: float | str | None = None
    """``Retry-After`` of 429 and 503: seconds, an HTTP date, or ``date+N``: an HTTP date N seconds from now."""
    outage: bool | Literal["reset"] = False
    """True: 503 for all. "reset": every connection is reset."""
    reject_token: bool | Literal[401, 403] = False
    """True or 401: 401 for all, whatever the token. 403: the same with 403."""

    def changed(self, changes: Mapping[str, object]) -> Faults:
        """Return a copy with ``changes`` as they come out of JSON.

        Raises:
            BadFaults: unknown names or values, all of them at once.
        """
        errors: dict[str, str] = {}
        values: dict[str, object] = {}
        for name, value in changes.items():
            try:
                values[name] = _READERS[name](value)
            except KeyError:
                errors[name] = f"unknown; known are {', '.join(_READERS)}"
            except ValueError as error:
                errors[name] = str(error)
        if errors:
            raise BadFaults(errors)
        result = replace(self, **values)  # type: ignore[arg-type]  # each value has been through its reader
        if (total := sum(result.shares())) > 1 + 1e-9:
            raise BadFaults({"share_*": f"the shares add up to {total:g}, which is more than 1"})
        return result

    def shares(self) -> tuple[float, ...]:
        """The shares, in the order of ``SHARES``."""
        return tuple(cast("float", getattr(self, name)) for name in SHARES)

    def as_json(self) -> dict[str, object]:
        """For the control API; what ``changed`` accepts."""
        shortest, longest = self.latency_seconds
        return asdict(self) | {"latency_seconds": shortest if shortest == longest else [shortest, longest]}

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


def draw(seed: int, message_id: int, nth: int) -> float:
    """A number in [0, 1) that looks random and is the same for the same arguments (splitmix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + message_id * 0xD1B54A32D192ED03 + nth * 0x8CB92BA72F3D8DD7) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((x ^ (x >> 31)) >> 11) / (1 << 53)


def _number(value: object, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
        raise ValueError(f"should be a number from 0 to {largest:g}")
    return float(value)


def _share(value: object) -> float:
    return _number(value, 1)


def _latency(value: object) -> tuple[float, float]:
    pair = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(pair) != 2:
        raise ValueError("should be a number of seconds, or [shortest, longest]")
    shortest, longest = (_number(item, LATENCY_SECONDS_MAX) for item in pair)
    if shortest > longest:
        raise ValueError("the shortest latency should not be above the longest")
    return shortest, longest


def _retry_after(value: object) -> float | str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return _number(value, RETRY_AFTER_SECONDS_MAX)
    try:
        if value.startswith(_DATE_IN):
            _number(float(value.removeprefix(_DATE_IN)), RETRY_AFTER_SECONDS_MAX)
        else:
            parsedate_to_datetime(value)
    except ValueError:
        raise ValueError('should be seconds, an HTTP date, "date+N" (N seconds from now) or null') from None
    return value


def _one_of(*allowed: object) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not any(value is known or (type(value) is type(known) and value == known) for known in allowed):
            raise ValueError(f"should be one of {', '.join(map(repr, allowed))}")
        return value

    return read


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "latency_seconds": _latency,
    **dict.fromkeys(SHARES, _share),
    "retry_after": _retry_after,
    "outage": _one_of(False, True, "reset"),
    "reject_token": _one_of(False, True, 401, 403),
}
assert set(_READERS) == {field.name for field in fields(Faults)}

NO_FAULTS: Final = Faults()
