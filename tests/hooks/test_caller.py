"""Calls to webhooks: whatever happens is an answer, and no call goes to an inner address, by any name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.hooks.caller import Answer, Caller
from tests.engine.test_webhook_address import INNER

BODY = b'{"a": 1}'


class Receiver:
    """A server on loopback that counts."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes, str]] = []
        self.go_on = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, await request.read(), request.headers["webhook-id"]))
        if request.path == "/moved":
            raise web.HTTPTemporaryRedirect("/elsewhere")
        if request.path == "/hangs":
            await self.go_on.wait()
        if request.path == "/endless":
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x" * 100_000)
        return web.Response(
            status=int(request.query.get("status", "200")), body=request.query.get("text", "ok").encode()
        )


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, TestServer]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    server = TestServer(app)
    await server.start_server()
    try:
        yield receiver, server
    finally:
        receiver.go_on.set()
        await server.close()


@asynccontextmanager
async def calling(**more: Any) -> AsyncIterator[Callable[[str], Any]]:
    caller = Caller(**more)
    try:
        yield lambda url: caller.post(url, {"webhook-id": "evt_1"}, BODY)
    finally:
        await caller.close()


def names(*addresses: str) -> Callable[..., Any]:
    """A name server that answers each question with the next of these."""
    answers = iter(addresses)

    def look_up(host: str, port: int, *_: Any) -> list[Any]:
        return socket.getaddrinfo(next(answers), port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)

    return look_up


async def test_answers() -> None:
    async with receiving() as (receiver, server), calling(private=True) as post:
        base = str(server.make_url("/"))
        assert await post(f"{base}a?text=thanks") == Answer(200, "thanks")
        assert await post(f"{base}a?status=503&text=later") == Answer(503, "later")
        assert await post(f"{base}a?text=%00") == Answer(200, "\ufffd")
        assert (await post(f"{base}a?status=204")).is_taken
        assert receiver.requests[0] == ("/a", BODY, "evt_1")


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as (receiver, server), calling(private=True) as post:
        answer = await post(str(server.make_url("/moved")))
        assert answer == Answer(307, "redirects are not followed")
        assert not answer.is_taken
        assert [path for path, *_ in receiver.requests] == ["/moved"]


async def test_an_answer_without_end_is_cut_off() -> None:
    async with receiving() as (_, server), calling(private=True) as post:
        assert await post(str(server.make_url("/endless"))) == Answer(200, "x" * 1000)


async def test_no_answer_in_time() -> None:
    async with receiving() as (_, server), calling(private=True, seconds=0.05) as post:
        assert await post(str(server.make_url("/hangs"))) == Answer(None, "no answer within 0.05 s")


async def test_faults_are_answers_and_name_no_path() -> None:
    async with receiving() as (_, server), calling(private=True) as post:
        port = server.port
        tls = await post(f"https://127.0.0.1:{port}/secret")
    async with calling(private=True) as post:
        refused = await post(f"http://127.0.0.1:{port}/secret")
    for answer in (tls, refused):
        assert answer.http_status is None
        assert answer.text
        assert "secret" not in answer.text


def fails(*_: Any) -> Any:
    raise socket.gaierror(-2, "Name or service not known")


async def test_a_name_that_nobody_knows() -> None:
    async with calling(private=True, look_up=fails) as post:
        assert await post("https://nobody.example/") == Answer(None, "the host's name could not be resolved")


# -- no call goes to an inner address -----------------------------------------------------------------------


@pytest.mark.parametrize("address", [each for each in INNER if each and " " not in each and "%" not in each])
async def test_a_name_may_stand_for_no_inner_address(address: str) -> None:
    async with calling(private=False, look_up=names(address)) as post:
        answer = await post("https://rebound.example/")
        assert answer.http_status is None
        assert "MAILING_WEBHOOK_PRIVATE" in answer.text, answer


async def test_a_name_that_stands_for_another_address_at_the_call_reaches_nobody() -> None:
    """DNS rebinding: what was asked before does not count; the socket's address does."""
    async with receiving() as (receiver, server):
        async with calling(private=False, look_up=names("127.0.0.1", "127.0.0.1")) as post:
            for _ in range(2):
                answer = await post(f"https://rebound.example:{server.port}/")
                assert "MAILING_WEBHOOK_PRIVATE" in answer.text
        assert receiver.requests == []


async def test_an_address_that_was_allowed_once_is_refused_when_the_setting_is_gone() -> None:
    async with receiving() as (receiver, server), calling(private=False) as post:
        answer = await post(f"https://127.0.0.1:{server.port}/")
        assert "MAILING_WEBHOOK_PRIVATE" in answer.text
        assert receiver.requests == []


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as (receiver, server), calling(private=False, look_up=names("127.0.0.1")) as post:
        monkeypatch.setenv("https_proxy", str(server.make_url("/")))
        assert "MAILING_WEBHOOK_PRIVATE" in (await post("https://rebound.example/")).text
        assert receiver.requests == []
