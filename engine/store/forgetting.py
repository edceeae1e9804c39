"""Removing for good what has been deleted."""

from __future__ import annotations

from engine.store.database import Tx
from engine.store.verbs import Verbs


class ForgettingVerbs(Verbs):
    """For housekeeping."""

    async def forget_told(self, now_us: int, limit: int) -> int:
        """Forget up to ``limit`` told numbers of mailings that are over; return how many."""

        async def work(tx: Tx) -> int:
            return await tx.run(
                "DELETE FROM told WHERE id IN (SELECT t.id FROM mailing AS m JOIN told AS t ON t.mailing_id = m.id"
                " WHERE m.end_us <= ? OR m.cancelled_us IS NOT NULL OR m.deleted_us IS NOT NULL"
                f" LIMIT ? {tx.dialect.lock('t', skip=True)})",
                now_us,
                limit,
            )

        return await self._db.transaction(work)

    async def forget_log(self) -> bool:
        """Remove from the files what has been deleted from the tables. False: a reader still sees the state before;
        ask again soon."""
        return await self._db.empty_log()
