"""A network between an engine and its PostgreSQL, which can fall silent or break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Forwards what comes to a port of this machine to the server's Unix socket."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._database = parts.path.strip("/")
        self._through = asyncio.Event()
        self._through.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    @property
    def url(self) -> str:
        """The database's, through here."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{self._database}?sslmode=disable"

    def fall_silent(self) -> None:
        """Forward nothing from now on, in no direction, nor that a side has hung up; accept connections as ever."""
        self._through = asyncio.Event()

    def speak(self) -> None:
        """Forward again, also what has been held back."""
        self._through.set()

    def forget(self) -> None:
        """Let the connections that there are be silent for ever, as a firewall does that has lost its table; serve new
        ones."""
        self._through = asyncio.Event()
        self._through.set()
        for task in self._tasks:
            task.cancel()

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self._writers.append(writer)
        self._start(self._forward(reader, writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._through.wait()
        with suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._socket)
            self._writers.append(upstream_writer)
            self._start(self._copy(reader, upstream_writer))
            self._start(self._copy(upstream_reader, writer))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b" "
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            await self._through.wait()
            writer.write(data)
        writer.close()

    async def close(self) -> None:
        """Break everything."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_before(url: str) -> AsyncIterator[Proxy]:
    """A proxy before the database of this URL."""
    proxy = Proxy(url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
