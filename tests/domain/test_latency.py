from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.latency import BUCKET_BOUNDS_SECONDS, bucket, count_by_bucket, mean, quantile

LAST = len(BUCKET_BOUNDS_SECONDS)


def test_the_bounds_stay_as_they_are() -> None:
    assert LAST == 31
    assert (BUCKET_BOUNDS_SECONDS[0], BUCKET_BOUNDS_SECONDS[18], BUCKET_BOUNDS_SECONDS[-1]) == (0.001, 1.0, 100.0)
    assert all(low < high <= low * 1.5 + 1e-9 for low, high in pairwise(BUCKET_BOUNDS_SECONDS))


@pytest.mark.parametrize(
    ("seconds", "number"), [(0, 0), (0.001, 0), (0.00101, 1), (1.0, 18), (1.2, 19), (100, LAST - 1), (101, LAST)]
)
def test_bucket(seconds: float, number: int) -> None:
    assert bucket(seconds) == number


@given(st.lists(st.one_of(st.floats(0, 200), st.sampled_from(BUCKET_BOUNDS_SECONDS))))
def test_a_batch_is_counted_as_each_of_it_would_be(latencies: list[float]) -> None:
    assert count_by_bucket(latencies) == Counter(bucket(seconds) for seconds in latencies)


@pytest.mark.parametrize(
    ("counts", "q", "seconds"),
    [
        ({}, 0.5, None),
        ({3: 0}, 0.5, None),
        ({18: 10}, 0.5, 0.84),
        ({18: 10}, 1.0, 1.0),
        ({18: 10}, 0.0, 0.68),
        ({0: 50, 18: 50}, 0.5, 0.001),
        ({0: 50, 18: 50}, 0.75, 0.84),
        ({LAST: 5}, 0.5, 100.0),
        ({18: 1, LAST: 99}, 0.99, 100.0),
    ],
)
def test_quantile(counts: dict[int, int], q: float, seconds: float | None) -> None:
    assert quantile(counts, q) == (None if seconds is None else pytest.approx(seconds))


@given(st.lists(st.floats(0, 90), min_size=1, max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_quantile_lies_in_the_bucket_of_the_true_one_and_grows_with_q(
    latencies: list[float], qs: list[float]
) -> None:
    latencies.sort()
    counts = Counter(bucket(seconds) for seconds in latencies)
    estimates = []
    for q in sorted(qs):
        estimate = quantile(counts, q)
        assert estimate is not None
        estimates.append(estimate)
        # The true one: the smallest latency that at least the share q did not exceed.
        true = next(x for x in latencies if bisect_right(latencies, x) >= q * len(latencies))
        number = bucket(true)
        low = BUCKET_BOUNDS_SECONDS[number - 1] if number else 0.0
        assert low - 1e-9 <= estimate <= BUCKET_BOUNDS_SECONDS[number] + 1e-9
    assert estimates == sorted(estimates)


def test_the_mean_is_that_of_the_middles() -> None:
    assert mean({}) is None
    assert mean({18: 1, 0: 1}) == pytest.approx((0.84 + 0.0005) / 2)
    assert mean({LAST: 3}) == 100.0
