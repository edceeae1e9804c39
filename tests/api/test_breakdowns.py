"""Breakdowns of large mailings are read before somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from engine.api import breakdowns
from engine.api.breakdowns import Breakdowns
from engine.api.questions import Questions
from engine.store import Store
from engine.store.rows import Breakdown
from tests.api.fakes import FakeClock


class Counting:
    """A store of large mailings; each reading of a breakdown is noted."""

    def __init__(self, **counts: Sequence[int]) -> None:
        self.counts, self.read = dict(counts), list[int]()

    async def large_mailings(self, at_most: int) -> dict[int, Sequence[int]]:
        """The newest first."""
        found = {int(name[1:]): counts for name, counts in self.counts.items()}
        return dict(sorted(found.items(), reverse=True)[:at_most])

    async def mailing_breakdown(self, mailing_id: int) -> Breakdown:
        """An empty one."""
        self.read.append(mailing_id)
        return Breakdown(by_phone_code={}, by_tag={}, by_time_zone={}, by_provider={})


def made(store: Counting, clock: FakeClock) -> Breakdowns:
    """Nothing is being sent, and no time passes for questions."""
    return Breakdowns(cast(Store, store), clock, Questions(lambda: False), lambda: False)


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody calls."""
    monkeypatch.setattr(breakdowns, "caller_key", lambda: "token 1")


async def test_who_asks_gets_what_was_read_before() -> None:
    store, clock = Counting(m1=[5]), FakeClock()
    ahead = made(store, clock)
    assert await ahead.look()
    await ahead.of(1)
    assert store.read == [1]


async def test_the_newest_is_read_first_and_each_in_its_turn() -> None:
    store, clock = Counting(m1=[1], m2=[1], m3=[1]), FakeClock()
    ahead = made(store, clock)
    for number in range(6):
        clock.pass_seconds(5)
        store.counts = {name: [number] for name in store.counts}  # all go on
        assert await ahead.look()
    assert store.read == [3, 2, 1, 3, 2, 1]


async def test_one_that_has_not_gone_on_is_kept_and_not_read_again_for_a_while() -> None:
    store, clock = Counting(m1=[1]), FakeClock()
    ahead = made(store, clock)
    assert await ahead.look()
    for _ in range(100):
        clock.pass_seconds(5)
        assert not await ahead.look()
        await ahead.of(1)
    assert store.read == [1]
    clock.pass_seconds(100)  # clients may have been deleted, which no counter tells
    assert await ahead.look()
    assert store.read == [1, 1]


async def test_nothing_is_read_while_it_rests_but_what_is_there_is_kept() -> None:
    store, clock = Counting(m1=[1]), FakeClock()
    ahead = made(store, clock)
    assert await ahead.look()
    store.counts["m2"] = [1]
    for _ in range(30):
        clock.pass_seconds(5)
        assert not await ahead.look(reads=False)
    await ahead.of(1)
    assert store.read == [1]


async def test_one_that_is_gone_is_forgotten() -> None:
    store, clock = Counting(m1=[1]), FakeClock()
    ahead = made(store, clock)
    assert await ahead.look()
    del store.counts["m1"]
    assert not await ahead.look()
    store.counts["m1"] = [1]
    assert await ahead.look()
    assert store.read == [1, 1]
