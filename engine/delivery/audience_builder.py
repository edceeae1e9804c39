"""Rows for a mailing's audience, in chunks, in the background, resumable.

A chunk is one short transaction that also stores how far it came, so the store
stays free for others between chunks and a crash loses no more than the chunk it
fell into. Mailings take turns, a new one before all others, and sending starts
with the first chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from engine.delivery.book import Entry
from engine.delivery.state import State
from engine.domain.chunks import SHORTEST, next_chunk
from engine.domain.units import in_us
from engine.ports import Store

_CHUNK_CLIENTS = 5_000
"""Where one connection writes, for which all others wait. With several, chunks grow (``domain.chunks``)."""
_SHORT_CHUNK_CLIENTS = 1_000
"""While messages are sent and one connection writes: claims, outcomes and registrations wait for the chunk, which takes
3 ms of the processor in place of 10. A client costs 3 us in place of 2."""
_PURGE_ROWS = 5_000


class AudienceBuilder:
    """An actor; its inbox is the bell."""

    def __init__(self, store: Store, state: State, *, on_ready: Callable[[Sequence[int]], None]) -> None:
        """``on_ready`` is told of mailings whose audience is complete, or that were deleted and are gone: the book is
        out of date."""
        self._store, self._state, self._on_ready = store, state, on_ready
        self._book, self._bell, self._clock = state.book, state.bell, state.clock
        self._turns = 0
        self._last_turns: dict[int, int] = {}
        """By mailing, of those that are being built."""
        self._chunks: dict[int, int] = {}
        """How many clients are next, by mailing: what a client costs depends on the filter."""
        self._patience_us = in_us(state.settings.retry_max_seconds)
        self._tick_seconds = state.settings.tick_seconds

    async def run(self) -> None:
        """Build and purge for ever."""
        while True:
            self._bell.audiences.clear()
            finished: dict[int, bool] = {}
            for entry in self._in_turn():
                finished[entry.plan.mailing_id] = await self._chunk(entry)
                if self._bell.audiences.is_set():
                    break  # there may be a new one, which must not wait for a chunk of each of the others
            if ready := [mailing_id for mailing_id, is_done in finished.items() if is_done]:
                self._on_ready(ready)
            if all(finished.values()):  # or there is none
                await self._rest()

    def _in_turn(self) -> list[Entry]:
        """Those that need work: a new one first, then those whose last chunk is the longest ago."""
        entries = {entry.plan.mailing_id: entry for entry in self._book if entry.needs_building}
        self._last_turns = {id: self._last_turns.get(id, 0) for id in entries}
        self._chunks = {id: clients for id, clients in self._chunks.items() if id in entries}
        return sorted(entries.values(), key=lambda entry: self._last_turns[entry.plan.mailing_id])

    async def _chunk(self, entry: Entry) -> bool:
        mailing_id = entry.plan.mailing_id
        self._turns += 1
        self._last_turns[mailing_id] = self._turns
        if entry.plan.deleted:
            return await self._store.purge(mailing_id, _PURGE_ROWS)
        clients = self._clients(mailing_id)
        now_us, began_us = self._clock.now_us(), self._clock.monotonic_us()
        done = await self._store.build_audience(mailing_id, clients, now_us, now_us + self._patience_us)
        self._chunks[mailing_id] = next_chunk(clients, self._clock.monotonic_us() - began_us)
        entry.expects(0)
        self._bell.ring_for_work()
        return done

    def _clients(self, mailing_id: int) -> int:
        """How many to look at now. After a chunk that failed it is the least again, for it may have taken too long."""
        if self._store.shared:
            return self._chunks.pop(mailing_id, SHORTEST)
        return _SHORT_CHUNK_CLIENTS if self._state.queued else _CHUNK_CLIENTS

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._tick_seconds):
                await self._bell.audiences.wait()
        except TimeoutError:
            pass
