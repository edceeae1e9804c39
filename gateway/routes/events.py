"""GET /mailings/{mailing_id}/events: a mailing's progress as server-sent events."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from aiohttp import web
from grpc import StatusCode, aio

from common.contract.codec import json_of
from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.document.openapi import Body
from gateway.http.accepting import best_type
from gateway.http.keys import ENGINE, STOPPING
from gateway.http.problems import Problem
from gateway.http.streaming import accept_header
from gateway.routes.common import id_in_path, no_query
from gateway.routes.operations import binding_named, described, route_of
from mailing.v1.mailing_service_pb2 import WatchMailingRequest
from mailing.v1.mailing_stats_pb2 import MailingProgress

SSE: Final = "text/event-stream"
HEARTBEAT_SECONDS: Final = 15.0
_RETRY: Final = b"retry: 2000\n\n"
"""How long a browser waits, in milliseconds, before it comes back after the stream broke."""
_HEARTBEAT: Final = b": still here\n\n"
_TEXT: Final[Json] = {"type": "string"}
_EXAMPLE: Final = (
    'retry: 2000\n\nevent: progress\ndata: {"mailing_id":1,"time":"2026-01-31T06:00:01.000000Z","state":"active",'
    '"audience_state":"ready","message_counts":{"pending":0,"sent":98,"not_sent":2,"total":100},"progress":1.0,'
    '"rate_per_second":50.0,"estimated_completion_time":null}\n\nevent: end\ndata: {"reason":"finished"}\n\n'
)


def routes() -> list[web.RouteDef]:
    """The route, with a handler of its own."""
    binding = binding_named("watchMailing")

    @described(binding, response=(200, None), contents={SSE: Body(_TEXT, _EXAMPLE)})
    async def watch_mailing(request: web.Request) -> web.StreamResponse:
        no_query(request)
        mailing_id = id_in_path(request, "mailing_id")
        if best_type(accept_header(request), (SSE,)) is None:
            raise Problem(406, ErrorCode.NOT_ACCEPTABLE.format(choices=SSE))
        engine = request.app[ENGINE]
        begun = engine.mailings.WatchMailing(
            WatchMailingRequest(mailing_id=mailing_id), metadata=engine.metadata(request)
        )
        async with engine.stream(engine.mailings.WatchMailing, begun, request) as call:
            return await _follow(request, call)

    return [route_of(binding, watch_mailing)]


WatchCall = aio.UnaryStreamCall[WatchMailingRequest, MailingProgress]


async def _follow(request: web.Request, call: WatchCall) -> web.StreamResponse:
    progress = await call.read()  # before the headers go out: that there is no such mailing can still be told
    response = web.StreamResponse(headers={"Content-Type": SSE, "X-Accel-Buffering": "no"})
    await response.prepare(request)
    await response.write(_RETRY)
    try:
        while isinstance(progress, MailingProgress):  # else grpc.aio.EOF
            await response.write(_event("progress", json_of(progress)))
            progress = await _next(request, response, call)
        if progress is not None:
            await response.write(_event("end", {"reason": "finished"}))
    except aio.AioRpcError as error:
        # The engine is away: the stream ends without a word, and the browser comes back.
        if error.code() is StatusCode.NOT_FOUND:
            await response.write(_event("end", {"reason": "deleted"}))
    return response


async def _next(request: web.Request, response: web.StreamResponse, call: WatchCall) -> object:
    """What the engine says next; ``None``: the gateway stops. A comment goes out while nothing comes."""
    reading = asyncio.ensure_future(call.read())
    stopping = asyncio.ensure_future(request.app[STOPPING].wait())
    try:
        while True:
            done, _ = await asyncio.wait(
                {reading, stopping}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if reading in done:
                return reading.result()
            if stopping in done:
                return None
            await response.write(_HEARTBEAT)
    finally:
        reading.cancel()
        stopping.cancel()


def _event(name: str, data: Json) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
