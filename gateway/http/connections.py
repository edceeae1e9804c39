"""Connections, and how long each may make us wait: against those who open them and then say nothing.

aiohttp limits the size of headers and the pause between two requests. Its protocol has no limit for a
header that never ends, a body that stops coming, an answer that nobody takes, or for how many there are.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any, Final, NamedTuple, cast

import orjson
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, InvalidURLError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from common.error_codes import ErrorCode
from common.logs import get_logger
from common.setting_types import Listen, Network
from gateway.http.crowd import Crowd
from gateway.http.problems import CONTENT_TYPE, Problem, title_of
from gateway.http.streaming import is_held

log = get_logger(__name__)

_LINGER_SECONDS: Final = 5.0
"""How long the rest of a body that was refused is read, so that its sender sees the answer."""
_LINGER_BYTES: Final = 256 * 1024
"""How much of it."""
_BACKLOG: Final = 4096
_HEADERS_MAX: Final = 128
_TOO_MANY_HEADERS: Final = "Too many headers received"
"""aiohttp's words, for it has no error of its own for that."""
_NO_VERSION: Final = "Expected HTTP/"
"""Of its words where something else stands after a blank than the version, as behind a blank in the address."""


class Limits(NamedTuple):
    """What a connection may take; see the settings of the same names."""

    connections: int
    header_bytes: int
    idle_seconds: float
    read_seconds: float
    write_seconds: float
    body_rate: int = 0
    """Bytes a second of a body, at least; 0: any."""
    address_connections: int = 1_000_000
    trusted: tuple[Network, ...] = ()
    """Proxies: any number of callers share their addresses."""

    @property
    def look_seconds(self) -> float:
        """How often connections are looked at."""
        return min(1.0, self.read_seconds / 4, self.write_seconds / 4)


class Connection(RequestHandler):
    """aiohttp's protocol of one connection, watched."""

    __slots__ = (
        "_body_since",
        "_body_waited",
        "_crowd",
        "_from",
        "_header_since",
        "_left_bytes",
        "_limits",
        "_progress",
        "_rest",
        "_stuck_since",
        "_waited_for",
    )

    def __init__(self, server: web.Server, limits: Limits, crowd: Crowd[Connection]) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own log is turned off
            keepalive_timeout=limits.idle_seconds,
            lingering_time=_LINGER_SECONDS,
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
            max_headers=_HEADERS_MAX,
            auto_decompress=False,  # else a body is inflated before anybody asks for it: see gateway.http.inflate
        )
        self._limits = limits
        self._crowd = crowd
        self._from = ""
        """The address it comes from."""
        self._rest: StreamReader | None = None
        """What is left of a body after its answer."""
        self._left_bytes = 0
        """How much of that came."""
        self._header_since: float | None = None
        """Since when the header of a request has been coming; None: none is."""
        self._body_since: float | None = None
        """Since when a handler has been waiting for the next piece of a body; None: it has not."""
        self._waited_for: object = None
        """The body that was waited for last."""
        self._body_waited = 0.0
        """For how many seconds, all pieces together."""
        self._stuck_since: float | None = None
        """Since when nothing of what waits to be sent has been taken."""
        self._progress = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        peer = transport.get_extra_info("peername")
        self._from = str(peer[0]) if isinstance(peer, tuple) else ""
        if refused := self._crowd.join(self._from, self):
            self._force_close = True
            problem = Problem(503, refused, headers={"Retry-After": "1"})
            # uvloop's transports have its methods and are no subclass.
            stream = cast("asyncio.Transport", transport)
            stream.write(_raw(problem))
            stream.close()
            return
        self._header_since = self._loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._body_since = None
        self._crowd.heard_of(self._from, self)
        if self._rest is not None and not self._rest.is_eof() and self._is_enough(len(data)):
            return
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._header_since = None
        elif self._header_since is None:
            self._header_since = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio."""
        self._crowd.leave(self._from, self)
        super().connection_lost(exc)

    def is_idle(self) -> bool:
        """Whether it waits: for a request, for the rest of a body that nobody wants, or for a reader of an answer."""
        waits = self._waiter is not None and not self._waiter.done()
        return waits or self._rest is not None or self._stuck_since is not None

    def give_way(self) -> None:
        """Close at once: somebody else needs the place."""
        if self.transport is not None:
            self.transport.abort()

    async def _handle_request(self, request: web.BaseRequest, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        """See aiohttp, which after this reads what is left of the body for ``_LINGER_SECONDS``."""
        self._rest = None
        try:
            return await super()._handle_request(request, *arguments)
        finally:
            if not request.content.is_eof():
                self._rest, self._left_bytes = request.content, 0
                if is_held(request):
                    self._lingering_time = 0.0  # nobody has asked for the body, so none comes

    def _is_enough(self, bytes_come: int) -> bool:
        """Stop taking a body that is not wanted, once its sender has had the time to see the answer."""
        self._left_bytes += bytes_come
        if self._left_bytes <= _LINGER_BYTES:
            return False
        if self.transport is not None:
            self.transport.pause_reading()
        return True

    def look(self, now: float) -> None:
        """End what has waited for too long; ``now`` is the loop's time."""
        if self.transport is None:
            return
        if self._is_stuck(now):
            log.info("http.slow_reader", peer=str(self.peername))
            self.transport.abort()
        elif self._waiter is not None and not self._waiter.done():
            if self._header_since is not None and now - self._header_since > self._limits.read_seconds:
                self.transport.write(_raw(Problem(408, ErrorCode.HEADER_LATE.format())))
                self.force_close()
        else:
            self._look_at_body(now)

    def _is_stuck(self, now: float) -> bool:
        """True when what waits to be sent has not moved for too long."""
        waiting = self.transport.get_write_buffer_size() if self.transport else 0
        request = self._current_request
        # A stream writes while its reader takes: what has been taken is what was written less what waits.
        progress = (request.writer.output_size if request is not None else 0) - waiting
        if waiting == 0 or progress != self._progress:
            self._progress, self._stuck_since = progress, None
            return False
        if self._stuck_since is None:
            self._stuck_since = now
        return now - self._stuck_since > self._limits.write_seconds

    def _look_at_body(self, now: float) -> None:
        request = self._current_request
        content = None if request is None else request.content
        # Only when the handler waits for more: a body that it does not take as quickly as it comes is in no hurry.
        if content is None or getattr(content, "_waiter", None) is None:
            self._body_since = None
            return
        if content is not self._waited_for:
            self._waited_for, self._body_waited = content, 0.0
        self._body_waited += self._limits.look_seconds
        fault = None
        if self._body_since is None:
            self._body_since = now
        elif now - self._body_since > self._limits.read_seconds:
            fault = ErrorCode.BODY_LATE.format()
        if self._is_trickle(content):
            fault = ErrorCode.BODY_SLOW.format(min=self._limits.body_rate)
        if fault is not None:
            content.set_exception(Problem(408, fault))
            content.feed_eof()

    def _is_trickle(self, content: StreamReader) -> bool:
        """True when a body keeps its connection by a byte now and then."""
        seconds, rate = self._body_waited - self._limits.read_seconds, self._limits.body_rate
        return rate > 0 and seconds > 0 and content.total_bytes < seconds * rate

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or not in bounds: no handler has seen it."""
        if status >= 500 and not isinstance(exc, Problem):
            log.error("http.failed", exc_info=exc)
            problem = Problem(500, ErrorCode.UNKNOWN_FAILURE.format())
        else:
            problem = _unreadable(exc, self._limits)
        response = problem.response("")
        response.headers["Server"] = "mailing"  # else aiohttp says its version, and Python's
        response.force_close()
        return response


def _unreadable(error: BaseException | None, limits: Limits) -> Problem:
    """What is wrong with a request that aiohttp could not read; its own message repeats what was sent."""
    if isinstance(error, LineTooLong):
        return Problem(431, ErrorCode.HEADER_TOO_LONG.format(max=limits.header_bytes))
    if isinstance(error, BadHttpMessage) and error.message == _TOO_MANY_HEADERS:
        return Problem(431, ErrorCode.TOO_MANY_HEADERS.format(max=_HEADERS_MAX))
    if isinstance(error, InvalidURLError) or (isinstance(error, BadStatusLine) and _NO_VERSION in error.message):
        return Problem(400, ErrorCode.URL_NOT_ENCODED.format())
    return Problem(400, ErrorCode.NOT_HTTP.format())


def _raw(problem: Problem) -> bytes:
    """A problem as it goes over a connection that no request was read from."""
    body = orjson.dumps(problem.body(""))
    headers = {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(body)), "Connection": "close", **problem.headers}
    lines = [f"HTTP/1.1 {problem.status} {title_of(problem.status)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


class HttpServer:
    """Listens for an application; ``start`` once, ``stop`` once."""

    def __init__(self, app: web.Application, limits: Limits, stop_seconds: float) -> None:
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=stop_seconds)
        self._limits = limits
        self._crowd: Crowd[Connection] = Crowd(limits.connections, limits.address_connections, limits.trusted)
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self.address = Listen("", 0)
        """Where it listens, with the port that was found for port 0."""

    async def start(self, listen: Listen, tls: ssl.SSLContext | None) -> None:
        """Listen and serve.

        Raises:
            OSError: the address can't be listened on; the text names it.
        """
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(server, self._limits, self._crowd),
                listen.host,
                listen.port,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else self._limits.read_seconds,  # before it, nobody looks
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise OSError(error.errno, f"can't listen on {listen}: {error.strerror or error}") from None
        self.address = Listen(listen.host, self._server.sockets[0].getsockname()[1])
        self._looking = asyncio.create_task(self._look(server), name="connections")

    @property
    def connections(self) -> int:
        """How many there are."""
        server = self._runner.server
        return 0 if server is None else len(server.connections)

    async def stop(self) -> None:
        """Take no more, end the streams, let what is being answered be answered within the limit."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.look_seconds)
            now = loop.time()
            for connection in server.connections:
                if isinstance(connection, Connection):
                    connection.look(now)
