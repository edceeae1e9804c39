"""The mailings out of the store into the book."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from engine.delivery.router import are_alike
from engine.delivery.state import State
from engine.ports import Store


class PlanReader:
    """All are read at every tick and when another engine has changed something, one after its change through this
    engine, before the change counts as made."""

    def __init__(self, store: Store, state: State) -> None:
        self._store, self._book, self._hand, self._clock = store, state.book, state.hand, state.clock
        self._reading = asyncio.Lock()

    async def reload(self, mailing_ids: Sequence[int] | None = None) -> None:
        """Take mailings over from the store: these, or all."""
        # One at a time: an older reading must never overwrite a newer one, which may hold a pause.
        async with self._reading:
            plans = await self._store.plans(self._clock.now_us(), mailing_ids)
            for plan in plans:
                # By now its audience may have been built again, so that nothing else holds these claims up. And they
                # may be with a provider that the mailing is not for any more.
                known = self._book.get(plan.mailing_id)
                if known is not None and plan is not known.plan and not are_alike(known.plan, plan):
                    self._hand.revoke_mailing(plan.mailing_id)
            if mailing_ids is None:
                self._book.load(plans)
            else:
                self._book.load_some(plans, mailing_ids)
