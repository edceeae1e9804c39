"""What lies at the root and not under ``/api/v1``: ``/healthz``, ``/readyz``, ``/metrics`` (SPEC, sections 5 and 9)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from grpc import aio
from prometheus_client.exposition import choose_encoder

from gateway.keys import ENGINE, METRICS
from gateway.problems import RETRY_SECONDS, Problem
from mailing.v1.access_service_pb2 import WhoAmIRequest

_TRUST_SECONDS: Final = 2.0
"""How long a token that was good is not asked for again: a page of metrics costs the engine little."""
_TRUSTED_MAX: Final = 100


def routes() -> Sequence[web.RouteDef]:
    """Return the routes, with handlers of their own for each application."""
    return [
        web.get("/healthz", alive, allow_head=False),
        web.get("/readyz", ready, allow_head=False),
        web.get("/metrics", _metrics_page(), allow_head=False),
    ]


async def alive(_request: web.Request) -> web.Response:
    """The process answers: nothing more is said."""
    return web.Response(text="ok\n")


async def ready(request: web.Request) -> web.Response:
    """200 when the engine answers and serves, else 503."""
    try:
        reason = None if await request.app[ENGINE].is_serving() else "is not serving"
    except aio.AioRpcError as error:
        reason = f"does not answer ({error.code().name.lower()})"
    if reason is not None:
        extra = {"ready": False, "components": {"engine": reason}}
        raise Problem(503, f"the engine {reason}", headers={"Retry-After": str(RETRY_SECONDS)}, extra=extra)
    return web.Response(
        body=orjson.dumps({"ready": True, "components": {"engine": "ok"}}), content_type="application/json"
    )


def _metrics_page() -> Handler:
    trusted: dict[bytes, float] = {}

    async def page(request: web.Request) -> web.Response:
        """All metrics, in the format that the caller's ``Accept`` asks for; any role may read them."""
        key = hashlib.sha256(request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")).digest()
        if trusted.get(key, 0.0) < time.monotonic():
            engine = request.app[ENGINE]
            await engine.call(request, engine.access.WhoAmI, WhoAmIRequest())
            if len(trusted) >= _TRUSTED_MAX:
                trusted.clear()
            trusted[key] = time.monotonic() + _TRUST_SECONDS
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(request.app[METRICS].registry), headers={"Content-Type": content_type})

    return page
