"""A timeline for a plot: fewer, longer steps, and nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.api.convert_stats import STEP_US, thinned, timeline_rate
from engine.store.rows import TimelineRow


def row(step: int, sent: int = 1, not_sent: int = 0, deferred: int = 0) -> TimelineRow:
    return TimelineRow(step * STEP_US, sent, not_sent, deferred)


def test_what_fits_stays_as_it_is() -> None:
    timeline = [row(7), row(9)]
    assert thinned(timeline, 0) is timeline
    assert thinned(timeline, 2) is timeline


def test_the_shortest_step_that_fits_is_taken() -> None:
    day = [row(step, 2, 1, 3) for step in range(8640)]
    found = thinned(day, 600)
    assert len(found) == 288  # five minutes
    assert found[1] == TimelineRow(30 * STEP_US, 60, 30, 90)
    assert len(thinned(day, 288)) == 288
    assert len(thinned(day, 287)) == 96


def test_a_timeline_that_is_too_long_for_any_gets_the_longest_step() -> None:
    years = [row(day * 8640) for day in range(1000)]
    assert len(thinned(years, 10)) == 1000


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 9)), max_size=50), st.integers(1, 60)
)
def test_nothing_is_lost(steps: list[tuple[int, int, int]], points_max: int) -> None:
    timeline = [
        row(step, sent, not_sent) for step, sent, not_sent in sorted({each[0]: each for each in steps}.values())
    ]
    found = thinned(timeline, points_max)
    for name in ("sent", "not_sent", "deferred"):
        assert sum(getattr(each, name) for each in found) == sum(getattr(each, name) for each in timeline)
    assert sorted({each.time_us for each in found}) == [each.time_us for each in found]


def test_the_rate_of_a_mailing_that_has_just_begun_counts_from_its_begin() -> None:
    now_us = 8 * STEP_US // 10
    assert timeline_rate([row(0, 100)], now_us) == 12.5
    assert timeline_rate([row(0, 100)], now_us, 6 * STEP_US // 10) == 50
    assert timeline_rate([row(0, 100)], now_us, now_us) == 100  # a second at least
    assert timeline_rate([row(0, 100), row(1, 100)], 2 * STEP_US, STEP_US // 2) == 200 / 15
