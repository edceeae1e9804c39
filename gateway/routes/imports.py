"""POST /clients/import: a table of any size through to the engine, in constant memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from marshmallow.validate import OneOf

from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.document.openapi import Body
from gateway.http.admission import CALLER
from gateway.http.body import read_query
from gateway.http.engine_client import EngineClient
from gateway.http.keys import ENGINE, IMPORTS, SETTINGS
from gateway.http.problems import Problem, fault_json
from gateway.http.streaming import body_chunks
from gateway.routes.common import idempotency_key, json_answer, named_columns
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes.fields import Input, Text
from gateway.tables.csv_rows import Format, RowReader, UnreadableInput
from gateway.tables.encodings import encoding_of
from gateway.tables.import_stream import BrokenOff, ImportCall, ImportResult, import_rows
from gateway.tables.rows import NO_ATTRIBUTES, Attributes
from mailing.v1.access_pb2 import Identity

FORMATS: Final[Mapping[str, Format]] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
_TEXT: Final[Json] = {"type": "string"}
_ATTRIBUTES: Final = (
    "Columns of a CSV that are attributes although they are not called `attributes.NAME`: their names with commas "
    "between them, or `all` for each column that is nothing else."
)
_NUMBERS: Final = "`text`: a cell that is a plain number, `true` or `false` becomes a text all the same."
_CSV: Final = "phone_number,tag,time_zone\n+7 (916) 123-45-67,new,Europe/Moscow\n89161234568,,Asia/Omsk\n"
_NDJSON: Final = '{"phone_number": "79161234569", "tag": "new"}\n'


class ImportQuery(Input):
    """Which columns of a CSV are attributes besides those that are called so, like ``attributes.city``."""

    attributes = Text(metadata={"description": _ATTRIBUTES, "example": "city,name"})
    numbers = Text(validate=OneOf(["text"], error=ErrorCode.NOT_A_CHOICE), metadata={"description": _NUMBERS})


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("importClients")

    @described(
        binding,
        query=ImportQuery,
        bodies={"text/csv": Body(_TEXT, _CSV), "application/x-ndjson": Body(_TEXT, _NDJSON)},
        response_example={
            "created": 2,
            "updated": 0,
            "unchanged": 0,
            "rejected": 1,
            "errors": [{"line": 4, "field": "time_zone", **fault_json(ErrorCode.NOT_TIME_ZONE.format())}],
        },
    )
    async def import_clients(request: web.Request) -> web.Response:
        attributes = attributes_of(read_query(request, ImportQuery))
        reader, key = reader_of(request, attributes), idempotency_key(request)
        chunks = body_chunks(request, request.app[SETTINGS].http_import_bytes, compressed=True)
        return json_answer(result_json(await run_import(request, request.app[ENGINE], chunks, reader, key)))

    return [route_of(binding, import_clients)]


async def run_import(
    request: web.Request,
    engine: EngineClient,
    chunks: AsyncIterable[bytes],
    reader: RowReader,
    key: str = "",
    on_page: Callable[[int], None] = lambda rows: None,
) -> ImportResult:
    """Import a body in the name of whoever sends it; see ``import_rows``.

    Args:
        key: makes a repeat safe; see ``ImportClientsRequest.request_id``.

    Raises:
        Problem: 400, it can't be read; 408, it took too long; 429 or 503, too many run; 503, the engine broke it off;
            or what ``chunks`` raises.
        AioRpcError: the engine refused, or is away.
    """
    settings, metadata = request.config_dict[SETTINGS], engine.metadata(request)
    seconds = settings.call_seconds

    def begin(timeout: float | None = None) -> ImportCall:
        return engine.clients.ImportClients(metadata=metadata, timeout=timeout)

    try:
        async with (
            _place(request),
            asyncio.timeout(settings.http_import_seconds),
            engine.stream(engine.clients.ImportClients, begin(), request) as call,
        ):
            return await import_rows(
                call, chunks, reader, probe=lambda: begin(seconds), request_id=key, on_page=on_page
            )
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


def reader_of(request: web.Request, attributes: Attributes = NO_ATTRIBUTES) -> RowReader:
    """A reader for what the body says it is. Raises Problem (415)."""
    format = FORMATS.get(request.content_type.lower())
    if format is None:
        raise Problem(
            415, ErrorCode.IMPORT_TYPE.format(choices=" or ".join(FORMATS)), headers={"Accept-Post": ", ".join(FORMATS)}
        )
    encoding = None if request.charset is None else encoding_of(request.charset)
    if encoding is None and request.charset is not None:
        raise Problem(415, ErrorCode.IMPORT_CHARSET.format())
    return RowReader(format, encoding, attributes)


def attributes_of(said: Json) -> Attributes:
    """Which columns are attributes, of what ``ImportQuery`` says. Raises Problem (422): there is a bad name."""
    names = None if said.get("attributes") == "all" else named_columns(said.get("attributes", ""))
    return Attributes(names if names is None else frozenset(names), "numbers" in said)


def result_json(result: ImportResult) -> Json:
    """What an import did."""
    return {
        "created": result.created,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "rejected": result.rejected,
        "errors": [{"line": each.line, "field": each.field, **fault_json(each.message)} for each in result.errors],
    }
