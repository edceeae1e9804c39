"""Receipts reach the service: in lists, with the token, and again while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from scripts.sandbox import NoService, Sandbox, Service
from scripts.sandbox.courier import PATH
from scripts.sandbox.provider import Provider
from scripts.sandbox.service import Target
from tests.patience import PATIENT_SECONDS
from tests.ports import held_port

PHONE = 79161234567


class Taker:
    """A service that takes receipts, or does not."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[web.Response] = []
        """What it answers first, in the place of success."""
        self.lists: list[list[dict[str, Any]]] = []
        self.calls = 0

    async def take(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer mlt_of_the_provider"
        self.calls += 1
        if self.answers:
            return self.answers.pop(0)
        receipts = await request.json()
        self.lists.append(receipts)
        return web.json_response({"accepted": len(receipts), "duplicate": 0, "unknown": 0})

    @property
    def ids(self) -> list[int]:
        """Of all receipts that it took."""
        return [receipt["id"] for receipts in self.lists for receipt in receipts]


@asynccontextmanager
async def serving(taker: Taker, port: int = 0) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/api/v1/receipts", taker.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    taker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("mlt_of_the_provider\n")
    return file


@asynccontextmanager
async def sandbox_of(taker: Taker, token: Path, providers: int = 1) -> AsyncIterator[Sandbox]:
    service = Service(taker.url, token)
    with held_port() as port:
        async with await Sandbox.start(port, service=service, providers=providers) as sandbox:
            for provider in sandbox.providers:
                provider.set_receipts(enabled=True)
            yield sandbox


def accept(provider: Provider, *ids: int) -> None:
    """Let texts be accepted, as over HTTP."""
    for message_id in ids:
        body = b'{"id":%d,"phone":%d,"text":"x"}' % (message_id, PHONE)
        assert provider.desk.take(b"%d" % message_id, True, body).is_accepted


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def receipts_of(provider: Provider) -> dict[str, Any]:
    stats: Any = provider.stats()["receipts"]
    return dict(stats)


async def test_a_receipt_for_each_text_in_lists_of_a_thousand_at_most(token: Path) -> None:
    taker = Taker()
    async with serving(taker), sandbox_of(taker, token) as sandbox:
        accept(sandbox, *range(1, 2501))
        accept(sandbox, 1)  # what is accepted a second time has its receipt
        await until(lambda: receipts_of(sandbox)["waiting"] == 0)
        assert sorted(taker.ids) == list(range(1, 2501))
        assert max(map(len, taker.lists)) == 1000
        assert (receipts_of(sandbox)["delivered"], receipts_of(sandbox)["answers"]["accepted"]) == (2500, 2500)
        assert {each["receipt"] for each in sandbox.messages()} == {"delivered"}
        sandbox.set_receipts(enabled=False)
        accept(sandbox, 3000)
        assert receipts_of(sandbox)["waiting"] == 0
        sandbox.reset()
        assert (receipts_of(sandbox)["delivered"], receipts_of(sandbox)["answers"]["accepted"]) == (0, 0)


async def test_an_unanswered_text_gets_its_receipt_and_a_refused_one_does_not(token: Path) -> None:
    taker = Taker()
    async with serving(taker), sandbox_of(taker, token) as sandbox:
        sandbox.set_faults(share_unanswered=1)
        accept(sandbox, 1)
        sandbox.set_faults(share_unanswered=0, share_5xx=1)
        sandbox.desk.take(b"2", True, b'{"id":2,"phone":7,"text":"x"}')
        await until(lambda: receipts_of(sandbox)["waiting"] == 0)
    assert (taker.ids, sandbox.calls(1)[0].answer) == ([1], "unanswered")


async def test_a_service_that_is_away_gets_them_when_it_is_back(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.sandbox.courier._PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("scripts.sandbox.courier._PAUSE_SECONDS_MAX", 0.02)
    taker = Taker()
    async with serving(taker):
        port = int(taker.url.rpartition(":")[2])
    async with sandbox_of(taker, token) as sandbox:
        accept(sandbox, 1, 2)
        await until(lambda: "does not answer" in receipts_of(sandbox)["problem"])
        sandbox.send_all_receipts_to(Target(taker.url + PATH, token.with_name("none")))
        await until(lambda: "no token" in receipts_of(sandbox)["problem"])
        sandbox.send_all_receipts_to(Target(taker.url + PATH, token))
        taker.answers = [
            web.json_response({"detail": "later"}, status=503),
            web.json_response({"detail": "who?"}, status=401),
            web.Response(text="<html>"),
        ]
        async with serving(taker, port):
            await until(lambda: sorted(taker.ids) == [1, 2])
            await until(lambda: receipts_of(sandbox)["waiting"] == 0)
    assert (taker.calls, receipts_of(sandbox)["problem"]) == (4, "")


async def test_what_the_service_refuses_is_counted_and_said(token: Path) -> None:
    taker = Taker()
    taker.answers = [web.json_response({"detail": "no such call"}, status=404)]
    async with serving(taker), sandbox_of(taker, token) as sandbox:
        accept(sandbox, 1)
        await until(lambda: receipts_of(sandbox)["refused"] == 1)
        assert receipts_of(sandbox)["problem"] == "the service answered 404: no such call"
        accept(sandbox, 2)
        await until(lambda: taker.ids == [2])
        assert receipts_of(sandbox)["refused"] == 1


async def test_a_provider_that_stops_hands_them_in_when_it_is_back(token: Path) -> None:
    taker = Taker()
    async with serving(taker), sandbox_of(taker, token) as sandbox:
        await sandbox.stop()
        accept(sandbox, 1)
        await asyncio.sleep(0.05)
        assert (taker.calls, receipts_of(sandbox)["waiting"]) == (0, 1)
        await sandbox.listen()
        await until(lambda: taker.ids == [1])


async def test_each_provider_has_receipts_of_its_own(token: Path) -> None:
    taker = Taker()
    async with serving(taker), sandbox_of(taker, token, providers=2) as sandbox:
        alpha, beta = sandbox.providers
        beta.set_receipts(share_undelivered=1)
        accept(alpha, 1, 2)
        accept(beta, 3)
        await until(lambda: len(taker.ids) == 3)
        await until(lambda: receipts_of(beta)["waiting"] + receipts_of(alpha)["waiting"] == 0)
        assert (receipts_of(alpha)["delivered"], receipts_of(alpha)["undelivered"]) == (2, 0)
        assert (receipts_of(beta)["delivered"], receipts_of(beta)["undelivered"]) == (0, 1)


async def test_switches_change_live_over_http(token: Path) -> None:
    taker = Taker()
    async with (
        serving(taker),
        sandbox_of(taker, token, providers=2) as sandbox,
        aiohttp.ClientSession(sandbox.root_url) as http,
    ):
        async with http.patch("/beta/sandbox/receipts", json={"share_lost": 0.5, "delay_seconds": [1, 2]}) as answer:
            changed = await answer.json()
        assert (changed["enabled"], changed["share_lost"], changed["delay_seconds"]) == (True, 0.5, [1, 2])
        async with http.get("/sandbox/receipts") as answer:
            assert (await answer.json())["share_lost"] == 0
        async with http.patch("/sandbox/receipts", json={"share_lost": 2}) as answer:
            assert (answer.status, list((await answer.json())["errors"])) == (400, ["share_lost"])


async def test_there_are_none_without_somebody_to_take_them() -> None:
    async with await Sandbox.start() as sandbox, aiohttp.ClientSession(sandbox.root_url) as http:
        async with http.patch("/sandbox/receipts", json={"enabled": True}) as answer:
            assert (answer.status, "--receipts-url" in (await answer.json())["message"]) == (409, True)
        with pytest.raises(NoService):
            sandbox.set_receipts(enabled=True)
        assert sandbox.receipts.enabled is False
