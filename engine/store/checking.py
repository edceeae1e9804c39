"""Do the counters say what the rows say?"""

from __future__ import annotations

from typing import Final

from engine.domain.message import Status
from engine.domain.receipt import Delivery
from engine.store.client_counts import add_numbers, miscounted
from engine.store.counters import Tally, counter_at, new_counts
from engine.store.database import Lane, Tx
from engine.store.rows import Difference
from engine.store.verbs import Verbs, read, transaction

_CHECK_LOCK: Final = 0x6D61696C_00000003
"""PostgreSQL's advisory lock between two checks."""


class CheckVerbs(Verbs):
    """For ``python -m engine check``."""

    async def check(self) -> list[Difference]:
        """Recount clients, and the messages of every mailing (but deleted ones, which are being removed), correct the
        counters that differ, and return what differed. ``attempts`` and ``retried`` can't be recounted. Messages of a
        client or mailing that is gone are reported too; nobody knows what is right for them, so they stay."""
        differences: list[Difference] = []
        for mailing_id in await self._mailing_ids():
            made = await self._make_counters(mailing_id)
            differences += [Difference(mailing_id, "its row of counters", 0, 1)] * made
            differences += await self._check_mailing(mailing_id)
        return differences + await self._check_clients() + await self._of_nobody()

    async def count_mailings(self) -> int:
        """How many of them ``check`` would look at: none often means that this is not the database that was meant."""
        return len(await self._mailing_ids())

    @read(Lane.UPKEEP)
    async def _mailing_ids(self, tx: Tx) -> list[int]:
        return [row[0] for row in await tx.rows("SELECT id FROM mailing WHERE deleted_us IS NULL ORDER BY id")]

    @read(Lane.UPKEEP)
    async def _of_nobody(self, tx: Tx) -> list[Difference]:
        """PostgreSQL has no foreign key that would refuse them (docs/decisions/references.md); SQLite has."""
        if tx.dialect.is_sqlite:
            return []
        rows = await tx.rows(
            "SELECT m.mailing_id, count(*) FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id"
            " LEFT JOIN mailing AS g ON g.id = m.mailing_id"
            " WHERE g.id IS NULL OR (c.id IS NULL AND m.client_id IS NOT NULL) GROUP BY m.mailing_id"
        )
        return [Difference(mailing_id, "messages of nobody", number, 0, repaired=False) for mailing_id, number in rows]

    @transaction(Lane.UPKEEP)
    async def _make_counters(self, tx: Tx, mailing_id: int) -> int:
        made = await tx.run(
            "INSERT INTO mailing_counters (mailing_id) SELECT id FROM mailing WHERE id = ? AND NOT EXISTS"
            " (SELECT 1 FROM mailing_counters AS c WHERE c.mailing_id = mailing.id) ON CONFLICT DO NOTHING",
            mailing_id,
        )
        if made:  # revisions begin anew
            await tx.run("DELETE FROM mailing_breakdown WHERE mailing_id = ?", mailing_id)
        return made

    @transaction(Lane.UPKEEP)
    async def _check_clients(self, tx: Tx) -> list[Difference]:
        await _check_alone(tx)
        found = await miscounted(tx)
        await add_numbers(tx, [(kind, value, counted - stored) for kind, value, stored, counted in found])
        return [Difference(None, f"{kind} {value}".strip(), stored, counted) for kind, value, stored, counted in found]

    @transaction(Lane.UPKEEP)
    async def _check_mailing(self, tx: Tx, mailing_id: int) -> list[Difference]:
        if await tx.row("SELECT 1 FROM mailing WHERE id = ? AND details_removed_us IS NOT NULL", mailing_id):
            return []  # there are no rows to count any more
        await _check_alone(tx)
        stored, counted = await _read(tx, mailing_id)
        differences = [
            Difference(mailing_id, name, old, number)
            for (name, number), old in zip(counted.items(), stored, strict=False)
            if old != number
        ]
        # A change of messages changes rows and counters alike, so the difference stays the same whatever happens
        # meanwhile. The counters are locked while they are corrected, and not while the rows are counted.
        tally = Tally()
        for difference in differences:
            tally.add(mailing_id, difference.name, difference.counted - difference.stored)
        await tally.write(tx)
        return differences


async def _check_alone(tx: Tx) -> None:
    """Two checks at a time would both correct the same difference."""
    if not tx.dialect.is_sqlite:
        await tx.rows("SELECT pg_advisory_xact_lock(?)", _CHECK_LOCK)


async def _read(tx: Tx, mailing_id: int) -> tuple[list[int], dict[str, int]]:
    """The counters as stored (none, when the mailing is gone) and as counted: both as they are at one moment, for one
    statement reads them."""
    counted = new_counts()
    rows = await tx.rows(
        "SELECT m.status, m.reason, m.delivery, m.number, m.costs,"
        f" {', '.join(f'c.{name}' for name in counted)} FROM mailing_counters AS c"
        " LEFT JOIN (SELECT status, reason, delivery, count(*) AS number, sum(cost) AS costs FROM message"
        " WHERE mailing_id = ?"
        " GROUP BY status, reason, delivery) AS m ON m.number > 0 WHERE c.mailing_id = ?",
        mailing_id,
        mailing_id,
    )
    for status, reason, delivery, number, costs, *_ in rows:
        if number is not None:
            counted["cost"] += int(costs)
            counted[counter_at(status, reason)] += number
            if status == Status.SENT and delivery is not None:
                counted[Delivery(delivery).public] += number
    return (list(rows[0][5:]) if rows else []), counted
