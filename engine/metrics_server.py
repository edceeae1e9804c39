"""The engine's own small HTTP server: ``/metrics``, ``/healthz``, ``/readyz`` (docs/behaviour.md, sections 5 and 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client.exposition import choose_encoder

from common.hosts import HostGuard
from common.setting_types import Listen
from engine.metrics import Metrics
from engine.metrics_connections import Connection

Health = Callable[[], Mapping[str, str | None]]
"""Each component's name, and why it isn't ready (``None``: it is)."""
Notes = Callable[[], Iterable[str]]
"""Lines for people."""

_STOP_SECONDS: Final = 1.0
_BACKLOG: Final = 128


class MetricsServer:
    """A server that listens; ``address`` is where, with the port that was found for port 0."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, address: Listen) -> None:
        self._runner, self._server = runner, server
        self.address = address

    async def close(self) -> None:
        """Stop listening; answers under way get a second."""
        self._server.close()
        await self._runner.cleanup()


async def start_metrics_server(
    metrics: Metrics, listen: Listen, health: Health, names: Sequence[str] = (), notes: Notes = tuple
) -> MetricsServer:
    """Listen and answer until ``close``; ``health`` and ``notes`` are asked at each ``/readyz``.

    ``names``: by which it may be called, beside addresses, ``localhost`` and the host of ``listen``. ``notes``: lines
    for people about what is no reason not to be ready.

    Raises:
        OSError: the address can't be listened on; the text names it.
    """
    app = web.Application(middlewares=[_guard(HostGuard([listen.host, *names]))])
    app.router.add_get("/metrics", _metrics_page(metrics))
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready(health, notes))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    handlers = runner.server
    assert handlers is not None
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: Connection(handlers), listen.host, listen.port, backlog=_BACKLOG)
    except OSError as error:
        await runner.cleanup()
        raise OSError(error.errno, f"can't listen on {listen} for metrics: {error.strerror or error}") from None
    return MetricsServer(runner, server, Listen(listen.host, server.sockets[0].getsockname()[1]))


def _guard(hosts: HostGuard) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer nobody who was led here under another name: see ``common.hosts``."""
        refusal = hosts.refusal(request.method, request.headers)
        if refusal is not None:
            return web.Response(status=refusal.status, text=f"{refusal.fault} (MAILING_METRICS_HOSTS)\n")
        return await handler(request)

    return guard


def _metrics_page(metrics: Metrics) -> Handler:
    async def page(request: web.Request) -> web.Response:
        """All metrics, in the format that the caller's ``Accept`` asks for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    return page


async def _alive(_request: web.Request) -> web.Response:
    """The process answers: nothing more is said."""
    return web.Response(text="ok\n")


def _ready(health: Health, notes: Notes) -> Handler:
    async def ready(_request: web.Request) -> web.Response:
        """200 when every component is ready, else 503; the body says which isn't and why, and has the notes."""
        reasons = dict(health())
        is_ready = all(reason is None for reason in reasons.values())
        body = {"ready": is_ready, "components": {name: reason or "ok" for name, reason in reasons.items()}}
        if lines := list(notes()):
            body["notes"] = lines
        return web.Response(
            body=orjson.dumps(body),
            status=200 if is_ready else 503,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return ready
