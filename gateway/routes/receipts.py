"""Receipts: a body that is one of them or a list."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from grpc import aio

from common.contract.codec import message_of, writer_of
from common.contract.reader import field_of
from gateway.document.openapi import Body
from gateway.http.body import load, read_json
from gateway.http.keys import ENGINE
from gateway.http.problems import Problem, of_rpc
from gateway.http.streaming import body_chunks
from gateway.routes.common import idempotency_key, json_answer, no_query
from gateway.routes.operations import binding_named, described, route_of
from gateway.shapes import Use, body_of, schema_of
from gateway.shapes.examples import example_of
from mailing.v1.receipt_service_pb2 import (
    Receipt,
    ReceiveReceiptsRequest,
    RecordReceiptsRequest,
    RecordReceiptsResponse,
)

_LIST: Final = "receipts"
_OWN_FORM_BYTES_MAX: Final = 64 * 1024
"""Of a body whose sender is known only when the engine has looked at it."""
_MOST: Final = field_of(RecordReceiptsRequest.DESCRIPTOR, _LIST).rules.entries_max


def _text(value: str) -> str:
    """A header as text that gRPC carries: aiohttp leaves a byte that is not UTF-8 as a lone surrogate."""
    return value.encode(errors="replace").decode()


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own."""
    return [_record(), _receive()]


def _record() -> web.RouteDef:
    binding = binding_named("recordReceipts")
    one = schema_of(Receipt.DESCRIPTOR, Use.CREATE)
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": _MOST}
    write = writer_of(RecordReceiptsResponse.DESCRIPTOR)

    @described(binding, body=None, bodies={"application/json": Body({"oneOf": [one, many]}, example_of(one))})
    async def record_receipts(request: web.Request) -> web.Response:
        no_query(request)
        key, data = idempotency_key(request), await read_json(request)
        is_list = isinstance(data, list)
        try:
            valid = await load(body_of(binding), {_LIST: data if is_list else [data]})
            asked = message_of(RecordReceiptsRequest, {**valid, "request_id": key})
            answer = await request.app[ENGINE].call(request, request.app[ENGINE].receipts.RecordReceipts, asked)
        except Problem as problem:
            raise _rooted(problem, is_list=is_list) from None
        except aio.AioRpcError as error:
            raise _rooted(of_rpc(error), is_list=is_list) from error
        return json_answer(write(answer))

    return route_of(binding, record_receipts)


def _receive() -> web.RouteDef:
    binding = binding_named("receiveReceipts")
    bodies = {
        "application/json": Body({}, {"id": 1, "status": "delivered"}),
        "application/x-www-form-urlencoded": Body({"type": "string"}, "id=1&status=delivered"),
    }
    answers = {"text/plain": Body({"type": "string"}, "OK")}

    @described(binding, body=None, bodies=bodies, response=(200, None), contents=answers)
    async def receive_receipts(request: web.Request) -> web.Response:
        body = b"".join([chunk async for chunk in body_chunks(request, _OWN_FORM_BYTES_MAX)])
        asked = ReceiveReceiptsRequest(
            provider=request.match_info["provider"],
            content_type=_text(request.headers.get("Content-Type", "")),
            query=request.url.raw_query_string,
            headers={name.lower(): _text(value) for name, value in request.headers.items()},
            body=body,
        )
        engine = request.app[ENGINE]
        answer = await engine.call(request, engine.receipts.ReceiveReceipts, asked)
        content_type = {"Content-Type": answer.content_type}
        return web.Response(status=answer.status, body=answer.body.encode(), headers=content_type)

    return route_of(binding, receive_receipts)


def _rooted(problem: Problem, *, is_list: bool) -> Problem:
    """The same, with pointers into the body as it came: the list, or its only receipt, is the body."""
    root = f"/{_LIST}" if is_list else f"/{_LIST}/0"

    def pointer(found: str) -> str:
        return found.removeprefix(root) if found == root or found.startswith(f"{root}/") else found

    errors: list[Any] = [(pointer(found), fault) for found, fault in problem.errors]
    return Problem(problem.status, problem.detail, errors, problem.headers, problem.extra)
