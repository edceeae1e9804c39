"""Rows for a mailing's audience, in chunks, in the background, resumable.

A chunk is one short transaction that also stores how far it came, so the store
stays free for others between chunks and a crash loses no more than the chunk it
fell into. Mailings take turns, and sending starts with the first chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.delivery.book import Entry
from engine.delivery.state import State
from engine.domain.units import in_us
from engine.ports import Store

_CHUNK_CLIENTS = 5_000
_PURGE_ROWS = 5_000


class AudienceBuilder:
    """An actor; its inbox is the bell."""

    def __init__(self, store: Store, state: State, *, on_ready: Callable[[], None]) -> None:
        """``on_ready`` is called when an audience is complete or a deleted mailing is gone: the book is out of date."""
        self._store, self._book, self._bell, self._clock = store, state.book, state.bell, state.clock
        self._on_ready = on_ready
        self._patience_us = in_us(state.settings.retry_max_seconds)
        self._tick_seconds = state.settings.tick_seconds

    async def run(self) -> None:
        """Build and purge for ever."""
        while True:
            self._bell.audiences.clear()
            building = [entry for entry in self._book if entry.needs_building]
            finished = [await self._chunk(entry) for entry in building]
            if any(finished):
                self._on_ready()
            if not building or all(finished):
                await self._rest()

    async def _chunk(self, entry: Entry) -> bool:
        mailing_id = entry.plan.mailing_id
        if entry.plan.deleted:
            return await self._store.purge(mailing_id, _PURGE_ROWS)
        now_us = self._clock.now_us()
        done = await self._store.build_audience(mailing_id, _CHUNK_CLIENTS, now_us, now_us + self._patience_us)
        entry.expects(0)
        self._bell.ring_for_work()
        return done

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._tick_seconds):
                await self._bell.audiences.wait()
        except TimeoutError:
            pass
