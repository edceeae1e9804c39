"""Invariant: the answer is now or later, open, and nothing before it is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.time_text import format_rfc3339
from engine.domain.window import (
    LocalHours,
    MailingState,
    PauseReason,
    is_decided,
    mailing_state,
    may_send,
    next_open_us,
)
from tests.domain.instants import us_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_US = 60_000_000

ZONES = (
    *("UTC", "Europe/Berlin", "Europe/Moscow", "America/New_York", "America/St_Johns", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "Africa/Casablanca", "Asia/Kolkata", "America/Havana"),
)
# A day around which the offset changes somewhere: spring and autumn, Lord Howe's half hour, Chatham's 02:45,
# Casablanca's Ramadan, Havana's midnight, the day that Samoa left out.
CHANGES = (
    *("2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"),
    *("2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z", "2026-04-04T14:00:00Z", "2026-09-26T14:00:00Z"),
    *("2026-02-15T02:00:00Z", "2026-03-22T02:00:00Z", "2026-03-08T05:00:00Z", "2011-12-30T10:00:00Z"),
)


class Zone(tzinfo):
    """What a time zone of one's own has to have."""

    def fromutc(self, moment: datetime) -> datetime:
        return moment

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


def wall(us: int, zone: tzinfo) -> datetime:
    return (EPOCH + timedelta(microseconds=us)).astimezone(zone)


def is_open(hours: LocalHours, us: int, zone: tzinfo) -> bool:
    local = wall(us, zone)
    minute = local.hour * 60 + local.minute
    if hours.from_minute < hours.to_minute:
        return hours.from_minute <= minute < hours.to_minute
    return minute >= hours.from_minute or minute < hours.to_minute


def instants() -> st.SearchStrategy[int]:
    near_a_change = st.builds(
        lambda change, minutes, us: us_of(change) + minutes * MINUTE_US + us,
        st.sampled_from(CHANGES),
        st.integers(-36 * 60, 36 * 60),
        st.sampled_from((0, 0, 1, MINUTE_US - 1, 12_345_678)),
    )
    return near_a_change | st.integers(us_of("2000-01-01T00:00:00Z"), us_of("2037-01-01T00:00:00Z"))


minutes_of_day = st.sampled_from((0, 1, 60, 105, 120, 135, 150, 165, 180, 1439)) | st.integers(0, 1439)
hours_of_day = st.tuples(minutes_of_day, minutes_of_day).filter(lambda ends: ends[0] != ends[1])


@settings(max_examples=4 * settings().max_examples)
@given(st.sampled_from(ZONES), hours_of_day, instants())
def test_the_answer_is_the_first_open_instant(name: str, ends: tuple[int, int], now_us: int) -> None:
    zone, hours = ZoneInfo(name), LocalHours(*ends)
    answer_us = next_open_us(hours, zone, now_us)
    assert answer_us >= now_us
    assert is_open(hours, answer_us, zone)
    if answer_us == now_us:
        return
    assert not is_open(hours, now_us, zone)
    assert not is_open(hours, answer_us - 1, zone)
    assert answer_us % MINUTE_US == 0
    for minute_us in range(now_us - now_us % MINUTE_US + MINUTE_US, answer_us, MINUTE_US):
        assert not is_open(hours, minute_us, zone), format_rfc3339(minute_us)


@pytest.mark.parametrize(
    ("zone", "ends", "now", "expected"),
    [
        # Plain days.
        ("Asia/Kathmandu", ("09:00", "21:00"), "2026-06-01T00:00:00Z", "2026-06-01T03:15:00Z"),
        ("Asia/Kathmandu", ("09:00", "21:00"), "2026-06-01T15:15:00Z", "2026-06-02T03:15:00Z"),
        ("Europe/Moscow", ("09:00", "21:00"), "2026-06-01T17:59:59.999999Z", "2026-06-01T17:59:59.999999Z"),
        # Crossing midnight: open in the evening, after midnight, and closed by day.
        ("America/New_York", ("22:00", "06:00"), "2026-06-02T03:00:00Z", "2026-06-02T03:00:00Z"),
        ("America/New_York", ("22:00", "06:00"), "2026-06-02T09:59:00Z", "2026-06-02T09:59:00Z"),
        ("America/New_York", ("22:00", "06:00"), "2026-06-02T10:00:00Z", "2026-06-03T02:00:00Z"),
        # 02:30 falls in the gap 02:00 -> 03:00: opens at its end.
        ("Europe/Berlin", ("02:30", "05:00"), "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
        # The whole range falls in the gap: that day it does not open at all.
        ("Europe/Berlin", ("02:10", "02:50"), "2026-03-29T00:30:00Z", "2026-03-30T00:10:00Z"),
        # 03:00 -> 02:00: opens at the first 02:30, and again at the second.
        ("Europe/Berlin", ("02:30", "05:00"), "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
        ("Europe/Berlin", ("02:30", "05:00"), "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"),
        # Closed at 02:45, open again when the clock goes back to 02:00.
        ("Europe/Berlin", ("01:00", "02:30"), "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"),
        # 09:00 on the far side of a change, both ways.
        ("America/New_York", ("09:00", "21:00"), "2026-03-08T02:00:00Z", "2026-03-08T13:00:00Z"),
        ("America/New_York", ("09:00", "21:00"), "2026-11-01T01:00:00Z", "2026-11-01T14:00:00Z"),
        # Half an hour: 02:00 -> 02:30 and back.
        ("Australia/Lord_Howe", ("02:15", "05:00"), "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", ("01:00", "01:45"), "2026-04-04T14:50:00Z", "2026-04-04T15:00:00Z"),
        # Samoa had no 30 December 2011: after 23:00 on the 29th comes 09:00 on the 31st.
        ("Pacific/Apia", ("09:00", "21:00"), "2011-12-30T09:00:00Z", "2011-12-30T19:00:00Z"),
    ],
)
def test_known_instants(zone: str, ends: tuple[str, str], now: str, expected: str) -> None:
    answer_us = next_open_us(LocalHours.parse(*ends), ZoneInfo(zone), us_of(now))
    assert format_rfc3339(answer_us) == format_rfc3339(us_of(expected))


def test_without_local_hours_it_is_always_open() -> None:
    assert next_open_us(None, UTC, 12_345) == 12_345


def test_a_fixed_offset_is_a_zone_too() -> None:
    hours, zone = LocalHours.parse("09:00", "21:00"), timezone(timedelta(hours=3))
    assert next_open_us(hours, zone, 0) == us_of("1970-01-01T06:00:00Z")


def test_a_zone_without_an_offset_counts_as_utc() -> None:
    class Nowhere(Zone):
        def utcoffset(self, _: datetime | None) -> None:
            return None

    assert next_open_us(LocalHours.parse("09:00", "21:00"), Nowhere(), 0) == us_of("1970-01-01T09:00:00Z")


def test_few_questions_are_asked_of_the_zone() -> None:
    """It runs once for each claimed message: no walk through the minutes."""
    asked = count()

    class Counting(Zone):
        def utcoffset(self, _: datetime | None) -> timedelta:
            next(asked)
            return timedelta()

    next_open_us(LocalHours(600, 601), Counting(), 601 * MINUTE_US)
    assert next(asked) == 2


@given(hours_of_day)
def test_hours_are_written_as_they_are_read(ends: tuple[int, int]) -> None:
    hours = LocalHours(*ends)
    assert LocalHours.parse(*hours.format()) == hours


def test_hours_are_written_with_two_digits() -> None:
    assert LocalHours(9 * 60 + 5, 0).format() == ("09:05", "00:00")


@pytest.mark.parametrize("text", ["", "9:00", "24:00", "09:60", "09-00", "09:00:00", " 09:00", "09:00\n", "٠٩:٠٠"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time of day like 09:00"):
        LocalHours.parse(text, "21:00")
    with pytest.raises(ValueError, match="time of day like 09:00"):
        LocalHours.parse("21:00", text)


def test_equal_ends_are_refused() -> None:
    with pytest.raises(ValueError, match="must differ"):
        LocalHours.parse("09:00", "09:00")


@pytest.mark.parametrize("ends", [(-1, 5), (5, 1440), (1440, 5)])
def test_minutes_outside_the_day_are_refused(ends: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 to 1439"):
        LocalHours(*ends)


@pytest.mark.parametrize(
    ("now_us", "paused", "cancelled", "state"),
    [
        (9, False, False, MailingState.SCHEDULED),
        (10, False, False, MailingState.ACTIVE),
        (19, False, False, MailingState.ACTIVE),
        (20, False, False, MailingState.ENDED),
        (9, True, False, MailingState.PAUSED),
        (15, True, False, MailingState.PAUSED),
        (20, True, False, MailingState.ENDED),
        (9, False, True, MailingState.CANCELLED),
        (15, True, True, MailingState.CANCELLED),
        (20, True, True, MailingState.CANCELLED),
    ],
)
def test_state(now_us: int, paused: bool, cancelled: bool, state: MailingState) -> None:
    assert mailing_state(10, 20, paused, cancelled, now_us) is state


@pytest.mark.parametrize(("now_us", "expected"), [(9, False), (10, True), (19, True), (20, False)])
def test_never_before_the_start_never_after_the_end(now_us: int, expected: bool) -> None:
    assert may_send(10, 20, now_us) is expected


@pytest.mark.parametrize(("fixed", "now_us", "decided"), [(True, 9, False), (True, 10, True), (False, 10, False)])
def test_a_fixed_audience_is_decided_from_the_start_on(fixed: bool, now_us: int, decided: bool) -> None:
    assert is_decided(fixed, 10, now_us) is decided


def test_what_is_over_is_what_nothing_can_change() -> None:
    assert {state for state in MailingState if state.is_over} == {MailingState.CANCELLED, MailingState.ENDED}


def test_why_a_mailing_has_paused_itself() -> None:
    assert [reason.public for reason in PauseReason] == ["budget"]
