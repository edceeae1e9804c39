"""What `mailing mailing edit` changes, and its update mask."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.values import enum_number, local_hours, moment
from mailing.v1.mailing_pb2 import AudienceMode, Mailing


def audience_mode(word: str | None) -> AudienceMode.ValueType:
    """What --audience says; of nothing: unspecified."""
    return AudienceMode.ValueType(enum_number("--audience", word, "AUDIENCE_MODE_", AudienceMode.keys()))


def edit_times(changed: Mailing, start: str | None, end: str | None) -> list[str]:
    """Set the times that are given; returns their paths."""
    base = datetime.now(UTC)
    paths = []
    if start is not None:
        base = moment("--start", start, base)
        changed.start_time.FromDatetime(base)
        paths.append("start_time")
    if end is not None:
        changed.end_time.FromDatetime(moment("--end", end, base))
        paths.append("end_time")
    return paths


def edit_pace(changed: Mailing, hours: str | None, rate: float | None) -> list[str]:
    """Set the hours and the rate that are given; returns their paths."""
    paths = []
    if hours is not None:
        if hours != "any":
            changed.local_hours.CopyFrom(local_hours(hours))
        paths.append("local_hours")
    if rate is not None:
        if rate:
            changed.rate_limit = rate
        paths.append("rate_limit")
    return paths
