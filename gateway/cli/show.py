"""How things look in a terminal: tables, times, numbers, colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gateway.cli.plain import dumps, enum_word, plain
from gateway.cli.session import Session

COLOURS = {
    **dict.fromkeys(("active", "sent", "closed", "running", "ready"), "green"),
    **dict.fromkeys(("scheduled", "building"), "cyan"),
    **dict.fromkeys(("paused", "pending", "deferred", "open"), "yellow"),
    **dict.fromkeys(("cancelled", "not_sent", "rejected", "blocked", "lost"), "red"),
    **dict.fromkeys(("ended",), "dim"),
}
NUMBER, TIME, TEXT = "number", "time", "text"
NONE = "—"


def table(*columns: str | tuple[str, str], title: str | None = None) -> Table:
    """An empty table; a column is a heading, or a heading and one of NUMBER, TIME, TEXT.

    In a narrow terminal texts give way first, then times break at the space between date and time.
    """
    result = Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        title=title,
        title_style="bold",
        title_justify="left",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        heading, kind = column if isinstance(column, tuple) else (column, "")
        result.add_column(
            heading,
            justify="right" if kind == NUMBER else "left",
            no_wrap=kind not in (TIME, TEXT),
            min_width={TIME: len("2026-01-31"), TEXT: 6}.get(kind),
            overflow="fold",
        )
    return result


def sheet(rows: Iterable[tuple[str, str | Text]], title: str | None = None) -> Table:
    """A sheet of names and values for one thing."""
    result = Table(box=None, show_header=False, title=title, title_style="bold", title_justify="left", pad_edge=False)
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in rows:
        result.add_row(name, value)
    return result


def word(message: Message, field: str) -> Text:
    """An enum field as a coloured word."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert descriptor is not None, f"{field} is an enum"
    text = enum_word(descriptor, getattr(message, field))
    return Text(text.replace("_", " ") or NONE, COLOURS.get(text, ""))


def when(message: Message, field: str) -> str:
    """A time of a message in the zone of this machine, with its offset; — when it is not set."""
    if not message.HasField(field):
        return NONE
    value: Timestamp = getattr(message, field)
    return local_time(value.ToDatetime(UTC))


def brief(message: Message, field: str) -> str:
    """A time for a list, without its offset, which the line below the list tells."""
    text = when(message, field)
    return text if text == NONE else text[: len("2026-01-31 09:00:00")]


def local_time(value: datetime) -> str:
    """`2026-01-31 09:00:00+03:00`: a person reads it, and may paste it into --start."""
    return value.astimezone().isoformat(" ", "seconds")


def number(value: int) -> str:
    """`1,234,567`."""
    return f"{value:,}"


def rate(per_second: float) -> str:
    """Three digits that matter: `0.52/s`, `12.3/s`, `1,234/s`."""
    digits = 0 if per_second >= 100 or per_second == int(per_second) else 1 if per_second >= 10 else 2
    return f"{per_second:,.{digits}f}/s"


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
    """A text on one line, shortened to `length` characters, safe in rich markup."""
    line = " ".join(text.split())
    return escape(line if len(line) <= length else line[: length - 1] + "…")


def one(session: Session, message: Message, rows: Iterable[tuple[str, str | Text]]) -> None:
    """Print one thing: JSON for scripts, else a sheet."""
    if session.json:
        session.out.print(dumps(plain(message)), markup=False, soft_wrap=True)
    else:
        session.out.print(sheet(rows))


def many(session: Session, name: str, items: Sequence[Message], total: int, token: str, body: Table) -> None:
    """Print a list: JSON for scripts as REST gives it, else a table and what is left out."""
    if session.json:
        value = {name: [plain(item) for item in items], "next_page_token": token, "total_size": total}
        session.out.print(dumps(value), markup=False, soft_wrap=True)
        return
    if items:
        session.out.print(body)
    label = name.replace("_", " ")
    left_out = f"; --limit {total} or --all shows all of them" if len(items) < total else ""
    zone = f"; times at UTC{datetime.now(UTC).astimezone().isoformat()[-6:]}" if items else ""
    session.out.print(f"[dim]{number(len(items))} of {number(total)} {label}{left_out}{zone}[/]")
