"""engine/store/checking.py: counters that were wrong are right again."""

from __future__ import annotations

from engine.store import Store
from engine.store.database import Tx
from engine.store.rows import (
    Counts,
)
from tests.store.world import (
    a_mailing_with,
    counts,
)


async def test_check_finds_and_repairs_wrong_counters(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 3)

    async def spoil(tx: object) -> int:
        run = tx.run  # type: ignore[attr-defined]
        changed: int = await run("UPDATE mailing_counters SET sent = 7, pending = 1 WHERE mailing_id = ?", mailing_id)
        return changed

    await store._db.transaction(spoil)
    differences = await store.check()
    assert [(row.mailing_id, row.name, row.stored, row.counted) for row in differences] == [
        (mailing_id, "pending", 1, 3),
        (mailing_id, "sent", 7, 0),
    ]
    assert await counts(store, mailing_id) == Counts(pending=3)


async def test_check_makes_a_row_of_counters_that_is_gone(store: Store) -> None:
    mailing_id, _ = await a_mailing_with(store, 3)

    async def remove(tx: Tx) -> int:
        return await tx.run("DELETE FROM mailing_counters")

    await store._db.transaction(remove)
    found = [(each.name, each.stored, each.counted) for each in await store.check()]
    assert found == [("its row of counters", 0, 1), ("pending", 0, 3)]
    assert (await counts(store, mailing_id)).pending == 3
