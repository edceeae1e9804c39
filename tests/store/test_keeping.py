"""engine/store/keeping.py: what is left of a mailing that ended long ago."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.domain.audience import AudienceFilter, MessageCondition
from engine.domain.errors import InvalidInput, NotFound
from engine.domain.message import Event
from engine.domain.receipt import Delivery, Effect, Receipt
from engine.store import Store
from engine.store.keeping import Removed
from engine.store.rows import MessageQuery, Page
from tests.store.world import BY, END, NOW, add_clients, add_engine, add_mailing, claim, mailing, messages, outcome

LATER = END + 1_000


async def ended(store: Store, clients: int = 5) -> int:
    """A mailing that has ended at ``END``: one message is sent after a failure, the others are not sent."""
    await add_clients(store, clients)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    for event in (Event.DEFER, Event.ACCEPT):
        await store.record(
            [outcome(t, event) for t in await claim(store, mailing_id, owner, 1)], owner=owner, now_us=NOW
        )
    await store.expire(mailing_id, 100, END)
    return mailing_id


async def remove_all(store: Store, before_us: int = LATER) -> int:
    removed = 0
    while (chunk := await store.remove_details(before_us, 100, LATER)) is not None:
        removed += chunk.messages
    return removed


async def test_messages_go_in_chunks_and_the_mailing_stays_with_its_counts(store: Store) -> None:
    mailing_id = await ended(store)
    ids = [row.id for row in await messages(store)]
    before = await store.get_mailing(mailing_id)
    assert await store.remove_details(END - 1, 100, LATER) is None
    assert await store.remove_details(END, 3, LATER) == Removed(mailing_id, 3, False)
    assert await messages(store) == []  # the two that are left are not told: they would be a wrong answer
    with pytest.raises(NotFound):
        await store.get_message(ids[-1])
    assert await store.remove_details(END, 3, LATER + 1) == Removed(mailing_id, 2, True)
    assert await store.remove_details(END, 3, LATER + 2) is None
    assert await store.get_mailing(mailing_id) == replace(before, details_removed_us=LATER)
    assert before.counts.total == 5
    stats = await store.mailing_stats(mailing_id)
    assert (stats.timeline, stats.by_http_status, stats.latency) == ((), {}, {})
    assert [text.sent for text in stats.texts] == [1]


async def test_lists_and_recounts_agree_with_what_is_left(store: Store) -> None:
    old = await ended(store)
    young = await add_mailing(store, mailing(end_us=10 * END))
    await remove_all(store)
    for query, total in (
        (MessageQuery(), 5),
        (MessageQuery(mailing_id=old), 0),
        (MessageQuery(mailing_id=young), 5),
        (MessageQuery(status="sent"), 0),
    ):
        page = await store.list_messages(query, Page())
        assert (page.total, len(page.items)) == (total, total)
    assert [row async for rows in store.export_messages(MessageQuery(mailing_id=old)) for row in rows] == []
    assert await store.check() == []
    assert (await store.get_mailing(old)).counts.total == 5


async def test_only_what_is_over_and_needed_by_nobody_is_removed(store: Store) -> None:
    source = await ended(store)
    pending = await add_mailing(store)
    assert (await store.get_mailing(pending)).counts.pending == 5  # it has ended, and its messages have not yet
    condition = AudienceFilter(messages=MessageCondition(source, ("not_sent",), (), ()))
    asking = (await store.create_mailing(mailing(condition, end_us=10 * END), by=BY, now_us=END)).row.id
    assert await remove_all(store) == 0
    while not await store.build_audience(asking, 100, END, -1):
        pass
    assert (await store.get_mailing(asking)).counts.total == 4
    assert await remove_all(store) == 5
    with pytest.raises(InvalidInput, match="are removed"):
        await store.create_mailing(mailing(condition, end_us=10 * END), by=BY, now_us=NOW)
    cancelled = await add_mailing(store, mailing(end_us=10 * END))
    await store.set_cancelled(cancelled, by=BY, now_us=NOW)
    await store.cancel_pending(cancelled, 100, NOW)
    assert await store.remove_details(NOW, 100, LATER) == Removed(cancelled, 5, True)


async def test_late_receipts_and_deletions_find_nothing_and_do_no_harm(store: Store) -> None:
    mailing_id = await ended(store)
    sent = next(row.id for row in await messages(store) if row.sent_us is not None)
    before = (await store.get_mailing(mailing_id)).counts
    await store.remove_details(END, 2, LATER)
    receipt = Receipt(Delivery.DELIVERED, LATER, sent)
    done = await store.record_receipts([receipt], now_us=LATER)
    assert done.effects == (Effect.UNKNOWN,)
    assert (await store.get_mailing(mailing_id)).counts == before
    await store.delete_mailing(mailing_id, by=BY, now_us=LATER)
    assert await store.remove_details(END, 100, LATER) is None  # its removal is somebody else's
    while not await store.purge(mailing_id, 100):
        pass
    with pytest.raises(NotFound):
        await store.get_mailing(mailing_id)
