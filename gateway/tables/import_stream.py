"""Rows of clients from any source of bytes to the engine's ImportClients: in pages, in constant memory.

The `mailing` command and the REST route share this. What can't be read here (a quote that is never closed) and what the
engine refuses (a number that is no phone number) become one list of errors in the order of the lines.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from sys import intern
from typing import Any, Final, NamedTuple

import grpc
import grpc.aio

from common.contract.codec import compiled
from common.error_codes import ErrorCode, Fault
from common.turns import Turns
from gateway.tables.csv_rows import COLUMNS, ImportRow, Item, RowError, RowReader
from mailing.v1.client_service_pb2 import ImportClientsRequest, ImportClientsResponse, ImportClientsRow

PAGE_ROWS: Final = 1000  # what the contract says is best
PAGE_BYTES: Final = 256 * 1024
"""A page ends also with the row that reaches this: the engine takes messages of 1 MiB."""
ROW_BYTES_MAX: Final = 512 * 1024
KEPT_ERRORS: Final = 1_000
"""As many as the engine lists at most; so the first of both together are known for sure. The rest is counted."""
SLICE_BYTES: Final = 2 * 1024
"""Read at once: 1,000 rows at most, which take some milliseconds."""

_ROW_ERRORS_MAX: Final = 10
"""The engine tells no more of a row."""
_PART_ROWS: Final = KEPT_ERRORS // _ROW_ERRORS_MAX
"""Rows that have so many errors at most."""
_PART_SECONDS: Final = 60.0

ImportCall = grpc.aio.StreamUnaryCall[Any, Any]
"""Of ImportClients, or another import that the engine takes in the same way."""


class RowKind(NamedTuple):
    """What is imported."""

    request: type[Any]
    """A page of rows."""
    response: type[Any]
    row: Callable[[ImportRow], Any]
    """Makes the row that the engine takes."""


CHECK_COUNTS: Final = ("without_time_zone", "zone_told_by_number", "client_count")
"""What a check counts besides what becomes of rows."""


class BrokenOff(Exception):
    """The engine ended the call early without a reason that can be found out; the pages before are stored."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did; the counts are rows."""

    created: int
    updated: int
    unchanged: int
    rejected: int
    """Rows that were not stored, those that could not be read included."""
    errors: list[RowError]
    """What is wrong, in the order of the lines; the first 1,000."""
    open_mailings: tuple[tuple[int, int], ...] = ()
    """With ``validate_only``: ids of open mailings that would take clients, and how many."""
    without_time_zone: int = 0
    """See ``ImportClientsResponse``, as of those that follow."""
    zone_told_by_number: int = 0
    client_count: int = 0


class ImportOptions(NamedTuple):
    """How rows are to be taken; see ``ImportClientsRequest``."""

    validate_only: bool = False
    skip_open_mailings: bool = False
    time_zone_by_number: bool = False
    time_zone: str = ""
    default_time_zone: str = ""


@dataclass(slots=True)
class _Rejected:
    """Rows that this side could not read. Those the engine rejects come with its answer."""

    count: int = 0
    kept: list[RowError] = field(default_factory=list)
    _line: int = 0

    def add(self, error: RowError) -> None:
        self.count += error.line != self._line  # a row with two faults is one row
        self._line = error.line
        if not self.is_full:
            self.kept.append(error)

    @property
    def is_full(self) -> bool:
        """Whether no more are kept."""
        return len(self.kept) >= KEPT_ERRORS


async def import_rows(
    call: ImportCall,
    chunks: AsyncIterable[bytes],
    reader: RowReader,
    *,
    probe: Callable[[], ImportCall],
    request_id: str = "",
    options: ImportOptions = ImportOptions(),  # noqa: B008 - immutable
    on_page: Callable[[int], None] = lambda rows: None,
    kind: RowKind | None = None,
) -> ImportResult:
    """Send all rows through ``call``; waits whenever the engine is slower than the source.

    Whatever ends it early (an error of ``chunks`` too) cancels the call; the pages before stay stored.

    Args:
        probe: begins another call, with a deadline of some seconds: see ``_why_broken_off``.
        request_id: see ``ImportClientsRequest.request_id``; a repeat must have the same bytes, rows that can't be read
            included.
        options: how the rows are to be taken.
        on_page: is told the number of rows of each page that is sent.
        kind: what is imported; ``None``: clients.

    Raises:
        UnreadableInput: the input as a whole can't be read.
        AioRpcError: the engine refused, or is away.
        BrokenOff: see there.
    """
    kind, rejected, digest = kind or CLIENTS, _Rejected(), hashlib.sha256()
    source = _hashed(chunks, digest) if request_id else chunks
    try:
        answer = await _send(call, _pages(source, reader, rejected, kind), kind, options, on_page, request_id, digest)
    except (asyncio.InvalidStateError, grpc.aio.InternalError, grpc.aio.AioRpcError) as error:
        raise await _why_broken_off(probe, error) from error
    finally:
        call.cancel()  # does nothing to a call that has ended
    errors = _merged(rejected.kept, answer)[:KEPT_ERRORS]
    updated = getattr(answer, "updated", 0)  # an entry of the stop list stays as it was
    reach = tuple((each.mailing_id, each.client_count) for each in getattr(answer, "open_mailings", ()))
    bad = answer.rejected + rejected.count
    more = (getattr(answer, name, 0) for name in CHECK_COUNTS)
    return ImportResult(answer.created, updated, answer.unchanged, bad, errors, reach, *more)


async def import_telling_all(
    begin: Callable[[float | None], ImportCall],
    chunks: AsyncIterable[bytes],
    reader: RowReader,
    *,
    on_errors: Callable[[list[RowError]], None],
    options: ImportOptions = ImportOptions(),  # noqa: B008 - immutable
    on_page: Callable[[int], None] = lambda rows: None,
    kind: RowKind | None = None,
) -> ImportResult:
    """As ``import_rows``, but all errors are told, as they come: nobody keeps them. The result has the first 1,000.

    The engine lists 1,000 errors a call: so each call has as many rows as can have no more.

    Args:
        begin: begins a call with a deadline in seconds.
        on_errors: is told the errors of each part of the file, in the order of the lines, each with its row's cells.
        options: how the rows are to be taken; of what ``validate_only`` tells only the counts are known.

    Raises:
        As ``import_rows``.
    """
    kind, rejected, seconds = kind or CLIENTS, _Rejected(), _PART_SECONDS
    counts, first = Counter[str](), list[RowError]()
    raw: dict[int, Sequence[str]] = {}
    async for page in _pages(chunks, reader, rejected, kind, _PART_ROWS, raw):
        answer = kind.response()
        if page:
            call = begin(seconds)
            try:
                answer = await _send(call, _only(page), kind, options, on_page)
            except (asyncio.InvalidStateError, grpc.aio.InternalError, grpc.aio.AioRpcError) as error:
                raise await _why_broken_off(lambda: begin(seconds), error) from error
            finally:
                call.cancel()
        errors = [
            each if each.raw else each._replace(raw=raw.get(each.line, ())) for each in _merged(rejected.kept, answer)
        ]
        rejected.kept.clear()
        raw.clear()
        first += errors[: KEPT_ERRORS - len(first)]
        on_errors(errors)
        counts.update({name: getattr(answer, name, 0) for name in ("created", "updated", "unchanged", "rejected")})
    counts["rejected"] += rejected.count
    return ImportResult(counts["created"], counts["updated"], counts["unchanged"], counts["rejected"], first)


def _merged(own: list[RowError], answer: Any) -> list[RowError]:
    """Errors of both sides in the order of the lines."""
    faults: dict[tuple[str, str], Fault] = {}  # many rows have the same
    of_engine = []
    for each in answer.errors:
        key = (each.message, each.code)
        if key not in faults:
            faults[key] = Fault(each.message, each.code, dict(each.arguments))
        of_engine.append(RowError(each.line, intern(each.field), faults[key]))
    return sorted([*own, *of_engine], key=lambda error: error.line)


async def _only(page: list[Any]) -> AsyncIterator[list[Any]]:
    yield page


async def _send(
    call: ImportCall,
    pages: AsyncIterator[list[Any]],
    kind: RowKind,
    options: ImportOptions,
    on_page: Callable[[int], None],
    request_id: str = "",
    digest: hashlib._Hash | None = None,
) -> Any:
    said = {name: value for name, value in options._asdict().items() if value}  # not each kind knows them
    first = {"request_id": request_id, "errors_max": KEPT_ERRORS, **said}
    async for page in pages:
        await call.write(kind.request(rows=page, **first))
        on_page(len(page))
        first = {}  # the first page alone bears them
    if request_id and digest is not None:
        first["request_id"] = request_id
        await call.write(kind.request(**first, source_digest=digest.digest()))
    await call.done_writing()
    return await call


async def _pages(
    chunks: AsyncIterable[bytes],
    reader: RowReader,
    rejected: _Rejected,
    kind: RowKind,
    part_rows: int = 0,
    raw: dict[int, Sequence[str]] | None = None,
) -> AsyncIterator[list[Any]]:
    """The rows that can be read. With ``part_rows`` pages are so long, or empty, and the last one too: each comes as
    soon as no more errors are kept, to be told. ``raw`` gets their cells as they stand in the file, by their lines."""
    page: list[Any] = []
    page_bytes, turns = 0, Turns()
    async for items in _items(chunks, reader):
        # Nothing but bad rows, and more than anybody will be told of: whoever sends such a file can wait.
        await turns.pause(rests=rejected.is_full and not any(isinstance(item, ImportRow) for item in items))
        for item in items:
            if (row := _row(item, rejected, kind)) is not None:
                page.append(row)
                if raw is not None:
                    raw[item.line] = item.raw
                page_bytes += row.ByteSize()
            is_full = len(page) == (part_rows or PAGE_ROWS) or page_bytes >= PAGE_BYTES
            if is_full or (part_rows and rejected.is_full):
                yield page
                page, page_bytes = [], 0
    if page or part_rows:
        yield page


def _row(item: Item, rejected: _Rejected, kind: RowKind) -> Any:
    """A row for the engine; ``None``: it is rejected here."""
    if not isinstance(item, ImportRow):
        rejected.add(item)
        return None
    row = kind.row(item)
    if row.ByteSize() <= ROW_BYTES_MAX:
        return row
    rejected.add(RowError(item.line, "", ErrorCode.ROW_TOO_LONG.format(max=ROW_BYTES_MAX // 1024)))
    return None


async def _hashed(chunks: AsyncIterable[bytes], digest: hashlib._Hash) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk


async def _items(chunks: AsyncIterable[bytes], reader: RowReader) -> AsyncIterator[list[Item]]:
    async for chunk in chunks:
        for begin in range(0, len(chunk), SLICE_BYTES):
            yield reader.feed(chunk[begin : begin + SLICE_BYTES])
    yield reader.finish()


async def _why_broken_off(probe: Callable[[], ImportCall], error: Exception) -> Exception:
    """The reason why the engine has ended the call before all was sent.

    grpc.aio overwrites the status of such a call with INTERNAL "Internal error from Core" when a write is under way
    (`_StreamRequestMixin._write`). An import of nothing tells it: refused, away, or all right again.
    """
    if isinstance(error, grpc.aio.AioRpcError) and error.code() is not grpc.StatusCode.INTERNAL:
        return error
    empty = probe()
    with suppress(asyncio.InvalidStateError, grpc.aio.InternalError):  # it has failed already: why, the next line says
        await empty.done_writing()
    try:
        await empty
    except grpc.aio.AioRpcError as reason:
        return reason
    return BrokenOff(ErrorCode.IMPORT_BROKEN_OFF.format())


def row_message(row: ImportRow) -> ImportClientsRow:
    """One row of an import; ``None`` is not set."""
    message: ImportClientsRow = _message(row.line, row.cells, row.attributes)
    return message


def _compiled() -> Callable[[int, tuple[str | None, ...], str | None], ImportClientsRow]:
    """With a field's name before each cell: ``**`` a dictionary of them would take half as long again a row."""
    named = "".join(f", {name}=cells[{index}]" for index, name in enumerate(COLUMNS))
    fields = f"line=line{named}, attributes=attributes"
    source = f"def row_message(line, cells, attributes):\n    return ImportClientsRow({fields})\n"
    function: Callable[[int, tuple[str | None, ...], str | None], ImportClientsRow]
    function = compiled("row_message", source, {"ImportClientsRow": ImportClientsRow})
    return function


_message: Final = _compiled()
CLIENTS: Final = RowKind(ImportClientsRequest, ImportClientsResponse, row_message)
