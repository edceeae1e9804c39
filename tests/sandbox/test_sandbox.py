"""The sandbox over real HTTP: the contract of docs/behaviour.md, section 3, the faults and the control API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from engine.ports import Request
from engine.provider.fbrq import FbrqProvider
from scripts.sandbox import Sandbox
from tests.patience import PATIENT_SECONDS, until
from tests.ports import held_port

PHONE = 79161234567
GOOD = {"id": 5, "phone": PHONE, "text": "Привет"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    with held_port() as port:
        async with await Sandbox.start(port) as sandbox:
            yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def provider(sandbox: Sandbox) -> AsyncIterator[FbrqProvider]:
    provider = FbrqProvider(sandbox.url, sandbox.token)
    yield provider
    await provider.close()


def _plain(sandbox: Sandbox) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.token}"}


def _handed_over(sandbox: Sandbox) -> dict[str, str]:
    """A header that sends the request the long way, through aiohttp."""
    return _plain(sandbox) | {"Connection": "keep-alive"}


@pytest.mark.parametrize("headers", [_plain, _handed_over])
@pytest.mark.parametrize(
    ("path_id", "body", "status", "words"),
    [
        ("5", GOOD, 200, "OK"),
        ("6", GOOD, 400, "id: should be the same as in the path"),
        ("x", GOOD, 400, "id: should be the same as in the path"),
        ("5", GOOD | {"id": "5"}, 400, "id: should be a 64-bit integer"),
        ("5", GOOD | {"id": True}, 400, "id: should be a 64-bit integer"),
        (str(2**63), GOOD | {"id": 2**63}, 400, "id: should be a 64-bit integer"),
        ("5", GOOD | {"phone": "+79161234567"}, 400, "phone: should be a 64-bit integer"),
        ("5", GOOD | {"text": ""}, 400, "text: should be a string that is not empty"),
        ("5", {"id": 5, "phone": PHONE}, 400, "text: should be a string that is not empty"),
        ("5", [GOOD], 400, "the body should be a JSON object"),
    ],
)
async def test_body_is_checked(
    sandbox: Sandbox, http: aiohttp.ClientSession, headers: object, path_id: str, body: object, status: int, words: str
) -> None:
    assert callable(headers)
    async with http.post(f"{sandbox.url}/send/{path_id}", json=body, headers=headers(sandbox)) as response:
        assert response.status == status
        assert words in (await response.json())["message"]
    assert sandbox.accepted == (status == 200)


async def test_not_json(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{sandbox.url}/send/5", data=b"{", headers=_plain(sandbox)) as response:
        assert response.status == 400
        assert "the body is not JSON" in (await response.json())["message"]


@pytest.mark.parametrize("token", ["", "Bearer wrong", "sandbox-token", "Basic sandbox-token"])
async def test_wrong_token(sandbox: Sandbox, http: aiohttp.ClientSession, token: str) -> None:
    headers = {"Authorization": token} if token else {}
    async with http.post(f"{sandbox.url}/send/5", json=GOOD, headers=headers) as response:
        assert response.status == 401
    assert (sandbox.accepted, sandbox.count(5)) == (0, 1)


async def test_remembers_by_id(sandbox: Sandbox, provider: FbrqProvider, http: aiohttp.ClientSession) -> None:
    before_us = time.time_ns() // 1000
    await provider.send(Request(5, PHONE, "first", PATIENT_SECONDS))
    sandbox.set_faults(share_5xx=1)
    await provider.send(Request(5, PHONE, "second", PATIENT_SECONDS))
    async with http.get(f"{sandbox.root_url}/sandbox/messages", params={"id": "5"}) as response:
        [message] = (await response.json())["messages"]
    assert (message["id"], message["phone"], message["text"], message["count"]) == (5, PHONE, "second", 2)
    assert [(call["answer"][0], call["text"]) for call in message["calls"]] == [("2", "first"), ("5", "second")]
    assert datetime.fromisoformat(message["first_time"]) <= datetime.now(UTC)
    assert [call.at_us >= before_us for call in sandbox.calls(5)] == [True, True]
    async with http.get(f"{sandbox.root_url}/sandbox/messages", params={"phone": "7"}) as response:
        assert (await response.json())["messages"] == []


async def test_faults_change_live_over_http(
    sandbox: Sandbox, provider: FbrqProvider, http: aiohttp.ClientSession
) -> None:
    url = f"{sandbox.root_url}/sandbox/faults"
    async with http.patch(url, json={"share_429": 1, "retry_after": 7}) as response:
        assert (await response.json())["share_429"] == 1
    answer = await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS))
    assert (answer.http_status, answer.retry_after) == (429, "7")
    async with http.patch(url, json={"share_429": 0}) as response:
        assert (await response.json())["retry_after"] == 7
    assert (await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS))).http_status == 200
    async with http.patch(url, json={"share_429": 7}) as response:
        assert response.status == 400
        assert (await response.json())["errors"] == {"share_429": "should be a number from 0 to 1"}
    async with http.patch(url, data=b"[]") as response:
        assert response.status == 400
    async with http.get(url) as response:
        assert (await response.json())["share_429"] == 0


@pytest.mark.parametrize(
    ("faults", "status", "detail"),
    [
        ({"share_400": 1}, 400, "HTTP 400"),
        ({"share_garbage": 1}, 200, "not JSON"),
        ({"share_reset": 1}, None, "connection reset"),
        ({"share_unanswered": 1}, None, "connection reset"),
        ({"share_hang": 1}, None, "timed out after 0.2 s"),
        ({"outage": True}, 503, "HTTP 503"),
        ({"outage": "reset"}, None, "connection reset"),
        ({"reject_token": True}, 401, "HTTP 401"),
        ({"reject_token": 403}, 403, "HTTP 403"),
        ({"latency_seconds": 5}, None, "timed out after 0.2 s"),
    ],
)
@pytest.mark.parametrize("way", ["plain", "handed over"])
async def test_faults_as_the_engine_sees_them(
    sandbox: Sandbox,
    faults: dict[str, object],
    status: int | None,
    detail: str,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "handed over":
        monkeypatch.setattr("scripts.sandbox.fast._METHOD", b"nothing begins like this")
    sandbox.set_faults(**faults)
    provider = FbrqProvider(sandbox.url, sandbox.token)
    answer = await provider.send(Request(5, PHONE, "x", 0.2))
    assert answer.http_status == status
    assert detail in answer.detail
    assert sandbox.count(5) == 1
    sandbox.clear_faults()
    assert (await provider.send(Request(5, PHONE, "x", PATIENT_SECONDS))).detail == ""
    await provider.close()


async def test_latency_range(sandbox: Sandbox, provider: FbrqProvider) -> None:
    sandbox.set_faults(latency_seconds=[0.05, 0.2])
    took: list[float] = []

    async def call(message_id: int) -> None:
        started = time.monotonic()
        await provider.send(Request(message_id, PHONE, "x", PATIENT_SECONDS))
        took.append(time.monotonic() - started)

    await asyncio.gather(*(call(i) for i in range(20)))
    assert min(took) >= 0.05
    assert max(took) - min(took) > 0.05


async def test_stop_and_listen_again_like_a_provider_that_died(sandbox: Sandbox, provider: FbrqProvider) -> None:
    await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS))
    await sandbox.stop()
    assert (await provider.send(Request(2, PHONE, "x", PATIENT_SECONDS))).http_status is None
    assert (await provider.send(Request(2, PHONE, "x", PATIENT_SECONDS))).detail == "connection refused"
    await sandbox.listen()
    assert (await provider.send(Request(2, PHONE, "x", PATIENT_SECONDS))).http_status == 200
    assert sandbox.accepted_ids() == [1, 2]


async def test_stats_and_reset(sandbox: Sandbox, provider: FbrqProvider, http: aiohttp.ClientSession) -> None:
    for message_id in (1, 2, 2):
        await provider.send(Request(message_id, PHONE, "x", PATIENT_SECONDS))
    async with http.get(f"{sandbox.root_url}/sandbox/stats") as response:
        stats = await response.json()
    assert (stats["requests"], stats["unique_ids"], stats["accepted_again_ids"]) == (3, 2, 1)
    assert stats["by_status"] == {"200": 3}
    async with http.post(f"{sandbox.root_url}/sandbox/reset") as response:
        assert (await response.json())["requests"] == 0
    assert sandbox.messages() == []


@pytest.mark.parametrize("query", ["id=x", "limit=0", "limit=1001", "phone=-1", "text=x"])
async def test_bad_queries_are_named(sandbox: Sandbox, http: aiohttp.ClientSession, query: str) -> None:
    async with http.get(f"{sandbox.root_url}/sandbox/messages?{query}") as response:
        assert response.status == 400
        assert query.partition("=")[0] in (await response.json())["message"]


async def test_page_needs_nothing_from_outside(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{sandbox.root_url}/") as response:
        page = await response.text()
        assert response.status == 200
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "http:" not in page
    assert "https:" not in page


FOREIGN: tuple[tuple[dict[str, str], int], ...] = (
    ({"Host": "evil.example:8090"}, 421),
    ({"Host": "evil.example:8090", "Origin": "http://evil.example:8090", "Sec-Fetch-Site": "same-origin"}, 421),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
)


@pytest.mark.parametrize(("headers", "status"), FOREIGN)
async def test_another_site_s_page_changes_nothing(
    sandbox: Sandbox, provider: FbrqProvider, http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    await provider.send(Request(1, PHONE, "x", PATIENT_SECONDS))
    root = sandbox.root_url
    for method, path, body in (
        ("POST", "/sandbox/reset", b""),
        ("PATCH", "/sandbox/faults", b'{"outage": true}'),
        ("POST", "/v1/send/2", b'{"id":2,"phone":79161234567,"text":"x"}'),
    ):
        async with http.request(method, root + path, data=body, headers=headers | _plain(sandbox)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (status, status)
    assert (sandbox.requests, sandbox.accepted_ids(), sandbox.faults.outage) == (1, [1], False)
    async with http.get(f"{root}/sandbox/messages", headers=headers) as answer:
        # Without a name of its own for us, a foreign page may ask, but the browser does not show it the answer.
        assert answer.status == (421 if status == 421 else 200)
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_its_own_page_and_programs_change_what_they_like(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    for headers in ({}, {"Origin": sandbox.root_url}, {"Origin": sandbox.root_url, "Sec-Fetch-Site": "same-origin"}):
        async with http.post(f"{sandbox.root_url}/sandbox/reset", headers=headers) as answer:
            assert answer.status == 200


async def test_unknown_path_and_method(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{sandbox.root_url}/nope") as response:
        assert (response.status, response.content_type) == (404, "application/json")
    async with http.get(f"{sandbox.url}/send/5") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("cut", [3, 40, 200, 218])
async def test_request_in_pieces(sandbox: Sandbox, cut: int) -> None:
    body = b'{"id":5,"phone":7,"text":"x"}'
    head = b"POST /v1/send/5 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sandbox-token\r\nX-Fill: %s\r\n" % (
        b"y" * 82
    )
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    host, port = sandbox.root_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request[:cut])
    await asyncio.sleep(0.02)
    writer.write(request[cut:])
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(request + request)  # pipelined
    await until(lambda: sandbox.accepted_count(5) >= 3)
    assert sandbox.accepted_count(5) == 3
    writer.close()
