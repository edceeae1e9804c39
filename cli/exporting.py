"""`mailing clients export` and the like: pages from the engine into a file, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from rich.progress import Progress, SpinnerColumn, TextColumn

from cli.failures import Failure, UsageFailure
from cli.session import Session
from cli.show import number
from common import private
from gateway.tables import message_rows
from gateway.tables.csv_rows import COLUMNS, Format, csv_row, ndjson_row
from gateway.tables.row_text import cells_of


class Export(NamedTuple):
    """What is exported, and how it is written."""

    name: str
    """Of what the file has, and of the field of a page that has them."""
    columns: Sequence[str]
    cells: Callable[[Any], Sequence[str]]
    """An entry's cells, one for each column."""
    ndjson: Callable[[Sequence[str]], str]
    """A line of NDJSON of cells."""


CLIENTS: Final = Export("clients", COLUMNS, cells_of, ndjson_row)
MESSAGES: Final = Export("messages", message_rows.COLUMNS, message_rows.cells_of, message_rows.ndjson_row)


def file_format(text: str) -> Format:
    """What --format says. Raises UsageFailure."""
    formats: tuple[Format, ...] = ("auto", "csv", "ndjson")
    for known in formats:
        if text == known:
            return known
    raise UsageFailure(f"--format: {text!r} is not one of {', '.join(formats)}")


async def export_to(
    session: Session, file: str, export: Export, pages: AsyncIterable[Any], format: Format, *, is_raw: bool
) -> None:
    """Write what the engine streams. A file appears under its name only when it is complete.

    Args:
        is_raw: see ``csv_row``.
    """
    ndjson = format == "ndjson" or (format == "auto" and (session.json or file.endswith((".ndjson", ".jsonl"))))
    row: Callable[[Sequence[str]], str] = export.ndjson if ndjson else partial(csv_row, is_raw=is_raw)
    part = None if file == "-" else Path(file + ".part")
    with ExitStack() as stack:
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)  # a no-op once it has its name
        out = sys.stdout.buffer if part is None else stack.enter_context(_create(part))
        if not ndjson:
            out.write(csv_row(export.columns).encode())
        count = await _write(session, export, pages, row, out)
        out.flush()
        if part is not None:
            part.replace(file)
            session.err.print(f"{number(count)} {export.name} written to {file}", markup=False)


async def _write(
    session: Session, export: Export, pages: AsyncIterable[Any], row: Callable[[Sequence[str]], str], out: BinaryIO
) -> int:
    count = 0
    quiet = out is sys.stdout.buffer or not session.err.is_terminal
    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,.0f}} {export.name}"))
    with Progress(*columns, console=session.err, transient=True, disable=quiet) as bar:
        task = bar.add_task("export", total=None)
        async for page in pages:
            lines = [row(export.cells(each)) for each in getattr(page, export.name)]
            out.write("".join(lines).encode())
            count += len(lines)
            bar.update(task, completed=count)
    return count


def _create(path: Path) -> BinaryIO:
    try:
        return open(path, "wb", opener=private.opener)  # phone numbers: for who asked
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
