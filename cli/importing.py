"""`mailing clients import`, and the stop list's: a file to the engine, with progress, in constant memory."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO
from uuid import uuid4

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli import show
from cli.failures import EXIT_SERVICE, Failure
from cli.session import CALL_SECONDS, Session
from common import private
from common.import_parts import PART_OF
from gateway.tables.columns import IGNORE, Plan, shown
from gateway.tables.csv_rows import Format, RowError, RowReader, UnreadableInput, csv_row
from gateway.tables.import_stream import (
    CHECK_COUNTS,
    BrokenOff,
    ImportCall,
    ImportOptions,
    ImportResult,
    RowKind,
    import_rows,
    import_telling_all,
)
from gateway.tables.rejected import RejectedFile
from gateway.tables.workbook import MAGIC, Workbooks

CHUNK_BYTES = 64 * 1024
SHOWN_ERRORS = 20


class How(NamedTuple):
    """How a file is read, and where to what could not be stored of it goes."""

    format: Format
    encoding: str | None
    plan: Plan
    errors_file: Path | None
    rejected_file: Path | None
    options: ImportOptions = ImportOptions()
    kind: RowKind | None = None
    """What is imported; None: clients."""
    sheet: str = ""
    """Of a workbook; empty: the first with rows."""


async def import_file(session: Session, file: str, how: How) -> None:
    """Import a file ("-": standard input). Raises Failure with exit code 1 when a row was rejected."""
    with ExitStack() as stack:
        source = _open(stack, file)
        with _progress(session, source) as bar:
            reader, chunks = await _reading(_chunks(source), how)
            result = await _send(session, source, reader, chunks, bar, _on_errors(stack, reader, how), how)
    _tell(session, result, reader, how.options)
    if result.rejected:
        raise Failure(code=EXIT_SERVICE)  # all has been said


async def _reading(chunks: AsyncIterator[bytes], how: How) -> tuple[RowReader, AsyncIterator[bytes]]:
    """A reader for a file, and its bytes; a workbook is known by its first ones."""
    first = await anext(chunks, b"")
    is_workbook = how.format == "auto" and first.startswith(MAGIC)
    reader = RowReader("sheet" if is_workbook else how.format, how.encoding, how.plan)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return reader, whole()


def _on_errors(stack: ExitStack, reader: RowReader, how: How) -> Callable[[list[RowError]], None] | None:
    """What writes errors into the files that are asked for; None: none is."""
    if how.errors_file is None and how.rejected_file is None:
        return None
    report = None if how.errors_file is None else stack.enter_context(_create(how.errors_file))
    rows = None if how.rejected_file is None else stack.enter_context(_create(how.rejected_file))
    rejected = RejectedFile(reader)
    if report is not None:
        report.write(csv_row(("line", "field", "message")))

    def tell(errors: list[RowError]) -> None:
        if report is not None:
            report.writelines(csv_row((str(each.line), each.field, each.message)) for each in errors)
        if rows is not None:
            rows.writelines(rejected.lines(errors))

    return tell


async def _send(
    session: Session,
    source: BinaryIO,
    reader: RowReader,
    chunks: AsyncIterator[bytes],
    bar: Progress,
    on_errors: Callable[[list[RowError]], None] | None,
    how: How,
) -> ImportResult:
    task = bar.add_task("import", total=_size(source), rows=0)

    method: Any = session.clients.ImportClients if how.kind is None else session.suppressions.ImportSuppressions
    metadata = (*session.metadata, (PART_OF, uuid4().hex))

    def call(seconds: float | None = None) -> ImportCall:
        begun: ImportCall = method(metadata=metadata, timeout=seconds)
        return begun

    async def counted() -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            yield chunk
            bar.advance(task, len(chunk))

    def on_page(rows: int) -> None:
        bar.update(task, rows=bar.tasks[0].fields["rows"] + rows)

    rows = Workbooks().rows(counted(), how.sheet) if reader.is_of_workbook else counted()
    try:
        async with aclosing(rows):  # else the loop closes it at its end, together with what it reads from
            if on_errors is not None:
                return await import_telling_all(
                    call, rows, reader, on_errors=on_errors, options=how.options, on_page=on_page, kind=how.kind
                )
            probe = partial(call, CALL_SECONDS)
            return await import_rows(
                call(), rows, reader, probe=probe, options=how.options, on_page=on_page, kind=how.kind
            )
    except UnreadableInput as error:
        raise Failure(f"cannot import: {error}") from None
    except BrokenOff as error:
        raise Failure(str(error)) from error


async def _chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    """The file in pieces."""
    while chunk := await _read(source.fileno()):
        if isinstance(chunk, OSError):
            raise Failure(f"cannot read: {chunk.strerror}")
        yield chunk


async def _read(descriptor: int) -> bytes | OSError:
    """The next piece. A daemon thread reads: Ctrl-C need not wait for it, as it would for to_thread."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bytes | OSError] = loop.create_future()

    def read() -> None:
        try:
            chunk: bytes | OSError = os.read(descriptor, CHUNK_BYTES)
        except OSError as error:
            chunk = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, chunk)

    def tell(chunk: bytes | OSError) -> None:
        if not result.done():
            result.set_result(chunk)

    threading.Thread(target=read, name="import", daemon=True).start()
    return await result


def _open(stack: ExitStack, file: str) -> BinaryIO:
    if file == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(open(file, "rb", buffering=0))
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from None


def _create(path: Path) -> TextIO:
    try:
        return open(path, "w", encoding="utf-8", newline="", opener=private.opener)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None


def _size(source: BinaryIO) -> int | None:
    """The file's length in bytes; None for a pipe."""
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class _Rate(ProgressColumn):
    """Rows a second over the whole import."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time or task.elapsed or 0.0
        rows: int = task.fields["rows"]
        return Text(show.rate(round(rows / elapsed)) if rows and elapsed else "", style="dim")


def _progress(session: Session, source: BinaryIO) -> Progress:
    columns: list[ProgressColumn] = [TextColumn("Importing", style="bold", markup=False), BarColumn(bar_width=None)]
    columns += [TaskProgressColumn(), TextColumn("{task.fields[rows]:,} rows"), _Rate()]
    if _size(source) is not None:
        columns += [TimeRemainingColumn(compact=True), TextColumn("left", style="dim")]
    return Progress(*columns, console=session.err, transient=True, disable=not session.err.is_terminal)


def _tell(session: Session, result: ImportResult, reader: RowReader, options: ImportOptions) -> None:
    if session.json:
        counts: dict[str, Any] = {
            name: getattr(result, name) for name in ("created", "updated", "unchanged", "rejected")
        }
        if options.validate_only:
            counts["open_mailings"] = [
                dict(zip(("mailing_id", "client_count"), each, strict=True)) for each in result.open_mailings
            ]
            counts |= {name: getattr(result, name) for name in CHECK_COUNTS}
        errors = [{"line": each.line, "field": each.field, "message": each.message} for each in result.errors]
        session.dump(counts | {"errors": errors})
        return
    for note in _notes(reader):
        session.err.print(Text(f"note: {note}", "yellow"))
    if result.errors:
        _tell_rejected(session, result.errors)
    colour = "red" if result.rejected else "dim"
    parts = [
        Text(f"{show.number(result.created)} created", "green"),
        Text(f"{show.number(result.updated)} updated", "cyan"),
        Text(f"{show.number(result.unchanged)} unchanged"),
        Text(f"{show.number(result.rejected)} rejected", colour),
    ]
    session.out.print(Text(", ").join(parts) + Text(" (nothing is stored)" if options.validate_only else ""))
    if result.zone_told_by_number and not (options.time_zone_by_number or options.time_zone):
        rows, told = show.number(result.without_time_zone), show.number(result.zone_told_by_number)
        session.out.print(f"{rows} rows name no time zone; --time-zone-by-number tells it of {told} of them")
    for mailing_id, number in result.open_mailings:
        session.out.print(
            f"{show.number(number)} of them match mailing {mailing_id}, which is open: it would go out to those who"
            " have what its text asks for, in its hours"
        )


def _notes(reader: RowReader) -> Iterator[str]:
    """What people may want to know of how their file was read."""
    if reader.encoding not in (None, "utf-8"):
        yield f"the file was read as {reader.encoding}"
    if reader.sheet is not None:
        yield f"the sheet {shown(reader.sheet)} was read" + _besides(reader.other_sheets)
    for column, count in reader.formulas:
        yield (
            f"column {shown(column)} has formulas without a value, so {show.number(count)} of its cells are empty: open"
            " the workbook in Excel and save it"
        )
    renamed = [each for each in reader.columns if each.field not in (IGNORE, each.header.strip().lower())]
    if renamed:
        yield "columns: " + ", ".join(f"{shown(each.header)} is {each.field}" for each in renamed)
    ignored = [shown(each.header) for each in reader.columns if each.field == IGNORE and each.header]
    if ignored:
        yield f"columns that were ignored: {', '.join(ignored)}"


def _besides(sheets: Sequence[str]) -> str:
    return f", not {', '.join(map(shown, sheets))} (--sheet)" if sheets else ""


def _tell_rejected(session: Session, errors: list[RowError]) -> None:
    body = show.table(("line", show.NUMBER), "field", ("what is wrong", show.TEXT), title="Rejected")
    for error in errors[:SHOWN_ERRORS]:
        body.add_row(show.number(error.line), show.cut(error.field, 40) or "(row)", show.cut(error.message, 200))
    session.out.print(body)
    if len(errors) > SHOWN_ERRORS:
        more = show.number(len(errors) - SHOWN_ERRORS)
        session.out.print(Text(f"… and {more} more; --rejected FILE writes them all", "dim"))
