"""GET /clients/export: all clients that match, page by page as the engine reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from gateway.routes.common import named_columns
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import query_of
from gateway.shapes.fields import QueryFlag, Text
from gateway.tables.row_text import COLUMNS, cells_of, columns_with, csv_row, csv_writer, ndjson_row
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import ExportClientsRequest, ExportClientsResponse, ImportClientsRow

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
_TEXT: Final[Json] = {"type": "string"}
_HEADERS: Final = {
    CSV: {"Content-Type": f"{CSV}; charset=utf-8", "Content-Disposition": 'attachment; filename="clients.csv"'},
    NDJSON: {"Content-Type": NDJSON, "Content-Disposition": 'attachment; filename="clients.ndjson"'},
}
_RAW: Final = "CSV without the apostrophes that keep table programs from running cells as formulas."
_ATTRIBUTES: Final = (
    "The attributes that CSV has as columns, with commas between their names; left out: all that the clients have. "
    "NDJSON has all."
)
_EXAMPLE: Final = {name: field_of(ImportClientsRow.DESCRIPTOR, name).rules.example for name in COLUMNS}
_CLIENT: Final = message_of(Client, {**_EXAMPLE, "attributes": {"city": "Омск", "visits": 12}})
_NAMES: Final = ("city", "visits")


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("exportClients")
    more = {
        "raw": QueryFlag(metadata={"description": _RAW, "default": False}),
        "columns": Text(data_key="attributes", metadata={"description": _ATTRIBUTES, "example": "city,name"}),
    }
    query = type("ExportQuery", (query_of(binding),), more)

    @described(
        binding,
        query=query,
        response=(200, None),
        contents={
            CSV: Body(_TEXT, csv_row(columns_with(_NAMES)) + csv_row(cells_of(_CLIENT, _NAMES))),
            NDJSON: Body(_TEXT, ndjson_row(_CLIENT)),
        },
    )
    async def export_clients(request: web.Request) -> web.StreamResponse:
        said = read_query(request, query)
        asked = message_of(ExportClientsRequest, said)
        media_type = best_type(accept_header(request), (CSV, NDJSON))
        if media_type is None:
            raise Problem(406, ErrorCode.NOT_ACCEPTABLE.format(choices=f"{CSV} or {NDJSON}"))
        names = named_columns(said.get("columns"))
        asked.with_attribute_names = names is None and media_type == CSV
        engine = request.app[ENGINE]
        begun = engine.clients.ExportClients(asked, metadata=engine.metadata(request))
        async with engine.stream(engine.clients.ExportClients, begun, request) as call:
            return await _stream(request, call, media_type, names, is_raw=said.get("raw", False))

    return [route_of(binding, export_clients)]


async def _stream(
    request: web.Request,
    call: aio.UnaryStreamCall[ExportClientsRequest, ExportClientsResponse],
    media_type: str,
    names: Sequence[str] | None,
    *,
    is_raw: bool,
) -> web.StreamResponse:
    """Send the pages. What fails half-way is raised: the connection is cut then (``answer_problems``)."""
    page = await call.read()  # before the headers go out: its error can still be told
    if names is None and isinstance(page, ExportClientsResponse):  # else grpc.aio.EOF
        names = page.attribute_names
    row: Callable[[Client], str] = ndjson_row if media_type == NDJSON else csv_writer(names or (), is_raw=is_raw)
    response = web.StreamResponse(headers=_HEADERS[media_type])
    await response.prepare(request)
    if media_type == CSV:
        await response.write(csv_row(columns_with(names or ())).encode())
    while isinstance(page, ExportClientsResponse):
        if request.app[STOPPING].is_set():
            raise Problem(503, ErrorCode.GATEWAY_STOPPING.format())
        await response.write("".join(map(row, page.clients)).encode())
        page = await call.read()
    return response
