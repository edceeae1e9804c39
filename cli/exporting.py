"""`mailing clients export`: pages from the engine into a file, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rich.progress import Progress, SpinnerColumn, TextColumn

from cli.failures import Failure
from cli.session import Session
from cli.show import number
from common import private
from gateway.tables.csv_rows import COLUMNS, Format, csv_row, ndjson_row
from gateway.tables.row_text import cells_of
from mailing.v1.client_service_pb2 import ExportClientsRequest


class Exported(NamedTuple):
    """What is exported."""

    plural: str
    """As people call it."""
    field: str
    """Of a page, which has the entries."""
    pages: AsyncIterable[Any]
    columns: Sequence[str]
    cells: Callable[[Any], Sequence[str]]
    """An entry's cells, one for each column."""
    ndjson: Callable[[Sequence[str]], str]
    """A line of NDJSON of cells."""


async def export_clients(
    session: Session, file: str, request: ExportClientsRequest, format: Format, *, is_raw: bool
) -> None:
    """Write clients; see ``export_rows``."""
    pages = session.clients.ExportClients(request, metadata=session.metadata)
    exported = Exported("clients", "clients", pages, COLUMNS, cells_of, ndjson_row)
    await export_rows(session, file, exported, format, is_raw=is_raw)


async def export_rows(session: Session, file: str, exported: Exported, format: Format, *, is_raw: bool) -> None:
    """Write what the engine streams. A file appears under its name only when it is complete.

    Args:
        is_raw: see ``csv_row``.
    """
    ndjson = format == "ndjson" or (format == "auto" and (session.json or file.endswith((".ndjson", ".jsonl"))))
    row: Callable[[Sequence[str]], str] = exported.ndjson if ndjson else partial(csv_row, is_raw=is_raw)
    part = None if file == "-" else Path(file + ".part")
    with ExitStack() as stack:
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)  # a no-op once it has its name
        out = sys.stdout.buffer if part is None else stack.enter_context(_create(part))
        if not ndjson:
            out.write(csv_row(exported.columns).encode())
        count = await _write(session, exported, row, out, quiet=part is None)
        out.flush()
        if part is not None:
            part.replace(file)
            session.err.print(f"{number(count)} {exported.plural} written to {file}", markup=False)


async def _write(
    session: Session, exported: Exported, row: Callable[[Sequence[str]], str], out: BinaryIO, *, quiet: bool
) -> int:
    count = 0
    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,.0f}} {exported.plural}"))
    with Progress(*columns, console=session.err, transient=True, disable=quiet or not session.err.is_terminal) as bar:
        task = bar.add_task("export", total=None)
        async for page in exported.pages:
            lines = [row(exported.cells(each)) for each in getattr(page, exported.field)]
            out.write("".join(lines).encode())
            count += len(lines)
            bar.update(task, completed=count)
    return count


def _create(path: Path) -> BinaryIO:
    try:
        return open(path, "wb", opener=private.opener)  # phone numbers: for who asked
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
