"""Rule 6: what each answer of the provider means."""

from __future__ import annotations

import asyncio
import math
import re
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import aiohttp
import pytest

from engine.domain.breaker import Breaker
from mailing.v1 import engine_pb2, mailing_pb2
from scripts.sandbox import Sandbox
from tests.patience import undisturbed
from tests.rules.evidence import (
    NOT_SENT,
    PENDING,
    REJECTED,
    SECOND_US,
    SENT,
    arrivals,
    health,
    message,
    message_ids,
    pauses,
    status,
    us,
    use_breaker,
    without_breaker,
)
from tests.rules.rig import Rig, running, until

BASE, LONGEST = 0.1, 0.8
BUSY_US = 15 * SECOND_US
"""What a machine that does other things too may add to a pause."""
BLOCKED_SECONDS = 0.25


async def test_rule_06_a_success_is_sent_once(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.add_clients(5)
        mailing = await rig.register(text="Привет, hello")
        assert await rig.finished(mailing.id) == (0, 5, 0)
        for m in await rig.list_messages(mailing.id):
            assert (m.status, m.attempts, m.HasField("last_error")) == (SENT, 1, False)
            (call,) = rig.sandbox.calls(m.id)
            assert call.answer == "200"
            assert us(m.sent_time) >= call.at_us
        texts = rig.sandbox.messages()
        assert {text["text"] for text in texts} == {"Привет, hello"}
        assert sorted(str(text["phone"]) for text in texts) == [str(79160000000 + n) for n in range(5)]


async def test_rule_06_a_400_is_rejected_and_never_called_again(tmp_path: Path) -> None:
    async with await Sandbox.start() as sandbox:
        async with running(tmp_path, sandbox, tick_seconds=0.1) as rig:
            sandbox.set_faults(share_400=1)
            await rig.add_clients(30)
            mailing = await rig.register()
            assert await rig.finished(mailing.id) == (0, 0, 30)
            sandbox.clear_faults()
        # The engine starts again, the provider has changed its mind, other messages go out: too late.
        async with running(tmp_path, sandbox, tick_seconds=0.1) as rig:
            other = await rig.register()
            assert await rig.finished(other.id) == (0, 30, 0)
            rejected = await rig.list_messages(mailing.id)
            assert len(rejected) == 30
            for m in rejected:
                assert (m.status, m.reason, m.attempts) == (NOT_SENT, REJECTED, 1)
                assert m.last_error.http_status == 400
                assert not m.HasField("next_attempt_time")
            await rig.add_clients(1, first=100)  # and another message of the same mailing
            assert await rig.finished(mailing.id) == (0, 1, 30)
        assert [sandbox.count(m.id) for m in rejected] == [1] * 30


@pytest.mark.alone
@undisturbed
async def test_rule_06_failures_are_retried_after_growing_jittered_pauses(tmp_path: Path) -> None:
    faults = {"share_5xx": 0.25, "share_429": 0.25, "share_reset": 0.25, "share_garbage": 0.25}
    async with running(tmp_path, workers=64, retry_base_seconds=BASE, retry_max_seconds=LONGEST) as rig:
        without_breaker(rig)
        rig.sandbox.set_faults(**faults)
        await rig.add_clients(60)
        mailing = await rig.register()
        await until(lambda: rig.sandbox.requests >= 60)
        messages = await rig.list_messages(mailing.id)
        await until(lambda: min(rig.sandbox.count(m.id) for m in messages) >= 5)
        rig.sandbox.clear_faults()
        assert await rig.finished(mailing.id) == (0, 60, 0)
        check_pauses([pauses(rig, m) for m in messages])
        assert message_ids(await rig.list_messages(mailing.id)) == message_ids(messages)
        failures = set()
        for m in await rig.list_messages(mailing.id):
            *failed, last = [call.answer for call in rig.sandbox.calls(m.id)]
            failures.update(failed)
            assert last == "200"
            assert m.attempts == len(failed) + 1 == len((await message(rig, m.id)).attempt_history)
        assert failures == {"429", "500", "502", "503", "reset", "garbage"}  # and each was followed by another call


def check_pauses(pauses_of_each: list[list[float]]) -> None:
    """Full jitter: anything from 0 to a longest pause, which doubles up to a maximum.

    A busy machine adds to each of them, the first ones above all: so only what it can't feign is asserted.
    """
    first, fourth = ([pauses[n] for pauses in pauses_of_each] for n in (0, 3))
    assert fmean(fourth) > fmean(first)
    assert max(fourth) > LONGEST / 2
    assert stdev(fourth) > LONGEST / 10
    assert min(fourth) < max(fourth) / 2
    assert min(first) < BASE + 0.2
    assert max(max(pauses[3:]) for pauses in pauses_of_each) < LONGEST + 1.0


@pytest.mark.parametrize("fault", ["hang", "slow", "refused"])
async def test_rule_06_no_answer_is_retried_too(tmp_path: Path, fault: str) -> None:
    async with running(tmp_path, provider_timeout_seconds=0.1) as rig:
        without_breaker(rig)
        if fault == "refused":
            await rig.sandbox.stop()
        else:
            rig.sandbox.set_faults(**({"share_hang": 1} if fault == "hang" else {"latency_seconds": 5}))
        await rig.add_clients(5)
        mailing = await rig.register()
        await until(lambda: all_tried(rig, mailing, 3))
        for m in await rig.list_messages(mailing.id):
            assert m.status == PENDING
            assert not m.last_error.HasField("http_status")
            # On a busy machine the time may be over before there is a connection.
            late = r"timed out after 0\.1 s|the connection could not be made in time|not called: too little time .*"
            assert re.fullmatch("connection refused" if fault == "refused" else late, m.last_error.detail)
        rig.sandbox.clear_faults()
        if fault == "refused":
            await rig.sandbox.listen()
        assert await rig.finished(mailing.id) == (0, 5, 0)
        for m in await rig.list_messages(mailing.id):
            tried = (await message(rig, m.id)).attempt_history
            assert len(tried) == m.attempts >= 4
            # On a busy machine the time may be over before a call arrives.
            assert 1 <= rig.sandbox.count(m.id) <= (1 if fault == "refused" else m.attempts)


async def all_tried(rig: Rig, mailing: mailing_pb2.Mailing, times: int) -> bool:
    messages = await rig.list_messages(mailing.id)
    return len(messages) == 5 and all(m.attempts >= times and m.status == PENDING for m in messages)


@pytest.mark.parametrize(
    ("answer", "faults"),
    [("429", {"share_429": 1, "retry_after": 1}), ("503", {"outage": True, "retry_after": "date+1"})],
)
async def test_rule_06_retry_after_is_honoured_in_both_forms(
    tmp_path: Path, answer: str, faults: dict[str, Any]
) -> None:
    wait = exactly_one_second if answer == "429" else next_whole_second
    async with running(tmp_path) as rig:
        rig.sandbox.set_faults(**faults)
        await rig.add_clients(5)
        messages = await first_calls(rig)
        rig.sandbox.clear_faults()
        for m in messages:
            assert m.status == PENDING
            (call,) = rig.sandbox.calls(m.id)
            assert (call.answer, m.last_error.http_status) == (answer, int(answer))
            assert us(m.next_attempt_time) >= wait(call.at_us)
        assert (await rig.finished(messages[0].mailing_id))[1] == 5
        for m in messages:
            first, second = arrivals(rig, [m])
            assert wait(first) <= second < wait(first) + BUSY_US


async def first_calls(rig: Rig) -> list[Any]:
    """Register a mailing; its messages when each has been called once and put off."""
    mailing = await rig.register()
    found: list[Any] = []

    async def put_off() -> bool:
        found[:] = await rig.list_messages(mailing.id)
        return len(found) == 5 and all(m.HasField("next_attempt_time") for m in found)

    await until(put_off)
    return found


def exactly_one_second(at_us: int) -> int:
    return at_us + SECOND_US


def next_whole_second(at_us: int) -> int:
    """The sandbox's date is rounded up: HTTP dates have no fractions."""
    return math.ceil(at_us / SECOND_US + 1) * SECOND_US


async def ready(rig: Rig) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{rig.service.metrics_listen}/readyz") as answer,
    ):
        return answer.status, await answer.json()


@pytest.mark.parametrize("refusal", [401, 403])
async def test_rule_06_a_refused_token_blocks_the_provider_until_it_is_accepted(tmp_path: Path, refusal: int) -> None:
    async with running(tmp_path, workers=4) as rig:
        use_breaker(rig, Breaker(blocked_pause_seconds=BLOCKED_SECONDS))
        assert (await ready(rig))[0] == 200
        rig.sandbox.set_faults(reject_token=refusal, latency_seconds=0.03)
        await rig.add_clients(100)
        mailing = await rig.register()
        await until(lambda: in_state(rig, engine_pb2.BREAKER_STATE_BLOCKED))
        await until(lambda: provider_health(rig, "NOT_SERVING"))
        assert await health(rig, "") == await health(rig, "delivery") == "SERVING"
        code, page = await ready(rig)
        assert (code, page["ready"]) == (503, False)
        assert f"HTTP {refusal}" in page["components"]["provider"]
        await until(lambda: rig.sandbox.requests >= 4 + 3)
        breaker = (await status(rig)).breaker
        assert breaker.state == engine_pb2.BREAKER_STATE_BLOCKED
        assert f"HTTP {refusal}" in breaker.detail
        assert await rig.counts(mailing.id) == (100, 0, 0)

        rig.sandbox.set_faults(reject_token=False)
        assert await rig.finished(mailing.id) == (0, 100, 0)
        await until(lambda: in_state(rig, engine_pb2.BREAKER_STATE_CLOSED))
        await until(lambda: provider_health(rig, "SERVING"))
        assert (await ready(rig))[0] == 200
        refused = refused_at(rig, await rig.list_messages(mailing.id), str(refusal))
        # The workers' calls under way when it was found out; then one probe at a time, slowly.
        probes = refused[4:]
        assert len(probes) >= 3
        assert all(after - before >= BLOCKED_SECONDS * SECOND_US for before, after in pairwise(probes))
        assert sum(at < refused[0] + BLOCKED_SECONDS * SECOND_US for at in refused) <= 4


def refused_at(rig: Rig, messages: list[Any], answer: str) -> list[int]:
    return sorted(call.at_us for m in messages for call in rig.sandbox.calls(m.id) if call.answer == answer)


async def in_state(rig: Rig, state: int) -> bool:
    return (await status(rig)).breaker.state == state


async def provider_health(rig: Rig, wanted: str) -> bool:
    return await health(rig, "provider") == wanted


async def test_rule_06_a_wrong_token_blocks_from_the_first_call(tmp_path: Path) -> None:
    async with running(tmp_path, fbrq_token="wrong", workers=1) as rig:
        await rig.add_clients(20)
        mailing = await rig.register()
        await until(lambda: in_state(rig, engine_pb2.BREAKER_STATE_BLOCKED))
        # The usual pause is 30 s: nobody is called meanwhile, whatever comes in.
        await rig.add_clients(20, first=20)
        await rig.register()
        await asyncio.sleep(0.2)
        assert rig.sandbox.requests == 1
        assert rig.sandbox.stats()["by_status"] == {"401": 1}
        assert await rig.counts(mailing.id) == (40, 0, 0)
