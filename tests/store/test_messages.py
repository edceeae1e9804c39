"""engine/store/message_list.py and mailing_stats.py: messages that are listed and counted."""

from __future__ import annotations

import pytest

from engine.domain.errors import NotFound
from engine.domain.message import Event, Reason
from engine.store import Store
from engine.store.rows import (
    Counts,
    GroupCounts,
    MessageQuery,
    Page,
)
from tests.store.world import (
    BY,
    NOW,
    a_mailing_with,
    add_engine,
    add_mailing,
    claim,
    client,
    record,
)


async def test_messages_are_listed_with_filters_and_totals(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 6)
    other = await add_mailing(store)
    claims = await claim(store, mailing_id, owner, 4)
    await record(store, owner, claims[:2], Event.ACCEPT)
    await record(store, owner, claims[2:3], Event.REJECT)
    for query, number in (
        (MessageQuery(), 12),
        (MessageQuery(mailing_id=mailing_id), 6),
        (MessageQuery(mailing_id=mailing_id, status="pending"), 3),
        (MessageQuery(status="pending"), 9),
        (MessageQuery(mailing_id=mailing_id, status="sent"), 2),
        (MessageQuery(mailing_id=mailing_id, status="not_sent"), 1),
        (MessageQuery(reason=Reason.REJECTED), 1),
        (MessageQuery(mailing_id=other, reason=Reason.REJECTED), 0),
        (MessageQuery(status="sent", reason=Reason.REJECTED), 0),
        (MessageQuery(client_id=claims[0].client_id), 2),
        (MessageQuery(client_id=claims[0].client_id, status="sent"), 1),
        (MessageQuery(mailing_id=404), 0),
    ):
        found = await store.list_messages(query, Page())
        assert (found.total, len(found.items)) == (number, number), query
    page = await store.list_messages(MessageQuery(mailing_id=mailing_id), Page(4))
    assert (len(page.items), page.total, page.next_after) == (4, 6, page.items[-1].id)
    with pytest.raises(NotFound, match="message 404"):
        await store.get_message(404)


async def test_statistics_by_group(store: Store) -> None:
    await store.import_clients([client(1, "a", "916"), client(2, "b", "903", "Asia/Omsk")], by=BY, now_us=NOW)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner, 1)
    await record(store, owner, [taken], Event.ACCEPT)
    stats = await store.mailing_stats(mailing_id)
    assert stats.breakdown is not None
    assert stats.breakdown.by_tag == {"a": GroupCounts(0, 1, 0), "b": GroupCounts(1, 0, 0)}
    assert stats.breakdown.by_phone_code == {"916": GroupCounts(0, 1, 0), "903": GroupCounts(1, 0, 0)}
    assert stats.breakdown.by_time_zone == {"UTC": GroupCounts(0, 1, 0), "Asia/Omsk": GroupCounts(1, 0, 0)}
    assert stats.mailing.counts == Counts(pending=1, sent=1)
