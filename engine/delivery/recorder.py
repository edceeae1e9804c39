"""Outcomes into the store, as a group commit.

Whatever has piled up while the last transaction ran goes into the next one: at
low load each outcome is written at once, at high load hundreds share a commit.
With more slots than workers a group may grow for a moment (``_rest``).
An outcome is never let go before it is stored: when the store is away the
recorder keeps it, its slot stays taken, and so the workers stop by themselves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from common.line_limit import LineLimit
from common.logs import get_logger
from engine.delivery.state import State
from engine.domain.message import Event
from engine.ports import Claim, Record, Return, Store, StoreUnavailable

_BATCH_MAX = 1_000
_REFUSED_MAX = 4
"""When so many single rows were tried and none could be stored, the fault is not in the rows."""
_REST_STEPS = 5
_REST_STEP_SECONDS = 0.002
_Item = TypeVar("_Item", Record, Return)

log = get_logger(__name__)


class Recorder:
    """An actor with one inbox: outcomes, and claims that a worker gives back uncalled."""

    def __init__(
        self, store: Store, state: State, *, on_stored: Callable[[Mapping[int, int], list[Record]], None]
    ) -> None:
        """``on_stored`` is told how many slots may be freed, by provider, and which outcomes are stored."""
        self._store, self._owner, self._on_stored = store, state.engine_id, on_stored
        self._hand, self._book, self._lines, self._clock = state.hand, state.book, state.lines, state.clock
        self._log_lines = LineLimit()
        self._records: list[Record] = []
        self._returns: list[Return] = []
        self._slots_returned: Counter[int] = Counter()
        self.claiming = asyncio.Lock()
        """Held while claims are taken, and while they are given back: see ``is_unsure``."""
        self.is_unsure = False
        """True while claims may have been given back already, although the store said that it was away. Nothing may be
        claimed then: a message that is claimed again has the attempt number that it had before, so giving it back a
        second time would undo the new claim. The ticker holds ``claiming`` and asks here before it claims."""
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._records) + len(self._returns)

    def put(self, record: Record) -> None:
        """Hand over an outcome; bounded by the queue's slots, or by what is claimed, so it never waits."""
        self._records.append(record)
        if len(self._records) == 1:
            self._filled.set()

    @property
    def returns(self) -> int:
        """How many claims are still to be given back."""
        return len(self._returns)

    def give_back(self, claims: Collection[Return], *, slots: int = 0) -> None:
        """Hand over claims that were not called; ``slots`` of them, all or none, were already out with a worker."""
        if not claims:
            return
        self._returns += claims
        if slots:
            self._slots_returned.update(claim.provider_id for claim in claims)
        self._filled.set()

    def withdraw(self, unwanted: Callable[[Claim], bool]) -> None:
        """Take claims out of the queues for which ``unwanted`` is true, and give them back."""
        for line in self._lines:
            self.give_back([claim.given_back() for claim in line.queue.withdraw(unwanted)])

    async def run(self) -> None:
        """Store outcomes for ever.

        Raises:
            StoreUnavailable: nothing is lost; ``run`` may be called again.
        """
        while True:
            await self._filled.wait()
            await self._rest()
            await self._store_records(self._records[:_BATCH_MAX])
            await self._store_returns(self._returns[:_BATCH_MAX])
            if not len(self):
                self._filled.clear()

    async def _rest(self) -> None:
        """Let a group grow for a while, for a transaction costs half a millisecond of the processor, whatever is in it.

        A group grows only while there are slots that no worker will miss, now or while the group is stored. A small
        group does not: then the provider is the slow one. Nor does a group wait when claims are to be given back, for
        somebody waits for these."""
        for _ in range(_REST_STEPS):
            workers = sum(line.queue.workers for line in self._lines)
            if self._returns or not workers // 2 <= len(self._records) < self._to_spare:
                return
            await self._clock.sleep(_REST_STEP_SECONDS)

    @property
    def _to_spare(self) -> int:
        return sum(line.queue.slots - 2 * line.queue.workers for line in self._lines)

    async def _store_records(self, batch: list[Record]) -> None:
        if not batch:
            return
        await self._in_halves(batch, self._record)
        del self._records[: len(batch)]
        self._hand.drop(batch)
        accepted = Event.ACCEPT  # found once, not once a message
        failed = [record for record in batch if record.event is not accepted]
        for record in [record for record in failed if record.event in (Event.DEFER, Event.MISS)]:
            self._put_off(record.mailing_id, record.due_us)
        if len(self._lines) == 1:
            slots = Counter({self._lines[0].provider_id: len(batch)})
        else:
            slots = Counter([record.provider_id for record in batch])
        # What lacks a text has not been with a worker.
        slots.subtract(record.provider_id for record in failed if record.event is Event.LACK)
        self._on_stored(slots, batch)

    async def _store_returns(self, batch: list[Return]) -> None:
        if not batch:
            return
        async with self.claiming:
            self.is_unsure = True
            await self._in_halves(batch, self._release)
            self.is_unsure = False
            del self._returns[: len(batch)]
            self._hand.drop(batch)
        for claim in batch:
            self._put_off(claim.mailing_id, claim.due_us)
        slots, self._slots_returned = self._slots_returned, Counter()
        self._on_stored(slots, [])

    async def _in_halves(self, batch: Sequence[_Item], store: Callable[[Sequence[_Item]], Awaitable[None]]) -> None:
        """Store all of them but those that the store chokes on, each alone: they must not hold up the others. Their
        leases will end, and they will be found as "outcome unknown".

        Raises:
            StoreUnavailable: not one could be stored. Then it is the store that fails, whatever it says, and no outcome
                may be let go: a database that turned read-only would be taken for so many bad rows.
        """
        refused: list[tuple[_Item, Exception]] = []
        if await self._stored(batch, store, refused) or not refused:
            for item, error in refused:
                self._tell("record.refused", item, error)
            return
        self._tell("record.stuck", *refused[0])
        raise StoreUnavailable(f"nothing can be stored: {refused[0][1]!r}") from refused[0][1]

    def _tell(self, event: str, item: Record | Return, error: Exception) -> None:
        self._log_lines.write(
            log.error,
            event,
            type(error).__name__,
            message_id=item.message_id,
            mailing_id=item.mailing_id,
            exc_info=error,
        )

    async def _stored(
        self,
        batch: Sequence[_Item],
        store: Callable[[Sequence[_Item]], Awaitable[None]],
        refused: list[tuple[_Item, Exception]],
    ) -> bool:
        """Store what can be stored, halving what fails; whether there was any."""
        try:
            await store(batch)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(batch) == 1:
                refused.append((batch[0], error))
                return False
        else:
            return True
        middle, any_stored = len(batch) // 2, False
        for half in (batch[:middle], batch[middle:]):
            if any_stored or len(refused) < _REFUSED_MAX:
                any_stored |= await self._stored(half, store, refused)
        return any_stored

    async def _record(self, batch: Sequence[Record]) -> None:
        stored = await self._store.record(batch, owner=self._owner, now_us=self._clock.now_us())
        if stored != len(batch) and (lost := await self._store.fenced(batch)):
            log.warning("record.fenced", outcomes=lost)

    async def _release(self, batch: Sequence[Return]) -> None:
        await self._store.release(batch, owner=self._owner, now_us=self._clock.now_us())

    def _put_off(self, mailing_id: int, due_us: int) -> None:
        entry = self._book.get(mailing_id)
        if entry is not None:
            entry.put_off(due_us)
