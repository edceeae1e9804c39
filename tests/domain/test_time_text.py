from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.time_text import MAX_US, MIN_US, format_rfc3339, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("2026-01-31T09:00:00+03:00", "2026-01-31T06:00:00.000000Z"),
        ("2026-01-31t09:00:00.5z", "2026-01-31T09:00:00.500000Z"),
        ("2026-01-31 09:00:00-05:30", "2026-01-31T14:30:00.000000Z"),
        ("2026-01-31T09:00:00.1234569Z", "2026-01-31T09:00:00.123456Z"),
        ("2026-01-31T09:00:00-00:00", "2026-01-31T09:00:00.000000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        # The example of RFC 3339, 5.8.
        ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000Z"),
    ],
)
def test_read_and_written(text: str, shown: str) -> None:
    assert format_rfc3339(parse_rfc3339(text)) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be a date and time"),
        ("tomorrow", "must be a date and time"),
        ("2026-01-31", "must be a date and time"),
        ("2026-01-31T09:00Z", "must be a date and time"),
        ("20260131T090000Z", "must be a date and time"),
        ("2026-01-31T09:00:00.Z", "must be a date and time"),
        ("2026-01-31T09:00:00+0300", "must be a date and time"),
        ("2026-01-31T09:00:00+24:00", "must be a date and time"),
        ("2026-01-31T09:00:00+03:60", "must be a date and time"),
        ("2026-01-31T09:00:00Z\n", "must be a date and time"),
        ("٢٠٢٦-01-31T09:00:00Z", "must be a date and time"),
        ("2026-01-31T09:00:00", "needs an offset"),
        ("2026-01-31 09:00:00.5", "needs an offset"),
        ("2026-02-30T09:00:00Z", "no such date"),
        ("2026-13-01T09:00:00Z", "no such date"),
        ("2026-01-31T24:00:00Z", "no such date"),
        ("1990-12-31T23:59:60Z", "no such date"),
        ("0000-01-01T00:00:00Z", "no such date"),
        ("0001-01-01T00:00:00+00:01", "years 1 to 9999"),
        ("9999-12-31T23:59:59-00:01", "years 1 to 9999"),
    ],
)
def test_what_is_no_instant_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rfc3339(text)


@given(st.integers(MIN_US, MAX_US))
def test_an_instant_as_written_is_read_back(us: int) -> None:
    text = format_rfc3339(us)
    assert len(text) == len("2026-01-31T06:00:00.000000Z")
    assert parse_rfc3339(text) == us


@given(
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?")
)
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    try:
        us = parse_rfc3339(text)
    except ValueError:
        return
    assert MIN_US <= us <= MAX_US
