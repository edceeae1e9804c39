"""A new mailing stands behind none of the others: its first rows are made next, and claimed next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from engine.delivery.audience_builder import AudienceBuilder
from engine.delivery.claimer import Claimer
from engine.delivery.recorder import Recorder
from engine.domain.cost import NO_PRICE, Quote
from engine.domain.routing import Ask
from engine.ports import AudienceState, Claim, Plan, Store
from engine.store.errors import StoreUnavailable
from tests.delivery.plans import Bench, a_claim, a_plan
from tests.simulation.loop import VirtualLoop

LARGE = range(1, 6)
NEW = 9
CLAIM_SECONDS = 0.02
"""More than the ticker lets a turn take."""


def building(mailing_id: int) -> Plan:
    return a_plan(mailing_id, audience_state=AudienceState.BUILDING, pending=0)


class ScriptedStore:
    """Notes what is asked of which mailing; another one comes when each has had a turn, and the first two."""

    def __init__(self, bench: Bench, *, comes: Plan, shared: bool = False) -> None:
        self.shared = shared
        self.asked: list[int] = []
        self.chunks: list[int] = []
        self.groups: list[list[int]] = []
        """For whom each transaction has claimed."""
        self._bench, self._comes = bench, comes

    async def build_audience(self, mailing_id: int, limit: int, *_: int) -> bool:
        """See ``ports.Store``."""
        self.chunks.append(limit)
        await self._ask(mailing_id)
        return False

    async def claim(self, mailing_id: int, limit: int, **_: Any) -> list[Claim]:
        """See ``ports.Store``."""
        self.groups.append([mailing_id])
        await self._ask(mailing_id)
        return [a_claim(mailing_id * 1_000 + number, mailing_id) for number in range(limit)]

    async def claim_all(self, asks: Sequence[Ask], **_: Any) -> list[list[Claim]]:
        """See ``ports.Store``."""
        self.groups.append([ask.mailing_id for ask in asks])
        return [[a_claim(ask.mailing_id * 1_000 + n, ask.mailing_id) for n in range(ask.limit)] for ask in asks]

    async def _ask(self, mailing_id: int) -> None:
        self.asked.append(mailing_id)
        await asyncio.sleep(CLAIM_SECONDS)
        if len(self.asked) == len(LARGE) + 1:
            self._bench.book.load([*(entry.plan for entry in self._bench.book), self._comes])
            self._bench.bell.ring()


def built(loop: VirtualLoop, bench: Bench, store: ScriptedStore, seconds: float) -> None:
    """Let a builder run for a while."""

    async def run() -> None:
        builder = AudienceBuilder(cast("Store", store), bench.state, on_ready=lambda mailing_ids: None)
        task = asyncio.create_task(builder.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(run())


def test_its_rows_are_made_next_and_then_all_take_turns(loop: VirtualLoop) -> None:
    bench = Bench(loop, *(building(id) for id in LARGE))
    store = ScriptedStore(bench, comes=building(NEW))
    built(loop, bench, store, 16.5 * CLAIM_SECONDS)
    assert store.asked == [*LARGE, 1, NEW, 2, 3, 4, 5, 1, NEW, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("queued", "shared", "clients"), [(0, False, 5_000), (1, False, 1_000), (1, True, 5_000)], ids=str
)
def test_chunks_are_short_where_what_is_sent_has_to_wait_for_them(
    loop: VirtualLoop, queued: int, shared: bool, clients: int
) -> None:
    bench = Bench(loop, building(1))
    bench.queue.put(1, [a_claim(number) for number in range(queued)])
    store = ScriptedStore(bench, comes=building(NEW), shared=shared)
    built(loop, bench, store, 0.5 * CLAIM_SECONDS)
    assert store.chunks == [clients]


def test_chunks_grow_while_they_are_quick_where_several_connections_write(loop: VirtualLoop) -> None:
    bench = Bench(loop, building(1))
    store = ScriptedStore(bench, comes=building(NEW), shared=True)
    built(loop, bench, store, 3.5 * CLAIM_SECONDS)
    assert store.chunks == [5_000, 10_000, 20_000, 20_000]


def test_after_a_chunk_that_failed_the_next_one_is_short(loop: VirtualLoop) -> None:
    bench = Bench(loop, building(1))
    store = FailingStore(bench, comes=building(NEW), shared=True)
    builder = AudienceBuilder(cast("Store", store), bench.state, on_ready=lambda mailing_ids: None)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            loop.run_until_complete(builder.run())
    assert store.chunks == [5_000, 10_000, 5_000, 10_000]


class FailingStore(ScriptedStore):
    """Fails at every second chunk."""

    async def build_audience(self, mailing_id: int, limit: int, *_: int) -> bool:
        """See ``ports.Store``."""
        await super().build_audience(mailing_id, limit)
        if len(self.chunks) % 2 == 0:
            raise StoreUnavailable("away")
        return False


def filled(loop: VirtualLoop, bench: Bench, store: ScriptedStore, times: int) -> None:
    """Let a claimer fill the queue, and the workers empty it."""

    def stored(slots: Mapping[int, int], records: list[Any]) -> None:
        """Nothing is."""

    async def run() -> None:
        recorder = Recorder(cast("Store", store), bench.state, on_stored=stored)
        claimer = Claimer(cast("Store", store), bench.state, bench.line, recorder=recorder)
        await asyncio.sleep(CLAIM_SECONDS)
        for _ in range(times):
            bench.bell.work.clear()
            await claimer.fill()
            bench.queue.withdraw(lambda _: True)  # all are on their way

    loop.run_until_complete(run())


def test_it_is_claimed_for_next(loop: VirtualLoop) -> None:
    bench = Bench(loop, *(a_plan(id) for id in LARGE), capacity=700)
    store = ScriptedStore(bench, comes=a_plan(NEW), shared=True)

    filled(loop, bench, store, 3)
    assert store.asked == [*LARGE, 1, NEW, 2, 3, 4, 5, 1]


def test_one_transaction_claims_for_many_where_one_connection_writes(loop: VirtualLoop) -> None:
    """A new one is in the first transaction, and what has a price has one of its own, for it changes counters."""
    bench = Bench(loop, *(a_plan(id) for id in range(1, 21)), a_plan(30, budget=5_000), capacity=700)
    bench.line.quote = lambda entry: Quote(7, has_budget=True) if entry.plan.budget else NO_PRICE  # type: ignore[method-assign]
    store = ScriptedStore(bench, comes=a_plan(NEW))
    filled(loop, bench, store, 1)
    assert store.groups == [list(range(1, 17)), list(range(17, 21)), [30]]
    bench.book.load([*(entry.plan for entry in bench.book), a_plan(40)])
    filled(loop, bench, store, 1)
    assert store.groups[3] == [40, *range(1, 16)]
