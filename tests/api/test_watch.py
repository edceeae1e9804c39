"""WatchMailing over a real server and a real store: a mailing's progress as it changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpc import StatusCode, aio

from mailing.v1.mailing_pb2 import MAILING_STATE_ACTIVE, MAILING_STATE_CANCELLED
from mailing.v1.mailing_service_pb2 import CancelMailingRequest, DeleteMailingRequest, WatchMailingRequest
from mailing.v1.mailing_stats_pb2 import MailingProgress
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US


async def test_a_watcher_is_told_of_each_change_and_of_the_end(api: Api) -> None:
    await api.add_clients(3)
    made = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))
    first = await next_progress(stream)
    assert (first.message_counts.pending, first.progress, first.state) == (3, 0, MAILING_STATE_ACTIVE)
    api.clock.pass_seconds(1)
    await api.deliver(made.id, 2)
    second = await next_progress(stream)
    assert (second.message_counts.sent, second.rate_per_second) == (2, 2)
    assert api.clock.us < second.estimated_completion_time.ToMicroseconds() <= api.clock.us + SECOND_US // 2
    await api.deliver(made.id, 1)
    rest = await remaining(stream)
    assert rest[-1].message_counts.sent == 3
    assert rest[-1].progress == 1
    assert await stream.code() is StatusCode.OK


async def next_progress(stream: Any) -> MailingProgress:
    progress = await asyncio.wait_for(stream.read(), 5)
    assert isinstance(progress, MailingProgress)
    return progress


async def remaining(stream: Any) -> list[MailingProgress]:
    """Everything until the stream ends; grpc wants a stream read in one of two ways, not in both."""
    result = []
    while (progress := await asyncio.wait_for(stream.read(), 5)) is not aio.EOF:
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
    second = await asyncio.wait_for(waiting, 5)
    assert second.message_counts == first.message_counts
    stream.cancel()


async def test_a_watcher_of_a_deleted_mailing_is_told_so(api: Api) -> None:
    await api.add_clients(1)
    made = await api.add_mailing()
    stream = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))
    await next_progress(stream)
    await api.mailings.DeleteMailing(DeleteMailingRequest(mailing_id=made.id))
    assert (await refusal(stream.read())).code is StatusCode.NOT_FOUND
