"""An import whose sender can ask how far it is.

A browser knows what it has sent, not what was stored: a file of 15 MB is gone into the buffers between the two in
half a second, and then stored for twenty. Of several gateways only the one that runs an import knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from aiohttp import web

from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.http.engine_client import EngineClient
from gateway.http.problems import Problem, fault_json, invalid
from gateway.http.streaming import Chunks
from gateway.routes.imports import body_of, plan_said, reader_of, result_json, run_import
from gateway.tables.columns import IGNORE, Plan
from gateway.tables.csv_rows import RowError, RowReader
from gateway.tables.import_stream import ImportOptions
from gateway.tables.rejected import without_reasons

_KEY_LENGTH_MAX = 64
_REJECTED_BYTES_MAX = 16 * 1024 * 1024
_ROW_BYTES = 200
"""What a row takes besides its cells, about."""
_ZONES = ("time_zone", "default_time_zone")
"""The options that are no flags."""


@dataclass(slots=True)
class _Progress:
    """How far an import is."""

    read_bytes: int = 0
    rows: int = 0
    """Those that went to the engine, which takes them as it stores them."""


class Imports:
    """The imports that run here, by the keys that their senders have made up."""

    def __init__(self) -> None:
        self._running: dict[str, _Progress] = {}

    async def run(self, request: web.Request, engine: EngineClient) -> Json:
        """Import the body; ``key`` of the query names it meanwhile.

        Raises:
            Problem: 409, an import with the key runs; 422, it is no key; or see ``run_import``.
            AioRpcError: the engine refused, or is away.
        """
        key, reader = _key(request), reader_of(request, columns_said(request))
        if key in self._running:
            raise Problem(409, ErrorCode.IMPORT_KEY_USED.format())
        progress = self._running[key] = _Progress()

        def on_page(rows: int) -> None:
            progress.rows += rows

        try:
            chunks, options = _counted(sheet_of(request, reader), progress), options_of(request)
            if options.validate_only:
                result = await run_import(request, engine, chunks, reader, on_page=on_page, options=options)
                return result_json(result, options)
            rejected = _Rejected()
            result = await run_import(
                request, engine, chunks, reader, on_page=on_page, on_errors=rejected.add, options=options
            )
            return result_json(result) | rejected.told(reader)
        finally:
            del self._running[key]

    def progress(self, request: web.Request) -> Json | None:
        """How far the import with the key is; None: none such runs here. Raises Problem (422): it is no key."""
        progress = self._running.get(_key(request))
        return None if progress is None else {"read_bytes": progress.read_bytes, "rows": progress.rows}


class _Rejected:
    """Rows that were not stored, with all their cells, as many as fit: the page makes a file of them."""

    def __init__(self) -> None:
        self._rows: list[Json] = []
        self._bytes_left = _REJECTED_BYTES_MAX
        self._is_whole = True

    def add(self, errors: Sequence[RowError]) -> None:
        """Keep the rows of these errors."""
        for line, of_row in groupby(errors, lambda error: error.line):
            found = list(of_row)
            cells = next((each.raw for each in found if each.raw), ())
            self._bytes_left -= sum(map(len, cells)) + _ROW_BYTES
            if self._bytes_left < 0:
                self._is_whole = False
                return
            reasons = [{"field": each.field, **fault_json(each.message)} for each in found]
            self._rows.append({"line": line, "cells": cells, "errors": reasons})

    def told(self, reader: RowReader) -> Json:
        """The rows, the names of their columns, and whether they are all."""
        header = without_reasons(reader, [column.header for column in reader.columns])
        rows = [{**row, "cells": without_reasons(reader, row["cells"])} for row in self._rows]
        return {"header": header, "rejected_rows": rows, "rejected_is_whole": self._is_whole}


def columns_said(request: web.Request) -> Plan:
    """What the query says of the columns: ``map`` of some, and by ``rest=ignore`` that all others are ignored, so that
    not each of hundreds has to be named. Raises Problem (422)."""
    plan = plan_said(request.query.getall("map", []))
    return plan._replace(ignores_rest=request.query.get("rest") == IGNORE)


def options_of(request: web.Request) -> ImportOptions:
    """How the query says that rows are to be taken."""
    said = request.query
    flags = {name: said.get(name) == "true" for name in ImportOptions._fields if name not in _ZONES}
    options: dict[str, Any] = {**flags, **{name: said.get(name, "") for name in _ZONES}}
    return ImportOptions(**options)


def sheet_of(request: web.Request, reader: RowReader) -> Chunks:
    """The body; of a workbook the sheet that the query names, or the first with rows."""
    return body_of(request, reader, sheet=request.query.get("sheet", ""))


async def _counted(chunks: Chunks, progress: _Progress) -> Chunks:
    async with aclosing(chunks):
        async for chunk in chunks:
            yield chunk
            progress.read_bytes += len(chunk)  # only now: the rows in it have been taken


def _key(request: web.Request) -> str:
    key = request.query.get("key", "")
    if not 1 <= len(key) <= _KEY_LENGTH_MAX:
        raise invalid([("/key", ErrorCode.BAD_LENGTH.format(min=1, max=_KEY_LENGTH_MAX, count=len(key)))])
    return key
