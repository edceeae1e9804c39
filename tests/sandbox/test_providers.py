"""Several providers in one sandbox: each with its own path, token, switches and ledger; a text at two is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from engine.ports import Request
from engine.provider.fbrq import FbrqProvider
from scripts.sandbox import Sandbox
from scripts.sandbox.provider import Provider
from tests.patience import PATIENT_SECONDS

PHONE = 79161234567


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with await Sandbox.start(providers=3) as sandbox:
        yield sandbox


async def status_at(sandbox: Sandbox, provider: Provider, message_id: int, token: str | None = None) -> int | None:
    """What a provider answers to the engine's client."""
    client = FbrqProvider(sandbox.url_of(provider), token or provider.token)
    try:
        return (await client.send(Request(message_id, PHONE, f"text {message_id}", PATIENT_SECONDS))).http_status
    finally:
        await client.close()


async def asked(sandbox: Sandbox, path: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(f"{sandbox.root_url}{path}") as answer:
        assert answer.status == 200
        return await answer.json()


@pytest.mark.parametrize("way", ["plain", "handed over"])
async def test_each_fails_and_counts_by_itself(sandbox: Sandbox, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "handed over":
        monkeypatch.setattr("scripts.sandbox.fast._METHOD", b"nothing begins like this")
    alpha, beta, gamma = sandbox.providers
    assert [each.name for each in sandbox.providers] == ["alpha", "beta", "gamma"]
    alpha.set_faults(outage=True)
    assert [await status_at(sandbox, each, 1) for each in (alpha, beta)] == [503, 200]
    assert await status_at(sandbox, gamma, 2, token=beta.token) == 401
    assert [each.requests for each in sandbox.providers] == [1, 1, 1]
    assert [each.accepted_ids() for each in sandbox.providers] == [[], [1], []]
    async with (
        aiohttp.ClientSession() as http,
        http.patch(f"{sandbox.root_url}/gamma/sandbox/faults", json={"share_400": 1}) as answer,
    ):
        assert answer.status == 200
    assert (alpha.faults.share_400, beta.faults.share_400, gamma.faults.share_400) == (0, 0, 1)
    assert (await asked(sandbox, "/beta/sandbox/stats"))["accepted"] == 1
    [message] = (await asked(sandbox, "/sandbox/messages"))["messages"]
    assert (message["id"], message["calls"][0]["answer"]) == (1, "503")


async def test_a_text_that_two_accepted_is_found(sandbox: Sandbox) -> None:
    alpha, beta, gamma = sandbox.providers
    for provider, message_id in ((alpha, 1), (beta, 2), (alpha, 3), (beta, 3), (gamma, 3), (alpha, 1)):
        assert await status_at(sandbox, provider, message_id) == 200
    beta.set_faults(share_unanswered=1)
    assert await status_at(sandbox, beta, 1) is None  # nobody was told, and it was taken all the same
    beta.set_faults(share_unanswered=0, share_5xx=1)
    assert await status_at(sandbox, beta, 4) != 200
    assert await status_at(sandbox, alpha, 4) == 200
    overview = await asked(sandbox, "/sandbox/providers")
    assert overview["accepted_by_two"] == {"count": 2, "ids": [3, 1]}
    assert [(each["name"], each["path"]) for each in overview["providers"]] == [
        ("alpha", ""), ("beta", "/beta"), ("gamma", "/gamma")
    ]  # fmt: skip
    assert overview["providers"][1]["url"] == sandbox.url_of(beta)
    [first, *_] = (await asked(sandbox, "/sandbox/conversations"))["conversations"]
    by = {message["id"]: message["accepted_by"] for message in first["messages"]}
    assert by == {1: ["alpha", "beta"], 2: ["beta"], 3: ["alpha", "beta", "gamma"], 4: ["alpha"]}
    assert list(by) == [1, 2, 3, 4]
    sandbox.reset()
    assert sandbox.overview()["accepted_by_two"] == {"count": 0, "ids": []}
    assert [each.requests for each in sandbox.providers] == [0, 0, 0]


async def test_a_text_says_who_was_called_and_who_accepted_it(sandbox: Sandbox) -> None:
    alpha, beta, _ = sandbox.providers
    alpha.set_faults(outage=True)
    for provider in (alpha, alpha, beta):
        await status_at(sandbox, provider, 1)
    [conversation] = (await asked(sandbox, "/sandbox/conversations"))["conversations"]
    [message] = conversation["messages"]
    assert (message["id"], message["text"], message["count"], message["accepted_by"]) == (1, "text 1", 3, ["beta"])
    assert [(call["provider"], call["answer"]) for call in message["calls"]] == [
        ("alpha", "503"), ("alpha", "503"), ("beta", "200")
    ]  # fmt: skip
    assert (message["first_time"], message["last_time"]) == (message["calls"][0]["time"], message["calls"][-1]["time"])


async def test_the_same_messages_do_not_fail_at_each_of_them(sandbox: Sandbox) -> None:
    failed: list[set[int]] = []
    for provider in sandbox.providers:
        provider.set_faults(share_400=0.5)
        bodies = {i: b'{"id":%d,"phone":7,"text":"x"}' % i for i in range(1, 101)}
        failed.append({i for i, body in bodies.items() if provider.desk.take(b"%d" % i, True, body).name == "400"})
    assert len(set(map(frozenset, failed))) == 3
