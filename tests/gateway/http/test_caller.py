"""gateway/http/caller.py: whose address counts when proxies stand in between, and where it is used."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import structlog.testing
from aiohttp import web

from common.setting_types import networks
from gateway.http.caller import behind_proxies
from gateway.http.keys import ENGINE
from mailing.v1.access_service_pb2 import WhoAmIRequest
from tests.gateway.http_rig import SIGNED_IN, Access, engine, gateway, settings

TRUSTED = networks("10.0.0.0/8, 192.0.2.1, fd00::/8")


@pytest.mark.parametrize(
    ("peer", "headers", "found"),
    [
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),  # a caller who comes straight can say what it likes
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # 6.6.6.6 was there when the proxy got it
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1,10.9.9.9 , 192.0.2.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, what, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8::1"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(peer: str, headers: list[str], found: str) -> None:
    assert isinstance(TRUSTED, tuple)
    assert behind_proxies(peer, headers, TRUSTED) == found


async def _who(request: web.Request) -> web.Response:
    client = request.app[ENGINE]
    return web.Response(text=(await client.call(request, client.access.WhoAmI, WhoAmIRequest())).name)


ROUTES = [web.get("/api/v1/who", _who)]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.mark.parametrize(("trusted", "expected"), [("127.0.0.0/8", "198.51.100.1"), ("10.0.0.0/8", "127.0.0.1")])
async def test_the_engine_and_the_log_are_told_of_the_caller(
    session: aiohttp.ClientSession, trusted: str, expected: str
) -> None:
    access = Access()
    headers = {**SIGNED_IN, "X-Forwarded-For": "6.6.6.6, 198.51.100.1"}
    async with engine(access) as port:
        given = settings(engine_target=f"127.0.0.1:{port}", trusted_proxies=trusted)
        with structlog.testing.capture_logs() as lines:
            async with gateway(given, ROUTES) as url, session.get(f"{url}/api/v1/who", headers=headers) as answer:
                assert answer.status == 200
    assert access.calls[0]["x-forwarded-for"] == expected
    assert [line["peer"] for line in lines if line["event"] == "http.request"] == [expected]


async def test_callers_behind_a_proxy_are_counted_each_by_itself(session: aiohttp.ClientSession) -> None:
    given = settings(engine_target="127.0.0.1:1", trusted_proxies="127.0.0.1", http_token_rate=1)

    async def ask(url: str, address: str) -> int:
        async with session.get(f"{url}/api/v1/none", headers={"X-Forwarded-For": address}) as answer:
            return answer.status

    async with gateway(given, ROUTES) as url:
        assert [await ask(url, "198.51.100.1") for _ in range(3)].count(429) >= 1
        assert await ask(url, "198.51.100.2") == 404
