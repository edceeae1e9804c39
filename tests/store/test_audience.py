"""Who has a message: built in chunks, and kept in line with clients and filters."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Status
from engine.domain.suppression import SuppressionInput
from engine.domain.window import LocalHours
from engine.ports import AudienceState
from engine.store import Store
from engine.store.database import Tx
from engine.store.rows import Counts, Page
from tests.store.conftest import Opener
from tests.store.world import (
    BY,
    END,
    LONG_AGO,
    NOW,
    a_mailing_with,
    add_clients,
    add_engine,
    add_mailing,
    audience_size,
    claim,
    client,
    counts,
    mailing,
    messages,
    record,
    release,
)

NEW = AudienceFilter(("new",))


async def have_messages(store: Store, mailing_id: int) -> set[int | None]:
    """Whose messages there are."""
    return {row.client_id for row in await messages(store, mailing_id)}


async def retag(store: Store, client_id: int, tag: str) -> None:
    """Give a client another tag."""
    await store.update_client(client_id, lambda old: client(old.phone_number % 10_000, tag), by=BY, now_us=NOW)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (AudienceFilter(), {0, 1, 2, 3}),
        (AudienceFilter(("a",)), {0, 1}),
        (AudienceFilter((), ("916", "903")), {0, 2, 3}),
        (AudienceFilter(("a", "b"), ("916",)), {0, 2}),
        (AudienceFilter(("c",), ("916",)), set()),
        (AudienceFilter(("",)), {3}),
    ],
)
async def test_rule_2_filter(store: Store, filter: AudienceFilter, expected: set[int]) -> None:
    rows = [client(0, "a", "916"), client(1, "a", "917"), client(2, "b", "916"), client(3, "", "903")]
    ids = (await store.import_clients(rows, by=BY, now_us=NOW)).changed_ids
    mailing_id = await add_mailing(store, mailing(filter))
    assert await have_messages(store, mailing_id) == {ids[index] for index in expected}
    assert await audience_size(store, filter) == len(expected)
    live = await add_mailing(store, mailing(filter), build=False)
    assert await counts(store, live) == Counts()
    for index in range(4):  # the other way to the same audience: clients that come after the mailing
        await store.delete_client(ids[index], by=BY, now_us=NOW)
    ids = (await store.import_clients(rows, by=BY, now_us=NOW)).changed_ids
    assert await have_messages(store, live) == {ids[index] for index in expected}


async def test_rule_3_an_audience_is_built_in_chunks_and_a_crash_loses_nothing(open_store: Opener) -> None:
    store = await open_store()
    await add_clients(store, 25)
    mailing_id = await add_mailing(store, build=False)
    assert not await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    assert await counts(store, mailing_id) == Counts(pending=10)
    assert (await store.get_mailing(mailing_id)).audience_state is AudienceState.BUILDING
    await store.close()
    store = await open_store()
    assert not await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    assert await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    assert await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    assert await counts(store, mailing_id) == Counts(pending=25)
    (plan,) = await store.plans(NOW)
    assert (plan.audience_state, plan.rebuilding, plan.pending) == (AudienceState.READY, False, 25)


async def test_sending_starts_before_the_audience_is_ready(store: Store) -> None:
    await add_clients(store, 25)
    mailing_id, owner = await add_mailing(store, build=False), await add_engine(store)
    await store.build_audience(mailing_id, 10, NOW, LONG_AGO)
    assert len(await claim(store, mailing_id, owner)) == 10


async def test_rule_1_audience_is_live(store: Store) -> None:
    (old,) = await add_clients(store, 1)
    mailing_id = await add_mailing(store, mailing(NEW))
    joined = (await store.create_client(client(1), by=BY, now_us=NOW)).row.id
    (other,) = await add_clients(store, 1, "other", first=2)
    assert await have_messages(store, mailing_id) == {old, joined}
    await retag(store, other, "new")
    await retag(store, old, "gone")
    assert await have_messages(store, mailing_id) == {joined, other}
    await store.import_clients([client(1, "gone"), client(3, "new")], by=BY, now_us=NOW)
    assert len(await have_messages(store, mailing_id)) == 2
    assert await counts(store, mailing_id) == Counts(pending=2)


async def test_rule_1_what_was_sent_stays_and_is_never_sent_again(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    await record(store, owner, [taken], Event.ACCEPT)
    await retag(store, taken.client_id, "gone")
    await retag(store, taken.client_id, "new")
    (row,) = await messages(store, mailing_id)
    assert (row.id, row.status) == (taken.message_id, Status.SENT)


async def test_an_ended_or_cancelled_mailing_does_not_follow_clients(store: Store) -> None:
    ended = await add_mailing(store, mailing(end_us=NOW))
    cancelled = await add_mailing(store)
    await store.set_cancelled(cancelled, by=BY, now_us=NOW)
    await add_clients(store, 2)
    assert await messages(store) == []
    assert await counts(store, ended) == await counts(store, cancelled) == Counts()


async def test_a_claimed_message_whose_client_left_goes_when_it_comes_back(store: Store) -> None:
    await add_clients(store, 4)
    mailing_id, owner = await add_mailing(store, mailing(NEW)), await add_engine(store)
    claims = await claim(store, mailing_id, owner)
    for taken in claims:
        await retag(store, taken.client_id, "gone")
    assert await counts(store, mailing_id) == Counts(pending=4)
    deferred, released, missed, sent = claims
    assert await record(store, owner, [deferred], Event.DEFER, due_us=NOW) == 1
    assert await release(store, owner, [released]) == 1
    assert await record(store, owner, [sent], Event.ACCEPT) == 1
    assert await record(store, owner, [missed], Event.MISS, due_us=NOW) == 1
    # Of the one that may have reached the provider somebody may want to know later.
    assert [row.id for row in await messages(store, mailing_id)] == [missed.message_id, sent.message_id]
    assert await counts(store, mailing_id) == Counts(sent=1, uncertain=1)


async def test_a_claimed_message_whose_client_returned_stays(store: Store) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, mailing(NEW)), await add_engine(store)
    (taken,) = await claim(store, mailing_id, owner)
    await retag(store, taken.client_id, "gone")
    await retag(store, taken.client_id, "new")
    await release(store, owner, [taken])
    assert await counts(store, mailing_id) == Counts(pending=1)


async def test_rule_14_deleting_a_client(store: Store) -> None:
    """Pending messages go, claimed ones when they come back, final ones stay with no phone number."""
    ids = await add_clients(store, 4)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    sent, late, returned = await claim(store, mailing_id, owner, 3)
    await record(store, owner, [sent], Event.ACCEPT)
    for client_id in ids:
        await store.delete_client(client_id, by=BY, now_us=NOW)
    assert await counts(store, mailing_id) == Counts(pending=2, sent=1)
    assert await record(store, owner, [late], Event.ACCEPT) == 1
    assert await release(store, owner, [returned]) == 1
    assert await counts(store, mailing_id) == Counts(sent=2)
    for row in await messages(store, mailing_id):
        assert (row.status, row.client_id, row.phone_number) == (Status.SENT, None, None)
    stats = await store.mailing_stats(mailing_id)
    assert stats.breakdown is not None
    assert [(group, numbers.sent) for group, numbers in stats.breakdown.by_tag.items()] == [("(deleted)", 2)]


async def test_rule_14_an_edited_filter_is_followed(store: Store) -> None:
    a, b, c, d = (
        await store.import_clients([client(i, t) for i, t in enumerate("abab")], by=BY, now_us=NOW)
    ).changed_ids
    mailing_id, owner = await add_mailing(store, mailing(AudienceFilter(("a",)))), await add_engine(store)
    sent, claimed = await claim(store, mailing_id, owner)
    await record(store, owner, [sent], Event.ACCEPT)
    changed = await store.update_mailing(mailing_id, lambda old: mailing(AudienceFilter(("b",))), by=BY, now_us=NOW)
    assert changed.audience_state is AudienceState.BUILDING
    assert [plan.rebuilding for plan in await store.plans(NOW)] == [True]
    while not await store.build_audience(mailing_id, 1, NOW, LONG_AGO):
        await counts(store, mailing_id)
    assert await have_messages(store, mailing_id) == {a, b, c, d}
    assert await counts(store, mailing_id) == Counts(pending=3, sent=1)
    await release(store, owner, [claimed])
    assert await have_messages(store, mailing_id) == {a, b, d}
    await store.update_mailing(mailing_id, lambda old: mailing(AudienceFilter(("c",))), by=BY, now_us=NOW)
    assert await store.build_audience(mailing_id, 100, NOW, LONG_AGO)
    assert await counts(store, mailing_id) == Counts(sent=1)


async def test_a_filter_edited_back_in_time_keeps_a_claimed_message(store: Store) -> None:
    await add_clients(store, 1)
    mailing_id, owner = await add_mailing(store, mailing(NEW)), await add_engine(store)
    claims = await claim(store, mailing_id, owner)
    for filter in (AudienceFilter(("other",)), NEW):
        await store.update_mailing(mailing_id, lambda old, filter=filter: mailing(filter), by=BY, now_us=NOW)  # type: ignore[misc]
        assert await store.build_audience(mailing_id, 100, NOW, LONG_AGO)
    await release(store, owner, claims)
    assert await counts(store, mailing_id) == Counts(pending=1)


async def test_rule_5_other_local_hours_are_looked_at_again_but_a_backoff_stays(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 3)
    shut, retried, parked = await claim(store, mailing_id, owner)
    await release(store, owner, [shut], due_us=50_000)
    await record(store, owner, [retried], Event.DEFER, due_us=NOW + 500)
    await record(store, owner, [parked], Event.DEFER, due_us=60_000)
    hours = LocalHours(60, 120)
    await store.update_mailing(mailing_id, lambda old: mailing(local_hours=hours), by=BY, now_us=NOW)
    assert await store.build_audience(mailing_id, 100, NOW, reset_after_us=NOW + 1_000)
    due = {row.id: row.next_attempt_us for row in await messages(store, mailing_id)}
    assert due == {shut.message_id: None, retried.message_id: NOW + 500, parked.message_id: None}


async def test_a_client_that_moves_looks_at_its_local_hours_again(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 1)
    (taken,) = await claim(store, mailing_id, owner)
    await release(store, owner, [taken], due_us=50_000)
    await store.update_client(taken.client_id, lambda old: client(0, time_zone="Asia/Omsk"), by=BY, now_us=NOW)
    assert await store.next_due_us(mailing_id) == 0


async def test_deleting_a_mailing_removes_its_messages_by_and_by(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 25)
    claims = await claim(store, mailing_id, owner, 5)
    await record(store, owner, claims[:2], Event.DEFER, due_us=NOW)
    assert not await store.purge(mailing_id, 10)
    assert len(await messages(store)) == 25
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    assert await messages(store) == []
    assert [plan.deleted for plan in await store.plans(NOW)] == [True]
    assert [await store.purge(mailing_id, 10) for _ in range(4)] == [False, False, True, True]
    assert await store.plans(END + 1) == []
    assert await record(store, owner, claims, Event.ACCEPT) == 0


async def test_rule_12_ids_are_never_used_again(store: Store) -> None:
    (first,) = await add_clients(store, 1)
    mailing_id = await add_mailing(store)
    (message,) = await messages(store, mailing_id)
    await store.delete_client(first, by=BY, now_us=NOW)
    (second,) = await add_clients(store, 1)
    (again,) = await messages(store, mailing_id)
    assert second > first
    assert again.id > message.id
    await store.delete_mailing(mailing_id, by=BY, now_us=NOW)
    assert await store.purge(mailing_id, 10)
    other = await add_mailing(store)
    assert other > mailing_id
    assert (await messages(store, other))[0].id > again.id


async def test_plans_are_the_mailings_with_work_left(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 1)
    finished = await add_mailing(store, mailing(AudienceFilter(("nobody",)), end_us=NOW))
    assert [plan.mailing_id for plan in await store.plans(NOW)] == [mailing_id]
    assert [plan.mailing_id for plan in await store.plans(END)] == [mailing_id]
    assert await store.expire(mailing_id, 10, END) == 1
    assert await store.plans(END) == []
    assert (await store.get_mailing(finished)).counts == Counts()


async def test_filters_and_reasons_of_before_are_there_after_the_migration(store: Store) -> None:
    """Down and up again, with rows: a filter was two columns, and four reasons were all that a message could have."""
    module = import_module("engine.store.migrations.store.7_20261129200000_campaign")
    await add_clients(store, 1)
    said = AudienceFilter(("new", 'б"x'), ("916",))
    mailing_ids = [await add_mailing(store, mailing(filter)) for filter in (said, AudienceFilter())]

    async def work(tx: Tx) -> None:
        await tx.orm.execute_script(await module.downgrade(tx.orm))
        await tx.orm.execute_script(await module.upgrade(tx.orm))

    await store._db.transaction(work)
    assert [(await store.get_mailing(id)).filter for id in mailing_ids] == [said, AudienceFilter()]
    added = await store.add_suppression(SuppressionInput(client(0).phone_number), by=BY, now_us=NOW)
    assert len(added.client_ids) == 1
    assert (await store.get_mailing(mailing_ids[1])).counts.suppressed == 1


async def test_mailings_of_before_are_in_no_archive_after_the_migration(store: Store) -> None:
    """Down and up again, with rows: what was archived is in the lists again, and nothing else has changed."""
    module = import_module("engine.store.migrations.store.8_20261129230000_archive")
    await add_clients(store, 1)
    mailing_ids = [await add_mailing(store, mailing(end_us=NOW)) for _ in range(2)]
    archived = (await store.set_archived(mailing_ids[0], True, by=BY, now_us=NOW)).row
    before = [archived, await store.get_mailing(mailing_ids[1])]
    assert archived.archived_us == NOW

    async def work(tx: Tx) -> None:
        await tx.orm.execute_script(await module.downgrade(tx.orm))
        await tx.orm.execute_script(await module.upgrade(tx.orm))

    await store._db.transaction(work)
    after = [await store.get_mailing(id) for id in mailing_ids]
    assert after == [replace(row, archived_us=None) for row in before]
    assert (await store.list_mailings(None, Page(), now_us=NOW)).total == 2
    assert (await store.set_archived(mailing_ids[0], True, by=BY, now_us=NOW)).row == archived
