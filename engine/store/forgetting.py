"""Removing for good what is deleted or over."""

from __future__ import annotations

from engine.store.database import Lane, Tx
from engine.store.verbs import Verbs, transaction


class ForgettingVerbs(Verbs):
    """For housekeeping."""

    @transaction(Lane.API)
    async def forget_told(self, tx: Tx, now_us: int, limit: int) -> int:
        """Forget up to ``limit`` told numbers of mailings that are over; return how many."""
        return await tx.run(
            "DELETE FROM told WHERE id IN (SELECT t.id FROM mailing AS m JOIN told AS t ON t.mailing_id = m.id"
            " WHERE m.end_us <= ? OR m.cancelled_us IS NOT NULL OR m.deleted_us IS NOT NULL"
            f" LIMIT ? {tx.dialect.lock('t', skip=True)})",
            now_us,
            limit,
        )

    async def forget_log(self) -> bool:
        """Remove from the files what has been deleted from the tables. False: a reader still sees the state before;
        ask again soon."""
        return await self._db.empty_log()
