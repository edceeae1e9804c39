"""WatchMailing over a real server and a real store: a mailing's progress as it changes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from grpc import StatusCode, aio

from engine.api.outlook import Outlook
from engine.api.watch import Watch
from engine.ports import StoreUnavailable
from mailing.v1.mailing_pb2 import MAILING_STATE_ACTIVE, MAILING_STATE_CANCELLED
from mailing.v1.mailing_service_pb2 import CancelMailingRequest, DeleteMailingRequest, WatchMailingRequest
from mailing.v1.mailing_stats_pb2 import MailingProgress
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US
from tests.patience import PATIENT_SECONDS


async def test_a_watcher_is_told_of_each_change_and_of_the_end(api: Api) -> None:
    await api.add_clients(3)
    made = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))
    first = await next_progress(stream)
    assert (first.message_counts.pending, first.progress, first.state) == (3, 0, MAILING_STATE_ACTIVE)
    api.clock.pass_seconds(1)
    await api.deliver(made.id, 2)
    while not (second := await next_progress(stream)).message_counts.sent:
        pass  # it may have looked between the second and the delivery
    assert (second.message_counts.sent, second.rate_per_second) == (2, 2)
    assert api.clock.us < second.estimated_completion_time.ToMicroseconds() <= api.clock.us + SECOND_US // 2
    await api.deliver(made.id, 1)
    rest = await remaining(stream)
    assert rest[-1].message_counts.sent == 3
    assert rest[-1].progress == 1
    assert await stream.code() is StatusCode.OK


async def next_progress(stream: Any) -> MailingProgress:
    progress = await asyncio.wait_for(stream.read(), PATIENT_SECONDS)
    assert isinstance(progress, MailingProgress)
    return progress


async def remaining(stream: Any) -> list[MailingProgress]:
    """Everything until the stream ends; grpc wants a stream read in one of two ways, not in both."""
    result = []
    while (progress := await asyncio.wait_for(stream.read(), PATIENT_SECONDS)) is not aio.EOF:
        result.append(progress)
    return result


async def test_a_watcher_of_a_cancelled_mailing_sees_its_end(api: Api) -> None:
    await api.add_clients(3)
    made = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))
    await next_progress(stream)
    await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=made.id))
    rest = await remaining(stream)
    assert (rest[-1].state, rest[-1].message_counts.not_sent) == (MAILING_STATE_CANCELLED, 3)


async def test_a_watcher_hears_something_now_and_then_although_nothing_changes(api: Api) -> None:
    await api.add_clients(1)
    made = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))
    first = await next_progress(stream)
    assert first.forecast.rate_per_second == 100
    api.clock.pass_seconds(2)  # the time of completion moves on with the clock: that is no news
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting := asyncio.ensure_future(next_progress(stream))), 0.1)
    api.clock.pass_seconds(15)
    second = await asyncio.wait_for(waiting, PATIENT_SECONDS)
    assert second.message_counts == first.message_counts
    stream.cancel()


async def test_a_watcher_of_a_deleted_mailing_is_told_so(api: Api) -> None:
    await api.add_clients(1)
    made = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))
    await next_progress(stream)
    await api.mailings.DeleteMailing(DeleteMailingRequest(mailing_id=made.id))
    assert (await refusal(stream.read())).code is StatusCode.NOT_FOUND


async def test_all_who_watch_a_mailing_cost_one_read_each_period(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.add_clients(1)
    made = await api.add_mailing()
    reads, read = [], api.store.get_mailing
    hold = asyncio.Event()
    hold.set()

    async def counted(mailing_id: int) -> Any:
        await hold.wait()
        reads.append(mailing_id)
        return await read(mailing_id)

    monkeypatch.setattr(api.store, "get_mailing", counted)
    hold.clear()
    streams = [api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id)) for _ in range(50)]
    firsts = [asyncio.ensure_future(next_progress(stream)) for stream in streams]
    async with asyncio.timeout(PATIENT_SECONDS):
        while api.server._interceptor._open_calls.open("/mailing.v1.MailingService/WatchMailing") < 50:
            await asyncio.sleep(0.001)
    hold.set()
    assert {progress.message_counts.pending for progress in await asyncio.gather(*firsts)} == {1}
    before, began = len(reads), time.monotonic()
    while len(reads) < before + 10:
        await asyncio.sleep(0.01)
    assert len(reads) - before <= 1 + (time.monotonic() - began) / 0.01, "one each 10 ms, whoever watches"
    await api.deliver(made.id, 1)
    for stream in streams:
        assert (await remaining(stream))[-1].progress == 1
    after = len(reads)
    await asyncio.sleep(0.03)
    assert len(reads) == after, "nobody watches any more"


async def test_a_slow_watcher_gets_the_latest_and_holds_up_nobody(api: Api) -> None:
    await api.add_clients(3)
    made = await api.add_mailing()
    watch = Watch(api.store, api.clock, Outlook(api.store, api.control, api.clock), asyncio.Event(), 0.001)
    quick, slow = watch.follow(made.id), watch.follow(made.id)
    assert (await anext(slow)).message_counts.sent == (await anext(quick)).message_counts.sent == 0
    for number in (1, 2):
        api.clock.pass_seconds(1)
        await api.deliver(made.id, 1)
        async with asyncio.timeout(PATIENT_SECONDS):
            while (await anext(quick)).message_counts.sent < number:
                pass
    assert (await anext(slow)).message_counts.sent == 2, "what was between is not kept for it"
    await quick.aclose()
    await slow.aclose()
    assert watch._feeds == {}


async def test_who_comes_later_is_told_at_once_and_an_error_reaches_all(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.add_clients(1)
    made = await api.add_mailing()
    watch = Watch(api.store, api.clock, Outlook(api.store, api.control, api.clock), asyncio.Event(), 0.001)
    first, second = watch.follow(made.id), watch.follow(made.id)
    await anext(first)
    assert (await asyncio.wait_for(anext(second), PATIENT_SECONDS)).mailing_id == made.id

    async def away(_: int) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(api.store, "get_mailing", away)
        for each in (first, second):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(anext(each), PATIENT_SECONDS)
    third = watch.follow(made.id)
    assert (await anext(third)).mailing_id == made.id, "the next one begins anew"
    await third.aclose()
