"""Do the counters say what the rows say?"""

from __future__ import annotations

from engine.store.counters import Tally, count_rows
from engine.store.database import Lane, Tx
from engine.store.rows import Difference
from engine.store.verbs import Verbs


class CheckVerbs(Verbs):
    """For ``python -m engine check``."""

    async def check(self) -> list[Difference]:
        """Recount the messages of every mailing (but deleted ones, which are being removed), correct the
        counters that differ, and return what differed. ``attempts`` and ``retried`` can't be recounted."""
        differences: list[Difference] = []
        for mailing_id in await self._db.read(_mailing_ids, Lane.UPKEEP):

            async def work(tx: Tx, mailing_id: int = mailing_id) -> list[Difference]:
                return await _check(tx, mailing_id)

            differences += await self._db.transaction(work, Lane.UPKEEP)
        return differences

    async def count_mailings(self) -> int:
        """How many of them ``check`` would look at: none often means that this is not the database that was meant."""
        return len(await self._db.read(_mailing_ids, Lane.UPKEEP))


async def _mailing_ids(tx: Tx) -> list[int]:
    return [row[0] for row in await tx.rows("SELECT id FROM mailing WHERE deleted_us IS NULL ORDER BY id")]


async def _check(tx: Tx, mailing_id: int) -> list[Difference]:
    made = await tx.run(
        "INSERT INTO mailing_counters (mailing_id) SELECT id FROM mailing WHERE id = ? ON CONFLICT DO NOTHING",
        mailing_id,
    )
    # First the counters' row: on PostgreSQL whoever changes messages needs its lock before committing, so
    # that what is counted after this and what is read from the row belong together.
    await tx.rows(f"SELECT 1 FROM mailing_counters WHERE mailing_id = ? {tx.dialect.lock()}", mailing_id)
    counted = (await count_rows(tx, [mailing_id]))[mailing_id]
    stored = await tx.row(f"SELECT {', '.join(counted)} FROM mailing_counters WHERE mailing_id = ?", mailing_id)
    if stored is None:
        return []
    differences = [
        Difference(mailing_id, name, old, number)
        for (name, number), old in zip(counted.items(), stored, strict=True)
        if old != number
    ]
    tally = Tally()
    for difference in differences:
        tally.add(mailing_id, difference.name, difference.counted - difference.stored)
    await tally.write(tx)
    return [Difference(mailing_id, "its row of counters", 0, 1), *differences] if made else differences
