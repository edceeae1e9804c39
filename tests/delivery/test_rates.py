"""Rule 9: no second has more calls than the rate, and the rate is used; the short version of ``tests.delivery.rates``.

Each seed of the first test fails if a token counts from the moment in which it was taken, each case of the second
without the hold on a part of a rate that grows: that was tried by taking them out.
"""

from __future__ import annotations

import asyncio

import pytest

from engine.delivery.on_way import CallsOnWay
from engine.domain.pacing import TokenBucket
from tests.delivery.plans import Bench, HandClock, a_plan
from tests.delivery.rates import USED_MIN, Engine, Timetable, a_timetable, arrivals_of, excesses, lives, used
from tests.simulation.loop import VirtualLoop

SECOND_US = 1_000_000


@pytest.mark.parametrize("seed", [2, 12, 22, 23, 29, 46, 66, 86])
def test_no_second_has_more_calls_than_the_rate_whatever_stands_still(seed: int) -> None:
    table = a_timetable(seed, steady=False)
    assert excesses(table, arrivals_of(lives(table))) == []


@pytest.mark.parametrize(
    "spans",
    [[(0, 9), (6, 9)], [(0, 6), (6.1, 9)], [(0, 9), (0, 6), (7, 9)]],
    ids=["another comes", "one follows another", "one goes, another comes"],
)
def test_no_second_has_more_calls_than_the_rate_when_engines_come_and_go(spans: list[tuple[float, float]]) -> None:
    engines = [Engine(number, start, end) for number, (start, end) in enumerate(spans)]
    table = Timetable(0, 9, [(0.0, 2.0)], engines, 0.0, by_mailing=False, marked=False)
    assert excesses(table, arrivals_of(lives(table))) == []


@pytest.mark.parametrize("seed", [5, 10, 17, 34, 40, 49, 51, 1071])
def test_95_percent_of_a_rate_are_used_of_the_time_awake(seed: int) -> None:
    assert min(used(lives(a_timetable(seed, steady=True)))) >= USED_MIN


class Watched:
    """A bucket of one call a second, on a clock set by hand."""

    def __init__(self) -> None:
        self.clock, self.bucket = HandClock(), TokenBucket(1)
        self.on_way = CallsOnWay(self.clock)

    async def turn(self, after_us: int = 10_000) -> None:
        """The loop comes round; meanwhile so much time passes."""
        self.clock.at_us += after_us
        await asyncio.sleep(0.0101)


@pytest.mark.parametrize("late", [0, 1, 2, 3])
def test_a_token_counts_from_the_end_of_a_standstill_that_its_call_may_have_met(loop: VirtualLoop, late: int) -> None:
    async def run() -> None:
        watched = Watched()
        assert watched.on_way.take([(watched.bucket, 1)])
        for turn in range(4):
            assert not watched.on_way.take([(watched.bucket, 1)])  # not right after the standstill either
            await watched.turn(5 * SECOND_US if turn == late else 10_000)
        assert watched.bucket.wait_us(watched.clock.at_us) > SECOND_US - 3 * 10_000

    loop.run_until_complete(run())


def test_a_standstill_after_a_call_has_arrived_costs_nothing(loop: VirtualLoop) -> None:
    async def run() -> None:
        watched = Watched()
        assert watched.on_way.take([(watched.bucket, 1)])
        for _ in range(4):
            await watched.turn()
        await watched.turn(5 * SECOND_US)
        assert watched.on_way.take([(watched.bucket, 1)])

    loop.run_until_complete(run())


def test_a_call_is_not_on_its_way_for_ever_on_a_machine_on_which_everything_is_late(loop: VirtualLoop) -> None:
    async def run() -> None:
        watched = Watched()
        assert watched.on_way.take([(watched.bucket, 1)])
        for _ in range(11):
            await watched.turn(100_000)
        assert watched.bucket.wait_us(watched.clock.at_us) <= 400_000

    loop.run_until_complete(run())


def test_the_tokens_of_all_budgets_are_taken_or_none(loop: VirtualLoop) -> None:
    async def run() -> None:
        watched, other = Watched(), TokenBucket(1)
        assert watched.on_way.take([(other, 1)])
        assert not watched.on_way.take([(watched.bucket, 1), (other, 1)])
        assert watched.bucket.is_full(watched.clock.at_us)
        assert watched.on_way.take([(watched.bucket, 1)])

    loop.run_until_complete(run())


def test_without_a_rate_nothing_is_watched(loop: VirtualLoop) -> None:
    async def run() -> None:
        bench = Bench(loop, a_plan(1))
        assert bench.gate.take(None)
        assert not any(bench.gate._on_way._turns)

    loop.run_until_complete(run())
