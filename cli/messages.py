"""`mailing messages …`: the fate of every message."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer
from rich.text import Text

from cli import show, times
from cli.exporting import Exported, export_rows
from cli.flags import Given, flags
from cli.message_story import answer, story
from cli.pages import DEFAULT_LIMIT, All, Limit, collect
from cli.plain import INT64_MAX, format_time
from cli.session import CALL_SECONDS, Session, run
from cli.values import format_named
from gateway.tables.message_rows import COLUMNS, cells_of, ndjson_row
from mailing.v1.message_pb2 import Attempt, Message
from mailing.v1.message_service_pb2 import (
    ExportMessagesRequest,
    GetMessageRequest,
    ListMessagesRequest,
    ListMessagesResponse,
)

app = typer.Typer(help="The fate of every message.", no_args_is_help=True)


@app.command("list")
@flags(ListMessagesRequest.DESCRIPTOR, called={"mailing_id": "mailing", "client_id": "client"})
def list_(context: typer.Context, given: Given, limit: Limit = DEFAULT_LIMIT, all_: All = False) -> None:
    """List messages; filters that are given must all hold."""

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListMessagesResponse:
            request = ListMessagesRequest(page_size=size, page_token=token, **given)
            return await session.messages.ListMessages(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.messages), None if all_ else limit)
        numbers = [(name, show.NUMBER) for name in ("id", "mailing", "client")]
        ends = [("final, or next try", show.TIME), ("last error", show.TEXT)]
        body = show.table(*numbers, "phone number", ("status", show.TIME), ("calls", show.NUMBER), *ends)
        for m in items:
            body.add_row(
                str(m.id),
                str(m.mailing_id),
                _client(m),
                m.phone_number or show.NONE,
                _fate(m),
                str(m.attempts),
                _when(m),
                error_of(m),
            )
        show.many(session, "messages", items, total, token, body)

    run(context, act)


@app.command("export")
@flags(ExportMessagesRequest.DESCRIPTOR, called={"mailing_id": "mailing", "client_id": "client"})
def export(
    context: typer.Context,
    given: Given,
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Where to; - is stdout.")] = "-",
    format: Annotated[str, typer.Option(help="csv or ndjson; auto: by the file's name, else csv.")] = "auto",
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV for programs: no apostrophe before what a table program would run.")
    ] = False,
) -> None:
    """Write what became of messages as CSV or NDJSON; filters that are given must all hold."""
    request, kind = ExportMessagesRequest(page_size=1000, **given), format_named(format)

    async def act(session: Session) -> None:
        pages = session.messages.ExportMessages(request, metadata=session.metadata)
        exported = Exported("messages", "messages", pages, COLUMNS, cells_of, lambda each: ndjson_row(cells_of(each)))
        await export_rows(session, file, exported, kind, is_raw=raw)

    run(context, act)


_MessageId = Annotated[int, typer.Argument(metavar="ID", help="The message's id.", min=1, max=INT64_MAX)]


async def _read(session: Session, message_id: int) -> Message:
    request = GetMessageRequest(message_id=message_id)
    return await session.messages.GetMessage(request, timeout=CALL_SECONDS, metadata=session.metadata)


@app.command("get")
def get(
    context: typer.Context,
    message_id: _MessageId,
) -> None:
    """Show one message with each call to the provider."""

    async def act(session: Session) -> None:
        message = await _read(session, message_id)
        _show(session, message)
        if message.attempt_history and not session.json:
            session.out.print()
            times = [("began", show.TIME), ("took", show.NUMBER)]
            body = show.table(("call", show.NUMBER), "provider", *times, "outcome", ("answer", show.TEXT))
            for attempt in message.attempt_history:
                body.add_row(*_attempt(attempt))
            session.out.print(body)

    run(context, act)


@app.command("log")
def log(
    context: typer.Context,
    message_id: _MessageId,
) -> None:
    """Tell what became of one message, in sentences."""

    async def act(session: Session) -> None:
        message = await _read(session, message_id)
        told = story(message)
        if session.json:
            session.dump([{"time": format_time(time) if time else None, "words": words} for time, words in told])
            return
        for time, words in told:
            when = "now" if time is None else times.full(time.ToDatetime(UTC))
            session.out.print(f"{when}  {words}", soft_wrap=True)

    run(context, act)


def _show(session: Session, m: Message) -> None:
    rows: list[tuple[str, str | Text]] = [
        ("message", str(m.id)),
        ("mailing", str(m.mailing_id)),
        ("client", _client(m)),
        ("phone number", m.phone_number or show.NONE),
        ("status", _status(m)),
        ("calls", str(m.attempts)),
        ("made", show.when(m, "create_time")),
        ("sent", show.when(m, "sent_time")),
        ("final", show.when(m, "final_time")),
        ("arrived", _arrived(m)),
        ("provider", " as ".join(filter(None, (m.provider, m.provider_message_id))) or show.NONE),
        ("text", show.cut(m.text, 300)),
        ("text version", str(m.text_version) if m.HasField("text_version") else show.NONE),
        ("next try", show.when(m, "next_attempt_time")),
        ("last error", error_of(m) or show.NONE),
    ]
    show.one(session, m, rows)


def _arrived(m: Message) -> Text:
    if not m.HasField("delivery"):
        return Text(show.NONE)
    said = m.delivery
    words = [show.when(said, "time"), said.code, show.cut(said.detail, 90)]
    return Text.assemble(show.word(said, "status"), f", {' '.join(filter(None, words))}")


def _client(m: Message) -> str:
    return str(m.client_id) if m.HasField("client_id") else "deleted"


def _when(m: Message) -> Text:
    if m.HasField("next_attempt_time"):
        return Text(show.brief(m, "next_attempt_time"), "yellow")
    return Text(show.brief(m, "final_time" if m.HasField("final_time") else "sent_time"))


def _status(m: Message) -> Text:
    status = show.word(m, "status")
    return Text.assemble(status, f" ({show.word(m, 'reason').plain})") if m.reason else status


def _fate(m: Message) -> Text:
    """The status with the reason or, shorter than both, with what a receipt says."""
    if not m.HasField("delivery"):
        return _status(m)
    return Text.assemble(show.word(m, "status"), ", ", show.word(m.delivery, "status"))


def error_of(m: Message) -> str:
    """What went wrong with the last call, on one line; "" when nothing did."""
    if not m.HasField("last_error"):
        return ""
    error = m.last_error
    return answer(error.http_status if error.HasField("http_status") else None, error.detail)


def _attempt(a: Attempt) -> tuple[str, str, str, str, Text, str]:
    took = show.NONE
    if a.HasField("start_time") and a.HasField("end_time"):
        took = f"{(a.end_time.ToNanoseconds() - a.start_time.ToNanoseconds()) / 1e6:,.0f} ms"
    said = answer(a.http_status if a.HasField("http_status") else None, a.detail)
    return str(a.number), a.provider, show.when(a, "start_time"), took, show.word(a, "outcome"), said
