"""gateway/http/middlewares.py and routes/root.py: request id, problems for everything, limits, health, metrics."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from common.error_codes import Fault
from gateway.http.keys import ENGINE
from gateway.http.limits import CallerRates
from gateway.http.problems import Problem
from mailing.v1.access_service_pb2 import WhoAmIRequest
from tests.gateway.http_rig import SIGNED_IN, Access, engine, gateway, settings
from tests.patience import PATIENT_SECONDS

NOBODY = "127.0.0.1:1"


async def _read(request: web.Request) -> web.Response:
    return web.json_response(await request.json())


async def _bug(_request: web.Request) -> web.Response:
    raise KeyError("a secret")


async def _problem(_request: web.Request) -> web.Response:
    raise Problem(422, Fault("bad"), [("/x", Fault("is bad"))])


async def _half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise KeyError("a secret")


async def _redirect(_request: web.Request) -> web.Response:
    raise web.HTTPPermanentRedirect("/healthz")


async def _who(request: web.Request) -> web.Response:
    client = request.app[ENGINE]
    return web.Response(text=(await client.call(request, client.access.WhoAmI, WhoAmIRequest())).name)


ROUTES = [
    web.post("/api/v1/read", _read),
    web.get("/api/v1/bug", _bug),
    web.get("/api/v1/problem/{some_id}", _problem),
    web.get("/api/v1/half", _half),
    web.get("/api/v1/redirect", _redirect),
    web.get("/api/v1/who", _who),
]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A gateway without an engine."""
    async with gateway(settings(engine_target=NOBODY, http_body_bytes=1024), ROUTES) as found:
        yield found


async def problem_of(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = await answer.json(content_type=None)
    assert body["status"] == answer.status
    assert body["type"] == "about:blank"
    return body


async def test_request_id_is_made_or_taken_and_always_returned(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/healthz") as answer:
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in answer.headers
    async with session.get(f"{url}/none", headers={"X-Request-Id": "mine-1"}) as answer:
        assert answer.headers["X-Request-Id"] == "mine-1"
    for bad in ("x" * 129, "two words"):
        async with session.get(f"{url}/healthz", headers={"X-Request-Id": bad}) as answer:
            assert answer.headers["X-Request-Id"] != bad


async def test_unknown_paths_and_methods_are_problems(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/api/v1/none") as answer:
        body = await problem_of(answer)
        assert (body["status"], body["instance"], body["title"]) == (404, "/api/v1/none", "Not Found")
    async with session.get(f"{url}/api/v1/read") as answer:
        assert (await problem_of(answer))["status"] == 405
        assert answer.headers["Allow"] == "POST"
    async with session.head(f"{url}/metrics") as answer:
        assert answer.status == 405


async def test_health_may_be_asked_with_head(session: aiohttp.ClientSession, url: str) -> None:
    async with session.head(f"{url}/healthz") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with session.head(f"{url}/readyz") as answer:
        assert (answer.status, await answer.read()) == (503, b"")


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/api/v1/who", "/none"])
async def test_only_by_its_names_where_the_operator_has_given_any(session: aiohttp.ClientSession, path: str) -> None:
    async with gateway(settings(engine_target=NOBODY, http_hosts="mailing.example, other"), ROUTES) as url:
        async with session.get(f"{url}{path}", headers={"Host": "evil.example"}) as answer:
            assert "MAILING_HTTP_HOSTS" in (await problem_of(answer))["detail"]
            assert answer.status == 421
        for host in ("mailing.example", "OTHER:8080", "127.0.0.1:1", "localhost"):
            async with session.get(f"{url}{path}", headers={"Host": host}) as answer:
                assert answer.status != 421


async def test_any_name_where_the_operator_has_given_none(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/healthz", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 200


async def test_body_that_is_too_large_is_413(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(f"{url}/api/v1/read", data=b"1" * 1025) as answer:
        assert (await problem_of(answer))["status"] == 413
    async with session.post(f"{url}/api/v1/read", data=b"1" * 1000) as answer:
        assert answer.status == 200


async def test_a_problem_passes_and_a_redirect_too(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/api/v1/problem/7") as answer:
        assert (await problem_of(answer))["errors"] == [
            {"pointer": "/x", "message": "is bad", "code": "", "arguments": {}}
        ]
    async with session.get(f"{url}/api/v1/redirect", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, "/healthz")


async def test_a_bug_is_500_with_a_reference_and_no_word_of_it(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/api/v1/bug", headers={"X-Request-Id": "mine-2"}) as answer:
        body = await problem_of(answer)
    assert body["status"] == 500
    assert body["detail"].endswith("reference mine-2")
    assert "secret" not in str(body)


async def test_half_an_answer_is_cut_and_does_not_look_whole(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with session.get(f"{url}/api/v1/half") as answer:
            await answer.read()


async def test_engine_that_is_away_is_503(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/api/v1/who", headers=SIGNED_IN) as answer:
        body = await problem_of(answer)
        assert (body["status"], answer.headers["Retry-After"]) == (503, "1")
        assert "127.0.0.1" not in body["detail"]
    async with session.get(f"{url}/readyz") as answer:
        body = await problem_of(answer)
        assert body["status"] == 503
        assert body["components"] == {"engine": "does not answer (unavailable)"}


async def test_calls_bear_token_request_id_peer_and_deadline(session: aiohttp.ClientSession) -> None:
    access = Access()
    async with engine(access) as port, gateway(settings(engine_target=f"127.0.0.1:{port}"), ROUTES) as url:
        headers = {**SIGNED_IN, "X-Request-Id": "mine-3", "X-Forwarded-For": "6.6.6.6", "X-Request-Timeout": "2.5"}
        async with session.get(f"{url}/api/v1/who", headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, "olga")
        assert access.calls[0]["x-request-id"] == "mine-3"
        assert access.calls[0]["x-forwarded-for"] == "127.0.0.1"
        assert access.deadlines[0] == pytest.approx(2.5, abs=1)
        async with session.get(f"{url}/api/v1/who") as answer:
            assert (await problem_of(answer))["status"] == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert access.deadlines[1] == pytest.approx(15, abs=3)
        for bad in ("0", "-1", "nan", "soon"):
            async with session.get(f"{url}/api/v1/who", headers={"X-Request-Timeout": bad}) as answer:
                assert (await problem_of(answer))["errors"][0]["pointer"] == "/X-Request-Timeout"
        async with session.get(f"{url}/readyz") as answer:
            assert await answer.json() == {"ready": True, "components": {"engine": "ok", "delivery": "ok"}}


async def test_metrics_need_a_token_that_is_asked_for_once_in_two_seconds(session: aiohttp.ClientSession) -> None:
    access = Access()
    async with engine(access) as port, gateway(settings(engine_target=f"127.0.0.1:{port}"), ROUTES) as url:
        for headers, calls in (({}, 0), ({}, 0), ({"Authorization": "Bearer none"}, 1), ({"Authorization": "x"}, 1)):
            async with session.get(f"{url}/metrics", headers=headers) as answer:
                assert (await problem_of(answer))["status"] == 401
            assert len(access.calls) == calls  # without a token nobody need be asked
        page = ""
        for number in range(3):
            async with session.get(f"{url}/api/v1/problem/{number}") as answer:
                assert answer.status == 422
            async with session.get(f"{url}/metrics", headers=SIGNED_IN) as answer:
                assert answer.status == 200
                page = await answer.text()
        assert len(access.calls) == 2
    assert 'mailing_rpc_seconds_count{code="OK",method="/mailing.v1.AccessService/WhoAmI"} 1.0' in page
    assert 'code="UNAUTHENTICATED",method="/mailing.v1.AccessService/WhoAmI"} 1.0' in page
    assert 'mailing_http_seconds_count{method="GET",route="/api/v1/problem/{some_id}",status="422"} 3.0' in page


async def test_requests_of_one_token_are_limited(session: aiohttp.ClientSession) -> None:
    async with gateway(settings(engine_target=NOBODY, http_token_rate=3), ROUTES) as url:
        codes = []
        for _ in range(5):
            async with session.get(f"{url}/api/v1/problem/1", headers=SIGNED_IN) as answer:
                codes.append(answer.status)
                if answer.status == 429:
                    assert answer.headers["Retry-After"] == "1"
                    await problem_of(answer)
        assert codes[:3] == [422, 422, 422]
        assert 429 in codes
        async with session.get(f"{url}/api/v1/problem/1", headers={"Authorization": "Bearer other"}) as answer:
            assert answer.status == 422
        async with session.get(f"{url}/healthz", headers=SIGNED_IN) as answer:
            assert answer.status == 200


def test_a_bucket_fills_again_and_callers_are_bounded() -> None:
    now = [0.0]
    rates = CallerRates(2, lambda: now[0])
    assert [rates.admit("a") for _ in range(3)] == [0, 0, 0.5]
    now[0] = 0.5
    assert [rates.admit("a"), rates.admit("a")] == [0, 0.5]
    for number in range(10_000):
        rates.admit(number)
    assert rates.admit("a") == 0  # forgotten, so it starts anew
    assert [CallerRates(0).admit("a") for _ in range(9)] == [0] * 9


def test_what_a_caller_sends_is_not_kept() -> None:
    """10,000 headers of 16 KiB each would be 160 MB, and secrets."""
    header = "Bearer " + "x" * 16_000
    before = sys.getrefcount(header)
    rates = CallerRates(2)
    assert [rates.admit(header), rates.admit("Bearer " + "x" * 16_000)] == [0, 0]
    assert rates.admit(header) > 0
    assert sys.getrefcount(header) == before


async def test_a_caller_that_goes_away_cancels_its_call() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    class Slow(Access):
        async def WhoAmI(self, request: Any, context: Any) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    async with engine(Slow()) as port, gateway(settings(engine_target=f"127.0.0.1:{port}"), ROUTES) as url:
        host, _, number = url.removeprefix("http://").partition(":")
        _reader, writer = await asyncio.open_connection(host, int(number))
        writer.write(b"GET /api/v1/who HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(begun.wait(), PATIENT_SECONDS)
        writer.close()
        await asyncio.wait_for(cancelled.wait(), PATIENT_SECONDS)


async def test_strangers_can_not_fill_the_log(session: aiohttp.ClientSession) -> None:
    """One line a second, but one for each request of somebody who is known."""
    access = Access()
    async with engine(access) as port, gateway(settings(engine_target=f"127.0.0.1:{port}"), ROUTES) as url:
        with capture_logs() as lines:
            for path, headers in (
                ("/api/v1/who", {}),
                ("/nothing", {}),
                ("/api/v1/who", {"Authorization": "Bearer x"}),
            ):
                for _ in range(10):
                    async with session.get(f"{url}{path}", headers=headers) as answer:
                        assert answer.status in (401, 404)
            assert 1 <= len(lines) <= 5
            lines.clear()
            for _ in range(10):
                async with session.get(f"{url}/api/v1/who", headers=SIGNED_IN) as answer:
                    assert answer.status == 200
        assert [line["event"] for line in lines] == ["http.request"] * 10
