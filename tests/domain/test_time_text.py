from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.time_text import MAX_US, MIN_US, format_rfc3339
from tests.domain.instants import us_of


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (us_of("2026-01-31T09:00:00+03:00"), "2026-01-31T06:00:00.000000Z"),
        (MIN_US, "0001-01-01T00:00:00.000000Z"),
        (MAX_US, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_microseconds(us: int, shown: str) -> None:
    assert format_rfc3339(us) == shown


@given(st.integers(MIN_US, MAX_US))
def test_an_instant_as_written_is_read_back(us: int) -> None:
    text = format_rfc3339(us)
    assert len(text) == len("2026-01-31T06:00:00.000000Z")
    assert us_of(text) == us
