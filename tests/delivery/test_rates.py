"""Rule 9: no second has more calls than the rate, and the rate is used; the short version of ``tests.delivery.rates``.

Each seed of the first test fails without the watch for standstills, each case of the second without the hold on a part
of a rate that grows: that was tried by taking them out.
"""

from __future__ import annotations

import asyncio

import pytest

from engine.delivery.standstill import STEP_US, StandstillWatch
from engine.domain.pacing import GUARD_US, TokenBucket
from tests.delivery.plans import Bench, HandClock, a_claim, a_plan
from tests.delivery.rates import USED_MIN, Engine, Timetable, a_timetable, arrivals_of, excesses, lives, used
from tests.simulation.loop import VirtualLoop

SECOND_US = 1_000_000
PERIOD_US = SECOND_US + GUARD_US


@pytest.mark.parametrize("seed", [2, 12, 22, 23, 29, 41, 46, 47, 66, 86])
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
    """A bucket of one call a second behind a watch, on a clock set by hand."""

    def __init__(self) -> None:
        self.clock, self.bucket = HandClock(), TokenBucket(1)
        self.watch = StandstillWatch(self.clock)

    def left_us(self, after_us: int) -> int:
        """How long until the next token, so much later."""
        self.clock.at_us += after_us
        return self.bucket.wait_us(self.watch.now_us())

    async def turn(self) -> None:
        """The loop comes round, and 10 ms pass on the clock as well."""
        self.clock.at_us += 10_000
        await asyncio.sleep(0.0101)


def test_a_token_counts_from_the_end_of_a_standstill_that_its_call_may_have_met_on_its_way(loop: VirtualLoop) -> None:
    async def run() -> None:
        watched = Watched()
        watched.clock.at_us += 5 * SECOND_US  # nothing is on its way
        assert watched.watch.take([watched.bucket])
        assert watched.left_us(STEP_US) == PERIOD_US - STEP_US  # so little happens all the time
        assert watched.left_us(3 * SECOND_US) == PERIOD_US
        assert watched.left_us(SECOND_US // 2) == PERIOD_US
        for _ in range(3):
            await watched.turn()
        assert watched.left_us(SECOND_US) == 0  # by then it had arrived

    loop.run_until_complete(run())


def test_a_call_is_not_on_its_way_for_ever_on_a_machine_on_which_everything_is_late(loop: VirtualLoop) -> None:
    async def run() -> None:
        watched = Watched()
        assert watched.watch.take([watched.bucket])
        for _ in range(10):
            watched.clock.at_us += 2 * STEP_US
            await asyncio.sleep(0.0101)
        assert watched.left_us(0) <= PERIOD_US - 7 * 2 * STEP_US

    loop.run_until_complete(run())


def test_a_standstill_moves_only_the_calls_that_may_have_met_it(loop: VirtualLoop) -> None:
    async def run() -> None:
        watched = Watched()
        watched.bucket.set_rate(2)
        assert watched.watch.take([watched.bucket])
        for _ in range(50):
            await watched.turn()
        assert watched.watch.take([watched.bucket])
        watched.clock.at_us += 2 * SECOND_US
        for _ in range(30):
            await watched.turn()
        # The first one's token is back, the second one's is not.
        assert watched.watch.take([watched.bucket])
        assert watched.left_us(0) > 0

    loop.run_until_complete(run())


def test_the_tokens_of_all_budgets_are_taken_or_none(loop: VirtualLoop) -> None:
    """A standstill between a look and the call moves the tokens of both."""

    async def run() -> None:
        watched, other = Watched(), TokenBucket(1)
        assert watched.watch.take([other])
        assert not watched.watch.take([watched.bucket, other])
        assert watched.bucket.is_full(watched.clock.at_us)

    loop.run_until_complete(run())


def test_a_token_is_that_of_the_moment_in_which_the_call_begins(loop: VirtualLoop) -> None:
    """Not of a look at the clock before: the process may have stood still since."""

    async def run() -> None:
        bench = Bench(loop, a_plan(1, rate_limit=2.0))
        bench.queue.put(1, [a_claim(1), a_claim(2)])
        looks = [0, 0, 3 * SECOND_US]

        class Slow(HandClock):
            def monotonic_us(self) -> int:
                return looks.pop(0) if len(looks) > 1 else looks[0]

        bench.gate._watch = StandstillWatch(Slow())
        entry = bench.book.get(1)
        assert entry is not None
        assert entry.bucket is not None
        assert not bench.gate.wait_us(entry.bucket)
        assert bench.gate.take(entry.bucket)
        assert entry.bucket.wait_us(3 * SECOND_US) > 200_000

    loop.run_until_complete(run())


def test_without_a_rate_nothing_is_watched(loop: VirtualLoop) -> None:
    async def run() -> None:
        bench = Bench(loop, a_plan(1))
        assert bench.gate.take(None)
        assert not bench.gate._watch._on_way

    loop.run_until_complete(run())
