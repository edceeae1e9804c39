"""POST /clients/import: a table of any size through to the engine, in constant memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from marshmallow.validate import Length, OneOf, Regexp

from common.contract.values import Json
from common.error_codes import ErrorCode, Unfit
from common.import_parts import PART_OF
from gateway.document.openapi import Body
from gateway.http.accepting import best_type
from gateway.http.admission import CALLER
from gateway.http.body import read_query
from gateway.http.engine_client import EngineClient
from gateway.http.keys import ENGINE, IMPORTS, SETTINGS, WORKBOOKS
from gateway.http.problems import Problem, fault_json, invalid
from gateway.http.streaming import Chunks, accept_header, body_chunks
from gateway.routes.common import idempotency_key, json_answer, named_columns
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import Input
from gateway.shapes.fields import ListOf, QueryFlag, Text
from gateway.tables.columns import MAP_ENTRIES_MAX, Plan, plan_of
from gateway.tables.csv_rows import Format, RowError, RowReader, UnreadableInput
from gateway.tables.encodings import encoding_of
from gateway.tables.import_stream import (
    CHECK_COUNTS,
    BrokenOff,
    ImportCall,
    ImportOptions,
    ImportResult,
    RowKind,
    import_rows,
    import_telling_all,
)
from gateway.tables.rejected import RejectedFile
from gateway.tables.workbook import WORKBOOK_TYPE
from mailing.v1.access_pb2 import Identity

FORMATS: Final[Mapping[str, Format]] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    WORKBOOK_TYPE: "sheet",
}
COUNTS: Final = ("created", "updated", "unchanged", "rejected")
_JSON: Final = "application/json"
_CSV_TYPE: Final = "text/csv"
_PIECE_BYTES: Final = 64 * 1024
_TEXT: Final[Json] = {"type": "string"}
_CSV: Final = "phone_number,tag,time_zone\n+7 (000) 123-45-67,example,Europe/Moscow\n80001234568,,Asia/Omsk\n"
_NDJSON: Final = '{"phone_number": "70001234569", "tag": "example"}\n'
_BINARY: Final[Json] = {"type": "string", "format": "binary"}
_MAP: Final = (
    "What a column is, `Header=field`: a field of the row, `attributes.NAME` or `ignore`. Columns that are called as a "
    "field, or as people call it (`Телефон`, `Mobile`), need none. Without any `map` a column that is not known is an "
    "error; with one it is ignored, unless its name is known (`Город` is `attributes.city`)."
)
_ATTRIBUTES: Final = (
    "Columns of a table that are attributes although they are not called `attributes.NAME`: their names with commas "
    "between them, or `all` for each column that is nothing else: `Total spent` is `attributes.total_spent`."
)
_NUMBERS: Final = "`text`: a cell that is a plain number, `true` or `false` becomes a text all the same."
_CHECK: Final = (
    "Only check: the answer says what the import would do, and nothing is stored; `open_mailings` has the mailings "
    "that would take clients at once."
)
_SKIP: Final = (
    "No row gets a message of a mailing that is open now and would take it because of this import; that holds for its "
    "number until the mailing's end."
)

_ZONES: Final = (
    "A row that names no time zone gets that of its number's code, where the numbering plan tells one, instead of the "
    "default. Codes of Russia's regions and of Kazakhstan do; mobile ones of Russia don't. Where there is no column of "
    "time zones, it holds for new clients."
)


_ZONE: Final = (
    "The time zone of each row that names none, as if a column had it: `Asia/Omsk`, `МСК+3`. With "
    "`time_zone_by_number` only of those whose number's code tells none."
)
_DEFAULT_ZONE: Final = (
    "The time zone that the default is for this import, instead of `MAILING_DEFAULT_TIME_ZONE`. Where there is no "
    "column of time zones, clients that exist keep theirs."
)
_SHEET: Final = "The sheet of a workbook that is read, by its name; left out: the first that has rows."


class ImportQuery(Input):
    """How an import is to be taken."""

    map = ListOf(Text(), validate=Length(max=MAP_ENTRIES_MAX), metadata={"description": _MAP})
    attributes = Text(metadata={"description": _ATTRIBUTES})
    numbers = Text(validate=OneOf(["text"], error=ErrorCode.NOT_A_CHOICE), metadata={"description": _NUMBERS})
    validate_only = QueryFlag(metadata={"description": _CHECK, "default": False})
    skip_open_mailings = QueryFlag(metadata={"description": _SKIP, "default": False})
    time_zone_by_number = QueryFlag(metadata={"description": _ZONES, "default": False})
    time_zone = Text(metadata={"description": _ZONE})
    default_time_zone = Text(metadata={"description": _DEFAULT_ZONE})
    sheet = Text(validate=Regexp(r"^[^\x00]*$", error=ErrorCode.NULL_CHARACTER), metadata={"description": _SHEET})


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("importClients")

    @described(
        binding,
        query=ImportQuery,
        bodies={
            "text/csv": Body(_TEXT, _CSV),
            "application/x-ndjson": Body(_TEXT, _NDJSON),
            WORKBOOK_TYPE: Body(_BINARY, "the bytes of an .xlsx file"),
        },
        response_example={
            "created": 2,
            "updated": 0,
            "unchanged": 0,
            "rejected": 1,
            "errors": [{"line": 4, "field": "time_zone", **fault_json(ErrorCode.NOT_TIME_ZONE.format())}],
        },
    )
    async def import_clients(request: web.Request) -> web.StreamResponse:
        asked = read_query(request, ImportQuery)
        plan = _with_attributes(plan_said(asked.get("map", ())), asked)
        reader, key = reader_of(request, plan), idempotency_key(request)
        media_type = best_type(accept_header(request), (_JSON, _CSV_TYPE))
        if media_type is None:
            raise Problem(406, ErrorCode.NOT_ACCEPTABLE.format(choices=f"{_JSON} or {_CSV_TYPE}"))
        chunks = body_of(request, reader, compressed=True, sheet=asked.get("sheet", ""))
        options = ImportOptions(**{name: asked[name] for name in ImportOptions._fields if name in asked})
        if media_type == _CSV_TYPE:
            return await _rejected_rows(request, chunks, reader, options)
        result = await run_import(request, request.app[ENGINE], chunks, reader, key, options=options)
        return json_answer(result_json(result, options) | sheets_json(reader))

    return [route_of(binding, import_clients)]


def _with_attributes(plan: Plan, said: Json) -> Plan:
    """Which columns are attributes, of what ``ImportQuery`` says. Raises Problem (422): there is a bad name."""
    names = None if said.get("attributes") == "all" else named_columns(said.get("attributes", ""))
    chosen = names if names is None else frozenset(names)
    return plan._replace(attributes=chosen, numbers_as_text="numbers" in said)


async def _rejected_rows(
    request: web.Request, chunks: Chunks, reader: RowReader, options: ImportOptions
) -> web.StreamResponse:
    """Import, and answer with the rows that were not stored, to be corrected; the counts are in headers."""
    with tempfile.TemporaryFile() as file:
        rejected = RejectedFile(reader)

        def keep(errors: list[RowError]) -> None:
            file.writelines(line.encode() for line in rejected.lines(errors))

        result = await run_import(request, request.app[ENGINE], chunks, reader, on_errors=keep, options=options)
        file.seek(0)
        counts = {f"Import-{name.title()}": str(getattr(result, name)) for name in COUNTS}
        kind, end = ("application/x-ndjson", "ndjson") if reader.is_json else (f"{_CSV_TYPE}; charset=utf-8", "csv")
        name = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="rejected.{end}"'}
        response = web.StreamResponse(headers=counts | name)
        await response.prepare(request)
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            await response.write(piece)
        return response


async def run_import(
    request: web.Request,
    engine: EngineClient,
    chunks: Chunks,
    reader: RowReader,
    key: str = "",
    on_page: Callable[[int], None] = lambda rows: None,
    on_errors: Callable[[list[RowError]], None] | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - immutable
    kind: RowKind | None = None,
) -> ImportResult:
    """Import a body in the name of whoever sends it; see ``import_rows``.

    Args:
        chunks: see ``body_of``.
        key: makes a repeat safe; see ``ImportClientsRequest.request_id``.
        on_errors: is told all errors; see ``import_telling_all``, which knows no repeats.
        options: how the rows are to be taken.
        kind: ``SUPPRESSIONS``, or ``None``: clients.

    Raises:
        Problem: 400, it can't be read; 408, it took too long; 429 or 503, too many run; 503, the engine broke it off;
            or what ``chunks`` raises.
        AioRpcError: the engine refused, or is away.
    """
    settings, metadata = request.config_dict[SETTINGS], (*engine.metadata(request), (PART_OF, uuid4().hex))
    seconds = settings.call_seconds
    method: Any = engine.clients.ImportClients if kind is None else engine.suppressions.ImportSuppressions

    def begin(timeout: float | None = None) -> ImportCall:
        call: ImportCall = method(metadata=metadata, timeout=timeout)
        return call

    async def ask() -> ImportResult:
        if on_errors is not None:
            return await import_telling_all(
                begin, chunks, reader, on_errors=on_errors, options=options, on_page=on_page
            )
        async with engine.stream(method, begin(), request) as call:
            probe = partial(begin, seconds)
            return await import_rows(
                call, chunks, reader, probe=probe, request_id=key, options=options, on_page=on_page, kind=kind
            )

    try:
        async with _place(request), aclosing(chunks), asyncio.timeout(settings.http_import_seconds):
            return await ask()
    except TimeoutError:
        raise Problem(408, ErrorCode.IMPORT_LATE.format(max=f"{settings.http_import_seconds:g}")) from None
    except UnreadableInput as error:
        raise Problem(400, error.fault) from None
    except BrokenOff as error:
        raise Problem(503, ErrorCode.IMPORT_BROKEN_OFF.format(), headers={"Retry-After": "1"}) from error


@asynccontextmanager
async def _place(request: web.Request) -> AsyncIterator[None]:
    """One of the places for imports; each caller has a share of them."""
    caller = request.get(CALLER) or Identity()  # nobody reads a body who is not known
    with request.config_dict[IMPORTS].hold((caller.account_id, caller.token_id)):
        yield


def plan_said(entries: Sequence[str]) -> Plan:
    """What ``map`` of a query says of the columns. Raises Problem (422)."""
    try:
        return plan_of(entries)
    except Unfit as error:
        raise invalid([("/map", error.fault)]) from None


def body_of(request: web.Request, reader: RowReader, *, compressed: bool = False, sheet: str = "") -> Chunks:
    """The body, as the reader takes it; see ``body_chunks``, and ``Workbooks.rows`` for a workbook and its sheet."""
    settings = request.config_dict[SETTINGS]
    if not reader.is_of_workbook:
        return body_chunks(request, settings.http_import_bytes, compressed=compressed)
    chunks = body_chunks(request, settings.http_workbook_bytes, compressed=compressed)
    return request.config_dict[WORKBOOKS].rows(chunks, sheet)


def reader_of(request: web.Request, plan: Plan) -> RowReader:
    """A reader for what the body says it is. Raises Problem (415)."""
    format = FORMATS.get(request.content_type.lower())
    if format is None:
        raise Problem(
            415, ErrorCode.IMPORT_TYPE.format(choices=" or ".join(FORMATS)), headers={"Accept-Post": ", ".join(FORMATS)}
        )
    encoding = None if request.charset is None else encoding_of(request.charset)
    if encoding is None and request.charset is not None:
        raise Problem(415, ErrorCode.IMPORT_CHARSET.format())
    return RowReader(format, encoding, plan)


def sheets_json(reader: RowReader) -> Json:
    """Of a workbook, which of its sheets was read, and which others have something in them; of other files nothing."""
    return {} if reader.sheet is None else {"sheet": reader.sheet, "other_sheets": list(reader.other_sheets)}


def result_json(result: ImportResult, options: ImportOptions = ImportOptions()) -> Json:  # noqa: B008 - immutable
    """What an import did, or would do."""
    reach = [{"mailing_id": mailing_id, "client_count": number} for mailing_id, number in result.open_mailings]
    more = {name: getattr(result, name) for name in CHECK_COUNTS}
    return {
        **({"open_mailings": reach, **more} if options.validate_only else {}),
        **{name: getattr(result, name) for name in COUNTS},
        "errors": [{"line": each.line, "field": each.field, **fault_json(each.message)} for each in result.errors],
    }
