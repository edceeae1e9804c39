"""`mailing clients import`: a file through the row reader to the engine, with progress, in constant memory."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

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
from gateway.tables.csv_rows import RowError, RowReader, UnreadableInput, csv_row
from gateway.tables.import_stream import BrokenOff, ImportCall, ImportResult, import_rows, import_telling_all

CHUNK_BYTES = 64 * 1024
SHOWN_ERRORS = 20


async def import_clients(session: Session, file: str, errors_file: Path | None, reader: RowReader) -> None:
    """Import a file ("-": standard input). Raises Failure with exit code 1 when a row was rejected."""
    with ExitStack() as stack:
        source = _open(stack, file)
        report = stack.enter_context(_create(errors_file)) if errors_file is not None else None
        with _progress(session, source) as bar:
            result = await _send(session, source, reader, bar, report)
    _tell(session, result, reader.encoding)
    if result.rejected:
        raise Failure(code=EXIT_SERVICE)  # all has been said


async def _send(
    session: Session, source: BinaryIO, reader: RowReader, bar: Progress, report: TextIO | None
) -> ImportResult:
    task = bar.add_task("import", total=_size(source), rows=0)

    def call(seconds: float | None = None) -> ImportCall:
        return session.clients.ImportClients(metadata=session.metadata, timeout=seconds)

    async def counted() -> AsyncIterator[bytes]:
        async for chunk in _chunks(source):
            yield chunk
            bar.advance(task, len(chunk))

    def on_page(rows: int) -> None:
        bar.update(task, rows=bar.tasks[0].fields["rows"] + rows)

    def on_errors(errors: list[RowError]) -> None:
        assert report is not None
        report.writelines(csv_row((str(each.line), each.field, each.message)) for each in errors)

    try:
        if report is not None:
            report.write(csv_row(("line", "field", "message")))
            return await import_telling_all(call, counted(), reader, on_errors=on_errors, on_page=on_page)
        return await import_rows(call(), counted(), reader, probe=lambda: call(CALL_SECONDS), on_page=on_page)
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


def _tell(session: Session, result: ImportResult, encoding: str | None) -> None:
    if session.json:
        counts = {name: getattr(result, name) for name in ("created", "updated", "unchanged", "rejected")}
        session.dump(counts | {"errors": [e._asdict() for e in result.errors]})
        return
    if encoding not in (None, "utf-8"):
        session.err.print(f"note: the file was read as {encoding}", style="yellow")
    if result.errors:
        _tell_rejected(session, result.errors)
    colour = "red" if result.rejected else "dim"
    parts = [
        Text(f"{show.number(result.created)} created", "green"),
        Text(f"{show.number(result.updated)} updated", "cyan"),
        Text(f"{show.number(result.unchanged)} unchanged"),
        Text(f"{show.number(result.rejected)} rejected", colour),
    ]
    session.out.print(Text(", ").join(parts))


def _tell_rejected(session: Session, errors: list[RowError]) -> None:
    body = show.table(("line", show.NUMBER), "field", ("what is wrong", show.TEXT), title="Rejected")
    for error in errors[:SHOWN_ERRORS]:
        body.add_row(show.number(error.line), show.cut(error.field, 40) or "(row)", show.cut(error.message, 200))
    session.out.print(body)
    if len(errors) > SHOWN_ERRORS:
        more = show.number(len(errors) - SHOWN_ERRORS)
        session.out.print(Text(f"… and {more} more; --errors-file FILE writes them all", "dim"))
