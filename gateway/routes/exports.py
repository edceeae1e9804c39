"""Exports: all that matches, page by page as the engine reads it; GET /clients/export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from common.attribute_cells import PREFIX
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
from gateway.routes.common import id_in_path, named_columns
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import query_of
from gateway.shapes.fields import QueryFlag, Text
from gateway.tables import message_rows
from gateway.tables.row_text import COLUMNS, cells_of, csv_row, ndjson_row
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import ImportClientsRow

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
_TEXT: Final[Json] = {"type": "string"}
_RAW: Final = "CSV without the apostrophes that keep table programs from running cells as formulas."
_ATTRIBUTES: Final = (
    "The attributes that CSV has as columns, with commas between their names; left out: all that the clients have. "
    "NDJSON has all."
)
_EXAMPLE: Final = {name: field_of(ImportClientsRow.DESCRIPTOR, name).rules.example for name in COLUMNS}
_NAMES: Final = ("city", "visits")
_CLIENT: Final = message_of(Client, {**_EXAMPLE, "attributes": {"city": "Омск", "visits": 12}})


_MESSAGE: Final = (
    "1", "1", "1", "79161234567", "not_sent", "rejected", "1", "2026-01-31T06:00:00.000000Z", "",
    "2026-01-31T06:00:01.000000Z", "", "1", "400", "HTTP 400: no such number", "", "", "", "",
    "fbrq", "", "0.0",
)  # fmt: skip


class Export(NamedTuple):
    """What is exported, and how it is written."""

    id: str
    """Of the operation."""
    name: str
    """Of the file, and of the field of a page that has the entries."""
    columns: Sequence[str]
    cells: Callable[..., Sequence[str]]
    """An entry's cells, one for each column; with names as the second argument also of these attributes."""
    ndjson: Callable[[Any], str]
    """A line of NDJSON of an entry."""
    example: Sequence[str]
    """The cells of a row."""
    example_line: str
    """The same in NDJSON."""
    attributes: Sequence[str] | None = None
    """Those of the example; None: entries have none."""

    def header(self, names: Sequence[str]) -> str:
        """The first line of a CSV with these attributes."""
        return csv_row([*self.columns, *(PREFIX + name for name in names)])

    def cells_with(self, entry: Any, names: Sequence[str]) -> Sequence[str]:
        """The cells of an entry below such a header."""
        return self.cells(entry, names) if names else self.cells(entry)


CLIENTS: Final = Export(
    "exportClients", "clients", COLUMNS, cells_of, ndjson_row, cells_of(_CLIENT, _NAMES), ndjson_row(_CLIENT), _NAMES
)

MESSAGES: Final = Export(
    "exportMessages",
    "messages",
    message_rows.COLUMNS,
    message_rows.cells_of,
    lambda entry: message_rows.ndjson_row(message_rows.cells_of(entry)),
    _MESSAGE,
    message_rows.ndjson_row(_MESSAGE),
)
_OF_MESSAGES: Final = ("exportMessages", "exportMailingMessages")


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    return [export_route(CLIENTS), *(export_route(MESSAGES._replace(id=id)) for id in _OF_MESSAGES)]


def export_route(export: Export) -> web.RouteDef:
    """The route of an export, with a handler of its own."""
    binding = binding_named(export.id)
    more: dict[str, Any] = {"raw": QueryFlag(metadata={"description": _RAW, "default": False})}
    if export.attributes is not None:
        more["names"] = Text(data_key="attributes", metadata={"description": _ATTRIBUTES})
    query = type("ExportQuery", (query_of(binding),), more)
    shown = export.attributes or ()
    table = export.header(shown) + csv_row(export.example)

    @described(
        binding,
        query=query,
        response=(200, None),
        contents={CSV: Body(_TEXT, table), NDJSON: Body(_TEXT, export.example_line)},
    )
    async def export_all(request: web.Request) -> web.StreamResponse:
        said = {**read_query(request, query), **{name: id_in_path(request, name) for name in binding.path_fields}}
        asked: Any = message_of(binding.method.input_type._concrete_class, said)
        media_type = best_type(accept_header(request), (CSV, NDJSON))
        if media_type is None:
            raise Problem(406, ErrorCode.NOT_ACCEPTABLE.format(choices=f"{CSV} or {NDJSON}"))
        names = named_columns(said.get("names"))
        if export.attributes is not None:
            asked.with_attribute_names = names is None and media_type == CSV
        engine = request.app[ENGINE]
        method = engine.method(binding.method.containing_service.name, binding.method.name)
        begun = method(asked, metadata=engine.metadata(request))
        async with engine.stream(method, begun, request) as call:
            return await _stream(request, call, export, media_type, names, is_raw=said.get("raw", False))

    return route_of(binding, export_all)


async def _stream(
    request: web.Request,
    call: Any,
    export: Export,
    media_type: str,
    names: Sequence[str] | None,
    *,
    is_raw: bool,
) -> web.StreamResponse:
    """Send the pages. What fails half-way is raised: the connection is cut then (``answer_problems``)."""
    page = await call.read()  # before the headers go out: its error can still be told
    if names is None:
        names = page.attribute_names if page and export.attributes is not None else ()
    columns = names

    def row(entry: Any) -> str:
        return csv_row(export.cells_with(entry, columns), is_raw=is_raw) if media_type == CSV else export.ndjson(entry)

    response = web.StreamResponse(headers=_headers(export, media_type))
    await response.prepare(request)
    if media_type == CSV:
        await response.write(export.header(columns).encode())
    while page:  # else grpc.aio.EOF
        if request.app[STOPPING].is_set():
            raise Problem(503, ErrorCode.GATEWAY_STOPPING.format())
        entries: Iterable[Any] = getattr(page, export.name)
        await response.write("".join(map(row, entries)).encode())
        page = await call.read()
    return response


def _headers(export: Export, media_type: str) -> dict[str, str]:
    end = "csv" if media_type == CSV else "ndjson"
    charset = "; charset=utf-8" if media_type == CSV else ""
    return {
        "Content-Type": f"{media_type}{charset}",
        "Content-Disposition": f'attachment; filename="{export.name}.{end}"',
    }
