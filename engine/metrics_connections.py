"""Connections of the engine's own HTTP port: few, and none for long, for it has no sign-in."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

CONNECTIONS_MAX: Final = 64
IDLE_SECONDS: Final = 10.0
"""How long a connection may be silent, and how long a header may take."""
LIFE_SECONDS: Final = 120.0
"""How long a connection lives, whatever it does: nothing else tells a client that takes no answer. Monitoring connects
again."""
_HEADER_BYTES: Final = 8_190


class Connection(RequestHandler):
    """aiohttp's protocol of one connection. One too many takes the place of the one that has been here for longest:
    so nobody who holds connections without end keeps monitoring out."""

    __slots__ = ("_end",)

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own log is turned off
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=1.0,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        super().connection_made(transport)
        self._end = self._loop.call_later(LIFE_SECONDS, self.abort)
        assert self._manager is not None
        for oldest in self._manager.connections[:-CONNECTIONS_MAX]:  # it keeps them in the order in which they came
            assert isinstance(oldest, Connection)
            oldest.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio."""
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def abort(self) -> None:
        """End it now."""
        if self.transport is not None:
            self.transport.abort()
