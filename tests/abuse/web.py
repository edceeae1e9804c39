"""Attacks on the gateway: bodies that are costly to read, bodies without an end, connections."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from contextlib import suppress
from typing import Final

from tests.abuse.attack import Attack, Seen, ask, counted
from tests.abuse.target import Target

BAD_TAGS: Final = 520_000
BOMB_BYTES: Final = 10_000_000
AT_ONCE: Final = 15
SLOW_BYTES_A_SECOND: Final = 150
CONNECTIONS: Final = 1_200
MAILINGS: Final = "/api/v1/mailings"
IMPORT: Final = "/api/v1/clients/import"
_PIECE: Final = b"x" * 65_536


def _bad_tags() -> bytes:
    """Just under 1 MiB, and each item of the list is a fault."""
    return b'{"filter":{"tags":[' + b"0," * (BAD_TAGS - 1) + b"0]}}"


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


async def _burst(target: Target, path: str, body: bytes, headers: dict[str, str]) -> Seen:
    """Fifteen at the same moment."""
    statuses = await asyncio.gather(*(ask(target.http, "POST", path, body, headers) for _ in range(AT_ONCE)))
    return Seen(counted(list(statuses)))


async def gzip_json(target: Target, _seconds: float) -> Seen:
    """1 KB that becomes half a million faults."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return await _burst(target, MAILINGS, gzip.compress(_bad_tags()), headers)


async def plain_json(target: Target, _seconds: float) -> Seen:
    """1 MiB of the same."""
    return await _burst(target, MAILINGS, _bad_tags(), {"Content-Type": "application/json"})


async def plain_json_of_an_operator(target: Target, _seconds: float) -> Seen:
    """The same from somebody who may register mailings."""
    return await _burst(target, MAILINGS, _bad_tags(), {"Content-Type": "application/json"} | _bearer(target.operator))


def _csv_bomb() -> bytes:
    return gzip.compress(b"phone_number\n" + b"x\n" * (BOMB_BYTES // 2))


async def gzip_csv(target: Target, _seconds: float) -> Seen:
    """10 KB that become five million bad rows."""
    return await _burst(target, IMPORT, _csv_bomb(), {"Content-Type": "text/csv", "Content-Encoding": "gzip"})


async def gzip_csv_of_an_operator(target: Target, _seconds: float) -> Seen:
    """The same from somebody who may import."""
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"} | _bearer(target.operator)
    return await _burst(target, IMPORT, _csv_bomb(), headers)


async def endless(target: Target, seconds: float) -> Seen:
    """Five bodies without an end: how much of them is taken?"""
    taken = 0

    async def one() -> None:
        nonlocal taken
        reader, writer = await _begin_import(target, None)
        until = time.monotonic() + seconds
        piece = b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE)
        with suppress(ConnectionError, TimeoutError):
            while time.monotonic() < until and not reader.at_eof():
                writer.write(piece)
                async with asyncio.timeout(1):
                    await writer.drain()
                taken += len(_PIECE)
        writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(5)))
    mib = taken / 2**20
    return Seen(f"{mib:,.0f} MiB were taken from strangers", is_bad=mib > 64)


async def slow(target: Target, seconds: float) -> Seen:
    """Fifty bodies without an end that come at 150 bytes a second, which is fast enough for the gateway."""
    open_in_the_end = 0

    async def one(number: int) -> None:
        nonlocal open_in_the_end
        reader, writer = await _begin_import(target, None)
        until = time.monotonic() + seconds
        with suppress(ConnectionError):
            while time.monotonic() < until and not reader.at_eof():
                writer.write(b"%x\r\n%s\r\n" % (SLOW_BYTES_A_SECOND, b"x" * SLOW_BYTES_A_SECOND))
                await writer.drain()
                await asyncio.sleep(1)
            open_in_the_end += not reader.at_eof()
        writer.transport.abort()

    await asyncio.gather(*(one(number) for number in range(50)))
    note = f"{open_in_the_end} of 50 strangers were still listened to after {seconds:g} s"
    return Seen(note, is_bad=open_in_the_end > 0 and seconds >= 5)


async def _begin_import(target: Target, token: str | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = target.http.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"POST {IMPORT} HTTP/1.1", f"Host: {target.http}", "Content-Type: text/csv", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in _bearer(token).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


async def crowd(target: Target, seconds: float) -> Seen:
    """More connections than there is room for, all from one address that is not the newcomer's, made anew when cut."""
    loop, (host, _, port) = asyncio.get_running_loop(), target.http.rpartition(":")
    until = time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < until:
            with socket.socket() as connection:
                connection.setblocking(False)
                with suppress(OSError, TimeoutError):
                    connection.bind(("127.0.0.2", 0))
                    async with asyncio.timeout(max(0.01, until - time.monotonic())):
                        await loop.sock_connect(connection, (host, int(port)))
                        await loop.sock_recv(connection, 1)
            await asyncio.sleep(0.2)

    newcomer = asyncio.create_task(_newcomer(target, until))
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(one())
    answered, slowest = await newcomer
    return Seen(f"a newcomer got {answered} answers, the slowest after {slowest:.2f} s", is_bad=slowest >= 0.5)


async def _newcomer(target: Target, until: float) -> tuple[int, float]:
    """Answers, and the longest wait for one, turned away or not."""
    answered, slowest, began = 0, 0.0, time.monotonic()
    await asyncio.sleep(0.5)
    while (now := time.monotonic()) < until or not answered:
        began = now
        status = await ask(target.http, "GET", MAILINGS, b"", _bearer(target.viewer), until + 30 - now)
        while status != 200 and time.monotonic() < until + 30:
            await asyncio.sleep(0.05)
            status = await ask(target.http, "GET", MAILINGS, b"", _bearer(target.viewer), until + 30 - now)
        if status != 200:
            return answered, time.monotonic() - began
        answered, slowest = answered + 1, max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.2)
    return answered, slowest


async def nothing(_target: Target, seconds: float) -> Seen:
    """What the measuring itself sees, on this machine, at this hour."""
    await asyncio.sleep(seconds)
    return Seen("nobody attacks: what is seen here is the machine's own")


ATTACKS: Final = (
    Attack("0", "nothing", nothing),
    Attack("1a", f"{AT_ONCE} x 1 KB gzip JSON, {BAD_TAGS:,} bad tags, no token", gzip_json),
    Attack("1b", f"{AT_ONCE} x 1 MiB JSON, as many, no token", plain_json),
    Attack("1c", f"{AT_ONCE} x the same, operator", plain_json_of_an_operator),
    Attack("2a", f"{AT_ONCE} x 10 KB gzip CSV, {BOMB_BYTES // 2:,} bad rows, no token", gzip_csv),
    Attack("2b", f"{AT_ONCE} x the same, operator", gzip_csv_of_an_operator),
    Attack("2c", "5 imports without an end, no token", endless),
    Attack("2d", f"50 imports at {SLOW_BYTES_A_SECOND} B/s, no token", slow),
    Attack("9", f"{CONNECTIONS:,} connections from one address", crowd),
)
