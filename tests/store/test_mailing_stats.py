"""engine/store/mailing_stats.py: the breakdowns of a mailing."""

from __future__ import annotations

import pytest

from engine.domain.message import Event
from engine.store import Store, mailing_stats
from engine.store.client_rows import ClientChange
from engine.store.rows import GroupCounts
from tests.store.world import (
    BY,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    claim,
    client,
    record,
)

STEP_US = 10_000_000


async def test_a_breakdown_read_in_chunks_is_that_read_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await add_clients(store, 5, "a|b")
    await add_clients(store, 2, "", first=5)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    taken = await claim(store, mailing_id, owner, 3)
    await record(store, owner, taken[:2], Event.ACCEPT)
    await store.delete_client(ids[0], by=BY, now_us=NOW)
    whole = (await store.mailing_stats(mailing_id)).breakdown
    assert whole is not None
    assert whole.by_tag == {"a|b": GroupCounts(3, 1, 0), "": GroupCounts(2, 0, 0), "(deleted)": GroupCounts(0, 1, 0)}
    assert whole.by_phone_code == {"916": GroupCounts(5, 1, 0), "(deleted)": GroupCounts(0, 1, 0)}
    for chunk in (2, 7, 8):
        monkeypatch.setattr(mailing_stats, "_CHUNK", chunk)
        assert await store.mailing_breakdown(mailing_id) == whole
    monkeypatch.setattr(mailing_stats, "_AT_ONCE_MAX", 6)
    assert (await store.mailing_stats(mailing_id)).breakdown is None


async def test_what_was_sent_stays_in_the_group_in_which_it_was_sent(store: Store) -> None:
    ids = await add_clients(store, 4, "old")
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    await record(store, owner, (await claim(store, mailing_id, owner, 3)), Event.ACCEPT)
    await store.update_client(ids[0], lambda old: client(0, "one"), by=BY, now_us=NOW)
    await store.update_clients(ids[1:2], ClientChange(tag="batch"), by=BY, now_us=NOW)
    await store.import_clients([client(2, "import"), client(3, "import")], by=BY, now_us=NOW)
    await store.update_clients(ids, ClientChange(tag="again"), by=BY, now_us=NOW)
    found = (await store.mailing_stats(mailing_id)).breakdown
    assert found is not None
    assert found.by_tag == {"old": GroupCounts(0, 3, 0), "again": GroupCounts(1, 0, 0)}


async def test_large_mailings_are_the_newest_with_more_messages_than_are_read_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_clients(store, 3)
    first, second, small = [await add_mailing(store) for _ in range(3)]
    monkeypatch.setattr(mailing_stats, "_AT_ONCE_MAX", 2)
    assert list(await store.large_mailings(2)) == [small, second]
    monkeypatch.setattr(mailing_stats, "_AT_ONCE_MAX", 3)
    assert await store.large_mailings(2) == {}
    monkeypatch.setattr(mailing_stats, "_AT_ONCE_MAX", 2)
    before = await store.large_mailings(9)
    await store.set_cancelled(second, by=BY, now_us=NOW)
    after = await store.large_mailings(9)
    assert list(after) == list(before) == [small, second, first]
    assert {each for each in after if after[each] != before[each]} == {second}
    await store.delete_mailing(small, by=BY, now_us=NOW)
    assert list(await store.large_mailings(9)) == [second, first]
