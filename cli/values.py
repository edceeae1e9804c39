"""What people write on the command line, into values: times, hours, names of states."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from cli import times
from cli.failures import UsageFailure
from gateway.tables.csv_rows import Format
from gateway.tables.encodings import encoding_of
from mailing.v1.mailing_pb2 import LocalHours

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SPANS = re.compile(rf"\+(?:{_SPAN.pattern})+")
_OFFSET = re.compile(r"([Zz]|[+-]\d\d:?\d\d)$")
_HOURS = re.compile(r"([0-9]{1,2}:[0-9]{2})\s*-\s*([0-9]{1,2}:[0-9]{2})")
_HOW = "write now, +10m (s, m, h, d, w) or a time with its offset, like {example}"


def moment(option: str, text: str, base: datetime) -> datetime:
    """`now`, `+1h30m` (counted from `base`) or RFC 3339. Raises UsageFailure; a time without an offset is refused."""
    if text == "now":
        return base
    try:
        if _SPANS.fullmatch(text):
            return base + sum(
                (timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _SPAN.findall(text)), timedelta()
            )
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageFailure(f"{option}: {text!r} is no time: " + _HOW.format(example=_example(base))) from None
    if parsed.tzinfo is None:
        hint = times.local(base).strftime("%z")
        raise UsageFailure(
            f"{option}: {text!r} does not say in which time zone: add the offset from UTC, "
            f"like {text}{hint[:3]}:{hint[3:]} (here) or {text}Z (UTC)"
            if ":" in text
            else f"{option}: {text!r} is a day, not a time: write {text}T09:00:00+03:00"
        )
    return parsed.astimezone(UTC)


def _example(base: datetime) -> str:
    return times.local(base).isoformat(timespec="seconds")


def timestamp(value: datetime) -> Timestamp:
    """An aware datetime as protobuf has it."""
    result = Timestamp()
    result.FromDatetime(value)
    return result


def local_hours(text: str) -> LocalHours:
    """`09:00-21:00`. Raises UsageFailure."""
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise UsageFailure(f"--local-hours: {text!r} is no range: write 09:00-21:00")
    start, end = (part.zfill(len("09:00")) for part in match.groups())
    return LocalHours(**{"from": start, "to": end})


def enum_number(option: str, text: str | None, prefix: str, names: Sequence[str]) -> int:
    """The number of an enum value from the word that people use for it; 0 for None. Raises UsageFailure."""
    words = {number: name.removeprefix(prefix).lower() for number, name in enumerate(names) if number}
    return 0 if text is None else word_number(option, text, words)


def word_number(option: str, text: str, words: Mapping[int, str]) -> int:
    """The number of a word, which people may write with dashes and capitals. Raises UsageFailure."""
    word = text.strip().lower().replace("-", "_")
    for number, known in words.items():
        if known == word:
            return number
    raise UsageFailure(f"{option}: {text!r} is not one of {', '.join(words.values())}")


def encoding_named(name: str | None) -> str | None:
    """The encoding of a file that people name. Raises UsageFailure."""
    found = None if name is None else encoding_of(name)
    if name is not None and found is None:
        raise UsageFailure(f"--encoding: {name!r} is none that is known here; it may be koi8-r, cp866, windows-1252, …")
    return found


def format_named(text: str) -> Format:
    """The format of a file that people name. Raises UsageFailure."""
    formats: tuple[Format, ...] = ("auto", "csv", "ndjson")
    for known in formats:
        if text == known:
            return known
    raise UsageFailure(f"--format: {text!r} is not one of {', '.join(formats)}")
