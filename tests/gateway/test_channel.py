"""gateway/channel.py: an engine that starts again is found again; several behind one name take turns."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
from aiohttp import web

from gateway.http.keys import ENGINE
from mailing.v1.access_service_pb2 import WhoAmIRequest
from tests.gateway.http_rig import SIGNED_IN, Access, engine, gateway, settings
from tests.patience import PATIENT_SECONDS
from tests.ports import held_port

CALL_SECONDS = PATIENT_SECONDS
"""The time of a call: an engine that is away is said at once, and not when this is over."""


async def _who(request: web.Request) -> web.Response:
    client = request.app[ENGINE]
    return web.Response(text=(await client.call(request, client.access.WhoAmI, WhoAmIRequest())).name)


ROUTES = [web.get("/who", _who)]


async def _ask(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(f"{url}/who", headers=SIGNED_IN) as answer:
        return answer.status, await answer.text()


async def test_the_engine_may_come_later_and_come_back() -> None:
    with held_port() as port:
        given = settings(engine_target=f"127.0.0.1:{port}", call_seconds=str(CALL_SECONDS))
        async with aiohttp.ClientSession() as session, gateway(given, ROUTES) as url:
            for name in ("first", "second"):
                async with asyncio.timeout(CALL_SECONDS / 2):
                    assert (await _ask(session, url))[0] == 503
                async with engine(Access(name), port), asyncio.timeout(PATIENT_SECONDS):
                    while (answer := await _ask(session, url))[0] == 503:
                        await asyncio.sleep(0.01)
                    assert answer == (200, name)


async def test_several_engines_take_turns() -> None:
    async with engine(Access("first")) as one, engine(Access("second")) as two:
        given = settings(engine_target=f"ipv4:127.0.0.1:{one},127.0.0.1:{two}")
        async with aiohttp.ClientSession() as session, gateway(given, ROUTES) as url:
            names: set[str] = set()
            async with asyncio.timeout(PATIENT_SECONDS):
                while names != {"first", "second"}:
                    names.add((await _ask(session, url))[1])


async def test_an_engine_that_is_slow_to_say_hello_is_not_away() -> None:
    """On a busy machine a connection takes its time; with gRPC's ``min_reconnect_backoff`` at 100 ms this was a 503."""
    async with engine(Access("slow")) as port:

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65_536):
                    writer.write(data)
            writer.close()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.5)
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(forward(reader, back), forward(there, writer))

        slow = await asyncio.start_server(accept, "127.0.0.1", 0)
        given = settings(engine_target=f"127.0.0.1:{slow.sockets[0].getsockname()[1]}")
        async with slow, aiohttp.ClientSession() as session, gateway(given, ROUTES) as url:
            assert await _ask(session, url) == (200, "slow")
