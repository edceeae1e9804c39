"""What lies at the root and not under ``/api/v1``: health, metrics, the way to the panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web
from grpc import aio
from prometheus_client.exposition import choose_encoder

from common.contract.values import Json
from common.error_codes import ErrorCode
from gateway.document.openapi import Body, operation
from gateway.http.admission import Whom
from gateway.http.keys import ADMISSION, ENGINE, METRICS
from gateway.http.problems import RETRY_SECONDS, Problem
from gateway.routes.common import json_answer

_TEXT: Final[Json] = {"type": "string"}
_READY: Final[Json] = {
    "type": "object",
    "required": ["ready", "components"],
    "properties": {
        "ready": {"type": "boolean"},
        "components": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_WELL: Final[Json] = {"engine": "ok", "delivery": "ok"}
_METRIC: Final = "mailing_http_connections 3.0\n"


def routes() -> Sequence[web.RouteDef]:
    """Return the routes, with handlers of their own for each application (docs/measured.md, aiohttp-apispec)."""

    async def to_panel(_request: web.Request) -> web.Response:
        """Whoever types the bare address into a browser wants the panel."""
        return web.Response(status=307, headers={"Location": "/admin/"})

    @operation(
        id="isAlive",
        tag="service",
        summary="Ask whether the gateway runs",
        description="The process answers: nothing more is said.",
        role=None,
        contents={"text/plain": Body(_TEXT, "ok\n")},
    )
    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    @operation(
        id="isReady",
        tag="service",
        summary="Ask whether the service works",
        description="The engine answers, serves and delivers; a 503 says in `components` what is wrong.",
        role=None,
        contents={"application/json": Body(_READY, {"ready": True, "components": _WELL})},
    )
    async def ready(request: web.Request) -> web.Response:
        await _require_engine(request)
        return json_answer({"ready": True, "components": _WELL})

    @operation(
        id="readMetrics",
        tag="service",
        summary="Read the gateway's metrics",
        description="For Prometheus, in the format that `Accept` asks for.",
        contents={"text/plain": Body(_TEXT, _METRIC), "application/openmetrics-text": Body(_TEXT, f"{_METRIC}# EOF\n")},
    )
    async def page(request: web.Request) -> web.Response:
        await request.app[ADMISSION].admit(request, Whom())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(request.app[METRICS].registry), headers={"Content-Type": content_type})

    # Whatever watches services may well ask with HEAD.
    health = [web.get("/healthz", alive, allow_head=True), web.get("/readyz", ready, allow_head=True)]
    return [web.get("/", to_panel, allow_head=False), *health, web.get("/metrics", page, allow_head=False)]


async def _require_engine(request: web.Request) -> None:
    engine, components = request.app[ENGINE], {}
    try:
        if not await engine.is_serving():
            components["engine"] = "is not serving"
        elif not await engine.is_serving("delivery"):
            components = {"engine": "ok", "delivery": "does not move; the engine's own /readyz says why"}
    except aio.AioRpcError as error:
        components["engine"] = f"does not answer ({error.code().name.lower()})"
    if components:
        name, reason = components.popitem()
        extra = {"ready": False, "components": {**components, name: reason}}
        fault = ErrorCode.ENGINE_NOT_READY.format(component=name, problem=reason)
        raise Problem(503, fault, headers={"Retry-After": str(RETRY_SECONDS)}, extra=extra)
