"""What an import will make of a file, told from the file's beginning; nothing is stored.

The reader is the import's own, and each row shown has been through the engine (``validate_only``): what the page shows
is what will be stored.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio

from common.contract.codec import message_of, paths_in
from common.contract.values import Json, struct_json
from common.error_codes import ErrorCode
from common.turns import Turns
from gateway.http.engine_client import EngineClient
from gateway.http.problems import BadField, Problem, fault_json, of_rpc
from gateway.tables.csv_rows import COLUMNS, ImportRow, Item, RowError, RowReader, UnknownEncoding, UnreadableInput
from gateway.tables.import_stream import SLICE_BYTES
from mailing.v1 import client_pb2
from mailing.v1 import client_service_pb2 as pb

SAMPLE_BYTES_MAX: Final = 256 * 1024
"""More than the longest line that a table may have; the page sends 128 KiB."""
ROWS_SHOWN: Final = 20
Ask = Callable[[Callable[..., Any], Any], Awaitable[Any]]
"""Calls a method of the engine with a message."""


async def preview(engine: EngineClient, ask: Ask, sample: bytes, file_bytes: int, reader: RowReader) -> Json:
    """Say how a file is read, and what its first rows will become.

    Args:
        sample: the file's first bytes; all of it, when it is that short.
        file_bytes: how long the file is.
        reader: one that has read nothing yet.

    Raises:
        Problem: 400, it can't be read at all; in the words of the import. Where another encoding may help, ``/charset``
            is named.
        AioRpcError: the engine is away, or refuses.
    """
    is_whole = file_bytes <= len(sample)
    rows, first = await _read(reader, sample, is_whole)
    shown = await asyncio.gather(*(_shown(engine, ask, each) for each in first))
    return {
        "format": "csv" if reader.columns else "ndjson",
        "encoding": reader.encoding,
        "is_encoding_in_doubt": reader.is_encoding_in_doubt,
        "delimiter": reader.delimiter,
        "columns": reader.columns,
        "rows": _with_repeats(shown),
        "estimated_rows": rows if is_whole else _roughly(rows * file_bytes / len(sample)),
        "is_whole": is_whole,
    }


def _roughly(count: float) -> int:
    """An estimate in the three digits that can be trusted."""
    return int(float(f"{math.ceil(count):.3g}"))


async def _read(reader: RowReader, sample: bytes, is_whole: bool) -> tuple[int, list[list[Item]]]:
    """How many rows there are, and what there is of each of the first lines: one row, or one or more errors."""
    lines: dict[int, list[Item]] = {}
    rows, last, turns = 0, 0, Turns()
    try:
        for begin in range(0, len(sample) + 1, SLICE_BYTES):
            items = reader.feed(sample[begin : begin + SLICE_BYTES])
            if begin + SLICE_BYTES > len(sample):
                items += reader.finish() if is_whole else reader.settle()
            for item in items:
                rows, last = rows + (item.line != last), item.line
                if rows <= ROWS_SHOWN:
                    lines.setdefault(item.line, []).append(item)
            await turns.pause()
        if not (is_whole or reader.has_begun):
            raise UnreadableInput(ErrorCode.FILE_LINE_TOO_LONG.format(line=1, max=len(sample) // 1024))
    except UnknownEncoding as error:
        raise Problem(400, error.fault, [("/charset", error.fault)]) from None
    except UnreadableInput as error:
        raise Problem(400, error.fault) from None
    return rows, list(lines.values())


async def _shown(engine: EngineClient, ask: Ask, items: Sequence[Item]) -> Json:
    line, errors = items[0].line, [each for each in items if isinstance(each, RowError)]
    if errors:
        return _row(line, "bad", errors=[(each.field, each.message) for each in errors])
    row = items[0]
    assert isinstance(row, ImportRow)
    given: Json = {name: value for name, value in zip(COLUMNS, row.cells, strict=True) if value is not None}
    if row.attributes is not None:
        given["attributes"] = orjson.loads(row.attributes)
    try:
        old = await _stored(engine, ask, row.cell("phone_number") or "")
        after: client_pb2.Client = await ask(*_check(engine, given, old))
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.INVALID_ARGUMENT:
            raise
        return _row(line, "bad", given, errors=[(at.rpartition("/")[2], text) for at, text in of_rpc(error).errors])
    shown = {name: getattr(after, name) for name in COLUMNS}
    return _row(line, _outcome(old, after), {**shown, "attributes": struct_json(after.attributes)})


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
    if old is None:
        attributes = {name: value for name, value in given.get("attributes", {}).items() if value is not None}
        client = message_of(client_pb2.Client, {**given, "attributes": attributes})
        return engine.clients.CreateClient, pb.CreateClientRequest(client=client, validate_only=True)
    client = message_of(client_pb2.Client, given)
    client.id = old.id
    mask = FieldMask(paths=paths_in(client_pb2.Client.DESCRIPTOR, given))
    asked = pb.UpdateClientRequest(client=client, update_mask=mask, validate_only=True)
    return engine.clients.UpdateClient, asked


def _outcome(old: client_pb2.Client | None, after: client_pb2.Client) -> str:
    if old is None:
        return "created"
    names = (*COLUMNS, "attributes")
    return "unchanged" if all(getattr(old, name) == getattr(after, name) for name in names) else "updated"


def _row(line: int, outcome: str, client: Json | None = None, errors: Sequence[BadField] = ()) -> Json:
    return {
        "line": line,
        "outcome": outcome,
        "client": client,
        "errors": [{"field": field, **fault_json(fault)} for field, fault in errors],
    }


def _with_repeats(rows: Sequence[Json]) -> list[Json]:
    """Rows with the number of an earlier one are told as such: of both the later one holds."""
    first: dict[str, int] = {}
    found = []
    for row in rows:
        if row["outcome"] != "bad":
            line = first.setdefault(row["client"]["phone_number"], row["line"])
            if line != row["line"]:
                row = {**row, "outcome": "repeat", "same_as_line": line}
        found.append(row)
    return found
