"""A new mailing stands behind none of the others: its first rows are made next, and claimed next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from engine.delivery.audience_builder import AudienceBuilder
from engine.delivery.claimer import Claimer
from engine.delivery.recorder import Recorder
from engine.ports import AudienceState, Claim, Plan, Store
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
        self._bench, self._comes = bench, comes

    async def build_audience(self, mailing_id: int, limit: int, *_: int) -> bool:
        """See ``ports.Store``."""
        self.chunks.append(limit)
        await self._ask(mailing_id)
        return False

    async def claim(self, mailing_id: int, limit: int, **_: Any) -> list[Claim]:
        """See ``ports.Store``."""
        await self._ask(mailing_id)
        return [a_claim(mailing_id * 1_000 + number, mailing_id) for number in range(limit)]

    async def _ask(self, mailing_id: int) -> None:
        self.asked.append(mailing_id)
        await asyncio.sleep(CLAIM_SECONDS)
        if len(self.asked) == len(LARGE) + 1:
            self._bench.book.load([*(entry.plan for entry in self._bench.book), self._comes])
            self._bench.bell.ring()


def built(loop: VirtualLoop, bench: Bench, store: ScriptedStore, seconds: float) -> None:
    """Let a builder run for a while."""

    async def run() -> None:
        builder = AudienceBuilder(cast("Store", store), bench.state, on_ready=lambda: None)
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


def test_it_is_claimed_for_next(loop: VirtualLoop) -> None:
    bench = Bench(loop, *(a_plan(id) for id in LARGE), capacity=700)
    store = ScriptedStore(bench, comes=a_plan(NEW))

    def stored(slots: Mapping[int, int], records: list[Any]) -> None:
        """Nothing is."""

    async def run() -> None:
        recorder = Recorder(cast("Store", store), bench.state, on_stored=stored)
        claimer = Claimer(cast("Store", store), bench.state, bench.line, recorder=recorder)
        for _ in range(3):
            bench.bell.work.clear()
            await claimer.fill()
            bench.queue.withdraw(lambda _: True)  # all are on their way

    loop.run_until_complete(run())
    assert store.asked == [*LARGE, 1, NEW, 2, 3, 4, 5, 1]
