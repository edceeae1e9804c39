"""What a list of the panel finds as a file: for programs, or for Excel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web
from google.protobuf.message import Message

from common.error_codes import ErrorCode
from gateway.http.engine_client import EngineClient
from gateway.http.keys import STOPPING
from gateway.http.problems import Problem, invalid
from gateway.tables import message_rows
from gateway.tables.row_text import columns_with, csv_row, csv_writer

_BOM: Final = "\ufeff"
# Excel takes UTF-8 for the machine's old code page without a mark, and in Russia a comma for a decimal point.
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    "csv": ("", ","),
    "excel": (_BOM, ";"),
    "excel_commas": (_BOM, ","),
}
Write = Callable[[Any], str]
"""The lines of a page."""


class File(NamedTuple):
    """What is exported."""

    name: str
    method: Any
    """The engine's, a stream of pages."""
    begin: Callable[[Any, str], tuple[str, Write]]
    """The header, and what writes pages, told the first page (of an empty stream anything) and the delimiter."""


def clients_file(engine: EngineClient) -> File:
    """Clients, with the attributes that the first page names; the import reads both formats back as they were."""

    def begin(page: Any, delimiter: str) -> tuple[str, Write]:
        names = getattr(page, "attribute_names", ())
        line = csv_writer(names, delimiter)
        return csv_row(columns_with(names), delimiter), lambda page: "".join(map(line, page.clients))

    return File("clients", engine.clients.ExportClients, begin)


def messages_file(engine: EngineClient) -> File:
    """Messages, with the columns of REST."""

    def begin(_: Any, delimiter: str) -> tuple[str, Write]:
        def write(page: Any) -> str:
            return "".join(csv_row(message_rows.cells_of(each), delimiter) for each in page.messages)

        return csv_row(message_rows.COLUMNS, delimiter), write

    return File("messages", engine.messages.ExportMessages, begin)


async def export(
    request: web.Request, engine: EngineClient, file: File, asked: Message, format: str
) -> web.StreamResponse:
    """Stream all that matches, page by page as the engine reads it.

    Args:
        asked: the request of the file's method.
        format: ``csv`` (what REST exports), ``excel`` (UTF-8 with a mark, and semicolons), or ``excel_commas``,
            where the point is the decimal sign.

    Raises:
        Problem: 422, another format.
        AioRpcError: the engine refused, or is away.
    """
    if format not in _FORMATS:
        raise invalid([("/format", ErrorCode.NOT_A_CHOICE.format(choices=", ".join(_FORMATS)))])
    mark, delimiter = _FORMATS[format]
    begun = file.method(asked, metadata=engine.metadata(request))
    async with engine.stream(file.method, begun, request) as call:
        page = await call.read()  # before the headers go out: its error can still be told
        header, write = file.begin(page, delimiter)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{file.name}.csv"',
            }
        )
        await response.prepare(request)
        await response.write((mark + header).encode())
        while page:  # else grpc.aio.EOF
            if request.config_dict[STOPPING].is_set():
                raise Problem(503, ErrorCode.GATEWAY_STOPPING.format())
            await response.write(write(page).encode())
            page = await call.read()
        return response
