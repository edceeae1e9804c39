"""A way to the database that can be made a black hole: nothing passes, and nobody is told.

Both ends keep their sockets open, as when packets are dropped on the way: no reset, no end. What was sent meanwhile
comes through when the hole is closed, as TCP would see to it. The ends' own keepalives are answered by the system,
so only a time-out in the program can notice.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

_BLOCK_BYTES = 1 << 16


class Proxy:
    """Listens on loopback, and passes on to a Unix socket."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def swallow(self) -> None:
        """Pass nothing on from now on."""
        self._passes.clear()

    def pass_on(self) -> None:
        """Work again."""
        self._passes.set()

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._passes.wait()
            their_reader, their_writer = await asyncio.open_unix_connection(self._socket_path)
        except OSError:
            writer.transport.abort()  # the server is not there: a refusal
            return
        try:
            there = asyncio.ensure_future(self._pump(reader, their_writer))
            back = asyncio.ensure_future(self._pump(their_reader, writer))
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for half in (there, back):
                    half.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            their_writer.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_BLOCK_BYTES):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        await self._passes.wait()  # an end does not come through either
