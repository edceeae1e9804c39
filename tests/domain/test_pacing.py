"""Invariant: no second at the provider's door, wherever it begins and with both its ends, has more calls than the rate.

Calls take their time to it, some longer than others; the bucket hears of each some time after it was there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.pacing import RateShare, TokenBucket, rate_share

SECOND_US = 1_000_000
START_US = 1_790_000_000_000_000

rates = st.sampled_from((0.1, 0.5, 1.0, 1.2, 2.0, 2.5, 3.0, 7.0, 10.0, 49.9, 50.0, 51.0, 100.0)) | st.floats(0.2, 150)
# Idle for a while, then try at once, again and again, or only when the bucket says so.
edges_us = (0, 10_000, SECOND_US // 2, SECOND_US)
pauses_us = st.sampled_from(
    [5 * SECOND_US, *(edge_us + by for edge_us in edges_us for by in (-1, 0, 1) if edge_us + by >= 0)]
) | st.integers(0, SECOND_US)
patterns = st.lists(st.tuples(pauses_us, st.integers(1, 60), st.booleans()), min_size=1, max_size=12)
# How long calls take to the provider, over and over again, in order: a standstill holds up all alike.
delays_us = st.lists(
    st.sampled_from((0, 30_000)) | st.integers(0, 30_000) | st.integers(0, 3 * SECOND_US), min_size=1, max_size=40
)


@dataclass
class Road:
    """Calls with tokens of one bucket, and when they are at the provider's door."""

    bucket: TokenBucket
    delays_us: list[int] = field(default_factory=lambda: [0])
    now_us: int = START_US
    doors_us: list[int] = field(default_factory=list)
    """At the latest: it may be sooner, down to the token."""
    tokens_us: list[int] = field(default_factory=list)
    told: int = 0

    def wait_us(self) -> int:
        """Tell the bucket what has arrived, and ask it."""
        while self.told < len(self.doors_us) and self.doors_us[self.told] <= self.now_us:
            self.bucket.arrive(1, self.doors_us[self.told])
            self.told += 1
        return self.bucket.wait_us(self.now_us)

    def call(self) -> bool:
        """A call starts now, if it may."""
        if self.wait_us():
            return False
        self.bucket.take(self.now_us)
        late_us = self.now_us + self.delays_us[len(self.doors_us) % len(self.delays_us)]
        self.doors_us.append(max([late_us, *self.doors_us[-1:]]))
        self.tokens_us.append(self.now_us)
        return True

    def wait(self) -> None:
        """Until a call may start."""
        while wait_us := self.wait_us():
            self.now_us += wait_us

    def play(self, pattern: list[tuple[int, int, bool]]) -> list[int]:
        """Play a pattern of (pause, tries, whether to wait for the token) and return when tokens were taken."""
        before = len(self.tokens_us)
        for pause_us, tries, waits in pattern:
            self.now_us += pause_us
            for _ in range(tries):
                if waits:
                    self.wait()
                self.call()
        return self.tokens_us[before:]

    def assert_never_more(self, most: int, span_us: int = SECOND_US) -> None:
        """``most + 1`` calls in a row always take longer than ``span_us``, so no closed one contains them; the first
        one as late as can be, the others as early."""
        for first, last in zip(self.doors_us, self.tokens_us[most:], strict=False):
            assert last - first > span_us


@given(rates, patterns, delays_us)
def test_no_second_at_the_provider_sees_more_than_the_rate(
    rate: float, pattern: list[tuple[int, int, bool]], delays: list[int]
) -> None:
    road = Road(TokenBucket(rate), delays)
    road.play(pattern)
    road.assert_never_more(math.ceil(rate), max(SECOND_US, math.floor(math.ceil(rate) / rate * SECOND_US) - 1))


@given(st.lists(st.tuples(rates, patterns), min_size=2, max_size=6), delays_us)
def test_no_second_sees_more_than_the_highest_of_the_rates_in_it(
    parts: list[tuple[float, list[tuple[int, int, bool]]]], delays: list[int]
) -> None:
    road = Road(TokenBucket(parts[0][0]), delays)
    for rate, pattern in parts:
        road.bucket.set_rate(rate)
        road.play(pattern)
    road.assert_never_more(math.ceil(max(rate for rate, _ in parts)))


@given(rates, patterns)
def test_the_wait_ends_at_the_first_instant_at_which_a_call_can_be_made(
    rate: float, pattern: list[tuple[int, int, bool]]
) -> None:
    road = Road(TokenBucket(rate))
    road.play(pattern)
    wait_us, now_us = road.wait_us(), road.now_us
    assert road.bucket.wait_us(now_us + wait_us) == 0
    assert not wait_us or road.bucket.wait_us(now_us + wait_us - 1) == 1


@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 1.5, 2, 2.5, 10, 99.9, 1000, 5000])
def test_who_waits_gets_96_percent_of_the_rate(rate: float) -> None:
    road = Road(TokenBucket(rate), [40_000])
    # The calls of a second come in its first half; whole ones are measured.
    calls = road.play([(0, 5 * math.ceil(rate) + 1, True)])
    assert (len(calls) - 1) / (calls[-1] - START_US) * SECOND_US >= 0.96 * rate


@given(st.sampled_from((1.0, 2.0, 10.0, 30.0, 80.0, 1000.0)), st.lists(st.integers(20_000, 90_000), max_size=20))
def test_gaps_cost_little_of_the_rate(rate: float, gaps_us: list[int]) -> None:
    """Two gaps a second, in which nobody can take a token."""
    road = Road(TokenBucket(rate), [40_000])
    for gap_us in [*gaps_us, 0, 0]:
        end_us = road.now_us + SECOND_US // 2 - gap_us
        road.wait()
        while road.now_us < end_us:
            road.call()
            road.wait()
        road.now_us = max(road.now_us, end_us) + gap_us
    # The calls of the last second may have come early in it, and a gap may be at its end.
    assert len(road.tokens_us) >= 0.9 * rate * (road.now_us - START_US) / SECOND_US - 1


@pytest.mark.parametrize("rate", [3, 10, 100, 1000, 5000])
def test_calls_follow_each_other_twice_as_fast_as_at_an_even_pace_at_most(rate: int) -> None:
    road = Road(TokenBucket(rate))
    road.play([(0, rate, True)])
    for first, later in enumerate(road.tokens_us):
        calls = sum(later <= call_us < later + 100_000 for call_us in road.tokens_us[first:])
        assert calls <= 1 + (100_000 + 10_000) * 2 * rate / SECOND_US


@pytest.mark.parametrize("rate", [10, 100, 1000])
def test_waking_up_late_by_10_ms_costs_no_more_than_that_each_second(rate: int) -> None:
    road = Road(TokenBucket(rate))
    while len(road.tokens_us) < 5 * rate:
        road.wait()
        road.now_us += 10_000
        while len(road.tokens_us) < 5 * rate and road.call():
            pass
    assert road.now_us - START_US <= 5 * (SECOND_US + 10_000)


def test_no_limit() -> None:
    road = Road(TokenBucket(0))
    assert road.play([(0, 1000, True)]) == [START_US] * 1000


def test_while_all_calls_are_on_their_way_there_is_no_token_however_long_that_takes() -> None:
    bucket = TokenBucket(1)
    bucket.take(START_US)
    assert bucket.wait_us(START_US + 3600 * SECOND_US) > SECOND_US
    bucket.arrive(1, START_US + 3600 * SECOND_US)
    assert bucket.wait_us(START_US + 3601 * SECOND_US) == 1


def test_a_call_that_is_held_up_holds_up_its_own_token_only() -> None:
    bucket = TokenBucket(3)
    for at_us in (0, 400_000, 800_000):
        bucket.take(at_us)
    bucket.arrive(2, 800_000)
    assert bucket.wait_us(1_800_001) == 0
    bucket.arrive(1, 5 * SECOND_US)
    assert bucket.wait_us(5 * SECOND_US) == 0


def test_a_higher_rate_counts_at_once_for_the_calls_made_already() -> None:
    bucket = TokenBucket(0.001)
    bucket.take(START_US)
    bucket.arrive(1, START_US)
    assert bucket.wait_us(START_US) >= 1000 * SECOND_US
    bucket.set_rate(1)
    assert bucket.wait_us(START_US) == SECOND_US + 1


def test_a_lower_rate_and_the_old_one_again_give_no_token_back() -> None:
    road = Road(TokenBucket(50))
    calls = road.play([(0, 50, True)])
    road.bucket.set_rate(5)
    assert road.play([(0, 1, True)])[0] > calls[-5] + SECOND_US
    road.bucket.set_rate(50)
    road.play([(0, 50, True)])
    road.assert_never_more(50)


def test_from_no_limit_to_a_limit_and_back() -> None:
    road = Road(TokenBucket(0))
    road.play([(0, 5, False)])
    road.bucket.set_rate(10)
    assert len(road.play([(SECOND_US, 5, False)])) == 1
    road.bucket.set_rate(0)
    assert len(road.play([(0, 5, False)])) == 5


def test_a_call_of_more_than_a_second_s_worth_counts_for_as_many_seconds() -> None:
    bucket = TokenBucket(2)
    bucket.take(START_US, 5)
    bucket.arrive(5, START_US)
    assert not bucket.is_full(START_US + 2 * SECOND_US)
    assert bucket.wait_us(START_US + 3 * SECOND_US + 10, 2) == 0


def test_it_is_full_again_when_a_new_one_would_give_no_more() -> None:
    bucket = TokenBucket(2)
    assert bucket.is_full(START_US)
    bucket.take(START_US)
    assert not bucket.is_full(START_US + 5 * SECOND_US)
    bucket.arrive(1, START_US)
    assert (bucket.is_full(START_US + SECOND_US), bucket.is_full(START_US + SECOND_US + 1)) == (False, True)


def test_no_more_is_remembered_than_the_calls_of_a_second() -> None:
    road = Road(TokenBucket(100), [1000])
    road.play([(0, 1000, True)])
    assert len(road.bucket._arrived_us) <= 100


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
