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
from gateway.tables.csv_rows import Format, csv_row, ndjson_row
from gateway.tables.row_text import columns_with, csv_writer
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import ExportClientsRequest


async def export_clients(
    session: Session,
    file: str,
    request: ExportClientsRequest,
    format: Format,
    *,
    is_raw: bool,
    columns: Sequence[str] | None = None,
) -> None:
    """Write what the engine streams. A file appears under its name only when it is complete.

    Args:
        is_raw: see ``csv_row``.
        columns: the attributes that a CSV has; None: all that clients have.
    """
    ndjson = format == "ndjson" or (format == "auto" and (session.json or file.endswith((".ndjson", ".jsonl"))))
    request.with_attribute_names = not ndjson and columns is None
    writer = _ndjson if ndjson else partial(_csv, columns=columns, is_raw=is_raw)
    part = None if file == "-" else Path(file + ".part")
    with ExitStack() as stack:
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)  # a no-op once it has its name
        out = sys.stdout.buffer if part is None else stack.enter_context(_create(part))
        count = await _write(session, request, writer, out, quiet=part is None)
        out.flush()
        if part is not None:
            part.replace(file)
            session.err.print(f"{number(count)} clients written to {file}", markup=False)


def _ndjson(_: Sequence[str]) -> tuple[str, Callable[[Client], str]]:
    return "", ndjson_row


def _csv(names: Sequence[str], columns: Sequence[str] | None, is_raw: bool) -> tuple[str, Callable[[Client], str]]:
    wanted = names if columns is None else columns
    return csv_row(columns_with(wanted)), csv_writer(wanted, is_raw=is_raw)


async def _write(
    session: Session,
    request: ExportClientsRequest,
    writer: Callable[[Sequence[str]], tuple[str, Callable[[Client], str]]],
    out: BinaryIO,
    *,
    quiet: bool,
) -> int:
    """``writer``: of the attributes that clients have it makes the header, and what makes the other lines."""
    count, row = 0, None
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} clients"))
    with Progress(*columns, console=session.err, transient=True, disable=quiet or not session.err.is_terminal) as bar:
        task = bar.add_task("export", total=None)
        async for page in session.clients.ExportClients(request, metadata=session.metadata):
            if row is None:
                header, row = writer(page.attribute_names)
                out.write(header.encode())
            lines = list(map(row, page.clients))
            out.write("".join(lines).encode())
            count += len(lines)
            bar.update(task, completed=count)
    if row is None:
        out.write(writer(())[0].encode())
    return count


def _create(path: Path) -> BinaryIO:
    try:
        return open(path, "wb", opener=private.opener)  # phone numbers: for who asked
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
