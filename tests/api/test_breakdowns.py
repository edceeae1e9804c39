"""Breakdowns of large mailings are counted in the background, and who asks does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import cast

import pytest

from engine.api import breakdowns
from engine.api.breakdowns import Breakdowns
from engine.api.questions import Questions
from engine.ports import StoreUnavailable
from engine.store import Store
from engine.store.breakdowns import ALL, Due, Look
from engine.store.rows import Breakdown, StatsRow
from tests.api.fakes import FakeClock

EMPTY = Breakdown(by_phone_code={}, by_tag={}, by_time_zone={}, by_provider={})


class Counting:
    """A store of large mailings, all of which have changed; each reading of a breakdown is noted."""

    def __init__(self, *mailing_ids: int) -> None:
        self.due, self.read, self.taken = list(mailing_ids), list[int](), set[int]()
        self.older: dict[int, Look] = {}
        self.newest_from: int | None = None
        self.was_read = asyncio.Event()

    async def breakdown_due(self, asked: Collection[int], now_us: int, below: int = ALL) -> Look:
        """One that is asked for first."""
        if below != ALL:
            return self.older[below]
        found = sorted(self.due, key=lambda id: (id not in asked, -id))
        return Look(Due(found[0], 20_000) if found else None, self.newest_from)

    async def begin_breakdown(self, due: Due, now_us: int) -> bool:
        """Others have some in hand."""
        return due.mailing_id not in self.taken

    async def read_breakdown(self, mailing_id: int, now_us: int) -> Breakdown:
        """An empty one."""
        self.read.append(mailing_id)
        if mailing_id in self.due:
            self.due.remove(mailing_id)
        self.was_read.set()
        return EMPTY


def stats(mailing_id: int, breakdown: Breakdown | None = EMPTY, breakdown_us: int | None = None) -> StatsRow:
    """What the store says of a mailing, as far as it matters."""
    return cast(
        StatsRow,
        SimpleNamespace(mailing=SimpleNamespace(id=mailing_id), breakdown=breakdown, breakdown_us=breakdown_us),
    )


def made(store: Counting, clock: FakeClock, period_seconds: float = 5.0) -> Breakdowns:
    """Nothing is being sent, and no time passes for questions."""
    return Breakdowns(cast(Store, store), clock, Questions(lambda: False), lambda: False, period_seconds)


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody calls."""
    monkeypatch.setattr(breakdowns, "caller_key", lambda: "token 1")


async def test_who_asks_gets_what_is_kept_and_one_that_is_old_is_counted_next() -> None:
    store, clock = Counting(1, 2, 3), FakeClock()
    ahead = made(store, clock)
    assert await ahead.of(stats(1, breakdown_us=clock.us)) is EMPTY
    assert await ahead.of(stats(2)) is EMPTY
    clock.pass_seconds(2)
    assert await ahead.of(stats(1, breakdown_us=clock.us - breakdowns.KEEP_US)) is EMPTY
    assert store.read == []
    while await ahead.look():
        pass
    assert store.read == [1, 3, 2]


async def test_one_of_which_none_is_kept_is_counted_for_who_asks() -> None:
    store = Counting()
    assert await made(store, FakeClock()).of(stats(1, None)) is EMPTY
    assert store.read == [1]


async def test_one_that_was_kept_in_the_future_is_old() -> None:
    """The clock was put back."""
    store, clock = Counting(1, 2), FakeClock()
    ahead = made(store, clock)
    await ahead.of(stats(1, breakdown_us=clock.us + 10_000_000))
    assert await ahead.look()
    assert store.read == [1]


async def test_what_another_engine_counts_is_left_to_it() -> None:
    store = Counting(1)
    store.taken = {1}
    assert not await made(store, FakeClock()).look()
    assert store.read == []


async def test_mailings_of_long_ago_are_looked_at_part_by_part_and_over_again() -> None:
    store = Counting()
    store.older = {50: Look(Due(40, 20_000), 30), 30: Look(Due(20, 20_000), None)}
    store.newest_from = 50
    ahead = made(store, FakeClock())
    for _ in range(3):
        assert await ahead.look()
    assert store.read == [40, 20, 40]


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), ValueError("a bug")])
async def test_a_store_that_fails_is_asked_once_a_period_though_somebody_waits(failure: Exception) -> None:
    class Failing(Counting):
        looks = 0

        async def breakdown_due(self, asked: Collection[int], now_us: int, below: int = ALL) -> Look:
            self.looks += 1
            await asyncio.sleep(0)
            raise failure

    store, clock = Failing(1), FakeClock()
    ahead = made(store, clock, period_seconds=3_600)
    await ahead.of(stats(1, breakdown_us=clock.now_us() - breakdowns.KEEP_US))
    ahead.start()
    for _ in range(200):
        await asyncio.sleep(0)
    await ahead.stop()
    assert store.looks == 1


async def test_who_asks_need_not_wait_for_the_next_look() -> None:
    store, clock = Counting(1), FakeClock()
    ahead = made(store, clock, period_seconds=3_600)
    ahead.start()
    try:
        await asyncio.sleep(0)
        assert store.read == []
        await ahead.of(stats(1, breakdown_us=clock.us - breakdowns.KEEP_US))
        await store.was_read.wait()
    finally:
        await ahead.stop()
    assert store.read == [1]
