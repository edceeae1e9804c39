"""`mailing suppressions …`: the stop list."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.exporting import Exported, export_rows
from cli.importing import How, import_file
from cli.pages import DEFAULT_LIMIT, All, Limit, collect
from cli.session import CALL_SECONDS, Session, run
from cli.values import encoding_named, enum_number, format_named
from gateway.tables.suppression_rows import COLUMNS, PLAN, SUPPRESSIONS, cells_of, ndjson_row
from mailing.v1.suppression_pb2 import Suppression, SuppressionReason
from mailing.v1.suppression_service_pb2 import (
    CreateSuppressionRequest,
    DeleteSuppressionRequest,
    ExportSuppressionsRequest,
    ListSuppressionsRequest,
    ListSuppressionsResponse,
)

app = typer.Typer(help="The stop list: numbers that get no text, whatever matches.", no_args_is_help=True)

_SOURCE = "cli"
_PREFIX = "SUPPRESSION_REASON_"
PhoneNumber = Annotated[str, typer.Argument(metavar="PHONE_NUMBER", help='Like 79161234567 or "+7 (916) 1234567".')]
Reason = Annotated[str | None, typer.Option(help="opt_out, complaint, invalid or manual.")]


@app.command("add")
def add(
    context: typer.Context,
    phone_number: PhoneNumber,
    reason: Reason = None,
    note: Annotated[
        str, typer.Option(help="Whatever helps to remember: who asked, where. At most 500 characters.")
    ] = "",
    source: Annotated[str, typer.Option(help="What puts it there.")] = _SOURCE,
) -> None:
    """Put a number on the stop list. When this returns no text to it begins. Adding twice is no error."""
    entry = Suppression(phone_number=phone_number, reason=_reason(reason), note=note, source=source)

    async def act(session: Session) -> None:
        request = CreateSuppressionRequest(suppression=entry, request_id=str(uuid.uuid4()))
        answer = await session.suppressions.CreateSuppression(request, timeout=CALL_SECONDS, metadata=session.metadata)
        if not (answer.created or session.json):
            session.err.print("It was on the stop list already; the first entry stays.", markup=False)
        _show(session, answer.suppression)

    run(context, act)


@app.command("list")
def list_(
    context: typer.Context,
    phone_number: Annotated[str | None, typer.Option(help="Only this number.")] = None,
    reason: Reason = None,
    search: Annotated[str, typer.Option(help="Only with this in the note, in letters of either case.")] = "",
    limit: Limit = DEFAULT_LIMIT,
    all_: All = False,
) -> None:
    """List the stop list, the newest entries first."""
    wanted = ListSuppressionsRequest(phone_number=phone_number, reason=_reason(reason), search=search)

    async def act(session: Session) -> None:
        async def fetch(size: int, token: str) -> ListSuppressionsResponse:
            request = ListSuppressionsRequest(page_size=size, page_token=token)
            request.MergeFrom(wanted)
            return await session.suppressions.ListSuppressions(request, timeout=CALL_SECONDS, metadata=session.metadata)

        items, total, token = await collect(fetch, lambda page: list(page.suppressions), None if all_ else limit)
        body = show.table("phone number", "reason", ("note", show.TEXT), "source", ("added", show.TIME))
        for each in items:
            row = (each.phone_number, _word(each), show.cut(each.note, 80) or show.NONE, show.cut(each.source, 64))
            body.add_row(*row, show.brief(each, "create_time"))
        show.many(session, "suppressions", items, total, token, body)

    run(context, act)


@app.command("remove")
def remove(context: typer.Context, phone_number: PhoneNumber) -> None:
    """Take a number off the stop list. Open mailings reach it again, unless they have a final message for it."""

    async def act(session: Session) -> None:
        request = DeleteSuppressionRequest(phone_number=phone_number)
        await session.suppressions.DeleteSuppression(request, timeout=CALL_SECONDS, metadata=session.metadata)
        session.out.print("{}" if session.json else f"{phone_number} is off the stop list.", markup=False)

    run(context, act)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help="An Excel workbook, CSV with a header row, or NDJSON; - reads stdin."),
    ],
    errors_file: Annotated[
        Path | None, typer.Option(help="Write what is wrong with each rejected line there, as CSV: line,field,message.")
    ] = None,
    format: Annotated[str, typer.Option(help="csv, ndjson, xlsx, or auto: told by the file's beginning.")] = "auto",
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Like koi8-r or windows-1252; told from the bytes when they are UTF-8, UTF-16 or Windows-1251."
        ),
    ] = None,
    sheet: Annotated[str, typer.Option(help="The sheet of a workbook; left out: the first that has rows.")] = "",
) -> None:
    """Put many numbers on the stop list. Columns: phone_number, and if you like reason, note, source; others are
    ignored. Bad rows are skipped and reported (exit code 1)."""
    read_as = "sheet" if format == "xlsx" else format_named(format)
    how = How(read_as, encoding_named(encoding), PLAN, errors_file, None, kind=SUPPRESSIONS, sheet=sheet)
    run(context, lambda session: import_file(session, file, how))


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Where to; - is stdout.")] = "-",
    reason: Reason = None,
    search: Annotated[str, typer.Option(help="Only with this in the note, in letters of either case.")] = "",
    format: Annotated[str, typer.Option(help="csv or ndjson; auto: by the file's name, else csv.")] = "auto",
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV for programs: no apostrophe before what a table program would run.")
    ] = False,
) -> None:
    """Write the stop list as CSV or NDJSON, as `suppressions import` takes it."""
    request = ExportSuppressionsRequest(page_size=1000, reason=_reason(reason), search=search)
    kind = format_named(format)

    async def act(session: Session) -> None:
        pages = session.suppressions.ExportSuppressions(request, metadata=session.metadata)
        exported = Exported("numbers", "suppressions", pages, COLUMNS, cells_of, ndjson_row)
        await export_rows(session, file, exported, kind, is_raw=raw)

    run(context, act)


def _reason(word: str | None) -> SuppressionReason.ValueType:
    number = enum_number("--reason", word, _PREFIX, SuppressionReason.keys())
    return SuppressionReason.ValueType(number)


def _word(entry: Suppression) -> str:
    return SuppressionReason.Name(entry.reason).removeprefix(_PREFIX).lower()


def _show(session: Session, entry: Suppression) -> None:
    rows = [
        ("phone number", entry.phone_number),
        ("reason", _word(entry)),
        ("note", show.cut(entry.note, 500) or show.NONE),
        ("source", entry.source),
        ("added", show.when(entry, "create_time")),
    ]
    show.one(session, entry, rows)
