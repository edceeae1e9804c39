"""Attacks on the engine's gRPC port and its metrics port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from grpc import aio

from mailing.v1 import mailing_pb2, mailing_service_pb2
from scripts.token_channel import metadata
from tests.abuse.attack import Attack, Seen, at_once
from tests.abuse.target import Target

LARGE_TAGS: Final = 2_600_000
"""Of one letter: 7.8 MB on the wire, and far more once they are read."""
OPEN_MAX: Final = 500
"""So many streams may one caller have, whatever the limit is."""
HEALTH_STREAMS: Final = 3_000
WATCHES: Final = 2_000
SILENT: Final = 3_000
_CHANNELS: Final = 20
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # each channel is a connection of its own
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
)
_CREATE_MAILING: Final = "/mailing.v1.MailingService/CreateMailing"
_WATCH: Final = "/grpc.health.v1.Health/Watch"
_LIST: Final = "/grpc.health.v1.Health/List"
_WATCH_MAILING: Final = "/mailing.v1.MailingService/WatchMailing"


@asynccontextmanager
async def _channels(target: Target, count: int = _CHANNELS) -> AsyncIterator[list[aio.Channel]]:
    channels = [aio.insecure_channel(target.grpc, _OPTIONS) for _ in range(count)]
    try:
        yield channels
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def large(target: Target, seconds: float) -> Seen:
    """Five at a time, large messages of somebody who has no token."""
    mailing = mailing_pb2.Mailing(text="x", filter=mailing_pb2.AudienceFilter(tags=["x"] * LARGE_TAGS))
    message = mailing_service_pb2.CreateMailingRequest(mailing=mailing).SerializeToString()
    async with _channels(target, 5) as channels:
        calls: list[Any] = [channel.unary_unary(_CREATE_MAILING) for channel in channels]

        async def one(number: int) -> None:
            with suppress(aio.AioRpcError):
                await calls[number](message, timeout=seconds)

        done = await at_once(5, seconds, one)
    return Seen(f"{done} messages were answered")


async def _streams(target: Target, method: str, request: bytes, count: int, seconds: float, token: str | None) -> int:
    """Open streams and keep them; how many are open in the end."""
    opened = 0
    async with _channels(target) as channels:

        async def one(number: int) -> None:
            nonlocal opened
            bearer = metadata(token) if token else None
            method_of: Any = channels[number % _CHANNELS].unary_stream(method)
            call = method_of(request, metadata=bearer)
            with suppress(aio.AioRpcError):
                async for _ in call:
                    opened += 1
                    break
                await asyncio.sleep(seconds)  # what comes meanwhile waits in the flow control's window
                opened -= call.done()

        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        await asyncio.sleep(seconds)
        found = opened
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def health_watches(target: Target, seconds: float) -> Seen:
    """Thousands of streams that anybody may open."""
    opened = await _streams(target, _WATCH, b"", HEALTH_STREAMS, seconds, None)
    return Seen(f"{opened} of {HEALTH_STREAMS} streams were open", is_bad=opened > OPEN_MAX)


async def mailing_watches(target: Target, seconds: float) -> Seen:
    """Thousands of a viewer's streams of one mailing's progress."""
    assert target.mailing_id is not None
    request = mailing_service_pb2.WatchMailingRequest(mailing_id=target.mailing_id).SerializeToString()
    opened = await _streams(target, _WATCH_MAILING, request, WATCHES, seconds, target.viewer)
    return Seen(f"{opened} of {WATCHES} streams were open", is_bad=opened > OPEN_MAX)


async def list_storm(target: Target, seconds: float) -> Seen:
    """A method of the health service that nobody needs; it was answered with a traceback."""
    codes: set[str] = set()
    async with _channels(target, 4) as channels:

        async def one(number: int) -> None:
            call: Any = channels[number % 4].unary_unary(_LIST)
            try:
                await call(b"", timeout=seconds)
                codes.add("OK")
            except aio.AioRpcError as error:
                codes.add(error.code().name)

        done = await at_once(20, seconds, one)
    return Seen(f"{done} calls: {', '.join(sorted(codes))}", is_bad=bool(codes & {"INTERNAL", "UNKNOWN"}))


async def silent(target: Target, seconds: float) -> Seen:
    """Thousands who connect to the metrics port and say nothing."""
    loop, (host, _, port) = asyncio.get_running_loop(), target.metrics.rpartition(":")
    sockets = []
    try:
        for _ in range(SILENT):
            connection = socket.socket()
            sockets.append(connection)
            connection.setblocking(False)
            connection.bind(("127.0.0.2", 0))
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await loop.sock_connect(connection, (host, int(port)))
        await asyncio.sleep(seconds)
        opened = sum(map(_is_open, sockets))
    finally:
        for connection in sockets:
            connection.close()
    return Seen(f"{opened} of {SILENT} were still open", is_bad=opened > OPEN_MAX)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


ATTACKS: Final = (
    Attack("4a", f"5 x {3 * LARGE_TAGS / 1e6} MB gRPC messages at a time, no token", large),
    Attack("4b", f"{HEALTH_STREAMS:,} Health.Watch streams, no token", health_watches),
    Attack("4c", f"{WATCHES:,} WatchMailing streams, viewer", mailing_watches, needs_mailing=True),
    Attack("4d", f"{SILENT:,} silent connections, metrics port", silent),
    Attack("4e", "Health.List, 20 at a time, no token", list_storm),
)
