"""The composition root: what a gateway is made of, started in order, stopped in reverse."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack

from common.logs import get_logger
from common.setting_types import Listen
from common.tls_files import server_context
from gateway.app import make_app
from gateway.channel import open_channel
from gateway.http.connections import HttpServer, Limits
from gateway.http.engine_client import EngineClient
from gateway.http.keys import ENGINE, METRICS
from gateway.http.reloading import Reloader
from gateway.settings import Settings

log = get_logger(__name__)

_HTTP_OPTIONS = ("MAILING_HTTP_TLS_CERT", "MAILING_HTTP_TLS_KEY")
_CLOSING_SHARE = 0.4
"""Of ``shutdown_seconds``: aiohttp takes the time twice, for handlers to end and again once they are cancelled."""


class Service:
    """One gateway: ``start`` once, then ``stop`` once, also when ``start`` has failed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = Listen("", 0)
        """Where HTTP listens, with the port that was found for port 0."""
        self._stack = AsyncExitStack()
        self._server: HttpServer | None = None
        self._reloader = Reloader()

    async def start(self) -> None:
        """Listen; the engine may come later.

        Raises:
            TlsError, OSError: with one line for the operator.
        """
        settings = self.settings
        tls = _tls(settings)
        channel = open_channel(settings)
        app = make_app(settings, channel)
        self._stack.push_async_callback(app[ENGINE].close)
        self._server = server = HttpServer(app, _limits(settings), settings.shutdown_seconds * _CLOSING_SHARE)
        self._stack.push_async_callback(server.stop)
        app[METRICS].connections.follow(lambda: server.connections)
        await server.start(settings.http_listen, tls)
        self.address = server.address
        self._watch_certificates(tls, app[ENGINE])
        scheme = "http" if tls is None else "https"
        log.info("gateway.started", url=f"{scheme}://{self.address}", engine=settings.engine_target)

    def reload(self) -> None:
        """Read the certificates again (SIGHUP)."""
        self._reloader.reload()

    def _watch_certificates(self, tls: ssl.SSLContext | None, engine: EngineClient) -> None:
        settings, reloader = self.settings, self._reloader
        if tls is not None and settings.http_tls_cert is not None and settings.http_tls_key is not None:
            cert, key = settings.http_tls_cert, settings.http_tls_key

            def read_own() -> None:
                server_context(_HTTP_OPTIONS, cert, key)  # a pair that is no good must not spoil the one in use
                tls.load_cert_chain(cert, key)

            reloader.watch("https", [cert, key], read_own)
        if settings.engine_tls_ca is not None:
            files = [settings.engine_tls_ca, settings.engine_tls_cert, settings.engine_tls_key]
            reloader.watch("engine", files, lambda: engine.use(open_channel(settings)))
        reloader.start()
        self._stack.push_async_callback(reloader.stop)

    async def stop(self, _seconds: float | None = None) -> None:
        """Stop in reverse, within ``shutdown_seconds``: nothing here begins that takes long."""
        await self._stack.aclose()
        if self.address.port:
            log.info("gateway.stopped")

    def left_open(self) -> Mapping[str, object]:
        """See ``common.stopping.Service``."""
        return {"connections": 0 if self._server is None else self._server.connections}


def _limits(settings: Settings) -> Limits:
    return Limits(
        connections=settings.http_connections,
        header_bytes=settings.http_header_bytes,
        idle_seconds=settings.http_idle_seconds,
        read_seconds=settings.http_read_seconds,
        write_seconds=settings.http_write_seconds,
        body_rate=settings.http_body_rate,
        address_connections=settings.http_address_connections,
        trusted=settings.trusted_proxies,
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.http_tls_cert is None or settings.http_tls_key is None:
        return None
    return server_context(_HTTP_OPTIONS, settings.http_tls_cert, settings.http_tls_key)
