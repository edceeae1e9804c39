"""Times as people read them: in the zone of this machine, or in UTC (``--utc``), for every command."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo

_zone: ContextVar[tzinfo | None] = ContextVar("zone", default=None)


def use_utc(utc: bool) -> None:
    """Show times in UTC from now on, else in the zone of this machine."""
    _zone.set(UTC if utc else None)


def local(value: datetime) -> datetime:
    """The same instant in the zone that times are shown in."""
    return value.astimezone(_zone.get())


def full(value: datetime) -> str:
    """`2026-01-31 09:00:00+03:00`, or `…Z`: a person reads it, and may paste it into --start."""
    text = local(value).isoformat(" ", "seconds")
    return text.removesuffix("+00:00") + "Z" if _zone.get() is UTC else text


def brief(value: datetime) -> str:
    """For a list: without the offset, where it is today's, which the line below the list tells."""
    time = local(value)
    return f"{time:%Y-%m-%d %H:%M:%S}" if time.utcoffset() == _now().utcoffset() else full(value)


def zone_words() -> str:
    """`at UTC+03:00 (MSK)`, `in UTC`: what the times of a list are."""
    if _zone.get() is UTC:
        return "in UTC"
    now = _now()
    name = now.tzname() or ""
    return f"at UTC{now.isoformat()[-6:]}" + (f" ({name})" if name.isalpha() and name != "UTC" else "")


def _now() -> datetime:
    return local(datetime.now(UTC))
