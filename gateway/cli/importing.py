"""`mailing clients import`: a file through the row reader to the engine, with progress, in constant memory."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

import grpc
import grpc.aio
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

from gateway.cli import show
from gateway.cli.failures import EXIT_SERVICE, Failure
from gateway.cli.plain import dumps
from gateway.cli.session import CALL_SECONDS, Session
from gateway.csv_rows import ClientRow, Format, RowError, RowReader, UnreadableInput, csv_row
from mailing.v1.client_service_pb2 import ImportClientsRequest, ImportClientsResponse, ImportClientsRow

CHUNK_BYTES = 64 * 1024
PAGE_ROWS = 1000  # what the contract says is best
KEPT_ERRORS = 10_000  # as many as the engine reports
SHOWN_ERRORS = 20


@dataclass(slots=True)
class _Rejected:
    """Rows that this side could not read. Those the engine rejects come with its answer."""

    count: int = 0
    kept: list[RowError] = field(default_factory=list)
    _line: int = 0

    def add(self, error: RowError) -> None:
        self.count += error.line != self._line  # a row with two faults is one row
        self._line = error.line
        if len(self.kept) < KEPT_ERRORS:
            self.kept.append(error)


async def import_clients(session: Session, file: str, errors_file: Path | None, format: Format) -> None:
    """Import a file ("-": standard input). Raises Failure with exit code 1 when a row was rejected."""
    rejected = _Rejected()
    reader = RowReader(format)
    with ExitStack() as stack:
        source = _open(stack, file)
        report = stack.enter_context(_create(errors_file)) if errors_file is not None else None
        with _progress(session, source) as bar:
            answer = await _send(session, source, reader, rejected, bar)
        errors = sorted([*rejected.kept, *(RowError(e.line, e.field, e.message) for e in answer.errors)])
        if report is not None:
            report.write(csv_row(("line", "field", "message")))
            report.writelines(csv_row((str(e.line), e.field, e.message)) for e in errors)
    count = answer.rejected + rejected.count
    _tell(session, answer, count, errors, reader.encoding)
    if count:
        raise Failure(code=EXIT_SERVICE)  # all has been said


async def _send(
    session: Session, source: BinaryIO, reader: RowReader, rejected: _Rejected, bar: Progress
) -> ImportClientsResponse:
    call = session.clients.ImportClients(metadata=session.metadata)
    task = bar.add_task("import", total=_size(source), rows=0)
    try:
        async for page, done_bytes in _pages(source, reader, rejected):
            await call.write(ImportClientsRequest(rows=page))
            bar.update(task, completed=done_bytes, rows=bar.tasks[0].fields["rows"] + len(page))
        await call.done_writing()
    except UnreadableInput as error:
        call.cancel()
        raise Failure(f"cannot import: {error}") from None
    except (asyncio.InvalidStateError, grpc.aio.AioRpcError) as error:
        raise await _why_broken_off(session, error) from error
    answer: ImportClientsResponse = await call
    return answer


async def _why_broken_off(session: Session, error: Exception) -> Exception:
    """The reason why the engine has ended the call before all was sent.

    grpc.aio overwrites the status of such a call with INTERNAL "Internal error from Core" when a write is under way
    (`_StreamRequestMixin._write`). An import of nothing tells it: refused, away, or all right again.
    """
    if isinstance(error, grpc.aio.AioRpcError) and error.code() is not grpc.StatusCode.INTERNAL:
        return error
    probe = session.clients.ImportClients(metadata=session.metadata, timeout=CALL_SECONDS)
    try:
        await probe.done_writing()
        await probe
    except grpc.aio.AioRpcError as reason:
        return reason
    return Failure("the engine broke the import off; the pages before are stored, importing the file again is safe")


async def _pages(
    source: BinaryIO, reader: RowReader, rejected: _Rejected
) -> AsyncIterator[tuple[list[ImportClientsRow], int]]:
    """Pages of rows, and how many bytes have been read for them."""
    page: list[ImportClientsRow] = []
    done_bytes = 0
    async for chunk in _chunks(source):
        done_bytes += len(chunk)
        for item in reader.feed(chunk) if chunk else reader.finish():
            if isinstance(item, ClientRow):
                page.append(
                    ImportClientsRow(
                        line=item.line,
                        phone_number=item.phone_number,
                        phone_code=item.phone_code,
                        tag=item.tag,
                        time_zone=item.time_zone,
                    )
                )
            else:
                rejected.add(item)
            if len(page) == PAGE_ROWS:
                yield page, done_bytes
                page = []
    if page:
        yield page, done_bytes


async def _chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    """The file in pieces, the last one empty."""
    while True:
        chunk = await _read(source.fileno())
        if isinstance(chunk, OSError):
            raise Failure(f"cannot read: {chunk.strerror}")
        yield chunk
        if not chunk:
            return


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
        return path.open("w", encoding="utf-8", newline="")
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
    columns: list[ProgressColumn] = [TextColumn("[bold]Importing[/]"), BarColumn(bar_width=None)]
    columns += [TaskProgressColumn(), TextColumn("{task.fields[rows]:,} rows"), _Rate()]
    if _size(source) is not None:
        columns += [TimeRemainingColumn(compact=True), TextColumn("left", style="dim")]
    return Progress(*columns, console=session.err, transient=True, disable=not session.err.is_terminal)


def _tell(
    session: Session, answer: ImportClientsResponse, count: int, errors: list[RowError], encoding: str | None
) -> None:
    if session.json:
        value = {"created": answer.created, "updated": answer.updated, "unchanged": answer.unchanged, "rejected": count}
        session.out.print(dumps(value | {"errors": [e._asdict() for e in errors]}), markup=False, soft_wrap=True)
        return
    if encoding not in (None, "utf-8"):
        session.err.print(f"note: the file was read as {encoding}", style="yellow", markup=False)
    if errors:
        _tell_rejected(session, errors)
    colour = "red" if count else "dim"
    parts = [f"[green]{show.number(answer.created)} created[/]", f"[cyan]{show.number(answer.updated)} updated[/]"]
    parts += [f"{show.number(answer.unchanged)} unchanged", f"[{colour}]{show.number(count)} rejected[/]"]
    session.out.print(", ".join(parts))


def _tell_rejected(session: Session, errors: list[RowError]) -> None:
    body = show.table(("line", show.NUMBER), "field", ("what is wrong", show.TEXT), title="Rejected")
    for error in errors[:SHOWN_ERRORS]:
        body.add_row(show.number(error.line), show.cut(error.field, 40) or "(row)", show.cut(error.message, 200))
    session.out.print(body)
    if len(errors) > SHOWN_ERRORS:
        more = show.number(len(errors) - SHOWN_ERRORS)
        session.out.print(f"[dim]… and {more} more; --errors-file FILE writes them all[/]")
