"""Invariant: no second, wherever it begins and with both its ends, sees more calls than the rate.

That holds for the provider's seconds too, though calls are late by some milliseconds on their way.
"""

from __future__ import annotations

import math
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.pacing import GUARD_NS, SLACK_NS, RateShare, TokenBucket, rate_share

SECOND_US = 1_000_000
SLACK_US = SLACK_NS // 1000
GUARD_US = GUARD_NS // 1000
KEPT = 0.96
"""The part of the rate that can be used; the rest is the price of the promise."""
START_US = 1_790_000_000_000_000

rates = st.sampled_from((0.1, 0.5, 1.0, 1.2, 2.0, 2.5, 3.0, 7.0, 10.0, 49.9, 50.0, 51.0, 100.0)) | st.floats(0.2, 150)
# Idle for a while, then try at once, again and again, or only when the bucket says so.
edges_us = (0, SLACK_US, GUARD_US, SECOND_US - SLACK_US - GUARD_US, SECOND_US - SLACK_US, SECOND_US)
pauses_us = st.sampled_from(
    [5 * SECOND_US, *(edge_us + by for edge_us in edges_us for by in (-1, 0, 1) if edge_us + by >= 0)]
) | st.integers(0, SECOND_US)
patterns = st.lists(st.tuples(pauses_us, st.integers(1, 60), st.booleans()), min_size=1, max_size=12)
# How long calls take to the provider, over and over again.
delays_us = st.lists(st.sampled_from((0, GUARD_US - 1)) | st.integers(0, GUARD_US - 1), min_size=1, max_size=40)


def interval_us(rate: float) -> float:
    """The time between two calls at full speed; the bucket rounds it up."""
    return (SECOND_US + (SLACK_US if rate > 1 else 0) + GUARD_US) / rate


def burst(rate: float) -> int:
    """As many calls may come at once after a long rest."""
    return 1 + math.floor(SLACK_US / interval_us(rate))


def calls_by(bucket: TokenBucket, pattern: list[tuple[int, int, bool]], now_us: int = START_US) -> list[int]:
    """Play a pattern of (pause, tries, whether to wait for the token) and return when calls were made."""
    taken: list[int] = []
    for pause_us, tries, waits in pattern:
        now_us += pause_us
        for _ in range(tries):
            now_us = bucket.ready_us(now_us) if waits else now_us
            if bucket.take(now_us):
                taken.append(now_us)
    return taken


def at_provider(taken: list[int], delays: list[int]) -> list[int]:
    """When calls arrive, in order: not always the one in which they were made."""
    return sorted(taken_us + delay_us for taken_us, delay_us in zip(taken, cycle(delays), strict=False))


def assert_never_more(taken: list[int], most: int, span_us: int = SECOND_US) -> None:
    """``most + 1`` calls in a row always take longer than ``span_us``, so no closed one contains them."""
    for first, last in zip(taken, taken[most:], strict=False):
        assert last - first > span_us


@given(rates, patterns)
def test_no_closed_second_sees_more_than_the_rate(rate: float, pattern: list[tuple[int, int, bool]]) -> None:
    assert_never_more(calls_by(TokenBucket(rate), pattern), math.ceil(rate))


@given(rates, patterns, delays_us)
def test_no_second_at_the_provider_sees_more_than_the_rate(
    rate: float, pattern: list[tuple[int, int, bool]], delays: list[int]
) -> None:
    assert_never_more(at_provider(calls_by(TokenBucket(rate), pattern), delays), math.ceil(rate))


@pytest.mark.parametrize("rate", [0.5, 1, 1.5, 3, 50, 1000, 4999, 30_000])
def test_the_worst_case_is_saved_up_calls_with_only_the_first_late(rate: float) -> None:
    most = math.ceil(rate)
    rested_at_full_speed = [(0, 1, True), (5 * SECOND_US, 2 * most, True)]
    assert_never_more(calls_by(TokenBucket(rate), rested_at_full_speed), most, SECOND_US + GUARD_US)


@given(rates, patterns)
def test_ready_is_the_first_instant_at_which_a_call_can_be_made(
    rate: float, pattern: list[tuple[int, int, bool]]
) -> None:
    bucket = TokenBucket(rate)
    taken = calls_by(bucket, pattern)
    now_us = taken[-1]
    ready_us = bucket.ready_us(now_us)
    assert bucket.ready_us(ready_us) == ready_us
    if ready_us > now_us:
        assert not bucket.take(ready_us - 1)
    assert bucket.take(ready_us)


@pytest.mark.parametrize("rate", [1, 1.5, 2, 2.5, 10, 99.9, 1000, 5000])
def test_who_waits_gets_96_percent_of_the_rate(rate: float) -> None:
    seconds = 20 if rate < 1000 else 1
    calls = math.floor(rate * seconds)
    taken = calls_by(TokenBucket(rate), [(0, calls, True)])
    assert len(taken) == calls
    assert calls / (taken[-1] - START_US) * SECOND_US >= KEPT * rate


@pytest.mark.parametrize("rate", [10, 100, 1000])
def test_waking_up_late_by_the_slack_costs_nothing(rate: int) -> None:
    bucket, now_us, calls = TokenBucket(rate), START_US, 0
    while calls < 5 * rate:
        now_us = bucket.ready_us(now_us) + SLACK_US
        while calls < 5 * rate and bucket.take(now_us):
            calls += 1
    assert now_us - START_US <= calls * (interval_us(rate) + 0.001) + SLACK_US


@pytest.mark.parametrize("rate", [0.5, 1, 10, 100, 200, 1000])
def test_it_starts_with_one_token_and_saves_up_what_the_slack_is_worth(rate: float) -> None:
    bucket = TokenBucket(rate)
    assert bucket.ready_us(START_US) == START_US
    assert len(calls_by(bucket, [(0, 100, False)])) == 1
    assert len(calls_by(bucket, [(3600 * SECOND_US, 100, False)])) == burst(rate)


def test_no_limit() -> None:
    bucket = TokenBucket(0)
    assert calls_by(bucket, [(0, 1000, True)]) == [START_US] * 1000
    assert bucket.ready_us(START_US - 10) == START_US - 10


@given(st.lists(st.tuples(rates, patterns), min_size=2, max_size=4), delays_us)
def test_a_change_of_rate_lets_no_second_see_more_than_the_higher_one(
    parts: list[tuple[float, list[tuple[int, int, bool]]]], delays: list[int]
) -> None:
    bucket = TokenBucket(parts[0][0])
    taken: list[int] = []
    for rate, pattern in parts:
        now_us = taken[-1] if taken else START_US
        bucket.set_rate(rate, now_us)
        taken += calls_by(bucket, pattern, now_us)
    assert_never_more(at_provider(taken, delays), math.ceil(max(rate for rate, _ in parts)))


def test_a_higher_rate_shortens_the_wait_in_proportion() -> None:
    bucket = TokenBucket(0.001)
    assert bucket.take(START_US)
    half_us = START_US + round(interval_us(0.001) / 2)
    bucket.set_rate(1, half_us)
    assert bucket.ready_us(half_us) == pytest.approx(half_us + interval_us(1) / 2, abs=2)


def test_a_lower_rate_lengthens_the_wait_in_proportion() -> None:
    bucket = TokenBucket(100)
    assert bucket.take(START_US)
    bucket.set_rate(50, START_US)
    assert bucket.ready_us(START_US) == pytest.approx(START_US + interval_us(50), abs=2)


def test_the_same_rate_again_changes_nothing() -> None:
    bucket, later_us = TokenBucket(1000), START_US + SECOND_US
    assert bucket.take(START_US)
    bucket.set_rate(1000, later_us)
    assert len(calls_by(bucket, [(0, 99, False)], later_us)) == burst(1000) > 1


def test_another_rate_loses_what_was_saved_up() -> None:
    bucket, later_us = TokenBucket(1000), START_US + SECOND_US
    assert bucket.take(START_US)
    bucket.set_rate(999, later_us)
    assert len(calls_by(bucket, [(0, 99, False)], later_us)) == 1


def test_from_no_limit_to_a_limit_and_back() -> None:
    bucket = TokenBucket(0)
    assert bucket.take(START_US)
    bucket.set_rate(10, START_US)
    assert len(calls_by(bucket, [(0, 5, False)])) == 1
    bucket.set_rate(0, START_US)
    assert len(calls_by(bucket, [(0, 5, False)])) == 5


def test_a_reading_that_is_a_little_old_does_not_bring_the_next_call_forward() -> None:
    bucket = TokenBucket(10)
    assert bucket.take(START_US)
    ready_us = bucket.ready_us(START_US)
    assert bucket.ready_us(START_US - SECOND_US // 2) == ready_us
    assert bucket.ready_us(START_US) == ready_us
    old_us = START_US - SECOND_US // 2
    bucket.set_rate(100, old_us)
    assert bucket.ready_us(old_us) <= old_us + interval_us(100) + 1


def test_readings_out_of_order_give_no_extra_call() -> None:
    bucket, taken = TokenBucket(10), 0
    for step in range(5000):
        taken += bucket.take(START_US + step * 200 - (step % 7) * 100)
    assert taken == 10


@pytest.mark.parametrize("rate", [-1, -0.001, math.nan, math.inf])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="calls a second"):
        TokenBucket(rate)


@given(
    rate=st.floats(min_value=0.01, max_value=1000, allow_nan=False),
    engines=st.integers(min_value=1, max_value=50),
)
def test_shares_of_a_rate_add_up_to_the_rate_and_no_second_sees_more(rate: float, engines: int) -> None:
    shares = [rate_share(rate, index, engines) for index in range(engines)]
    given_out = [share for share in shares if share is not None]
    assert sum(given_out) == pytest.approx(rate)
    # What the engines' buckets let through together, each rounded up, is what one bucket would.
    assert sum(math.ceil(share) for share in given_out) == math.ceil(rate)


def test_no_limit_is_shared_as_no_limit() -> None:
    assert rate_share(0, 2, 3) == 0


@pytest.mark.parametrize(
    ("rate", "shares"),
    [
        (10, [4, 3, 3]),
        (10.75, [4, 3.75, 3]),
        (2.5, [1, 1, 0.5, None]),
        (9.5, [3.5, 3, 3]),
        (2, [1, 1, None]),
        (0.5, [0.5, None, None]),
        (3.5, [3.5]),
    ],
)
def test_shares_are_as_even_as_can_be_and_all_but_one_are_whole(rate: float, shares: list[float | None]) -> None:
    assert [rate_share(rate, index, len(shares)) for index in range(len(shares))] == shares


@given(
    rates_=st.lists(st.floats(min_value=0.01, max_value=40), min_size=2, max_size=2).map(sorted),
    engines=st.integers(min_value=1, max_value=6),
)
def test_a_lower_rate_makes_nobodys_share_larger(rates_: list[float], engines: int) -> None:
    for index in range(engines):
        lower, higher = (math.ceil(rate_share(rate, index, engines) or 0) for rate in rates_)
        assert lower <= higher


def test_a_share_shrinks_at_once_and_grows_when_the_hold_is_over() -> None:
    share = RateShare((0, 1))
    assert share.of(10) == 10
    assert share.become((0, 2), START_US, SECOND_US)
    assert share.of(10) == 5
    assert share.become((0, 1), START_US + 10, SECOND_US)
    assert share.of(10) == 5
    assert not share.become((0, 1), START_US + 20, SECOND_US)
    share.settle(START_US + 9 + SECOND_US)
    assert share.of(10) == 5
    share.settle(START_US + 10 + SECOND_US)
    assert share.of(10) == 10


def test_who_has_just_come_has_nothing_until_the_hold_is_over_but_what_has_no_limit() -> None:
    share = RateShare()
    share.become((1, 2), START_US, SECOND_US)
    assert (share.of(10), share.of(0)) == (None, 0)
    share.settle(START_US + SECOND_US)
    assert share.of(10) == 5
    share.become(None, START_US + SECOND_US, SECOND_US)
    assert share.of(10) is None
