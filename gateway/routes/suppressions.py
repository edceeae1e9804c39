"""The stop list: what the contract alone does not say of its routes."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from common.contract.codec import json_of, message_of
from common.contract.reader import field_of
from common.contract.values import Json, time_proto
from common.error_codes import ErrorCode
from gateway.document.openapi import Body
from gateway.http.body import read_json
from gateway.http.keys import ENGINE
from gateway.http.problems import fault_json
from gateway.routes.common import idempotency_key, json_answer, no_query
from gateway.routes.exports import Export, export_route
from gateway.routes.imports import FORMATS, body_of, reader_of, result_json, run_import, sheets_json
from gateway.routes.operations import binding_named, checked_request, described, route_of
from gateway.shapes import Use, schema_of
from gateway.tables.suppression_rows import COLUMNS, PLAN, SUPPRESSIONS, cells_of, ndjson_row
from gateway.tables.workbook import WORKBOOK_TYPE
from mailing.v1.suppression_pb2 import Suppression

_TEXT: Final[Json] = {"type": "string"}
_EXAMPLES: Final = {
    "text/csv": Body(_TEXT, "phone_number,reason,note\n+7 (000) 123-45-67,opt_out,asked by e-mail\n80001234568,,\n"),
    "application/x-ndjson": Body(_TEXT, '{"phone_number": "70001234569", "reason": "complaint"}\n'),
    WORKBOOK_TYPE: Body({"type": "string", "format": "binary"}, "the bytes of an .xlsx file"),
}
_RESULT: Final = {
    "created": 2,
    "unchanged": 0,
    "rejected": 1,
    "errors": [{"line": 4, "field": "phone_number", **fault_json(ErrorCode.EMPTY.format())}],
}
_EXAMPLE: Final = {name: field_of(Suppression.DESCRIPTOR, name).rules.example for name in COLUMNS}
_ENTRY: Final = message_of(Suppression, _EXAMPLE)
_ENTRY.source = _EXAMPLE["source"]  # which, as the time, only the engine writes
_ENTRY.create_time.CopyFrom(time_proto("2026-01-31T06:00:00Z"))
EXPORT: Final = Export(
    "exportSuppressions", "suppressions", COLUMNS, cells_of, ndjson_row, cells_of(_ENTRY), ndjson_row(_ENTRY)
)
BY_HAND: Final = ("createSuppression",)
"""Ids of operations that ``routes`` has."""


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own."""
    return [_create(), _import(), export_route(EXPORT)]


def _create() -> web.RouteDef:
    binding = binding_named("createSuppression")
    shown = schema_of(Suppression.DESCRIPTOR, Use.SHOWN)

    @described(binding, response=(201, shown), again=200)
    async def create_suppression(request: web.Request) -> web.Response:
        no_query(request)
        engine, said = request.app[ENGINE], {"request_id": idempotency_key(request)}
        asked = await checked_request(request, engine, binding, await read_json(request), said)
        answer = await engine.call(request, engine.suppressions.CreateSuppression, asked)
        return json_answer(json_of(answer.suppression), 201 if answer.created else 200)

    return route_of(binding, create_suppression)


def _import() -> web.RouteDef:
    binding = binding_named("importSuppressions")
    assert _EXAMPLES.keys() == FORMATS.keys()

    @described(binding, bodies=_EXAMPLES, response_example=_RESULT)
    async def import_suppressions(request: web.Request) -> web.Response:
        no_query(request)
        reader, key = reader_of(request, PLAN), idempotency_key(request)
        chunks = body_of(request, reader, compressed=True)
        result = result_json(await run_import(request, request.app[ENGINE], chunks, reader, key, kind=SUPPRESSIONS))
        return json_answer({name: value for name, value in result.items() if name in _RESULT} | sheets_json(reader))

    return route_of(binding, import_suppressions)
