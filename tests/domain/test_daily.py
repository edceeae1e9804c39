"""engine/domain/daily.py: days of places that change their clocks, and when reports are due."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.daily import FIRST_DATE, LAST_DATE, day_of, due_us, latest_due
from engine.domain.window import parse_minute

HOUR_US = 3_600_000_000
ZONES = (
    *("UTC", "Europe/Moscow", "Europe/Berlin", "America/New_York", "America/Havana", "America/Sao_Paulo"),
    *("Africa/Cairo", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham"),
)
days = st.dates(date(1971, 1, 1), date(2037, 12, 30))
zones = st.sampled_from(ZONES).map(ZoneInfo)
minutes = st.integers(0, 1439)


def at(text: str) -> int:
    return int((datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def instant(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


@pytest.mark.parametrize(
    ("zone", "day", "hours", "start"),
    [
        ("UTC", "2026-11-29", 24, "2026-11-29T00:00:00+00:00"),
        ("Europe/Moscow", "2026-11-29", 24, "2026-11-29T00:00:00+03:00"),
        ("Europe/Berlin", "2026-03-29", 23, "2026-03-29T00:00:00+01:00"),
        ("Europe/Berlin", "2026-10-25", 25, "2026-10-25T00:00:00+02:00"),
        ("Australia/Lord_Howe", "2026-04-05", 24.5, "2026-04-05T00:00:00+11:00"),
        ("America/Sao_Paulo", "2018-11-04", 23, "2018-11-04T01:00:00-02:00"),  # it had no midnight
        ("America/Havana", "2026-11-01", 25, "2026-11-01T00:00:00-04:00"),  # it has two
        ("Pacific/Apia", "2011-12-30", 0, "2011-12-31T00:00:00+14:00"),  # the date that nobody had there
    ],
)
def test_a_day_is_as_long_as_it_is_there(zone: str, day: str, hours: float, start: str) -> None:
    found = day_of(date.fromisoformat(day), ZoneInfo(zone))
    assert found.start_us == at(start)
    assert (found.end_us - found.start_us) / HOUR_US == hours


@given(days, zones)
def test_days_follow_each_other_and_have_their_date(day: date, zone: ZoneInfo) -> None:
    found, after = day_of(day, zone), day_of(day + timedelta(days=1), zone)
    assert found.end_us == after.start_us
    if found.end_us > found.start_us:
        assert {instant(us).astimezone(zone).date() for us in (found.start_us, found.end_us - 1)} == {day}


@pytest.mark.parametrize(
    ("zone", "day", "time", "due"),
    [
        ("UTC", "2026-11-29", "08:00", "2026-11-30T08:00:00+00:00"),
        ("UTC", "2026-11-29", "00:00", "2026-11-30T00:00:00+00:00"),
        ("Europe/Berlin", "2026-03-28", "08:00", "2026-03-29T08:00:00+02:00"),
        ("Europe/Berlin", "2026-03-28", "02:30", "2026-03-29T03:00:00+02:00"),  # there is none: where the jump lands
        ("Europe/Berlin", "2026-10-24", "02:30", "2026-10-25T02:30:00+02:00"),  # it comes twice: the first
        ("America/Sao_Paulo", "2018-11-03", "00:30", "2018-11-04T01:00:00-02:00"),
    ],
)
def test_a_report_is_due_at_its_time_of_the_next_day(zone: str, day: str, time: str, due: str) -> None:
    assert due_us(date.fromisoformat(day), parse_minute(time), ZoneInfo(zone)) == at(due)


@given(days, zones, minutes)
def test_each_report_becomes_due_once_after_its_day(day: date, zone: ZoneInfo, minute: int) -> None:
    due = due_us(day, minute, zone)
    assert due >= day_of(day, zone).end_us
    assert due <= due_us(day + timedelta(days=1), minute, zone)


@given(days, zones, minutes, st.integers(-2 * HOUR_US, 2 * HOUR_US))
def test_the_latest_report_is_due_and_the_next_is_not(day: date, zone: ZoneInfo, minute: int, around_us: int) -> None:
    now_us = due_us(day, minute, zone) + around_us
    latest = latest_due(now_us, minute, zone)
    assert due_us(latest, minute, zone) <= now_us < due_us(latest + timedelta(days=2), minute, zone)
    following = [latest + timedelta(days=n) for n in (1, 2)]
    assert all(due_us(each, minute, zone) > now_us for each in following)


def test_the_first_and_the_last_date_are_days_everywhere() -> None:
    for zone in map(ZoneInfo, ZONES):
        for day in (FIRST_DATE, LAST_DATE):
            assert day_of(day, zone).start_us < day_of(day, zone).end_us
            assert due_us(day, 1439, zone)
