"""MAILING_KEEP_DAYS: housekeeping removes what mailings that ended long ago have left, and callers are told."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from engine.api.housekeeping import Housekeeping
from engine.store.store import Store
from mailing.v1.mailing_service_pb2 import GetMailingRequest, GetMailingStatsRequest
from mailing.v1.message_service_pb2 import ListMessagesRequest
from tests.api.conftest import Api

DAY_SECONDS = 86_400


async def keep_house(api: Api, store: Store, keep_days: float) -> list[object]:
    """Until nothing is left to be removed; the mailings of which something was, and how many messages."""
    housekeeping, done = Housekeeping(store, api.clock, 0.001, keep_days=keep_days), asyncio.Event()
    remove = store.remove_details

    async def watched(before_us: int, limit: int, now_us: int) -> object:
        removed = await remove(before_us, limit, now_us)
        if removed is None:
            done.set()
        return removed

    with pytest.MonkeyPatch.context() as patch, capture_logs() as lines:
        patch.setattr(store, "remove_details", watched)
        patch.setattr("engine.api.housekeeping._DETAILS_CHUNK", 2)
        patch.setattr("engine.api.housekeeping._CHUNK_PAUSE_SECONDS", 0)
        patch.setattr("engine.api.housekeeping._PAUSE_FACTOR", 0)
        housekeeping.start()
        if keep_days:
            await done.wait()
        await housekeeping.stop()
    told = [line for line in lines if line["event"] == "housekeeping.details_removed"]
    return [(line["mailing_id"], line["messages"]) for line in told]


async def test_what_ended_long_ago_is_removed_and_its_counts_stay(api: Api, store: Store) -> None:
    await api.add_clients(5)
    mailing = await api.add_mailing(text="hello")
    await api.deliver(mailing.id, 5)
    api.clock.pass_seconds(5 * DAY_SECONDS)
    assert await keep_house(api, store, 0) == []
    assert await keep_house(api, store, 6) == []
    before = await api.mailings.GetMailing(GetMailingRequest(mailing_id=mailing.id))
    assert not before.HasField("details_removed_time")
    assert await keep_house(api, store, 4) == [(mailing.id, 5)]
    after = await api.mailings.GetMailing(GetMailingRequest(mailing_id=mailing.id))
    assert after.details_removed_time.ToMicroseconds() == api.clock.us
    assert after.message_counts == before.message_counts
    stats = await api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=mailing.id))
    assert (stats.message_counts.sent, list(stats.timeline)) == (5, [])
    assert (await api.messages.ListMessages(ListMessagesRequest(mailing_id=mailing.id))).total_size == 0
