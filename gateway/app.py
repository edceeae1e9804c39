"""The web application: ONE app with all middlewares, routes and the document on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiohttp import web
from grpc import aio

from common.contract.reader import API
from common.line_limit import LineLimit
from common.tracing import Tracing
from gateway.document.openapi import setup_document
from gateway.http.admission import Admission, declared_role
from gateway.http.caller import TRUSTED_PROXIES
from gateway.http.engine_client import EngineClient
from gateway.http.keys import ADMISSION, ENGINE, IMPORTS, METRICS, SETTINGS, SIGN_INS, STOPPING, STRANGERS, WORKBOOKS
from gateway.http.limits import SIGN_IN_RATE, CallerRates, ImportPlaces
from gateway.http.middlewares import middlewares, on_prepare
from gateway.http.streaming import hold_continue
from gateway.http.traced import traced
from gateway.metrics import Metrics
from gateway.routes import events, exports, health, imports, mailing_messages, receipts, sign_in, suppressions
from gateway.routes.operations import routes_of
from gateway.settings import Settings
from gateway.tables.workbook import Workbooks
from gateway.wings import mounts

_OWN_SESSION: Final = frozenset({f"{API}/session", f"{API}/session/password"})


def make_app(settings: Settings, channel: aio.Channel) -> web.Application:
    """Make the application; the channel is the caller's to close."""
    app = base_app(settings, channel)
    rest = rest_routes()
    app.router.add_routes([*health.routes(), *rest])
    setup_document(app)
    _add_wings(app, settings, rest)
    for each in app.router.routes():  # those of the wings, which are not all ours, too
        each._expect_handler = hold_continue
    return app


def rest_routes() -> list[web.RouteDef]:
    """The routes of REST in the order of the documentation, with handlers of their own: aiohttp-apispec writes its
    data into handlers, so two applications can't share them."""
    return [
        *sign_in.routes(),
        *imports.routes(),
        *exports.routes(),
        *routes_of("ClientService"),
        *routes_of("MailingService"),
        *events.routes(),
        *mailing_messages.routes(),
        *routes_of("MessageService", without=("listMailingMessages",)),
        *suppressions.routes(),
        *routes_of("SuppressionService", without=suppressions.BY_HAND),
        *routes_of("InboundService"),
        *receipts.routes(),
        *routes_of("EventService"),
        *routes_of("WebhookService"),
        *routes_of("EngineService"),
        *routes_of("AccessService", without=("signIn",)),
    ]


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
    app[WORKBOOKS] = Workbooks()
    app[STOPPING] = asyncio.Event()
    app.on_response_prepare.append(on_prepare)
    app.on_shutdown.append(_end_streams)
    if settings.traces_url is not None:
        _trace(app, Tracing.to(settings.traces_url, "mailing-gateway"))
    return app


def _trace(app: web.Application, tracing: Tracing) -> None:
    async def close(_app: web.Application) -> None:
        await asyncio.to_thread(tracing.close)

    app.middlewares.insert(0, traced(tracing))
    app.on_cleanup.append(close)


def _add_wings(app: web.Application, settings: Settings, rest: Iterable[web.RouteDef]) -> None:
    # A wing has sign-in and sessions of its own, and what a provider calls is not for people.
    shared = [route for route in rest if route.path not in _OWN_SESSION and declared_role(route.handler)]
    for mount in mounts():
        mount(app, settings, shared)


async def _end_streams(app: web.Application) -> None:
    app[STOPPING].set()
