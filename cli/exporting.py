"""`mailing clients export`: pages from the engine into a file, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rich.progress import Progress, SpinnerColumn, TextColumn

from cli.failures import Failure
from cli.session import Session
from cli.show import number
from common import private
from gateway.tables.csv_rows import COLUMNS, Format, csv_row, ndjson_row
from gateway.tables.row_text import cells_of
from mailing.v1.client_service_pb2 import ExportClientsRequest


async def export_clients(
    session: Session, file: str, request: ExportClientsRequest, format: Format, *, is_raw: bool
) -> None:
    """Write what the engine streams. A file appears under its name only when it is complete.

    Args:
        is_raw: see ``csv_row``.
    """
    ndjson = format == "ndjson" or (format == "auto" and (session.json or file.endswith((".ndjson", ".jsonl"))))
    row: Callable[[Sequence[str]], str] = ndjson_row if ndjson else partial(csv_row, is_raw=is_raw)
    part = None if file == "-" else Path(file + ".part")
    with ExitStack() as stack:
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)  # a no-op once it has its name
        out = sys.stdout.buffer if part is None else stack.enter_context(_create(part))
        if not ndjson:
            out.write(csv_row(COLUMNS).encode())
        count = await _write(session, request, row, out, quiet=part is None)
        out.flush()
        if part is not None:
            part.replace(file)
            session.err.print(f"{number(count)} clients written to {file}", markup=False)


async def _write(
    session: Session, request: ExportClientsRequest, row: Callable[[Sequence[str]], str], out: BinaryIO, *, quiet: bool
) -> int:
    count = 0
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} clients"))
    with Progress(*columns, console=session.err, transient=True, disable=quiet or not session.err.is_terminal) as bar:
        task = bar.add_task("export", total=None)
        async for page in session.clients.ExportClients(request, metadata=session.metadata):
            lines = [row(cells_of(each)) for each in page.clients]
            out.write("".join(lines).encode())
            count += len(lines)
            bar.update(task, completed=count)
    return count


def _create(path: Path) -> BinaryIO:
    try:
        return open(path, "wb", opener=private.opener)  # phone numbers: for who asked
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
