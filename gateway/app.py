"""The web application: ONE app with all middlewares, routes and the document on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from aiohttp import web
from grpc import aio

from admin.panel import mount
from admin.session import Sessions, key_of
from common.line_limit import LineLimit
from gateway.admission import Admission
from gateway.caller import TRUSTED_PROXIES
from gateway.engine_client import EngineClient
from gateway.keys import ADMISSION, ENGINE, IMPORTS, METRICS, SETTINGS, SIGN_INS, STOPPING, STRANGERS
from gateway.limits import SIGN_IN_RATE, CallerRates, ImportPlaces
from gateway.metrics import Metrics
from gateway.middlewares import middlewares, on_prepare
from gateway.openapi import setup_document
from gateway.panel_secret import panel_secret
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
from gateway.streaming import hold_continue

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
    _add_panel(app, settings)
    for each in app.router.routes():  # those of the panel, which are not all ours, too
        each._expect_handler = hold_continue
    return app


def base_app(settings: Settings, channel: aio.Channel) -> web.Application:
    """Make what surrounds the routes: middlewares and what handlers find in the application."""
    app = web.Application(middlewares=middlewares(settings), client_max_size=settings.http_body_bytes)
    app[SETTINGS] = settings
    app[TRUSTED_PROXIES] = settings.trusted_proxies
    app[METRICS] = Metrics()
    app[STRANGERS] = LineLimit()
    app[ENGINE] = EngineClient(channel, app[METRICS], settings.call_seconds)
    app[ADMISSION] = Admission(app[ENGINE])
    app[SIGN_INS] = CallerRates(SIGN_IN_RATE)
    app[IMPORTS] = ImportPlaces(settings.http_imports, settings.http_caller_imports)
    app[STOPPING] = asyncio.Event()
    app.on_response_prepare.append(on_prepare)
    app.on_shutdown.append(_end_streams)
    return app


def _add_panel(app: web.Application, settings: Settings) -> None:
    key = key_of(panel_secret(settings))
    rest = [route for module in ROUTES if module not in (root, session) for route in module.routes()]
    sessions = Sessions(key, secure=settings.uses_tls, rates=CallerRates(settings.http_token_rate))
    mount(app, sessions, key, rest)


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()
