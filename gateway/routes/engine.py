"""/engine: watch the process that sends, and steer it."""

from __future__ import annotations

from aiohttp import web
from grpc import StatusCode, aio

from gateway.document.openapi import operation
from gateway.http.keys import ENGINE
from gateway.routes.common import API, checked_body, json_answer, no_query
from gateway.schemas import EnginePatchSchema, EngineSchema, Input
from gateway.translate import engine_json, update_engine_proto
from mailing.v1.engine_service_pb2 import GetStatusRequest, UpdateEngineRequest


def routes() -> list[web.RouteDef]:
    """The routes, with handlers of their own (FINDINGS 2)."""

    @operation(
        id="getEngine", tag="engine", summary="Read how the engine is doing", query=Input, response=(200, EngineSchema)
    )
    async def get_engine(request: web.Request) -> web.Response:
        no_query(request)
        engine = request.app[ENGINE]
        return json_answer(engine_json(await engine.call(request, engine.engine.GetStatus, GetStatusRequest())))

    @operation(
        id="updateEngine",
        tag="engine",
        summary="Steer the engine",
        description="Everything that is given at once, or, when a field is bad, nothing. With `sending: paused` no "
        "call to the provider starts after this has returned, on any engine.",
        role="admin",
        body=EnginePatchSchema,
        body_example={"workers": 64, "rate_limit": 0, "sending": "running"},
        response=(200, EngineSchema),
    )
    async def update_engine(request: web.Request) -> web.Response:
        engine = request.app[ENGINE]

        async def check(_valid: dict[str, object]) -> None:
            # A change of nothing is refused; before that, a caller who may not change anything.
            try:
                await engine.call(request, engine.engine.UpdateEngine, UpdateEngineRequest())
            except aio.AioRpcError as error:
                if error.code() is not StatusCode.INVALID_ARGUMENT:
                    raise

        asked = update_engine_proto(await checked_body(request, EnginePatchSchema, check))
        return json_answer(engine_json(await engine.call(request, engine.engine.UpdateEngine, asked)))

    return [
        web.get(f"{API}/engine", get_engine, allow_head=False),
        web.patch(f"{API}/engine", update_engine),
    ]
