"""GET /clients/export: all clients that match, page by page as the engine reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from grpc import aio

from common.contract.codec import message_of
from common.contract.reader import field_of
from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.document.openapi import Body
from gateway.http.accepting import best_type
from gateway.http.body import read_query
from gateway.http.keys import ENGINE, STOPPING
from gateway.http.problems import Problem
from gateway.http.streaming import accept_header
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import query_of
from gateway.shapes.fields import QueryFlag
from gateway.tables.row_text import COLUMNS, cells_of, csv_row, ndjson_row
from mailing.v1.client_service_pb2 import ExportClientsRequest, ExportClientsResponse, ImportClientsRow

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
_TEXT: Final[Json] = {"type": "string"}
_HEADERS: Final = {
    CSV: {"Content-Type": f"{CSV}; charset=utf-8", "Content-Disposition": 'attachment; filename="clients.csv"'},
    NDJSON: {"Content-Type": NDJSON, "Content-Disposition": 'attachment; filename="clients.ndjson"'},
}
_RAW: Final = "CSV without the apostrophes that keep table programs from running cells as formulas."
_ROW: Final = tuple(field_of(ImportClientsRow.DESCRIPTOR, name).rules.example for name in COLUMNS)


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("exportClients")
    query = type(
        "ExportQuery", (query_of(binding),), {"raw": QueryFlag(metadata={"description": _RAW, "default": False})}
    )

    @described(
        binding,
        query=query,
        response=(200, None),
        contents={CSV: Body(_TEXT, csv_row(COLUMNS) + csv_row(_ROW)), NDJSON: Body(_TEXT, ndjson_row(_ROW))},
    )
    async def export_clients(request: web.Request) -> web.StreamResponse:
        said = read_query(request, query)
        asked = message_of(ExportClientsRequest, said)
        media_type = best_type(accept_header(request), (CSV, NDJSON))
        if media_type is None:
            raise Problem(406, ErrorCode.NOT_ACCEPTABLE.format(choices=f"{CSV} or {NDJSON}"))
        engine = request.app[ENGINE]
        begun = engine.clients.ExportClients(asked, metadata=engine.metadata(request))
        async with engine.stream(engine.clients.ExportClients, begun, request) as call:
            return await _stream(request, call, media_type, is_raw=said.get("raw", False))

    return [route_of(binding, export_clients)]


async def _stream(
    request: web.Request,
    call: aio.UnaryStreamCall[ExportClientsRequest, ExportClientsResponse],
    media_type: str,
    *,
    is_raw: bool,
) -> web.StreamResponse:
    """Send the pages. What fails half-way is raised: the connection is cut then (``answer_problems``)."""
    row: Callable[[Sequence[str]], str] = partial(csv_row, is_raw=is_raw) if media_type == CSV else ndjson_row
    page = await call.read()  # before the headers go out: its error can still be told
    response = web.StreamResponse(headers=_HEADERS[media_type])
    await response.prepare(request)
    if media_type == CSV:
        await response.write(csv_row(COLUMNS).encode())
    while isinstance(page, ExportClientsResponse):  # else grpc.aio.EOF
        if request.app[STOPPING].is_set():
            raise Problem(503, ErrorCode.GATEWAY_STOPPING.format())
        rows = (row(cells_of(each)) for each in page.clients)
        await response.write("".join(rows).encode())
        page = await call.read()
    return response
