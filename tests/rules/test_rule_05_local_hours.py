"""Rule 5: local hours, where the client lives; over midnight and over clock changes; outside them a message waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import engine.service
from mailing.v1 import mailing_pb2, mailing_service_pb2, message_pb2
from tests.patience import undisturbed
from tests.rules.evidence import PENDING, SENT, ShiftedClock, arrivals, us
from tests.rules.rig import Rig, running, until

# No clock changes in any of them, so that the opening is plain arithmetic; all whole or half hours from UTC.
STEADY_ZONES = (
    *("Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Krasnoyarsk"),
    *("Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka"),
    *("UTC", "Asia/Kolkata", "Pacific/Honolulu", "Pacific/Kiritimati", "Africa/Accra", "America/Bogota"),
)
DAY = timedelta(days=1)
DAY_MINUTES = 24 * 60


def hours(begin: str, end: str) -> mailing_pb2.LocalHours:
    result = mailing_pb2.LocalHours(to=end)
    setattr(result, "from", begin)
    return result


def clock_text(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def opening(zone: str, now: datetime, from_minute: int, minutes: int) -> datetime | None:
    """When a range of so many minutes opens in a zone without clock changes; ``None``: it is open."""
    local = now.astimezone(ZoneInfo(zone))
    begin = local.replace(hour=from_minute // 60, minute=from_minute % 60, second=0, microsecond=0)
    if begin > local:
        begin -= DAY
    return None if local < begin + timedelta(minutes=minutes) else begin + DAY


async def add_zones(rig: Rig, zones: tuple[str, ...]) -> dict[int, str]:
    return {(await rig.add_client(n, time_zone=zone)).id: zone for n, zone in enumerate(zones)}


async def register(rig: Rig, clock: ShiftedClock, local_hours: mailing_pb2.LocalHours) -> mailing_pb2.Mailing:
    """A mailing that is active by the shifted clock."""
    mailing = mailing_pb2.Mailing(text="hello", local_hours=local_hours)
    mailing.start_time.FromDatetime(clock.now())
    mailing.end_time.FromDatetime(clock.now() + timedelta(days=3))
    return await rig.mailings.CreateMailing(mailing_service_pb2.CreateMailingRequest(mailing=mailing))


async def put_off(rig: Rig, mailing: mailing_pb2.Mailing, count: int) -> list[message_pb2.Message]:
    """Wait until so many messages are put off until a later time; return them."""
    found: list[message_pb2.Message] = []

    async def waiting() -> bool:
        found[:] = [m for m in await rig.list_messages(mailing.id) if m.HasField("next_attempt_time")]
        return len(found) >= count

    await until(waiting)
    return found


@pytest.mark.parametrize("over_midnight", [False, True])
async def test_rule_05_only_those_whose_clocks_say_so_are_called(tmp_path: Path, over_midnight: bool) -> None:
    # The range lies around the present time of some zone. All zones are whole or half hours apart, so
    # none of them is nearer than 15 minutes to an end of it, whenever this runs.
    now = datetime.now(UTC)
    here = 23 * 60 + now.minute if over_midnight else now.hour * 60 + now.minute + 3 * 60
    from_minute, to_minute = here - 75, here + 105
    from_minute, length = from_minute % DAY_MINUTES, to_minute - from_minute
    # With these there is one for every hour of the day.
    zones = (*STEADY_ZONES, *(f"Etc/GMT{n:+}" for n in range(-14, 13)))
    async with running(tmp_path) as rig:
        zone_of = await add_zones(rig, zones)
        mailing = await rig.register(
            end_seconds=3 * 86400, local_hours=hours(clock_text(from_minute), clock_text(to_minute))
        )
        opens = {client: opening(zone, now, from_minute, length) for client, zone in zone_of.items()}
        closed = {client: at for client, at in opens.items() if at is not None}
        assert 3 <= len(closed) <= len(opens) - 3
        waiting = await put_off(rig, mailing, len(closed))
        assert {m.client_id: us(m.next_attempt_time) for m in waiting} == {c: us(at) for c, at in closed.items()}
        await until(lambda: are_sent(rig, mailing, len(opens) - len(closed)))
        for m in await rig.list_messages(mailing.id):
            assert m.status == (PENDING if m.client_id in closed else SENT), zone_of[m.client_id]
            assert rig.sandbox.count(m.id) == (0 if m.client_id in closed else 1)
            assert m.attempts == rig.sandbox.count(m.id)  # waiting uses up no attempt


async def are_sent(rig: Rig, mailing: mailing_pb2.Mailing, count: int) -> bool:
    return (await rig.counts(mailing.id))[1] == count


def use_clock(monkeypatch: pytest.MonkeyPatch, begin: datetime) -> ShiftedClock:
    clock = ShiftedClock(begin)
    monkeypatch.setattr(engine.service, "SystemClock", lambda: clock)
    return clock


@pytest.mark.alone
@undisturbed
async def test_rule_05_a_message_that_waits_is_sent_when_its_hours_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = datetime(2026, 7, 14, 9, 0, tzinfo=ZoneInfo("Europe/Moscow"))
    clock = use_clock(monkeypatch, opens - timedelta(seconds=0.8))
    async with running(tmp_path) as rig:
        zone_of = await add_zones(rig, ("Europe/Moscow",) * 10 + ("Europe/Kaliningrad",) * 5)
        mailing = await register(rig, clock, hours("09:00", "21:00"))
        await put_off(rig, mailing, 15)
        assert rig.sandbox.requests == 0
        await until(lambda: are_sent(rig, mailing, 10))
        messages = await rig.list_messages(mailing.id)
        called = arrivals(rig, messages)
        assert called[0] + clock.ahead_us >= us(opens)
        assert called[-1] + clock.ahead_us < us(opens) + 2_000_000
        assert {zone_of[m.client_id] for m in messages if m.status == SENT} == {"Europe/Moscow"}
        left = [m for m in messages if m.status == PENDING]
        assert {us(m.next_attempt_time) for m in left} == {us(opens + timedelta(hours=1))}
        assert len(left) == 5


@pytest.mark.alone
@undisturbed
async def test_rule_05_no_call_begins_when_the_hours_have_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = datetime(2026, 7, 14, 21, 0, tzinfo=ZoneInfo("Europe/Moscow"))
    clock = use_clock(monkeypatch, closes - timedelta(seconds=0.7))
    async with running(tmp_path, workers=4) as rig:
        rig.sandbox.set_faults(latency_seconds=0.3)
        await rig.add_clients(100, time_zone="Europe/Moscow")
        mailing = await register(rig, clock, hours("09:00", "21:00"))
        await until(lambda: rig.sandbox.requests >= 4)
        # All 100 had been claimed in time; they are given back when their hours are over.
        await put_off(rig, mailing, 100 - 3 * 4)
        await until(lambda: rig.sandbox.requests == rig.sandbox.accepted)
        await until(lambda: are_sent(rig, mailing, rig.sandbox.accepted))
        waiting = await put_off(rig, mailing, 100 - rig.sandbox.accepted)
        assert {us(m.next_attempt_time) for m in waiting} == {us(closes + timedelta(hours=12))}
        assert await rig.counts(mailing.id) == (len(waiting), rig.sandbox.accepted, 0)
        assert arrivals(rig, await rig.list_messages(mailing.id))[-1] + clock.ahead_us < us(closes)
        assert all(rig.sandbox.count(m.id) == m.attempts == 0 for m in waiting)


@pytest.mark.parametrize(
    ("zone", "now", "begin", "end", "opens"),
    [
        # Berlin: from 02:00 to 03:00 on 29 March 2026, back from 03:00 to 02:00 on 25 October 2026.
        pytest.param("Europe/Berlin", "2026-03-28T22:00Z", "09:00", "21:00", "2026-03-29T07:00Z", id="spring"),
        pytest.param("Europe/Berlin", "2026-10-24T22:00Z", "09:00", "21:00", "2026-10-25T08:00Z", id="autumn"),
        pytest.param("Europe/Berlin", "2026-03-29T00:00Z", "02:30", "04:00", "2026-03-29T01:00Z", id="gap"),
        pytest.param("Europe/Berlin", "2026-10-24T23:00Z", "02:30", "04:00", "2026-10-25T00:30Z", id="first-of-two"),
        pytest.param("Europe/Berlin", "2026-10-25T00:45Z", "02:30", "04:00", None, id="open-twice"),
        pytest.param("Europe/Berlin", "2026-10-25T01:10Z", "01:00", "02:15", None, id="second-of-two"),
        pytest.param("Australia/Lord_Howe", "2026-10-03T14:00Z", "09:00", "21:00", "2026-10-03T22:00Z", id="half-hour"),
        # The same wall clock, before and after midnight, and the day of a change in between.
        pytest.param("America/New_York", "2026-03-08T06:30Z", "22:00", "04:00", None, id="over-midnight-and-gap"),
        pytest.param("America/New_York", "2026-03-08T09:30Z", "22:00", "04:00", "2026-03-09T02:00Z", id="after-gap"),
    ],
)
async def test_rule_05_clock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, now: str, begin: str, end: str, opens: str | None
) -> None:
    clock = use_clock(monkeypatch, datetime.fromisoformat(now))
    async with running(tmp_path) as rig:
        await rig.add_client(time_zone=zone)
        mailing = await register(rig, clock, hours(begin, end))
        if opens is None:
            assert await rig.finished(mailing.id) == (0, 1, 0)
        else:
            (waiting,) = await put_off(rig, mailing, 1)
            assert us(waiting.next_attempt_time) == us(datetime.fromisoformat(opens))
            assert rig.sandbox.requests == 0


@undisturbed
async def test_rule_05_the_forecast_counts_with_local_hours(tmp_path: Path) -> None:
    """What it says will miss the end does miss it."""
    async with running(tmp_path) as rig:
        await rig.add_clients(20)
        now = datetime.now(UTC)
        closed = hours(f"{now + timedelta(hours=6):%H:%M}", f"{now + timedelta(hours=8):%H:%M}")
        wanted = mailing_pb2.Mailing(text="hello", local_hours=closed)
        wanted.start_time.FromDatetime(now)
        wanted.end_time.FromDatetime(now + timedelta(seconds=2))
        told = await rig.mailings.PreviewMailing(mailing_service_pb2.PreviewMailingRequest(mailing=wanted))
        assert (told.audience, told.forecast.missed, told.forecast.HasField("completion_time")) == (20, 20, False)
        made = await rig.mailings.CreateMailing(mailing_service_pb2.CreateMailingRequest(mailing=wanted))
        assert await rig.finished(made.id) == (0, 0, told.forecast.missed)
        assert {
            each.final_time.ToMicroseconds() >= us(wanted.end_time) for each in await rig.list_messages(made.id)
        } == {True}
