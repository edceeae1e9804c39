"""A gateway's HTTP server around a few handlers, and engines of one RPC, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from aiohttp import web
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from common.setting_types import Listen
from gateway.app import base_app
from gateway.channel import open_channel
from gateway.http.connections import HttpServer, Limits
from gateway.routes.health import routes as health_routes
from gateway.settings import Settings, load
from mailing.v1 import access_pb2, access_service_pb2

TOKEN = "mlt_good"
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}


def settings(**flags: Any) -> Settings:
    """Settings that listen on any free port of loopback."""
    return load({"http_listen": "127.0.0.1:0", "admin_secret": "a secret of the tests", **flags}, {}, None)


class Access:
    """Knows one token; remembers the metadata of its calls."""

    def __init__(self, name: str = "olga", role: access_pb2.Role.ValueType = access_pb2.ROLE_ADMIN) -> None:
        self.name, self.role = name, role
        self.calls: list[dict[str, str | bytes]] = []
        self.deadlines: list[float | None] = []

    async def WhoAmI(  # the name of the RPC
        self, request: access_service_pb2.WhoAmIRequest, context: aio.ServicerContext[Any, Any]
    ) -> access_pb2.Identity:
        """See access_service.proto."""
        self.calls.append(dict(context.invocation_metadata() or ()))
        self.deadlines.append(context.time_remaining())
        if self.calls[-1].get("authorization") != SIGNED_IN["Authorization"]:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "sign in")
        return access_pb2.Identity(name=self.name, role=self.role)


@asynccontextmanager
async def engine(access: Access, port: int = 0) -> AsyncIterator[int]:
    """Serve ``access`` and health; gives the port."""
    server = aio.server(options=(("grpc.so_reuseport", 0),))
    who_am_i = grpc.unary_unary_rpc_method_handler(
        access.WhoAmI,
        request_deserializer=access_service_pb2.WhoAmIRequest.FromString,
        response_serializer=access_pb2.Identity.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler("mailing.v1.AccessService", {"WhoAmI": who_am_i})
    server.add_generic_rpc_handlers((handlers,))
    serving = health.aio.HealthServicer()
    for service in ("", "delivery"):
        await serving.set(service, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(serving, server)
    found = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield found
    finally:
        await server.stop(0)


@asynccontextmanager
async def gateway(
    given: Settings, routes: Sequence[web.RouteDef] = (), limits: Limits | None = None
) -> AsyncIterator[str]:
    """Serve ``routes`` beside the root's own; gives the URL."""
    channel = open_channel(given)
    app = base_app(given, channel)
    app.router.add_routes([*health_routes(), *routes])
    server = HttpServer(app, limits or Limits(1000, 16_384, 60, 15, 30), 1.0)
    try:
        await server.start(Listen("127.0.0.1", 0), None)
        yield f"http://{server.address}"
    finally:
        await server.stop()
        await channel.close()
