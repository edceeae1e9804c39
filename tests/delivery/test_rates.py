"""Rule 9: no second has more calls than the rate, and the rate is used; the short version of ``tests.delivery.rates``.

Each seed of the first test fails without the clock that stands still with the process, each case of the second without
the hold on a part of a rate that grows: that was tried by taking them out.
"""

from __future__ import annotations

import asyncio

import pytest

from engine.delivery.awake import STEP_US, AwakeClock
from tests.delivery.plans import Bench, HandClock, a_claim, a_plan
from tests.delivery.rates import Engine, Timetable, a_timetable, arrivals_of, excesses, used
from tests.simulation.loop import VirtualLoop


@pytest.mark.parametrize("seed", [2, 18, 22, 23, 47, 55, 67, 78, 86])
def test_no_second_has_more_calls_than_the_rate_whatever_stands_still(seed: int) -> None:
    table = a_timetable(seed, faulty=True)
    assert excesses(table, arrivals_of(table)) == []


@pytest.mark.parametrize(
    "lives",
    [[(0, 9), (6, 9)], [(0, 6), (6.1, 9)], [(0, 9), (0, 6), (7, 9)]],
    ids=["another comes", "one follows another", "one goes, another comes"],
)
def test_no_second_has_more_calls_than_the_rate_when_engines_come_and_go(lives: list[tuple[float, float]]) -> None:
    engines = [Engine(number, start, end) for number, (start, end) in enumerate(lives)]
    table = Timetable(0, 9, [(0.0, 2.0)], engines, 0.0, by_mailing=False, marked=False)
    assert excesses(table, arrivals_of(table)) == []


@pytest.mark.parametrize("seed", [40, 72, 76, 88, 104, 156, 12])
def test_95_percent_of_a_rate_are_used(seed: int) -> None:
    table = a_timetable(seed, faulty=False)
    assert used(table, arrivals_of(table)) >= 0.95


def test_a_standstill_is_not_counted_while_a_call_may_be_on_its_way(loop: VirtualLoop) -> None:
    async def run() -> None:
        clock = HandClock()
        awake = AwakeClock(clock)
        assert awake.now_us() == 0
        clock.at_us += 1_000_000
        assert awake.now_us() == 1_000_000  # nothing was on its way
        awake.watch()
        clock.at_us += 1_000_000
        assert awake.now_us() == 1_000_000
        clock.at_us += STEP_US
        assert awake.now_us() == 1_000_000 + STEP_US
        for _ in range(5):
            await asyncio.sleep(0.01)
            clock.at_us += 10_000
        clock.at_us += 1_000_000
        assert awake.now_us() == 2_050_000 + STEP_US  # by now it has arrived

    loop.run_until_complete(run())


def test_a_token_is_that_of_the_moment_in_which_the_call_begins(loop: VirtualLoop) -> None:
    """Not of a look at the clock before: the process may have stood still since."""

    async def run() -> None:
        bench = Bench(loop, a_plan(1, rate_limit=2.0))
        bench.queue.put(1, [a_claim(1), a_claim(2)])
        looks = [0, 0, 3_000_000, 3_000_000]

        class Slow(HandClock):
            def monotonic_us(self) -> int:
                return looks.pop(0) if len(looks) > 1 else looks[0]

        bench.gate._awake = AwakeClock(Slow())
        entry = bench.book.get(1)
        assert entry is not None
        assert entry.bucket is not None
        assert bench.gate.take(entry.bucket)
        # Half a second after the token, that is at 3.5 s, and not at once.
        assert bench.gate.wait_us(entry.bucket) > 400_000

    loop.run_until_complete(run())
