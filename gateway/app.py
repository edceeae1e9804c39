"""The web application: ONE app with all middlewares, routes and the document on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from aiohttp import web
from grpc import aio

from gateway.engine_client import EngineClient
from gateway.keys import ENGINE, METRICS, SETTINGS, STOPPING
from gateway.metrics import Metrics
from gateway.middlewares import middlewares, on_prepare
from gateway.openapi import setup_document
from gateway.routes import (
    access,
    audit,
    clients,
    engine,
    events,
    exports,
    imports,
    mailings,
    messages,
    root,
    session,
    steering,
)
from gateway.settings import Settings

ROUTES: Final[Sequence[ModuleType]] = (
    root,
    session,
    clients,
    imports,
    exports,
    mailings,
    steering,
    events,
    messages,
    engine,
    audit,
    access,
)
"""Each has ``routes()``; in the order of the documentation."""


def make_app(settings: Settings, channel: aio.Channel) -> web.Application:
    """Make the application; the channel is the caller's to close."""
    app = base_app(settings, channel)
    for module in ROUTES:
        app.router.add_routes(module.routes())
    setup_document(app)
    return app


def base_app(settings: Settings, channel: aio.Channel) -> web.Application:
    """Make what surrounds the routes: middlewares and what handlers find in the application."""
    app = web.Application(middlewares=middlewares(settings), client_max_size=settings.http_body_bytes)
    app[SETTINGS] = settings
    app[METRICS] = Metrics()
    app[ENGINE] = EngineClient(channel, app[METRICS], settings.call_seconds)
    app[STOPPING] = asyncio.Event()
    app.on_response_prepare.append(on_prepare)
    app.on_shutdown.append(_end_streams)
    return app


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()
