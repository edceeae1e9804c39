"""Section 13 over real HTTP: the sandbox hands receipts in as a provider does, and what it says is what is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.sandbox import Sandbox
from scripts.sandbox.courier import PATH
from scripts.sandbox.service import Target
from tests.gateway.rig import Gateway, serving
from tests.rules.rig import until

CLIENTS = 300


@asynccontextmanager
async def with_receipts(folder: Path, sandbox: Sandbox, **engine: Any) -> AsyncIterator[Gateway]:
    """A service to which the sandbox hands in its receipts."""
    async with serving(folder, sandbox=sandbox, **engine) as gateway:
        token = folder / "token"
        token.write_text((await gateway.post("/tokens", {"name": "sandbox", "role": "provider"})).json["secret"])
        sandbox.send_all_receipts_to(Target(gateway.url + PATH, token))
        yield gateway


async def all_told(sandbox: Sandbox) -> dict[str, Any]:
    """Wait until all receipts are handed in; what the service should say, and what it has answered."""
    stats: Any = {}

    def done() -> bool:
        nonlocal stats
        stats = sandbox.stats()["receipts"]
        return bool(stats["waiting"] == 0)

    await until(done)
    assert stats["problem"] == ""
    return dict(stats)


async def funnel(gateway: Gateway, mailing_id: int) -> dict[str, int]:
    """Delivered, undelivered and none, after a recount, and as the lists have them."""
    found: dict[str, int] = (await gateway.get(f"/mailings/{mailing_id}/stats")).json["delivery"]
    found.pop("seconds")
    for word, number in found.items():
        listed = (await gateway.get(f"/mailings/{mailing_id}/messages?delivery={word}&page_size=1000")).json
        assert listed["total_size"] == len(listed["messages"]) == number
    assert await gateway.engine.service.store.check() == []
    return found


async def test_repeated_reordered_and_early_receipts_end_as_the_provider_has_it(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=CLIENTS) as sandbox, with_receipts(tmp_path, sandbox) as gateway:
        sandbox.set_faults(latency_seconds=[0, 0.1], share_5xx=0.1)
        shares = {"share_undelivered": 0.2, "share_repeated": 0.3, "share_reordered": 0.2, "share_lost": 0.1}
        sandbox.set_receipts(enabled=True, delay_seconds=[0, 0.2], **shares)
        await gateway.engine.add_clients(CLIENTS)
        mailing = await gateway.engine.register()
        pending, sent, not_sent = await gateway.engine.finished(mailing.id)
        assert (pending, sent + not_sent) == (0, CLIENTS)
        told = await all_told(sandbox)
        shown = await funnel(gateway, mailing.id)
        assert shown["delivered"] == told["delivered"]
        assert shown["undelivered"] == told["undelivered"] > 0
        assert sum(shown.values()) == sent
        assert told["answers"]["duplicate"] > 0
        assert told["answers"]["unknown"] == 0


async def is_sent_and_never_called_again(gateways: list[Gateway], sandboxes: list[Sandbox]) -> None:
    """The provider takes each text, and does not answer each. Then only receipts say that it did."""
    one = gateways[0].engine
    await one.add_clients(CLIENTS)
    mailing = await one.register()
    assert await one.finished(mailing.id) == (0, CLIENTS, 0)
    for sandbox in sandboxes:
        await all_told(sandbox)
    assert await funnel(gateways[0], mailing.id) == {"delivered": CLIENTS, "undelivered": 0, "none": 0}
    calls = [sum(len(each.calls(message.id)) for each in sandboxes) for message in await one.list_messages(mailing.id)]
    assert calls == [1] * CLIENTS
    stats = (await gateways[0].get(f"/mailings/{mailing.id}/stats")).json
    assert (stats["attempts"]["total"], stats["attempts"]["retried"]) == (CLIENTS, 0)
    assert stats["attempts"]["by_http_status"]["0"] > CLIENTS // 10


PATIENT: dict[str, Any] = {"retry_base_seconds": 86_400, "retry_max_seconds": 86_400}
"""The receipt is there before the next call is due, whatever its jitter."""
SOME_UNANSWERED: dict[str, Any] = {"share_unanswered": 0.25}
"""Fewer than would open the breaker."""


async def test_a_receipt_makes_a_message_with_an_unknown_outcome_sent(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=CLIENTS) as sandbox, with_receipts(tmp_path, sandbox, **PATIENT) as gateway:
        sandbox.set_faults(**SOME_UNANSWERED)
        sandbox.set_receipts(enabled=True, delay_seconds=[0, 0.3])
        await is_sent_and_never_called_again([gateway], [sandbox])


@pytest.mark.postgres
async def test_whichever_engine_is_told(tmp_path: Path, postgres_url: Callable[[], str]) -> None:
    url = postgres_url()
    async with AsyncExitStack() as stack:
        sandboxes = [await stack.enter_async_context(await Sandbox.start(keep=CLIENTS)) for _ in range(2)]
        gateways = [
            await stack.enter_async_context(with_receipts(tmp_path, sandbox, database_url=url, workers=4, **PATIENT))
            for sandbox in sandboxes
        ]
        for sandbox, gateway in zip(sandboxes, reversed(gateways), strict=True):
            sandbox.set_faults(**SOME_UNANSWERED)
            sandbox.send_all_receipts_to(Target(gateway.url + PATH, tmp_path / "token"))
            sandbox.set_receipts(enabled=True, delay_seconds=[0, 0.3])
        await is_sent_and_never_called_again(gateways, sandboxes)


async def test_with_not_sent_what_ended_stays_and_shows_what_became_of_it(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=CLIENTS) as sandbox, with_receipts(tmp_path, sandbox) as gateway:
        sandbox.set_faults(share_unanswered=1.0)
        sandbox.set_receipts(enabled=True, delay_seconds=[2, 2])
        await gateway.engine.add_clients(5)
        mailing = await gateway.engine.register(on_uncertain="ON_UNCERTAIN_NOT_SENT")
        assert await gateway.engine.finished(mailing.id) == (0, 0, 5)
        assert (await all_told(sandbox))["answers"]["accepted"] == 5
        assert await funnel(gateway, mailing.id) == {"delivered": 0, "undelivered": 0, "none": 0}
        listed = (await gateway.get(f"/mailings/{mailing.id}/messages")).json["messages"]
        assert {(each["status"], each["reason"], each["delivery"]["status"]) for each in listed} == {
            ("not_sent", "uncertain", "delivered")
        }


async def test_filter_messages_by_delivery_is_who_did_not_get_it_by_now(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=CLIENTS) as sandbox, with_receipts(tmp_path, sandbox) as gateway:
        sandbox.set_receipts(enabled=True, share_undelivered=0.3, share_lost=0.2)
        await gateway.engine.add_clients(60)
        first = await gateway.engine.register()
        assert await gateway.engine.finished(first.id) == (0, 60, 0)
        await all_told(sandbox)
        sandbox.set_receipts(enabled=False)
        shown = await funnel(gateway, first.id)
        assert all(shown.values())
        for words in (["undelivered"], ["none"], ["undelivered", "none"], ["delivered", "undelivered", "none"]):
            condition: Any = {"mailing_id": first.id, "delivery": words}
            preview = await gateway.post(
                "/mailings/preview",
                {
                    "text": "x",
                    "start_time": "2099-01-01T00:00:00Z",
                    "end_time": "2099-01-02T00:00:00Z",
                    "filter": {"messages": condition},
                },
            )
            assert preview.json["audience"] == sum(shown[word] for word in words)
