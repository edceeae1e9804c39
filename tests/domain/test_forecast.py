from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.domain import forecast as forecasting
from engine.domain.forecast import SPEED_UNSEEN_MAX, Forecast, Load, expected_speed, foretell
from engine.domain.window import LocalHours

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
DAYTIME = LocalHours.parse("09:00", "21:00")
MOSCOW, OMSK, NEW_YORK = ZoneInfo("Europe/Moscow"), ZoneInfo("Asia/Omsk"), ZoneInfo("America/New_York")


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_US


def alone(
    pending: Mapping[tzinfo, int] | int,
    speed: float,
    now_us: int,
    start_us: int,
    end_us: int,
    hours: LocalHours | None = None,
) -> Forecast:
    groups: Mapping[tzinfo, int] = {UTC: pending} if isinstance(pending, int) else pending
    return foretell([Load(groups, start_us, end_us, hours)], speed, now_us)[0]


@pytest.mark.parametrize(
    ("pending", "rate", "now", "expected"),
    [
        (100, 10.0, 50, (110 * SECOND_US, 0)),  # not begun: counts from the start
        (100, 10.0, 120, (130 * SECOND_US, 0)),
        (1000, 10.0, 50, (200 * SECOND_US, 0)),  # just in time
        (1001, 10.0, 50, (None, 1)),
        (1000, 10.0, 150, (None, 500)),
        (7, 10.0, 200, (None, 7)),
        (7, 10.0, 900, (None, 7)),
        (0, 10.0, 50, (None, 0)),
        (0, 0.0, 900, (None, 0)),
        (7, math.inf, 900, (None, 7)),
        (7, math.inf, 120, (120 * SECOND_US, 0)),
        (7, 0.0, 120, (None, 0)),  # the speed is not known: it may be enough
        (7, 0.0, 200, (None, 7)),  # no speed is
    ],
)
def test_without_hours(pending: int, rate: float, now: int, expected: tuple[int | None, int]) -> None:
    found = alone(pending, rate, now * SECOND_US, 100 * SECOND_US, 200 * SECOND_US)
    assert (found.completion_us, found.missed) == expected


def test_rounding_does_not_carry_completion_past_the_end() -> None:
    found = alone(2583, 44.8, 0, 0, 57_656_250)
    assert (found.completion_us, found.missed) == (57_656_250, 0)


@given(
    st.integers(0, 10**8), st.floats(0.001, 1e6), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12)
)
def test_without_hours_it_is_a_division(pending: int, rate: float, now_us: int, start_us: int, length_us: int) -> None:
    end_us, begin_us = start_us + length_us, max(now_us, start_us)
    found = alone(pending, rate, now_us, start_us, end_us)
    sendable = min(float(pending), rate * max(0, end_us - begin_us) / SECOND_US)
    assert abs(found.missed - (pending - math.floor(sendable))) <= 1
    assert (found.completion_us is None) == (pending == 0 or found.missed > 0)
    if found.completion_us is not None:
        assert begin_us <= found.completion_us <= end_us
        assert found.completion_us == pytest.approx(begin_us + pending / rate * SECOND_US, abs=2)
        assert found.rate_per_second == pytest.approx(rate)


def test_nobody_whose_hours_never_open_gets_it() -> None:
    """The case of the issue: fifty clients, an evening window in the middle of their night."""
    start = at("2026-03-02 20:00")  # 23:00 in Moscow
    found = alone({MOSCOW: 50}, 1000.0, start, start, start + 2 * HOUR_US, DAYTIME)
    assert (found.completion_us, found.missed, found.next_open_us) == (None, 50, None)
    assert found.next_open == 0
    unknown = alone({MOSCOW: 50}, 0.0, start, start, start + 2 * HOUR_US, DAYTIME)
    assert (unknown.missed, unknown.rate_per_second) == (50, 0.0)


def test_each_zone_waits_for_its_own_morning() -> None:
    now = at("2026-03-02 02:00")  # 05:00 in Moscow, 08:00 in Omsk
    found = alone({MOSCOW: 100, OMSK: 100}, 10.0, now, now, now + DAY_US, DAYTIME)
    assert found == Forecast(at("2026-03-02 06:00") + 10 * SECOND_US, 0, 10.0, at("2026-03-02 03:00"), 100)
    short = alone({MOSCOW: 100, OMSK: 100}, 10.0, now, now, now + 2 * HOUR_US, DAYTIME)
    assert (short.completion_us, short.missed) == (None, 100)
    early = at("2026-03-01 22:00")  # 01:00 in Moscow, 04:00 in Omsk, where they are the first
    first = alone({MOSCOW: 70, OMSK: 30}, 10.0, early, early, early + DAY_US, DAYTIME)
    assert (first.next_open_us, first.next_open) == (at("2026-03-02 03:00"), 30)


def test_without_hours_all_begin_at_the_start() -> None:
    found = alone({MOSCOW: 70, OMSK: 30}, 10.0, 0, SECOND_US, DAY_US)
    assert (found.next_open_us, found.next_open) == (SECOND_US, 100)


def test_what_the_evening_leaves_goes_on_in_the_morning() -> None:
    now = at("2026-03-02 17:00")  # 20:00 in Moscow: an hour is left
    found = alone({MOSCOW: 5400}, 1.0, now, now, now + 2 * DAY_US, DAYTIME)
    assert found == Forecast(at("2026-03-03 06:30"), 0, 1.0, None)


def test_hours_follow_the_clock_on_the_wall() -> None:
    """On 8 March 2026 New York goes from UTC-5 to UTC-4: nine o'clock is at 13:00 and not at 14:00."""
    now = at("2026-03-08 02:00")
    found = alone({NEW_YORK: 1}, 1.0, now, now, now + DAY_US, DAYTIME)
    assert (found.completion_us, found.next_open_us) == (at("2026-03-08 13:00:01"), at("2026-03-08 13:00"))


def test_others_take_their_share_until_they_are_through() -> None:
    end = 1000 * SECOND_US
    large, small = foretell([Load({UTC: 1000}, 0, end), Load({UTC: 100}, 0, end)], 10.0, 0)
    assert (small.completion_us, small.rate_per_second) == (20 * SECOND_US, 5.0)
    assert large.completion_us == 110 * SECOND_US
    late = foretell([Load({UTC: 1000}, 0, end), Load({UTC: 5000}, 50 * SECOND_US, end)], 10.0, 0)
    assert late[0].completion_us == 150 * SECOND_US  # alone for 50 s, then half as fast


def test_what_a_rate_leaves_is_for_the_others() -> None:
    end = 1000 * SECOND_US
    limited, free = foretell([Load({UTC: 100}, 0, end, None, 2.0), Load({UTC: 400}, 0, end)], 10.0, 0)
    assert (limited.completion_us, limited.rate_per_second) == (50 * SECOND_US, 2.0)
    assert (free.completion_us, free.rate_per_second) == (50 * SECOND_US, 8.0)


def test_a_rate_of_its_own_is_a_speed_when_no_other_is_known() -> None:
    found = foretell([Load({UTC: 100}, 0, 10 * SECOND_US, None, 2.0)], 0.0, 0)[0]
    assert (found.completion_us, found.missed, found.rate_per_second) == (None, 80, 2.0)


def test_weeks_ahead_it_goes_on_as_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load({MOSCOW: 40_000_000, OMSK: 20_000_000}, 0, 500 * DAY_US, DAYTIME)
    exact = foretell([load], 10.0, 0)[0]
    monkeypatch.setattr(forecasting, "WORK_MAX", 200)
    near = foretell([load], 10.0, 0)[0]
    assert exact.completion_us is not None
    assert near.completion_us is not None
    assert abs(near.completion_us - exact.completion_us) < 3 * DAY_US


def test_weeks_ahead_what_will_be_missed_is_near_too(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load({MOSCOW: 400_000_000, OMSK: 200_000_000}, 0, 100 * DAY_US, DAYTIME)
    exact = foretell([load], 10.0, 0)[0]
    monkeypatch.setattr(forecasting, "WORK_MAX", 50)
    near = foretell([load], 10.0, 0)[0]
    assert near.completion_us is exact.completion_us is None
    assert exact.missed * 0.98 < near.missed < exact.missed * 1.02


ZONES = [
    UTC,
    MOSCOW,
    OMSK,
    NEW_YORK,
    ZoneInfo("Asia/Kolkata"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Asia/Kathmandu"),
]
SPRING = at("2026-03-07 00:00")


@st.composite
def loads(draw: st.DrawFn) -> Load:
    start = SPRING + draw(st.integers(-600, 2000)) * MINUTE_US
    first, length = draw(st.integers(0, 95)) * 15, draw(st.integers(1, 95)) * 15
    return Load(
        draw(st.dictionaries(st.sampled_from(ZONES), st.integers(0, 3000), max_size=4)),
        start,
        start + draw(st.integers(1, 3000)) * MINUTE_US,
        LocalHours(first, (first + length) % 1440) if draw(st.booleans()) else None,
        draw(st.one_of(st.none(), st.floats(0.05, 5))),
    )


def minute_by_minute(loads: list[Load], speed: float, now_us: int) -> list[tuple[float, int | None]]:
    """(what is left at the end, the minute after the last message), a minute at a time and a message at a time: no
    formula, the hours as the wall clock shows them."""
    left = [dict(load.pending) if load.hours else {UTC: sum(load.pending.values())} for load in loads]
    lefts = [{zone: float(number) for zone, number in each.items()} for each in left]
    done: list[int | None] = [None] * len(loads)
    for minute in range(max((load.end_us - now_us) // MINUTE_US for load in loads)):
        time_us = now_us + minute * MINUTE_US
        pools = {}
        for number, (load, zones) in enumerate(zip(loads, lefts, strict=True)):
            open_zones = [zone for zone in zones if zones[zone] > 0 and is_open(load, zone, time_us)]
            if open_zones:
                pools[number] = open_zones
        room = speed * 60
        for count, number in enumerate(sorted(pools, key=lambda each: loads[each].rate_limit or math.inf)):
            zones = lefts[number]
            pool = sum(zones[zone] for zone in pools[number])
            limit = loads[number].rate_limit
            sent = min(pool, room / (len(pools) - count), math.inf if limit is None else limit * 60)
            room -= sent
            for zone in pools[number]:
                zones[zone] *= 1 - sent / pool
            if sum(zones.values()) < 1e-6 and done[number] is None:
                done[number] = time_us + MINUTE_US
    return [(sum(zones.values()), when) for zones, when in zip(lefts, done, strict=True)]


def is_open(load: Load, zone: tzinfo, time_us: int) -> bool:
    wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).astimezone(zone)
    minute = wall.hour * 60 + wall.minute
    hours = load.hours
    inside = hours is None or (minute - hours.from_minute) % 1440 < (hours.to_minute - hours.from_minute) % 1440
    return load.start_us <= time_us < load.end_us and inside


@settings(deadline=None, max_examples=60)
@given(loads(), st.floats(0.05, 5))
@example(Load({MOSCOW: 50}, SPRING, SPRING + 60 * MINUTE_US, DAYTIME), 1.0)
def test_a_mailing_alone_does_as_it_does_minute_by_minute(load: Load, speed: float) -> None:
    found = foretell([load], speed, SPRING)[0]
    ((left, done),) = minute_by_minute([load], speed, SPRING)
    assert found.missed == pytest.approx(left, abs=1.01)
    if done is not None:
        assert found.completion_us is not None
        assert done - MINUTE_US <= found.completion_us <= done


@settings(deadline=None, max_examples=60)
@given(st.lists(loads(), min_size=2, max_size=4), st.floats(0.05, 5))
def test_mailings_together_do_as_they_do_minute_by_minute(found: list[Load], speed: float) -> None:
    told = foretell(found, speed, SPRING)
    # In the minute in which one runs dry the others get what it leaves only here, and not there.
    crumbs = 60 * speed * 10
    for forecast, (left, _) in zip(told, minute_by_minute(found, speed, SPRING), strict=True):
        assert forecast.missed == pytest.approx(left, abs=crumbs)
    assert sum(each.missed for each in told) <= sum(sum(each.pending.values()) for each in found)


@settings(deadline=None)
@given(st.lists(loads(), min_size=1, max_size=4), st.floats(0, 5))
@example([Load({MOSCOW: 1}, SPRING, SPRING + MINUTE_US), Load({MOSCOW: 1}, SPRING, SPRING + MINUTE_US)], 5e-324)
def test_every_message_is_sent_or_missed_and_times_are_in_the_window(found: list[Load], speed: float) -> None:
    for load, told in zip(found, foretell(found, speed, SPRING), strict=True):
        assert 0 <= told.missed <= sum(load.pending.values())
        assert told.completion_us is None or told.missed == 0
        assert told.rate_per_second >= 0
        for time_us in (told.completion_us, told.next_open_us):
            assert time_us is None or max(SPRING, load.start_us) <= time_us <= load.end_us
        assert (told.next_open_us is None) == (told.next_open == 0)
        assert told.next_open <= sum(load.pending.values())


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, 0),  # nobody knows
        ({"limit": 50}, 50),
        ({"full_speed": 300}, 300),
        ({"full_speed": 300, "limit": 50}, 50),
        ({"full_speed": 300, "limit": 500}, 300),
        ({"full_speed": 300, "workers_of_all": 20}, 600),
        ({"full_speed": 300, "workers_of_all": 20, "limit": 500}, 500),
        ({"full_speed": 300, "workers_of_all": 0}, 300),  # the other engines are not known yet
        ({"full_speed": 300, "call_seconds": 0.9}, 300),  # what was seen counts, and not what should be
        ({"call_seconds": 0.1}, 100),
        ({"call_seconds": 0.001}, SPEED_UNSEEN_MAX),  # so fast a provider does not make an engine as fast
        ({"call_seconds": 0.001, "limit": 20}, 20),
    ],
)
def test_the_speed_to_expect(known: dict[str, float], expected: float) -> None:
    nothing = {"full_speed": 0.0, "call_seconds": None, "workers": 10, "workers_of_all": 10, "limit": 0.0}
    assert expected_speed(**(nothing | known)) == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pending", "stuck", "speed", "expected"),
    [
        (0, 20, 10.0, 20),  # nobody else
        (100, 20, 10.0, 20),  # the others are in time
        (1001, 20, 10.0, 21),
        (7, 20, 0.0, 20),
        (100, 0, 10.0, 0),
    ],
)
def test_what_nobody_can_send_is_missed_and_takes_no_time(
    pending: int, stuck: int, speed: float, expected: int
) -> None:
    load = Load({UTC: pending}, 100 * SECOND_US, 200 * SECOND_US, stuck=stuck)
    (found,) = foretell([load], speed, 0)
    assert found.missed == expected
    assert (found.completion_us is None) is bool(expected or not speed)
    other = Load({UTC: 500}, 100 * SECOND_US, 200 * SECOND_US)
    alike = [foretell([each, other], 10.0, 0)[1] for each in (load, Load({UTC: pending}, load.start_us, load.end_us))]
    assert alike[0] == alike[1]
