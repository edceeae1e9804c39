"""Invariant: no second, wherever it begins and with both its ends, sees more calls than the rate.

That holds for the provider's seconds too, though calls are late by some milliseconds on their way.
"""

from __future__ import annotations

import math
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.pacing import GUARD_US, RateShare, TokenBucket, rate_share

SECOND_US = 1_000_000
START_US = 1_790_000_000_000_000
KEPT = 0.97
"""The part of the rate that can be used; the rest is the price of the promise."""

rates = st.sampled_from((0.1, 0.5, 1.0, 1.2, 2.0, 2.5, 3.0, 7.0, 10.0, 49.9, 50.0, 51.0, 100.0)) | st.floats(0.2, 150)
# Idle for a while, then try at once, again and again, or only when the bucket says so.
edges_us = (0, GUARD_US, SECOND_US // 2, SECOND_US - GUARD_US, SECOND_US, SECOND_US + GUARD_US)
pauses_us = st.sampled_from(
    [5 * SECOND_US, *(edge_us + by for edge_us in edges_us for by in (-1, 0, 1) if edge_us + by >= 0)]
) | st.integers(0, SECOND_US)
patterns = st.lists(st.tuples(pauses_us, st.integers(1, 60), st.booleans()), min_size=1, max_size=12)
# How long calls take to the provider, over and over again.
delays_us = st.lists(st.sampled_from((0, GUARD_US - 1)) | st.integers(0, GUARD_US - 1), min_size=1, max_size=40)


def taken(bucket: TokenBucket, now_us: int) -> bool:
    """A call starts now, if it may."""
    if bucket.wait_us(now_us):
        return False
    bucket.take(now_us)
    return True


def calls_by(bucket: TokenBucket, pattern: list[tuple[int, int, bool]], now_us: int = START_US) -> list[int]:
    """Play a pattern of (pause, tries, whether to wait for the token) and return when calls were made."""
    calls: list[int] = []
    for pause_us, tries, waits in pattern:
        now_us += pause_us
        for _ in range(tries):
            now_us += bucket.wait_us(now_us) if waits else 0
            if taken(bucket, now_us):
                calls.append(now_us)
    return calls


def at_provider(calls: list[int], delays: list[int]) -> list[int]:
    """When calls arrive, in order: not always the one in which they were made."""
    return sorted(call_us + delay_us for call_us, delay_us in zip(calls, cycle(delays), strict=False))


def assert_never_more(calls: list[int], most: int, span_us: int = SECOND_US) -> None:
    """``most + 1`` calls in a row always take longer than ``span_us``, so no closed one contains them."""
    for first, last in zip(calls, calls[most:], strict=False):
        assert last - first > span_us


@given(rates, patterns, delays_us)
def test_no_second_at_the_provider_sees_more_than_the_rate(
    rate: float, pattern: list[tuple[int, int, bool]], delays: list[int]
) -> None:
    calls = calls_by(TokenBucket(rate), pattern)
    assert_never_more(calls, math.ceil(rate), SECOND_US + GUARD_US - 1)
    assert_never_more(at_provider(calls, delays), math.ceil(rate))


@given(rates, patterns)
def test_in_the_long_run_a_rate_that_is_not_whole_is_not_rounded_up(
    rate: float, pattern: list[tuple[int, int, bool]]
) -> None:
    most = math.ceil(rate)
    assert_never_more(calls_by(TokenBucket(rate), pattern), most, int(most / rate * SECOND_US))


@given(st.lists(st.tuples(rates, patterns), min_size=2, max_size=6), delays_us)
def test_no_second_sees_more_than_the_highest_of_the_rates_in_it(
    parts: list[tuple[float, list[tuple[int, int, bool]]]], delays: list[int]
) -> None:
    bucket = TokenBucket(parts[0][0])
    calls: list[int] = []
    for rate, pattern in parts:
        bucket.set_rate(rate)
        calls += calls_by(bucket, pattern, calls[-1] if calls else START_US)
    assert_never_more(at_provider(calls, delays), math.ceil(max(rate for rate, _ in parts)))


@given(rates, st.lists(st.tuples(patterns, st.integers(0, 3 * SECOND_US)), min_size=1, max_size=5))
def test_calls_that_are_held_up_on_their_way_count_from_their_end(
    rate: float, parts: list[tuple[list[tuple[int, int, bool]], int]]
) -> None:
    bucket, now_us = TokenBucket(rate), START_US
    arrived: list[int] = []
    for pattern, held_up_us in parts:
        calls = calls_by(bucket, pattern, now_us)
        on_way = [call_us for call_us in calls if call_us > calls[-1] - GUARD_US]
        now_us = max([now_us, *calls]) + held_up_us
        bucket.delay(len(on_way), now_us)
        arrived += [*calls[: len(calls) - len(on_way)], *[now_us] * len(on_way)]
    assert_never_more(arrived, math.ceil(rate))


@given(rates, patterns)
def test_the_wait_ends_at_the_first_instant_at_which_a_call_can_be_made(
    rate: float, pattern: list[tuple[int, int, bool]]
) -> None:
    bucket = TokenBucket(rate)
    now_us = calls_by(bucket, pattern)[-1]
    wait_us = bucket.wait_us(now_us)
    assert bucket.wait_us(now_us + wait_us) == 0
    assert not wait_us or bucket.wait_us(now_us + wait_us - 1) == 1


@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 1.5, 2, 2.5, 10, 99.9, 1000, 5000])
def test_who_waits_gets_97_percent_of_the_rate(rate: float) -> None:
    # The calls of a period come in its first half; whole periods are measured.
    calls = calls_by(TokenBucket(rate), [(0, 10 * math.ceil(rate) + 1, True)])
    assert (len(calls) - 1) / (calls[-1] - START_US) * SECOND_US >= KEPT * rate


@given(st.sampled_from((1.0, 2.0, 10.0, 30.0, 80.0, 1000.0)), st.lists(st.integers(20_000, 90_000), max_size=20))
def test_gaps_cost_little_of_the_rate(rate: float, gaps_us: list[int]) -> None:
    """Two gaps a second, in which nobody can take a token, and no call is on its way."""
    bucket, now_us, calls = TokenBucket(rate), START_US, 0
    for gap_us in [*gaps_us, 0, 0]:
        end_us = now_us + SECOND_US // 2 - gap_us
        while (now_us := now_us + bucket.wait_us(now_us)) < end_us:
            bucket.take(now_us)
            calls += 1
        now_us = max(now_us, end_us) + gap_us
    # The calls of the last period may have come early in it, and a gap may be at its end.
    assert calls >= 0.9 * rate * (now_us - START_US) / SECOND_US - 1


@pytest.mark.parametrize("rate", [3, 10, 100, 1000, 5000])
def test_calls_are_spread_over_half_a_second_at_least(rate: int) -> None:
    bucket = TokenBucket(rate)
    calls = calls_by(bucket, [(0, rate, True)])
    assert calls[-1] - START_US >= 0.45 * SECOND_US * (rate - 1) / rate
    even_us = SECOND_US / rate
    # No more than twice as many as come at an even pace in 10 ms, or one.
    assert_never_more(calls, 1 + math.floor(20_000 / even_us), 10_000 if rate >= 100 else int(even_us / 2))


@pytest.mark.parametrize("rate", [10, 100, 1000])
def test_waking_up_late_by_10_ms_costs_no_more_than_that_each_second(rate: int) -> None:
    bucket, now_us, calls = TokenBucket(rate), START_US, 0
    while calls < 5 * rate:
        now_us += bucket.wait_us(now_us) + 10_000
        while calls < 5 * rate and taken(bucket, now_us):
            calls += 1
    assert now_us - START_US <= 5 * (SECOND_US + GUARD_US + 10_000)


def test_no_limit() -> None:
    bucket = TokenBucket(0)
    assert calls_by(bucket, [(0, 1000, True)]) == [START_US] * 1000
    assert bucket.is_full(START_US)


def test_a_higher_rate_counts_at_once_for_the_calls_made_already() -> None:
    bucket = TokenBucket(0.001)
    bucket.take(START_US)
    assert bucket.wait_us(START_US) == 1000 * SECOND_US + GUARD_US
    bucket.set_rate(1)
    assert bucket.wait_us(START_US) == SECOND_US + GUARD_US
    bucket.set_rate(2)
    assert bucket.wait_us(START_US) <= SECOND_US // 2 + GUARD_US


def test_a_lower_rate_and_the_old_one_again_give_no_token_back() -> None:
    bucket = TokenBucket(50)
    calls = calls_by(bucket, [(0, 50, True)])
    bucket.set_rate(5)
    assert calls_by(bucket, [(0, 1, True)], calls[-1])[0] >= calls[-5] + SECOND_US
    bucket.set_rate(50)
    assert_never_more(calls + calls_by(bucket, [(0, 50, True)], calls[-1]), 50)


def test_from_no_limit_to_a_limit_and_back() -> None:
    bucket = TokenBucket(0)
    bucket.take(START_US)
    bucket.set_rate(10)
    assert len(calls_by(bucket, [(0, 5, False)])) == 1
    bucket.set_rate(0)
    assert len(calls_by(bucket, [(0, 5, False)])) == 5


def test_it_is_full_again_when_a_new_one_would_give_no_more() -> None:
    bucket = TokenBucket(2)
    assert bucket.is_full(START_US)
    bucket.take(START_US)
    back_us = START_US + SECOND_US + GUARD_US
    assert (bucket.is_full(back_us - 1), bucket.is_full(back_us)) == (False, True)


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
