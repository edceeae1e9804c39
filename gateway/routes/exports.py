"""GET /clients/export: all clients that match, page by page as the engine reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from grpc import aio

from common.contract.values import Json
from gateway.document.openapi import Body, operation
from gateway.http.accepting import best_type
from gateway.http.body import read_query
from gateway.http.keys import ENGINE, STOPPING
from gateway.http.problems import Problem
from gateway.http.streaming import accept_header
from gateway.routes.common import API
from gateway.schemas import ClientExportQuerySchema
from gateway.tables.csv_rows import COLUMNS, csv_row, ndjson_row
from gateway.translate import export_clients_proto
from mailing.v1.client_service_pb2 import ExportClientsRequest, ExportClientsResponse

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
_TEXT: Final[Json] = {"type": "string"}
_HEADERS: Final = {
    CSV: {"Content-Type": f"{CSV}; charset=utf-8", "Content-Disposition": 'attachment; filename="clients.csv"'},
    NDJSON: {"Content-Type": NDJSON, "Content-Disposition": 'attachment; filename="clients.ndjson"'},
}
_ROW: Final = ("79161234567", "916", "new", "Europe/Moscow")


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own (FINDINGS 2)."""

    @operation(
        id="exportClients",
        tag="clients",
        summary="Export clients",
        description="All clients that match, in the order of their ids, as CSV or, by `Accept`, as NDJSON; what comes "
        "out can be imported again. In CSV an apostrophe stands before what a table program would run as a formula, "
        "unless `raw` is true; imports take it off. An answer that is cut off ends without the mark of its end.",
        query=ClientExportQuerySchema,
        contents={CSV: Body(_TEXT, csv_row(COLUMNS) + csv_row(_ROW)), NDJSON: Body(_TEXT, ndjson_row(_ROW))},
        errors=(406,),
    )
    async def export_clients(request: web.Request) -> web.StreamResponse:
        query = read_query(request, ClientExportQuerySchema)
        asked = export_clients_proto(query)
        media_type = best_type(accept_header(request), (CSV, NDJSON))
        if media_type is None:
            raise Problem(406, f"an export is {CSV} or {NDJSON}")
        engine = request.app[ENGINE]
        begun = engine.clients.ExportClients(asked, metadata=engine.metadata(request))
        async with engine.stream(engine.clients.ExportClients, begun, request) as call:
            return await _stream(request, call, media_type, is_raw=query.get("raw", False))

    return [web.get(f"{API}/clients/export", export_clients, allow_head=False)]


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
            raise Problem(503, "the gateway stops")
        rows = (row((each.phone_number, each.phone_code, each.tag, each.time_zone)) for each in page.clients)
        await response.write("".join(rows).encode())
        page = await call.read()
    return response
