"""Rule 7, the other half: a living provider is not held up, and one that asks to be left alone is."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from mailing.v1 import engine_pb2, mailing_pb2
from tests.rules.evidence import SENT, status
from tests.rules.odd_provider import accepted, odd_provider
from tests.rules.rig import Rig, running, until

CLOSED = engine_pb2.BREAKER_STATE_CLOSED
FIRST = 79_160_000_000
GOOD = 500
HOLD_SECONDS = 2


async def good_one_is_sent(rig: Rig, mailing: mailing_pb2.Mailing) -> bool:
    return sum(m.status == SENT for m in await rig.list_messages(mailing.id)) == 1


@pytest.mark.parametrize("answer", [404, 402, 307, 422])
async def test_rule_07_a_hundred_dead_numbers_do_not_delay_one_good_one(tmp_path: Path, answer: int) -> None:
    def reply(phone: int, _nth: int) -> web.Response:
        return accepted() if phone == FIRST + GOOD else web.Response(status=answer)

    async with odd_provider(reply) as provider, running(tmp_path, provider, workers=4) as rig:  # type: ignore[arg-type]
        await rig.add_clients(100)
        await rig.register()
        await until(lambda: len(provider.arrivals) > 100)
        assert (await status(rig)).breaker.state == CLOSED
        await rig.add_client(GOOD, tag="good")
        good = await rig.register(filter=mailing_pb2.AudienceFilter(tags=["good"]))
        await until(lambda: good_one_is_sent(rig, good))
        assert (await status(rig)).breaker.consecutive_failures == 0


async def test_rule_06_one_403_is_that_messages_failure_three_are_the_tokens(tmp_path: Path) -> None:
    forbidden = {FIRST}

    def reply(phone: int, _nth: int) -> web.Response:
        return web.Response(status=403) if phone in forbidden else accepted()

    async with odd_provider(reply) as provider, running(tmp_path, provider, workers=1) as rig:  # type: ignore[arg-type]
        await rig.add_clients(10)
        mailing = await rig.register()
        await until(lambda: provider.calls()[FIRST] >= 5)  # the same message again and again is one message
        assert (await status(rig)).breaker.state == CLOSED
        assert await rig.counts(mailing.id) == (1, 9, 0)
        forbidden.update(FIRST + n for n in (20, 21, 22))
        await rig.add_clients(3, first=20)
        await until(lambda: is_blocked(rig))
        assert "HTTP 403" in (await status(rig)).breaker.detail


async def is_blocked(rig: Rig) -> bool:
    return (await status(rig)).breaker.state == engine_pb2.BREAKER_STATE_BLOCKED


@pytest.mark.parametrize("answer", [429, 503])
async def test_rule_07_retry_after_holds_every_call_and_costs_nobody_an_attempt(tmp_path: Path, answer: int) -> None:
    workers = 4

    def reply(_phone: int, _nth: int) -> web.Response:
        if len(provider.arrivals) > workers:
            return accepted()
        return web.Response(status=answer, headers={"Retry-After": str(HOLD_SECONDS)})

    async with odd_provider(reply) as provider, running(tmp_path, provider, workers=workers) as rig:  # type: ignore[arg-type]
        await rig.add_clients(200)
        mailing = await rig.register()
        assert await rig.finished(mailing.id) == (0, 200, 0)
        times = [at_seconds for at_seconds, _ in provider.arrivals]
        # Those under way when it was said, and then not one for as long as it was asked for.
        assert times[workers] - times[0] >= HOLD_SECONDS
        assert sum(m.attempts for m in await rig.list_messages(mailing.id)) == len(times) == 200 + workers
