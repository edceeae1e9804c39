"""Times between JSON and the contract."""

from __future__ import annotations

import pytest

from common.contract.values import time_json, time_proto


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T09:00:00+03:00", "2026-01-31T06:00:00.000000Z"),
        ("2026-01-31t06:00:00z", "2026-01-31T06:00:00.000000Z"),
        ("2026-01-31T06:00:00.1234567Z", "2026-01-31T06:00:00.123456Z"),
        ("2026-01-31T06:00:00.5-00:30", "2026-01-31T06:30:00.500000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert time_json(time_proto(text)) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("2026-01-31T09:00:00", "offset"),
        ("2026-01-31", "RFC 3339"),
        ("2026-02-30T09:00:00Z", "RFC 3339"),
        ("2026-01-31T24:00:01Z", "RFC 3339"),
        ("2026-01-31T09:00:00+24:00", "RFC 3339"),
        ("2026-01-31T09:00:00Z\n", "RFC 3339"),
        ("0001-01-01T00:00:00+03:00", "RFC 3339"),
        ("9999-12-31T23:00:00-03:00", "RFC 3339"),
        ("٢٠٢٦-01-31T09:00:00Z", "RFC 3339"),
        ("tomorrow", "RFC 3339"),
        ("", "RFC 3339"),
    ],
)
def test_bad_times(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        time_proto(text)
