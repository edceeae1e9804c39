"""What is kept of statistics, and said to be true, is what the rows say: at any moment of a life."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from typing import Any, Final

from engine.delivery.delivery import Delivery
from engine.domain.errors import NotFound
from engine.ports import StoreUnavailable
from engine.store import breakdowns
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_taken
from engine.store.provider_names import names_of_all
from engine.store.store import Store

_PERIOD_SECONDS: Final = 2.0
_SHARE: Final = 0.1
"""Of lives: to count and to compare makes one a third longer."""
_SAID_TO_BE_TRUE: Final = (
    "SELECT b.mailing_id, b.data FROM mailing_breakdown AS b JOIN mailing_counters AS c ON c.mailing_id = b.mailing_id"
    " JOIN mailing AS g ON g.id = b.mailing_id WHERE b.data IS NOT NULL AND b.revision = c.revision"
    " AND g.deleted_us IS NULL AND (g.cancelled_us IS NULL OR c.pending = 0) ORDER BY b.mailing_id"
)


class Statistics:
    """Engines count breakdowns of mailings now and then, and each that is kept is compared with the rows."""

    def __init__(self, seed: int) -> None:
        # Draws nothing else, so that lives are otherwise what they were before.
        self._random = Random(f"statistics of {seed}")
        self._is_kept = self._random.random() < _SHARE
        self.faults: list[str] = []
        self.compared = 0
        """Breakdowns that were said to be true."""

    def begin(self, store: Store, delivery: Delivery) -> asyncio.Task[None]:
        """Until the engine stops, or is killed."""
        return asyncio.create_task(self._run(store, delivery))

    async def _run(self, store: Store, delivery: Delivery) -> None:
        while self._is_kept and not delivery.state.stopping:
            await asyncio.sleep(self._random.uniform(0, _PERIOD_SECONDS))
            try:
                due = await store.breakdown_due((), 0)
                if due.due is not None and await store.begin_breakdown(due.due, 0):
                    await store.read_breakdown(due.due.mailing_id, 0)
                # As a read of the product's: of one state of the database.
                await store._db.read(self.compare, Lane.LONG)
            except (StoreUnavailable, NotFound):
                pass

    async def compare(self, tx: Tx) -> None:
        """Note what is not true."""
        names = await names_of_all(tx)
        for mailing_id, data in await tx.rows(_SAID_TO_BE_TRUE):
            rows = breakdowns._breakdown((await breakdowns._chunk(tx, mailing_id, 0)).numbers, names)
            kept: Any = breakdowns._JSON.validate_json(data)
            if await tx.row(
                f"SELECT 1 FROM message AS m WHERE m.mailing_id = ? AND {is_taken('m')} LIMIT 1", mailing_id
            ):
                kept = replace(kept, by_provider=rows.by_provider)  # a claim says whose it is, and no more
            self.compared += 1
            if kept != rows:
                self.faults.append(f"25: mailing {mailing_id} is said to be {kept}, and is {rows}")
