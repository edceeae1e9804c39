"""engine/store/mailing_stats.py: the breakdowns of a mailing."""

from __future__ import annotations

from engine.domain.message import Event
from engine.store import Store
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
