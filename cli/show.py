"""How things look in a terminal: tables, times, numbers, colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from cli import tables, times
from cli.plain import enum_word, plain
from cli.session import Session
from common.terminal import visible

COLOURS = {
    **dict.fromkeys(("active", "sent", "delivered", "closed", "running", "ready"), "green"),
    **dict.fromkeys(("scheduled", "building"), "cyan"),
    **dict.fromkeys(("paused", "pending", "deferred", "open"), "yellow"),
    **dict.fromkeys(("cancelled", "not_sent", "undelivered", "rejected", "blocked", "lost"), "red"),
    **dict.fromkeys(("ended",), "dim"),
}
NUMBER, TIME, TEXT = tables.NUMBER, tables.TIME, tables.TEXT
NONE = "—"

table = tables.Listing
sheet = tables.sheet


def word(message: Message, field: str) -> Text:
    """An enum field as a coloured word."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert descriptor is not None, f"{field} is an enum"
    text = enum_word(descriptor, getattr(message, field))
    return Text(text.replace("_", " ") or NONE, COLOURS.get(text, ""))


def when(message: Message, field: str) -> str:
    """A time of a message with its offset; — when it is not set."""
    return times.full(_time(message, field)) if message.HasField(field) else NONE


def brief(message: Message, field: str) -> str:
    """A time for a list, see ``times.brief``; — when it is not set."""
    return times.brief(_time(message, field)) if message.HasField(field) else NONE


def _time(message: Message, field: str) -> datetime:
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(UTC)


def number(value: int) -> str:
    """`1,234,567`."""
    return f"{value:,}"


def rate(per_second: float) -> str:
    """Three digits that matter: `0.52/s`, `12.3/s`, `1,234/s`."""
    digits = 0 if per_second >= 100 or per_second == int(per_second) else 1 if per_second >= 10 else 2
    return f"{per_second:,.{digits}f}/s"


def money(value: float) -> str:
    """Two decimals, or as many as it has: `1,250.00`, `0.0125`."""
    text = f"{value:,.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def span(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def cut(text: str, length: int) -> str:
    """A text on one line, shortened to `length` characters, with escapes for what hides in it."""
    line = " ".join(text.split())
    return visible(line if len(line) <= length else line[: length - 1] + "…")


def one(session: Session, message: Message, rows: Iterable[tuple[str, str | Text]]) -> None:
    """Print one thing: JSON for scripts, else a sheet."""
    if session.json:
        session.dump(plain(message))
    else:
        session.out.print(sheet(rows))


def many(session: Session, name: str, items: Sequence[Message], total: int, token: str, body: tables.Listing) -> None:
    """Print a list: JSON for scripts as REST gives it, else a table and what is left out."""
    if session.json:
        session.dump({name: [plain(item) for item in items], "next_page_token": token, "total_size": total})
        return
    if items:
        session.out.print(body)
    label = name.replace("_", " ")
    left_out = f"; --limit {total} or --all shows all of them" if len(items) < total else ""
    zone = f"; times {times.zone_words()}" if items else ""
    session.out.print(Text(f"{number(len(items))} of {number(total)} {label}{left_out}{zone}", "dim"))
