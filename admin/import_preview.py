"""What an import will make of a file, told from the file's beginning; nothing is stored.

The reader is the import's own, and each row shown has been through the engine (``validate_only``): what the page shows
is what will be stored.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio

from admin.import_run import sheet_of
from common.contract.codec import json_of, message_of
from common.contract.values import Json
from common.error_codes import ErrorCode
from common.number_zones import zone_of_number
from common.turns import Turns
from gateway.http.engine_client import EngineClient
from gateway.http.problems import BadField, Problem, fault_json, invalid, of_rpc
from gateway.http.streaming import Chunks, body_chunks
from gateway.routes.imports import reader_of
from gateway.tables.columns import ATTRIBUTE_PREFIX, NO_ATTRIBUTES, Plan, attribute_name, is_attribute, is_reason
from gateway.tables.csv_rows import COLUMNS, ImportRow, Item, RowError, RowReader, UnknownEncoding, UnreadableInput
from gateway.tables.import_stream import SLICE_BYTES, ImportOptions
from mailing.v1 import client_pb2
from mailing.v1 import client_service_pb2 as pb

SAMPLE_BYTES_MAX: Final = 256 * 1024
"""More than the longest line that a table may have; the page sends 128 KiB."""
ROWS_SHOWN: Final = 20
_SIZE_DIGITS: Final = 18
_SHOWN: Final = (*COLUMNS, "attributes")
_VALUES_SHOWN: Final = 3
_VALUE_CHARACTERS_MAX: Final = 60
Ask = Callable[[Callable[..., Any], Any], Awaitable[Any]]
"""Calls a method of the engine with a message."""
Show = Callable[[Sequence[Item]], Awaitable[Json]]
"""Says what a line will become: it is one row, or one or more errors."""


async def preview(show: Show, sample: Chunks, file_bytes: int, reader: RowReader) -> Json:
    """Say how a file is read, and what its first rows will become.

    Args:
        show: says what the rows will become, such as ``clients_shown``.
        sample: the file's first bytes, or all of them; of a workbook, which can't be cut, its rows.
        file_bytes: how long the file is.
        reader: one that has read nothing yet.

    Raises:
        Problem: 400, it can't be read at all; in the words of the import. Where another encoding may help, ``/charset``
            is named.
        AioRpcError: the engine is away, or refuses.
    """
    beginning = await _read(reader, sample, file_bytes)
    rows, first = beginning.rows, list(beginning.lines.values())
    shown = await asyncio.gather(*map(show, first))
    return {
        "format": _format_of(reader),
        "sheet": reader.sheet,
        "other_sheets": reader.other_sheets,
        "formulas": [{"column": column, "count": count} for column, count in reader.formulas],
        "encoding": reader.encoding,
        "is_encoding_in_doubt": reader.is_encoding_in_doubt,
        "delimiter": reader.delimiter,
        "columns": _columns(reader, first),
        "rows": _with_repeats([_with_cells(row, each[0].raw, reader) for row, each in zip(shown, first, strict=True)]),
        "estimated_rows": rows if beginning.is_whole else _roughly(rows * file_bytes / beginning.read_bytes),
        "is_whole": beginning.is_whole,
    }


async def preview_of(request: web.Request, plan: Plan, show: Show) -> Json:
    """See ``preview``. The body is the beginning of a file, ``size`` of the query the length of it all in bytes.

    Raises:
        Problem: 422, no such size; 415, no such type; and what ``preview`` raises.
    """
    size = request.query.get("size", "")
    if not (size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS):
        raise invalid([("/size", ErrorCode.NOT_FILE_SIZE.format())])
    reader = reader_of(request, plan)
    chunks = sheet_of(request, reader) if reader.is_of_workbook else body_chunks(request, SAMPLE_BYTES_MAX)
    return await preview(show, chunks, int(size), reader)


def _format_of(reader: RowReader) -> str:
    return "xlsx" if reader.is_of_workbook else "ndjson" if reader.is_json else "csv"


def _columns(reader: RowReader, rows: Sequence[Sequence[Item]]) -> list[Json]:
    """What each column is taken for, with its first values; without those of reasons of earlier rejections."""
    return [
        {
            "header": column.header,
            "field": column.field,
            "attribute": ATTRIBUTE_PREFIX + attribute_name(column.header, NO_ATTRIBUTES),
            "values": _values([items[0].raw for items in rows], at),
        }
        for at, column in enumerate(reader.columns)
        if column.header.strip() and not is_reason(column.header)
    ]


def _values(rows: Sequence[Sequence[str]], at: int) -> list[str]:
    found = dict.fromkeys(cells[at][:_VALUE_CHARACTERS_MAX] for cells in rows if at < len(cells) and cells[at])
    return list(found)[:_VALUES_SHOWN]


def _with_cells(row: Json, cells: Sequence[str], reader: RowReader) -> Json:
    """A row that could not be read, with the cells that it has, so that people see whose it is."""
    if row["values"] is not None or not reader.columns:
        return row
    said = {column.field: cell for column, cell in zip(reader.columns, cells, strict=False)}
    given: Json = {name: cell for name, cell in said.items() if name in COLUMNS}
    attributes = {name.removeprefix(ATTRIBUTE_PREFIX): cell for name, cell in said.items() if is_attribute(name)}
    return {**row, "values": {**given, "attributes": attributes}}


def _roughly(count: float) -> int:
    """An estimate in the three digits that can be trusted."""
    return int(float(f"{math.ceil(count):.3g}"))


@dataclass(slots=True)
class _Beginning:
    """What there is in the beginning of a file."""

    rows: int = 0
    lines: dict[int, list[Item]] = field(default_factory=dict)
    """Of each of the first lines: one row, or one or more errors."""
    read_bytes: int = 0
    is_whole: bool = True
    _last: int = 0

    def add(self, items: Sequence[Item]) -> None:
        for item in items:
            self.rows, self._last = self.rows + (item.line != self._last), item.line
            if self.rows <= ROWS_SHOWN:
                self.lines.setdefault(item.line, []).append(item)


async def _read(reader: RowReader, sample: Chunks, file_bytes: int) -> _Beginning:
    found, turns = _Beginning(), Turns()
    try:
        async with aclosing(sample):
            async for chunk in sample:
                found.read_bytes += len(chunk)
                for begin in range(0, len(chunk), SLICE_BYTES):
                    found.add(reader.feed(chunk[begin : begin + SLICE_BYTES]))
                    await turns.pause()
        found.is_whole = reader.is_of_workbook or file_bytes <= found.read_bytes
        found.add(reader.finish() if found.is_whole else reader.settle())
        if not (found.is_whole or reader.has_begun):
            raise UnreadableInput(ErrorCode.FILE_LINE_TOO_LONG.format(line=1, max=found.read_bytes // 1024))
    except UnknownEncoding as error:
        raise Problem(400, error.fault, [("/charset", error.fault)]) from None
    except UnreadableInput as error:
        raise Problem(400, error.fault) from None
    return found


def shown_by(of_row: Callable[[ImportRow], Awaitable[Json]]) -> Show:
    """What lines will become; ``of_row``: what a row will, by ``row_json``."""

    async def show(items: Sequence[Item]) -> Json:
        if bad := [(each.field, each.message) for each in items if isinstance(each, RowError)]:
            return row_json(items[0].line, "bad", errors=bad)
        row = items[0]
        assert isinstance(row, ImportRow)
        return await of_row(row)

    return show


def clients_shown(engine: EngineClient, ask: Ask, options: ImportOptions) -> Show:
    """What lines will become of clients; of the options those that speak of time zones tell."""
    return shown_by(lambda row: _client_shown(engine, ask, row, options))


async def _client_shown(engine: EngineClient, ask: Ask, row: ImportRow, options: ImportOptions) -> Json:
    given: Json = {name: value for name, value in zip(COLUMNS, row.cells, strict=True) if value is not None}
    try:
        old = await _stored(engine, ask, row.cell("phone_number") or "")
        # As the engine has it: a default is not for a client whose zone no column speaks of.
        is_default_due = "time_zone" in given or old is None
        if zone := row.cell("time_zone") or options.time_zone or (options.default_time_zone if is_default_due else ""):
            given["time_zone"] = zone
        if row.attributes is not None:
            before = {} if old is None else json_of(old)["attributes"]
            both = before | orjson.loads(row.attributes)
            given["attributes"] = {name: value for name, value in both.items() if value is not None}
        after: client_pb2.Client = await ask(*_check(engine, given, old))
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.INVALID_ARGUMENT:
            raise
        return row_json(row.line, "bad", given, fields_of_problem(of_rpc(error)))
    is_zone_due = not row.cell("time_zone") and ("time_zone" in given or old is None)
    if options.time_zone_by_number and is_zone_due:
        after.time_zone = zone_of_number(after.phone_number) or after.time_zone
    return row_json(row.line, _outcome(old, after), {name: json_of(after)[name] for name in _SHOWN})


async def _stored(engine: EngineClient, ask: Ask, phone_number: str) -> client_pb2.Client | None:
    """The client with this number, written as it may be; None: there is none, or it is no number."""
    try:
        found = await ask(engine.clients.ListClients, pb.ListClientsRequest(phone_number=phone_number, page_size=1))
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.INVALID_ARGUMENT:
            raise
        return None
    return found.clients[0] if found.clients else None


def _check(engine: EngineClient, given: Json, old: client_pb2.Client | None) -> tuple[Callable[..., Any], Any]:
    """The call that tells what the row makes, as ImportClientsRow says it."""
    client = message_of(client_pb2.Client, given)
    if old is None:
        return engine.clients.CreateClient, pb.CreateClientRequest(client=client, validate_only=True)
    client.id = old.id
    asked = pb.UpdateClientRequest(client=client, update_mask=FieldMask(paths=list(given)), validate_only=True)
    return engine.clients.UpdateClient, asked


def _outcome(old: client_pb2.Client | None, after: client_pb2.Client) -> str:
    if old is None:
        return "created"
    return "unchanged" if all(getattr(old, name) == getattr(after, name) for name in _SHOWN) else "updated"


def fields_of_problem(problem: Problem) -> list[BadField]:
    """What is bad, by the names of fields instead of pointers."""
    return [(at.rpartition("/")[2], text) for at, text in problem.errors]


def row_json(line: int, outcome: str, values: Json | None = None, errors: Sequence[BadField] = ()) -> Json:
    """A line as the page shows it: what becomes of it, with its values as they will be, or as they were said."""
    return {
        "line": line,
        "outcome": outcome,
        "values": values,
        "errors": [{"field": field, **fault_json(fault)} for field, fault in errors],
    }


def _with_repeats(rows: Sequence[Json]) -> list[Json]:
    """Rows with the number of an earlier one are told as such: of both the later one holds."""
    first: dict[str, int] = {}
    found = []
    for row in rows:
        if row["outcome"] != "bad":
            line = first.setdefault(row["values"]["phone_number"], row["line"])
            if line != row["line"]:
                row = {**row, "outcome": "repeat", "same_as_line": line}
        found.append(row)
    return found
