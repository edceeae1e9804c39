"""`mailing clients export`: pages from the engine into a file, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rich.progress import Progress, SpinnerColumn, TextColumn

from cli.failures import Failure
from cli.session import Session
from cli.show import number
from common import private
from common.attribute_cells import PREFIX
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
    cells: Callable[..., Sequence[str]]
    """An entry's cells, one for each column; with names as the second argument also of these attributes."""
    ndjson: Callable[[Any], str]
    """A line of NDJSON of an entry."""
    attributes: Sequence[str] | None = ()
    """Those that a CSV has; None: those that the first page names."""


async def export_clients(
    session: Session,
    file: str,
    request: ExportClientsRequest,
    format: Format,
    *,
    is_raw: bool,
    attributes: Sequence[str] | None = None,
) -> None:
    """Write clients; see ``export_rows``. ``attributes``: those that a CSV has; None: all that clients have."""
    request.with_attribute_names = attributes is None
    pages = session.clients.ExportClients(request, metadata=session.metadata)
    exported = Exported("clients", "clients", pages, COLUMNS, cells_of, ndjson_row, attributes)
    await export_rows(session, file, exported, format, is_raw=is_raw)


async def export_rows(session: Session, file: str, exported: Exported, format: Format, *, is_raw: bool) -> None:
    """Write what the engine streams. A file appears under its name only when it is complete.

    Args:
        is_raw: see ``csv_row``.
    """
    ndjson = format == "ndjson" or (format == "auto" and (session.json or file.endswith((".ndjson", ".jsonl"))))
    part = None if file == "-" else Path(file + ".part")
    with ExitStack() as stack:
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)  # a no-op once it has its name
        out = sys.stdout.buffer if part is None else stack.enter_context(_create(part))
        writer = _Writer(exported, is_json=ndjson, is_raw=is_raw)
        count = await _write(session, exported, writer, out, quiet=part is None)
        out.flush()
        if part is not None:
            part.replace(file)
            session.err.print(f"{number(count)} {exported.plural} written to {file}", markup=False)


class _Writer:
    """Makes lines of pages."""

    def __init__(self, exported: Exported, *, is_json: bool, is_raw: bool) -> None:
        self._exported, self._is_json, self._is_raw = exported, is_json, is_raw
        self._names = exported.attributes
        self._is_begun = False

    def header(self, page: Any = None) -> str:
        """What stands before the first line, once; ``page``: the first one."""
        if self._is_json or self._is_begun:
            return ""
        self._is_begun = True
        if self._names is None:
            self._names = () if page is None else list(page.attribute_names)
        return csv_row([*self._exported.columns, *(PREFIX + name for name in self._names)])

    def line(self, entry: Any) -> str:
        """An entry's."""
        if self._is_json:
            return self._exported.ndjson(entry)
        cells = self._exported.cells(entry, self._names) if self._names else self._exported.cells(entry)
        return csv_row(cells, is_raw=self._is_raw)


async def _write(session: Session, exported: Exported, writer: _Writer, out: BinaryIO, *, quiet: bool) -> int:
    count = 0
    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,.0f}} {exported.plural}"))
    with Progress(*columns, console=session.err, transient=True, disable=quiet or not session.err.is_terminal) as bar:
        task = bar.add_task("export", total=None)
        async for page in exported.pages:
            header = writer.header(page)
            lines = [writer.line(each) for each in getattr(page, exported.field)]
            out.write("".join([header, *lines]).encode())
            count += len(lines)
            bar.update(task, completed=count)
    out.write(writer.header().encode())
    return count


def _create(path: Path) -> BinaryIO:
    try:
        return open(path, "wb", opener=private.opener)  # phone numbers: for who asked
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None
