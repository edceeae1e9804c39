"""A server below HTTP: reads requests, then does whatever a test tells it to do to the connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ACCEPTED = HEAD + b'Content-Length: 25\r\n\r\n{"code":0,"message":"OK"}'


class RawServer:
    """Counts what arrives; ``behave`` answers one request."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.url = ""
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.writers: set[asyncio.StreamWriter] = set()

    @property
    def open(self) -> int:
        """Connections open now."""
        return len(self.writers)

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self.writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client hangs up."""
        self.connections += 1
        self.writers.add(writer)
        try:
            await self._requests(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client hung up, or the test is over: both are an end
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(size))
            behaving = asyncio.ensure_future(self.behave(writer))
            hung_up = asyncio.ensure_future(reader.read(1))  # no pipelining: only the end can come
            await asyncio.wait({behaving, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if hung_up.done() and not behaving.done():
                behaving.cancel()
                return
            hung_up.cancel()
            await asyncio.wait({hung_up})  # not `await hung_up`: our own cancellation must not be mistaken for its
            await behaving


@contextlib.asynccontextmanager
async def raw_server(behave: Behaviour) -> AsyncIterator[RawServer]:
    """Run a ``RawServer`` on a free port of loopback."""
    server = RawServer(behave)
    tasks: set[asyncio.Task[None]] = set()
    transports: list[asyncio.WriteTransport] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transports.append(writer.transport)
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=4096)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in transports:
            transport.abort()  # close() waits for what the client did not read, and the loop may end before
        await asyncio.sleep(0)  # the transports' last callbacks


def reply(data: bytes, *, then_close: bool = False) -> Behaviour:
    """Write ``data`` as the answer."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()

    return behave


def reset_after(data: bytes = b"") -> Behaviour:
    """Write ``data``, then end the connection with RST instead of FIN."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await asyncio.sleep(0.02 if data else 0)  # RST overtakes data that is not read yet
        linger_zero = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        writer.transport.abort()

    return behave


def drip(data: bytes, pause_seconds: float, at_once: bytes = b"") -> Behaviour:
    """Write ``at_once``, then ``data`` one byte at a time: always alive, never done."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(at_once)
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(pause_seconds)

    return behave


async def hang(_: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Answer with a body that does not end."""
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()
