"""Clients as a file, with the filter of the panel's list; for programs, or for Excel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from common.error_codes import ErrorCode
from gateway.http.engine_client import EngineClient
from gateway.http.keys import STOPPING
from gateway.http.problems import Problem, invalid
from gateway.tables.row_text import columns_with, csv_row, csv_writer
from mailing.v1 import client_service_pb2 as pb

_BOM: Final = "\ufeff"
# Excel takes UTF-8 for the machine's old code page without a mark, and in Russia a comma for a decimal point.
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {"csv": ("", ","), "excel": (_BOM, ";")}
_HEADERS: Final = {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": 'attachment; filename="clients.csv"',
}


async def export(
    request: web.Request, engine: EngineClient, filters: Mapping[str, Any], format: str
) -> web.StreamResponse:
    """Stream all clients that match, page by page as the engine reads them.

    Args:
        filters: those of ``ExportClientsRequest``.
        format: ``csv`` (what REST exports) or ``excel`` (UTF-8 with a mark, and semicolons); the import reads both back
            as they were.

    Raises:
        Problem: 422, another format.
        AioRpcError: the engine refused, or is away.
    """
    if format not in _FORMATS:
        raise invalid([("/format", ErrorCode.NOT_A_CHOICE.format(choices=", ".join(_FORMATS)))])
    mark, delimiter = _FORMATS[format]
    asked = pb.ExportClientsRequest(**filters, with_attribute_names=True)
    begun = engine.clients.ExportClients(asked, metadata=engine.metadata(request))
    async with engine.stream(engine.clients.ExportClients, begun, request) as call:
        page = await call.read()  # before the headers go out: its error can still be told
        names = page.attribute_names if isinstance(page, pb.ExportClientsResponse) else ()  # else grpc.aio.EOF
        line = csv_writer(names, delimiter)
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        await response.write((mark + csv_row(columns_with(names), delimiter)).encode())
        while isinstance(page, pb.ExportClientsResponse):
            if request.config_dict[STOPPING].is_set():
                raise Problem(503, ErrorCode.GATEWAY_STOPPING.format())
            await response.write("".join(map(line, page.clients)).encode())
            page = await call.read()
        return response
