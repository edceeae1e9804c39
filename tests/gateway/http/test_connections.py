"""gateway/http/connections.py: those who send or take slowly, what is no HTTP, too many connections, and the stop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from aiohttp import web

from gateway.http.connections import Limits
from gateway.http.keys import STOPPING
from tests.gateway.http.jumping_loop import JumpingLoop
from tests.gateway.http_rig import gateway, settings
from tests.patience import PATIENT_SECONDS

LIMITS = Limits(connections=20, header_bytes=2048, idle_seconds=0.5, read_seconds=0.4, write_seconds=0.6)
LOOP = JumpingLoop
SETTINGS = settings(engine_target="127.0.0.1:1")

CUT: list[float] = []
"""When an answer of ``_much`` was cut off."""


async def _body(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def _slowly(request: web.Request) -> web.Response:
    """Takes a body later than ``read_seconds`` after it came: that is nobody's fault."""
    await asyncio.sleep(0.8)
    return web.Response(text=str(len(await request.read())))


async def _much(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        for _ in range(3000):
            await response.write(b"x" * 65_536)
    except (asyncio.CancelledError, ConnectionError):
        CUT.append(asyncio.get_running_loop().time())
        raise
    return response


async def _until_stop(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun")
    await request.app[STOPPING].wait()
    await response.write(b"ended")
    return response


async def _forever(_request: web.Request) -> web.Response:
    try:
        await asyncio.sleep(60)
    finally:
        CUT.append(asyncio.get_running_loop().time())
    return web.Response()


ROUTES = [
    web.get("/forever", _forever),
    web.post("/body", _body),
    web.post("/slowly", _slowly),
    web.get("/much", _much),
    web.get("/stream", _until_stop),
]


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def answer_to(url: str, *pieces: bytes, pause_seconds: float = 0.0) -> tuple[bytes, float]:
    """Send the pieces; what comes back until the server closes, and after how many seconds that was."""
    reader, writer = await connect(url)
    began = asyncio.get_running_loop().time()
    for piece in pieces:
        writer.write(piece)
        with suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(pause_seconds)
    got = b""
    with suppress(ConnectionError):
        got = await asyncio.wait_for(reader.read(), PATIENT_SECONDS)
    writer.close()
    return got, asyncio.get_running_loop().time() - began


async def test_silent_connections_are_ended() -> None:
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        got, seconds = await answer_to(url)
        assert got.startswith(b"HTTP/1.1 408 ") or got == b""
        assert 0.3 < seconds < 3


async def test_a_header_that_never_ends_is_ended() -> None:
    drops = [b"GET /healthz HTTP/1.1\r\n", *(b"X-%d: y\r\n" % number for number in range(200))]
    async with gateway(SETTINGS, ROUTES, LIMITS._replace(idle_seconds=5)) as url:
        got, _ = await answer_to(url, *drops[:3], pause_seconds=0.1)
        assert got.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in got
        reader, writer = await connect(url)
        began = asyncio.get_running_loop().time()
        with suppress(ConnectionError):
            for drop in drops:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.05)
                if reader.at_eof():
                    break
        writer.close()
        assert asyncio.get_running_loop().time() - began < 5


async def test_a_second_header_that_never_ends_is_ended_too() -> None:
    async with gateway(SETTINGS, ROUTES, Limits(20, 2048, 30, 0.4, 0.6)) as url:
        got, seconds = await answer_to(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /", pause_seconds=0.2)
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in got
        assert seconds < 5


async def test_a_body_that_stops_coming_is_408() -> None:
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        got, seconds = await answer_to(url, b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert got.startswith(b"HTTP/1.1 408 ")
        assert b"the next piece of the body" in got
        assert 0.3 < seconds < 4


async def test_a_body_that_comes_slowly_but_comes_is_taken() -> None:
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        got, _ = await answer_to(url, head, *[b"a"] * 8, pause_seconds=0.2)
        assert got.startswith(b"HTTP/1.1 200 ")
        assert got.endswith(b"8")


async def test_a_body_that_comes_in_drops_is_408() -> None:
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n"
    async with gateway(SETTINGS, ROUTES, LIMITS._replace(body_rate=1000)) as url:
        reader, writer = await connect(url)
        answer = asyncio.create_task(reader.readuntil(b"errors"))
        writer.write(head)
        for _ in range(25):  # each in time; all of them would take 5 s
            if answer.done():
                break
            writer.write(b"a")
            await asyncio.sleep(0.2)
        got = await answer
        assert got.startswith(b"HTTP/1.1 408 ")
        assert b"1000 bytes a second" in got
        writer.close()
        # What comes quickly, only later than it could, is no trickle.
        got, _ = await answer_to(url, head.replace(b"100", b"6000"), *[b"a" * 1500] * 4, pause_seconds=0.3)
        assert got.endswith(b"6000")


async def test_a_handler_may_take_its_time() -> None:
    head = b"POST /slowly HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n"
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        got, _ = await answer_to(url, head + b"abc")
        assert got.endswith(b"3")
        got, _ = await answer_to(url, head, b"ab", b"c", pause_seconds=0.1)
        assert got.endswith(b"3")


async def test_idle_connections_are_closed() -> None:
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        got, seconds = await answer_to(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert got.endswith(b"ok\n")
        assert 0.4 < seconds < 3


async def _take(url: str, bytes_a_time: int, pause_seconds: float, limit_seconds: float) -> tuple[int, bool]:
    """Read ``/much`` with a small window; how much came, and whether the server gave up."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, (host, int(port)))
        await loop.sock_sendall(raw, b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        total, end = 0, asyncio.get_running_loop().time() + limit_seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(pause_seconds)
            try:
                piece = await loop.sock_recv(raw, bytes_a_time)
            except ConnectionError:
                return total, True
            if not piece:
                return total, True
            total += len(piece)
        return total, False


async def test_who_takes_nothing_of_an_answer_is_cut_off() -> None:
    CUT.clear()
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
            began = asyncio.get_running_loop().time()
            while not CUT and asyncio.get_running_loop().time() - began < 5:
                await asyncio.sleep(0.05)
            assert CUT
            assert CUT[0] - began > 0.4


async def test_who_takes_it_slowly_gets_it() -> None:
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        total, given_up = await _take(url, 262_144, 0.02, 2.5)
        assert not given_up
        assert total > 100_000


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 5000 + b"\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
async def test_what_is_no_http_is_a_problem(sent: bytes, status: bytes) -> None:
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        got, _ = await answer_to(url, sent)
        assert got.split(b" ")[1] == status
        assert b"aiohttp" not in got
        assert b"application/problem+json" in got
        assert b"xxxx" not in got


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("address", ["/healthz?search=ОМС", "/ОМС", "/healthz?search=a b"])
async def test_an_address_that_is_not_encoded_is_called_so(address: str) -> None:
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        answer, _ = await answer_to(url, f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.split(b" ")[1] == b"400"
        assert b"URL_NOT_ENCODED" in answer


async def test_a_newcomer_gets_the_place_of_whoever_has_said_nothing_for_longest() -> None:
    async with gateway(SETTINGS, ROUTES, Limits(3, 2048, 30, 30, 30)) as url:
        kept = [await connect(url) for _ in range(3)]
        kept[0][1].write(GET.replace(b"close", b"keep-alive"))  # so the second one is the most silent
        assert (await kept[0][0].readline()).startswith(b"HTTP/1.1 200 ")
        got, _ = await answer_to(url, GET)
        assert got.startswith(b"HTTP/1.1 200 ")
        with suppress(ConnectionError):
            assert await asyncio.wait_for(kept[1][0].read(), PATIENT_SECONDS) == b""
        for reader, writer in (kept[0], kept[2]):
            writer.write(GET)
            assert b"HTTP/1.1 200 " in await asyncio.wait_for(reader.read(), PATIENT_SECONDS)
        for _, writer in kept:
            writer.close()


async def test_a_thousand_silent_connections_of_one_address_keep_nobody_out() -> None:
    async with gateway(SETTINGS, ROUTES, Limits(100, 2048, 60, 15, 30)) as url:
        silent = [await connect(url) for _ in range(500)]
        for _, writer in silent[::2]:
            with suppress(ConnectionError):
                writer.write(b"GET / HT")
        for _ in range(20):
            got, seconds = await answer_to(url, GET)
            assert got.startswith(b"HTTP/1.1 200 ")
            assert seconds < 1
        for _, writer in silent:
            writer.close()


async def test_too_many_that_are_being_answered_are_refused_and_room_is_made_again() -> None:
    async with gateway(SETTINGS, ROUTES, Limits(3, 2048, 30, 30, 30)) as url:
        kept = [await connect(url) for _ in range(3)]
        for reader, writer in kept:
            writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"begun\r\n")
        got, _ = await answer_to(url)
        assert got.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in got
        for _, writer in kept:
            writer.close()
        await asyncio.sleep(0.2)
        got, _ = await answer_to(url, GET)
        assert got.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/none", "/healthz"])
async def test_little_is_taken_of_a_body_that_nobody_wants(path: str) -> None:
    """The rest of it is read for a moment, so that its sender sees the answer: not at the speed of the network."""
    async with gateway(SETTINGS, ROUTES, LIMITS) as url:
        reader, writer = await connect(url)
        writer.write(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" % path.encode())
        assert int((await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENT_SECONDS)).split()[1]) in (404, 405)
        sent = 0
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(1.5):
                while sent < 200_000_000:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                    sent += 65_536
        assert sent < 20_000_000  # what the buffers of the system hold
        writer.transport.abort()


async def test_a_stop_ends_streams_whole() -> None:
    async with gateway(SETTINGS, ROUTES, Limits(20, 2048, 60, 15, 30)) as url:
        reader, writer = await connect(url)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"begun\r\n")
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 0.9
    assert b"ended\r\n0\r\n\r\n" in await reader.read()
    writer.close()


async def test_a_stop_does_not_wait_for_ever() -> None:
    CUT.clear()
    async with gateway(SETTINGS, ROUTES, Limits(20, 2048, 60, 15, 30)) as url:
        _, writer = await connect(url)
        writer.write(b"GET /forever HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
    assert 0.9 < asyncio.get_running_loop().time() - began < 3  # the rig gives it a second, twice
    assert CUT
    writer.close()
