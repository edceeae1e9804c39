"""What the API foretells: hours, rates, other mailings, edits. The domain's own tests are about the arithmetic."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from engine.api.outlook import aligned
from engine.domain.message import Event
from engine.domain.window import LocalHours
from mailing.v1.engine_service_pb2 import GetOverviewRequest
from mailing.v1.mailing_pb2 import LocalHours as Hours
from mailing.v1.mailing_pb2 import Mailing
from mailing.v1.mailing_service_pb2 import (
    GetMailingStatsRequest,
    PauseMailingRequest,
    PreviewMailingRequest,
    PreviewMailingResponse,
    WatchMailingRequest,
)
from mailing.v1.mailing_stats_pb2 import Forecast, MailingStats
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US, START_US

HOUR_US = 3600 * SECOND_US
MOSCOW, OMSK = ZoneInfo("Europe/Moscow"), ZoneInfo("Asia/Omsk")
# The clock stands at 08:00 UTC: 11:00 in Moscow, 14:00 in Omsk, 17:00 in Tokyo, 3:00 in New York.
NIGHT = Hours(**{"from": "21:00", "to": "23:00"})
"""Open in Tokyo at 12:00 UTC, in Omsk at 15:00, in Moscow at 18:00."""


async def people(api: Api, **zones: int) -> None:
    number = 0
    for name, count in zones.items():
        for _ in range(count):
            await api.add_client(
                str(79160000000 + number), time_zone={"moscow": "Europe/Moscow", "omsk": "Asia/Omsk"}[name]
            )
            number += 1


async def preview(api: Api, mailing: Mailing, mailing_id: int | None = None) -> PreviewMailingResponse:
    return await api.mailings.PreviewMailing(PreviewMailingRequest(mailing=mailing, mailing_id=mailing_id))


async def stats(api: Api, mailing_id: int) -> MailingStats:
    api.clock.pass_seconds(2)  # what is kept for a while is old now
    return await api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=mailing_id))


def until(api: Api, hours: float) -> Mailing:
    mailing = api.a_mailing()
    mailing.end_time.FromMicroseconds(api.clock.us + round(hours * HOUR_US))
    return mailing


async def test_nobody_is_reached_where_hours_never_open_and_everybody_says_so(api: Api) -> None:
    """The issue: `missed: 0` for 50 messages that all expired."""
    await people(api, moscow=20)
    wanted = until(api, 2)
    wanted.local_hours.CopyFrom(NIGHT)
    told = (await preview(api, wanted)).forecast
    assert (told.missed, told.HasField("completion_time"), told.HasField("next_open_time")) == (20, False, False)
    made = await api.add_mailing(end_time=wanted.end_time, local_hours=NIGHT)
    found = await stats(api, made.id)
    assert found.forecast.missed == 20
    assert not found.HasField("estimated_completion_time")
    overview = await api.engine.GetOverview(GetOverviewRequest())
    assert [(each.missed, each.HasField("estimated_completion_time")) for each in overview.mailings] == [(20, False)]
    assert [each.missed for each in overview.warnings] == [20]
    progress = await anext(aiter(api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))))
    assert (progress.forecast.missed, progress.HasField("estimated_completion_time")) == (20, False)


async def test_what_will_not_be_sent_in_time_is_told_to_the_metrics(api: Api) -> None:
    await people(api, moscow=20)
    doomed = await api.add_mailing(end_time=until(api, 2).end_time, local_hours=NIGHT)
    await api.add_mailing(end_time=until(api, 12).end_time, local_hours=NIGHT)
    api.clock.pass_seconds(2)
    await api.server.risk.look()
    assert (api.server.risk.mailings, api.server.risk.messages) == (1, 20)
    await api.mailings.PauseMailing(PauseMailingRequest(mailing_id=doomed.id))  # somebody knows of it, then
    api.clock.pass_seconds(2)
    await api.server.risk.look()
    assert (api.server.risk.mailings, api.server.risk.messages) == (0, 0)


async def test_a_mailing_that_waits_for_its_hours_says_when_the_first_go_out(api: Api) -> None:
    await people(api, moscow=10, omsk=30)
    wanted = until(api, 24)
    made = await api.add_mailing(end_time=wanted.end_time, local_hours=NIGHT)
    opens, last = START_US + 7 * HOUR_US, START_US + 10 * HOUR_US + SECOND_US // 10
    wanted.local_hours.CopyFrom(NIGHT)
    found = await stats(api, made.id)
    overview = await api.engine.GetOverview(GetOverviewRequest())
    progress = await anext(aiter(api.mailings.WatchMailing(WatchMailingRequest(mailing_id=made.id))))
    for forecast in (found.forecast, progress.forecast):
        assert (forecast.next_open_time.ToMicroseconds(), forecast.next_open_count) == (opens, 30)
        assert (forecast.missed, forecast.rate_per_second) == (0, 100)
        assert forecast.completion_time.ToMicroseconds() == last
    (brief,) = overview.mailings
    assert (brief.next_open_time.ToMicroseconds(), brief.next_open_count) == (opens, 30)
    for told in (found, progress, brief):
        assert told.rate_per_second == 0
        assert told.estimated_completion_time.ToMicroseconds() == last


async def test_a_preview_says_how_many_are_in_which_zone(api: Api) -> None:
    await people(api, moscow=10, omsk=30)
    zones = {"Europe/Moscow": 10, "Asia/Omsk": 30}
    wanted = until(api, 24)
    assert dict((await preview(api, wanted)).by_time_zone) == {}
    asked = PreviewMailingRequest(mailing=wanted, by_time_zone=True)
    assert dict((await api.mailings.PreviewMailing(asked)).by_time_zone) == zones
    wanted.local_hours.CopyFrom(NIGHT)
    assert dict((await preview(api, wanted)).by_time_zone) == zones


async def test_what_was_sent_in_one_zone_is_not_waited_for(api: Api) -> None:
    await people(api, moscow=10, omsk=30)
    hours = Hours(**{"from": "13:00", "to": "20:00"})  # open in Omsk, from 10:00 UTC on in Moscow
    made = await api.add_mailing(end_time=until(api, 24).end_time, local_hours=hours)
    assert not (await stats(api, made.id)).forecast.HasField("next_open_time")
    # The clients of Moscow were added first, and so come first: they are put off, as delivery does.
    await api.deliver(made.id, 10, Event.DEFER)
    await api.deliver(made.id, 30)
    api.clock.pass_seconds(60)
    found = await stats(api, made.id)
    assert found.forecast.next_open_time.ToMicroseconds() == START_US + 2 * HOUR_US
    assert found.estimated_completion_time.ToMicroseconds() == START_US + 2 * HOUR_US + SECOND_US // 10


async def test_other_mailings_take_their_share_from_the_moment_of_their_registration(api: Api) -> None:
    await api.add_clients(100)
    wanted = api.a_mailing()
    alone = await preview(api, wanted)
    assert alone.forecast.completion_time.ToMicroseconds() == api.clock.us + SECOND_US
    other = await api.add_mailing()
    shared = await preview(api, wanted)
    assert shared.forecast.completion_time.ToMicroseconds() == api.clock.us + 2 * SECOND_US
    assert shared.forecast.rate_per_second == 50
    await api.mailings.PauseMailing(PauseMailingRequest(mailing_id=other.id))
    assert (await preview(api, wanted)).forecast.rate_per_second == 100


async def test_another_rate_is_in_all_forecasts_at_once(api: Api) -> None:
    await api.add_clients(100)
    made = await api.add_mailing()
    asked = GetMailingStatsRequest(mailing_id=made.id)
    assert (await api.mailings.GetMailingStats(asked)).forecast.rate_per_second == 100
    api.control.rate = 2.0
    api.control.become(rate_limit=2.0)
    assert (await api.mailings.GetMailingStats(asked)).forecast.rate_per_second == 2


async def test_an_edit_counts_what_is_unsent(api: Api) -> None:
    await api.add_clients(100)
    made = await api.add_mailing(rate_limit=1.0)
    wanted = api.a_mailing(rate_limit=1.0)
    assert (await preview(api, wanted, made.id)).audience == 100
    await api.deliver(made.id, 60)
    await api.deliver(made.id, 10, Event.REJECT)
    await api.deliver(made.id, 5, Event.DEFER)
    api.clock.pass_seconds(2)
    edit = await preview(api, wanted, made.id)
    # It does not wait for itself.
    assert (edit.audience, edit.forecast.rate_per_second) == (30, 1)
    assert edit.forecast.completion_time.ToMicroseconds() == api.clock.us + 30 * SECOND_US
    assert (await preview(api, wanted)).audience == 100
    wanted.local_hours.CopyFrom(NIGHT)
    assert (await preview(api, wanted, made.id)).audience == 30
    missing = await refusal(preview(api, wanted, 404))
    assert missing.code is StatusCode.NOT_FOUND


async def test_a_speed_that_a_provider_does_not_keep_is_not_believed(api: Api) -> None:
    await api.add_clients(500)
    made = await api.add_mailing()
    for _ in range(10):
        api.clock.pass_seconds(1)
        await api.deliver(made.id, 4)
    found = await stats(api, made.id)
    assert found.rate_per_second == pytest.approx(40 / 12, rel=0.1)
    assert found.forecast.rate_per_second == pytest.approx(found.rate_per_second)
    # While nothing goes out because the provider is away, that is no speed of ours.
    api.clock.pass_seconds(40)
    late = await stats(api, made.id)
    assert (late.rate_per_second, late.forecast.rate_per_second) == (0, 100)
    assert not late.HasField("estimated_completion_time")


async def test_without_any_speed_it_is_told_what_no_speed_could_save(api: Api) -> None:
    api.control.rate = 0
    await people(api, moscow=3, omsk=5)
    wanted = until(api, 8)  # until 16:00 UTC: after the opening in Omsk, before that in Moscow
    wanted.local_hours.CopyFrom(NIGHT)
    told = (await preview(api, wanted)).forecast
    assert told == Forecast(missed=3, next_open_time=told.next_open_time, next_open_count=5)
    assert told.next_open_time.ToMicroseconds() == START_US + 7 * HOUR_US


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(1, 200))
def test_what_was_known_is_brought_in_line_with_what_is_pending(moscow: int, omsk: int, utc: int, pending: int) -> None:
    hours = LocalHours.parse("13:00", "20:00")  # open in Omsk only
    known = {MOSCOW: moscow, OMSK: omsk, UTC: utc}
    found = aligned(known, pending, hours, START_US)
    assert sum(found.values()) == pending
    if 0 < pending <= sum(known.values()):
        shut = min(pending, moscow + utc)
        assert found[MOSCOW] + found[UTC] == shut  # what has gone was sent in Omsk
