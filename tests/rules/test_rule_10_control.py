"""Rule 10: pause, resume, cancel. Once pause has returned no new call for that mailing starts; cancel is final."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from mailing.v1 import mailing_pb2, mailing_service_pb2, message_pb2
from scripts.sandbox import Sandbox
from tests.patience import undisturbed
from tests.rules.arrivals import all_messages, arrivals, grown, message_ids, now_us
from tests.rules.rig import Rig, running, until


async def pause(rig: Rig, mailing_id: int) -> mailing_pb2.Mailing:
    return await rig.mailings.PauseMailing(mailing_service_pb2.PauseMailingRequest(mailing_id=mailing_id))


async def resume(rig: Rig, mailing_id: int) -> mailing_pb2.Mailing:
    return await rig.mailings.ResumeMailing(mailing_service_pb2.ResumeMailingRequest(mailing_id=mailing_id))


async def cancel(rig: Rig, mailing_id: int) -> mailing_pb2.Mailing:
    return await rig.mailings.CancelMailing(mailing_service_pb2.CancelMailingRequest(mailing_id=mailing_id))


async def refused(call: Awaitable[object]) -> StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_rule_10_once_pause_has_returned_no_call_for_the_mailing_arrives(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=20_000) as sandbox, running(tmp_path, sandbox, workers=64) as rig:
        # Some fail, so that retries come due while the mailing is paused.
        sandbox.set_faults(latency_seconds=[0.0, 0.02], share_5xx=0.1)
        await rig.add_clients(2500)
        resent = await rig.register(on_uncertain="ON_UNCERTAIN_RESEND")
        marked = await rig.register(on_uncertain="ON_UNCERTAIN_NOT_SENT")
        ids = {mailing.id: (await _complete_ids(rig, mailing.id)) for mailing in (resent, marked)}

        def called(mailing_id: int) -> int:
            return sum(sandbox.count(message_id) for message_id in ids[mailing_id])

        quiet: list[tuple[int, int, int]] = []
        for paused, other in [(resent.id, marked.id), (marked.id, resent.id)] * 5:
            await grown(partial(called, paused), 70)
            assert (await pause(rig, paused)).state == mailing_pb2.MAILING_STATE_PAUSED
            returned_us = now_us()
            # Only this one: the other goes on.
            await grown(partial(called, other), 70)
            quiet.append((paused, returned_us, now_us()))
            assert (await resume(rig, paused)).state == mailing_pb2.MAILING_STATE_ACTIVE
        late = [
            (mailing_id, at_us - since_us)
            for mailing_id, since_us, until_us in quiet
            for at_us in arrivals(ids[mailing_id], sandbox)
            if since_us < at_us < until_us
        ]
        assert late == []
        for mailing_id in ids:
            assert (await rig.counts(mailing_id))[0] > 0, "too few messages to have been paused at full speed"


async def _complete_ids(rig: Rig, mailing_id: int) -> list[int]:
    async def ready() -> bool:
        return (await rig.get(mailing_id)).audience_state == mailing_pb2.AUDIENCE_STATE_READY

    await until(ready)
    return await message_ids(rig, mailing_id)


@undisturbed
async def test_rule_10_a_pause_before_the_start_holds_over_the_start_and_over_a_restart(tmp_path: Path) -> None:
    async with await Sandbox.start() as sandbox:
        async with running(tmp_path, sandbox) as rig:
            await rig.add_clients(20)
            mailing = await rig.register(start_seconds=0.3)
            await pause(rig, mailing.id)
            assert (await pause(rig, mailing.id)).state == mailing_pb2.MAILING_STATE_PAUSED
        async with running(tmp_path, sandbox) as rig:
            other = await rig.register(start_seconds=0.3, text="not paused")
            assert (await rig.finished(other.id))[1] == 20
            assert await rig.counts(mailing.id) == (20, 0, 0)
            assert arrivals(await message_ids(rig, mailing.id), sandbox) == []
            await resume(rig, mailing.id)
            await resume(rig, mailing.id)
            assert await rig.finished(mailing.id) == (0, 20, 0)


async def test_rule_10_a_call_in_flight_at_a_cancel_counts_as_its_answer_says(tmp_path: Path) -> None:
    async with await Sandbox.start(seed=3) as sandbox, running(tmp_path, sandbox, workers=12) as rig:
        sandbox.set_faults(latency_seconds=0.7, share_400=0.3, share_5xx=0.3)
        await rig.add_clients(40)
        mailing = await rig.register()
        await until(lambda: sandbox.requests == 12)
        cancelled = await cancel(rig, mailing.id)
        returned_us = now_us()
        assert cancelled.state == mailing_pb2.MAILING_STATE_CANCELLED
        # Those that were not in flight are final when the call returns.
        assert cancelled.message_counts.not_sent >= 28
        assert await rig.finished(mailing.id) == (0, *_expected(await all_messages(rig, mailing.id), sandbox))
        assert max(arrivals(await message_ids(rig, mailing.id), sandbox)) < returned_us
        assert sandbox.requests == 12


def _expected(messages: list[message_pb2.Message], sandbox: Sandbox) -> tuple[int, int]:
    """How many must be sent and not sent by the sandbox's answers; checks each message by the way."""
    answers: Counter[str] = Counter()
    for message in messages:
        calls = sandbox.calls(message.id)
        answer = calls[0].answer if calls else "none"
        answers[answer] += 1
        assert message.attempts == len(calls)
        if answer == "200":
            assert message.status == message_pb2.MESSAGE_STATUS_SENT
        else:
            assert message.status == message_pb2.MESSAGE_STATUS_NOT_SENT
            # Who answers 502 stands before the provider: nobody knows.
            reasons = {"400": message_pb2.NOT_SENT_REASON_REJECTED, "502": message_pb2.NOT_SENT_REASON_UNCERTAIN}
            assert message.reason == reasons.get(answer, message_pb2.NOT_SENT_REASON_CANCELLED)
    # Each kind of answer was there, or this shows nothing.
    assert answers["200"]
    assert answers["400"]
    assert answers.total() > answers["200"] + answers["400"] + answers["none"]
    return answers["200"], len(messages) - answers["200"]


async def test_rule_10_cancel_is_final_and_nothing_is_called_after_it(tmp_path: Path) -> None:
    async with await Sandbox.start(keep=10_000) as sandbox:
        async with running(tmp_path, sandbox, workers=64) as rig:
            sandbox.set_faults(latency_seconds=[0.0, 0.02], share_429=0.1)
            await rig.add_clients(2000, tag="first")
            mailing = await rig.register()
            await until(lambda: sandbox.requests > 200)
            assert (await cancel(rig, mailing.id)).state == mailing_pb2.MAILING_STATE_CANCELLED
            returned_us = now_us()
            await rig.finished(mailing.id)
            counts = (await rig.get(mailing.id)).message_counts
            assert (counts.pending, counts.total) == (0, 2000)
            assert 0 < counts.sent < 2000
            assert await refused(pause(rig, mailing.id)) is StatusCode.FAILED_PRECONDITION
            assert await refused(resume(rig, mailing.id)) is StatusCode.FAILED_PRECONDITION
            assert (await cancel(rig, mailing.id)).message_counts == counts
            await rig.add_client(5000)
        async with running(tmp_path, sandbox) as rig:
            # Neither a new client, nor another mailing, nor a restart wakes it up.
            other = await rig.register()
            assert (await rig.finished(other.id))[1] == 2001
            assert (await rig.get(mailing.id)).message_counts == counts
            assert max(arrivals(await message_ids(rig, mailing.id), sandbox)) < returned_us
            reasons = Counter(message.reason for message in await all_messages(rig, mailing.id))
            assert reasons[message_pb2.NOT_SENT_REASON_CANCELLED] == counts.not_sent


@pytest.mark.postgres
async def test_rule_10_pause_and_cancel_hold_on_postgresql_too(tmp_path: Path, postgres_url: Callable[[], str]) -> None:
    async with (
        await Sandbox.start(keep=10_000) as sandbox,
        running(tmp_path, sandbox, workers=64, database_url=postgres_url()) as rig,
    ):
        sandbox.set_faults(latency_seconds=[0.0, 0.02])
        await rig.add_clients(2000)
        mailing, other = await rig.register(), await rig.register()
        ids = await _complete_ids(rig, mailing.id)
        await until(lambda: sandbox.requests > 100)
        quiet = []
        for stop in (pause, pause, cancel):
            await stop(rig, mailing.id)
            since_us = now_us()
            await grown(lambda: sandbox.requests, 70)
            quiet.append((since_us, now_us()))
            if stop is pause:
                await resume(rig, mailing.id)
                await grown(lambda: len(arrivals(ids, sandbox)), 70)
        times = arrivals(ids, sandbox)
        assert [at_us for at_us in times for since_us, until_us in quiet if since_us < at_us < until_us] == []
        # The engine and the call share the rows between them: some may become final a moment after it.
        pending, sent, cancelled = await rig.finished(mailing.id)
        assert (pending, sent + cancelled) == (0, 2000)
        assert cancelled > 0
        assert (await rig.counts(other.id))[2] == 0
