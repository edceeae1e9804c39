from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.retry import MAX_RETRY_AFTER_SECONDS, RetryPolicy, parse_retry_after
from tests.domain.instants import us_of

NOW_US = us_of("1994-11-06T08:49:07Z")

jitters = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 20) | st.just(10_000)
policies = st.builds(RetryPolicy, st.floats(0.001, 1000), st.floats(0.001, 100_000))


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (8, 300), (1024, 300), (10_000, 300)]
)
def test_the_longest_wait_doubles_up_to_the_maximum(attempt: int, longest: float) -> None:
    policy = RetryPolicy(base_seconds=5, max_seconds=300)
    assert policy.delay_seconds(attempt, 0.0) == 0
    assert policy.delay_seconds(attempt, 0.5) == longest / 2
    assert policy.delay_seconds(attempt, 1.0) == longest


@given(policies, attempts, jitters)
def test_the_wait_is_a_share_of_the_longest_one(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    delay_seconds = policy.delay_seconds(attempt, jitter)
    assert 0 <= delay_seconds <= policy.max_seconds
    assert delay_seconds <= policy.delay_seconds(attempt + 1, jitter)
    assert delay_seconds == jitter * policy.delay_seconds(attempt, 1.0)


@given(policies, attempts, jitters, st.none() | st.floats(0, 1_000_000))
def test_due_is_after_the_delay_and_never_before_retry_after(
    policy: RetryPolicy, attempt: int, jitter: float, retry_after: float | None
) -> None:
    due_us = policy.due_us(NOW_US, attempt, jitter, retry_after)
    wanted_seconds = max(policy.delay_seconds(attempt, jitter), retry_after or 0)
    assert due_us - NOW_US >= wanted_seconds * 1e6
    assert due_us - NOW_US <= wanted_seconds * 1e6 + 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("0000000120", 120),
        ("604801", MAX_RETRY_AFTER_SECONDS),
        ("9" * 5000, MAX_RETRY_AFTER_SECONDS),
        # The three forms of RFC 9110, 5.6.7.
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30),
        ("Sun Nov  6 08:49:37 1994", 30),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 30),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", MAX_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW_US) == seconds


@pytest.mark.parametrize(
    "value",
    [None, "", "  ", "-1", "+5", "1.5", "1e3", "٣", "soon", "Sun, 36 Nov 1994 08:49:37 GMT", "6 Nov 1994 99:00:00 GMT"],
)
def test_a_broken_retry_after_counts_as_none(value: str | None) -> None:
    assert parse_retry_after(value, NOW_US) is None


@given(st.text(max_size=40) | st.text("0123456789 :-+,GMTSunNovJa", max_size=40))
def test_no_text_breaks_it(value: str) -> None:
    seconds = parse_retry_after(value, NOW_US)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS


@given(st.integers(0, 7 * 24 * 3600))
def test_any_http_date_is_read(seconds: int) -> None:
    when = datetime.fromtimestamp(NOW_US // 1_000_000, UTC) + timedelta(seconds=seconds)
    assert parse_retry_after(format_datetime(when, usegmt=True), NOW_US) == seconds
