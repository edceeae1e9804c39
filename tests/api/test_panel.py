"""What the panel asks of the API beside what REST does: page numbers, facets, changes of many, the dashboard."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from engine.api import overview
from engine.api.control import ActorStatus, BreakerStatus, ProviderCalls
from engine.domain.breaker import BreakerState
from engine.domain.message import Event
from engine.store import breakdowns
from mailing.v1 import mailing_stats_pb2, overview_pb2
from mailing.v1.access_service_pb2 import ListAccountsRequest, ListTokensRequest
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import (
    BatchDeleteClientsRequest,
    BatchUpdateClientsRequest,
    ExportClientsRequest,
    ListClientFacetsRequest,
    ListClientsRequest,
)
from mailing.v1.engine_service_pb2 import GetOverviewRequest, ListAuditEventsRequest
from mailing.v1.mailing_pb2 import MAILING_STATE_ACTIVE, MAILING_STATE_PAUSED, MAILING_STATE_SCHEDULED
from mailing.v1.mailing_service_pb2 import GetMailingStatsRequest, ListMailingsRequest, PauseMailingRequest
from mailing.v1.message_service_pb2 import ListMessagesRequest
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US

MINUTE_US = 60 * SECOND_US


def lists(api: Api) -> list[tuple[Any, Any]]:
    return [
        (api.clients.ListClients, ListClientsRequest),
        (api.mailings.ListMailings, ListMailingsRequest),
        (api.messages.ListMessages, ListMessagesRequest),
        (api.engine.ListAuditEvents, ListAuditEventsRequest),
        (api.access.ListAccounts, ListAccountsRequest),
        (api.access.ListTokens, ListTokensRequest),
    ]


async def test_a_bad_skip_and_a_bad_order_are_named_by_every_list(api: Api) -> None:
    for method, request in lists(api):
        refused = await refusal(method(request(skip=-1, order_by="tag", page_size=-1)))
        assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"skip", "order_by", "page_size"})
        for order_by in ("", "id", "id desc"):
            await method(request(order_by=order_by, skip=7))


async def test_page_numbers(api: Api) -> None:
    await api.add_clients(7)

    async def numbers(**fields: Any) -> str:
        page = await api.clients.ListClients(ListClientsRequest(page_size=3, **fields))
        assert page.total_size == 7
        return "".join(client.phone_number[-1] for client in page.clients)

    assert [await numbers(skip=skip) for skip in (0, 3, 6, 7, 100)] == ["012", "345", "6", "", ""]
    assert [await numbers(skip=skip, order_by="id desc") for skip in (0, 3, 6)] == ["654", "321", "0"]


async def test_a_token_goes_with_its_order_and_skip_counts_from_it(api: Api) -> None:
    await api.add_clients(7)
    first = await api.clients.ListClients(ListClientsRequest(page_size=2, order_by="id desc"))
    token = first.next_page_token
    rest = await api.clients.ListClients(ListClientsRequest(page_size=2, order_by="id desc", page_token=token, skip=1))
    assert [client.phone_number[-1] for client in rest.clients] == ["3", "2"]
    refused = await refusal(api.clients.ListClients(ListClientsRequest(page_size=2, page_token=token)))
    assert refused.bad == {"page_token"}


async def test_clients_are_found_by_a_part_of_their_number(api: Api) -> None:
    await api.add_clients(12)

    async def found(typed: str) -> int:
        page = await api.clients.ListClients(ListClientsRequest(phone_contains=typed))
        assert len(page.clients) == page.total_size
        return page.total_size

    parts = ("+7 (916) 0", "000-00-1", "8 916 000 00 05", "7 916 000 00 05", "8916")
    assert [await found(part) for part in parts] == [12, 3, 1, 1, 0]
    pages = api.clients.ExportClients(ExportClientsRequest(phone_contains="0001"))
    exported = [client.phone_number async for page in pages for client in page.clients]
    assert exported == ["79160000001", "79160000010", "79160000011"]


@pytest.mark.parametrize("typed", ["", "12", "no digits", "916x", "7771234567.0", "1" * 12, "١٢٣"])  # not our digits
async def test_what_can_be_no_part_of_a_number_is_refused(api: Api, typed: str) -> None:
    refused = await refusal(api.clients.ListClients(ListClientsRequest(phone_contains=typed, page_size=-1)))
    assert refused.bad == {"phone_contains", "page_size"}


async def test_a_number_and_a_part_of_one_are_not_asked_for_together(api: Api) -> None:
    both = ListClientsRequest(phone_number="79160000000", phone_contains="916")
    assert (await refusal(api.clients.ListClients(both))).bad == {"phone_contains"}


async def test_facets_are_kept_for_a_while_and_then_counted_anew(api: Api) -> None:
    await api.add_clients(3)
    facets = await api.clients.ListClientFacets(ListClientFacetsRequest())
    assert [(each.value, each.client_count) for each in facets.tags] == [("a", 2), ("b", 1)]
    assert [(each.value, each.client_count) for each in facets.phone_codes] == [("916", 3)]
    assert [(each.value, each.client_count) for each in facets.time_zones] == [("UTC", 3)]
    assert facets.client_count == 3
    await api.add_client("79039999999")
    api.clock.pass_seconds(4)
    assert await api.clients.ListClientFacets(ListClientFacetsRequest()) == facets
    api.clock.pass_seconds(40)
    assert (await api.clients.ListClientFacets(ListClientFacetsRequest())).client_count == 4


async def ids(api: Api) -> list[int]:
    return [client.id for client in (await api.clients.ListClients(ListClientsRequest())).clients]


async def test_many_clients_are_changed_and_delivery_is_told(api: Api) -> None:
    await api.add_clients(4)
    one, two, three, four = await ids(api)
    api.control.clients.clear()
    done = await api.clients.BatchUpdateClients(
        BatchUpdateClientsRequest(
            client_ids=[one, two, one, 404],
            client=Client(tag="a", time_zone="Asia/Omsk", phone_code="999"),
            update_mask=FieldMask(paths=["tag"]),
        )
    )
    assert (done.updated, done.unchanged, list(done.missing_client_ids)) == (1, 1, [404])
    assert api.control.clients == [two]
    assert api.control.followed == [(two,)]
    both = BatchUpdateClientsRequest(client_ids=[three, four], update_mask=FieldMask(paths=["tag", "time_zone"]))
    assert (await api.clients.BatchUpdateClients(both)).updated == 2
    found = (await api.clients.ListClients(ListClientsRequest())).clients
    assert [(each.tag, each.time_zone, each.phone_code) for each in found] == [
        ("a", "UTC", "916"), ("a", "UTC", "916"), ("", "UTC", "916"), ("", "UTC", "916"),
    ]  # fmt: skip
    gone = await api.clients.BatchDeleteClients(BatchDeleteClientsRequest(client_ids=[one, four, 404]))
    assert (gone.deleted, list(gone.missing_client_ids)) == (2, [404])
    assert api.control.clients == [two, three, four, one, four]
    assert await ids(api) == [two, three]


async def test_a_bad_change_of_many_clients_changes_nothing(api: Api) -> None:
    await api.add_clients(1)
    (client_id,) = await ids(api)
    tag, zone = FieldMask(paths=["tag"]), FieldMask(paths=["tag", "time_zone"])
    bad = Client(tag="t" * 65, time_zone="Mars/Olympus")
    for request, fields in (
        (BatchUpdateClientsRequest(), {"client_ids", "update_mask"}),
        (BatchUpdateClientsRequest(client_ids=[1] * 1001, update_mask=tag), {"client_ids"}),
        (BatchUpdateClientsRequest(client_ids=[1], client=Client(tag="x")), {"update_mask"}),
        (
            BatchUpdateClientsRequest(client_ids=[1], update_mask=FieldMask(paths=["tag", "phone_number"])),
            {"update_mask"},
        ),
        (BatchUpdateClientsRequest(client_ids=[1], update_mask=FieldMask(paths=["*"])), {"update_mask"}),
        (BatchUpdateClientsRequest(client_ids=[client_id], client=bad, update_mask=zone), {"tag", "time_zone"}),
    ):
        refused = await refusal(api.clients.BatchUpdateClients(request))
        assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, fields)
    for wrong in ([], [1] * 1001):
        refused = await refusal(api.clients.BatchDeleteClients(BatchDeleteClientsRequest(client_ids=wrong)))
        assert refused.bad == {"client_ids"}
    (client,) = (await api.clients.ListClients(ListClientsRequest())).clients
    assert client.tag == "a"


async def test_the_breakdown_of_a_large_mailing_is_kept_and_says_how_old_it_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakdowns, "AT_ONCE_MAX", 3)
    await api.add_clients(4)
    made = await api.add_mailing()
    request = GetMailingStatsRequest(mailing_id=made.id)
    first = await api.mailings.GetMailingStats(request)
    assert {tag: counts.pending for tag, counts in first.by_tag.items()} == {"a": 2, "b": 2}
    assert not first.HasField("breakdown_time")
    began_us = api.clock.us
    api.clock.pass_seconds(1)
    await api.deliver(made.id, 4)
    kept = await api.mailings.GetMailingStats(request)
    assert (kept.by_tag, kept.message_counts.sent) == (first.by_tag, 4)
    assert kept.breakdown_time.ToMicroseconds() == began_us


async def overview_of(api: Api) -> overview_pb2.Overview:
    """A new one."""
    api.clock.pass_seconds(overview.DAY_SECONDS)
    return await api.engine.GetOverview(GetOverviewRequest())


async def test_the_overview_of_an_engine_with_nothing_to_do(api: Api) -> None:
    found = await overview_of(api)
    now_us = api.clock.us
    assert found.time.ToMicroseconds() == now_us
    assert (list(found.mailings), list(found.warnings), found.mailings_total) == ([], [], 0)
    times = [point.time.ToMicroseconds() for point in found.last_hour]
    assert times == [now_us - now_us % MINUTE_US - n * MINUTE_US for n in reversed(range(60))]
    hours = [point.time.ToMicroseconds() for point in found.last_day]
    assert hours == [now_us - now_us % (60 * MINUTE_US) - n * 60 * MINUTE_US for n in reversed(range(24))]
    assert found.provider == overview_pb2.ProviderHealth(
        breaker=found.engine.breaker, latency_seconds=found.provider.latency_seconds
    )
    assert not found.provider.HasField("error_share")
    assert found.engine.engine_id == 7


async def test_the_overview_of_a_busy_engine(api: Api) -> None:
    await api.add_clients(10)
    sending = await api.add_mailing(text="x" * 81)
    paused = await api.add_mailing()
    await api.mailings.PauseMailing(PauseMailingRequest(mailing_id=paused.id))
    later = api.a_mailing()
    later.start_time.FromMicroseconds(api.clock.us + 10 * MINUTE_US)
    scheduled = await api.add_mailing(start_time=later.start_time)
    await api.deliver(sending.id, 3)
    await api.deliver(sending.id, 1, Event.REJECT)
    await api.deliver(sending.id, 1, Event.DEFER)
    api.control.calls = ProviderCalls(window_seconds=300.0, calls=8, errors=2, latency={6: 8})
    found = await overview_of(api)
    states = [(each.mailing_id, each.state) for each in found.mailings]
    assert states == [
        (sending.id, MAILING_STATE_ACTIVE),
        (paused.id, MAILING_STATE_PAUSED),
        (scheduled.id, MAILING_STATE_SCHEDULED),
    ]
    brief = found.mailings[0]
    assert (brief.text, brief.progress, brief.missed) == ("x" * 80, 0.4, 0)
    assert (brief.message_counts.sent, brief.message_counts.not_sent, brief.message_counts.pending) == (3, 1, 6)
    assert brief.reasons == found.reasons == mailing_stats_pb2.ReasonCounts(rejected=1)
    assert brief.rate_per_second == found.rate_per_second == pytest.approx(4 / 10)
    assert brief.estimated_completion_time.ToMicroseconds() == api.clock.us + 15 * SECOND_US
    assert not found.mailings[1].HasField("missed")
    assert (found.message_counts.total, found.message_counts.sent, found.mailings_total) == (30, 3, 3)
    for points in (found.last_hour, found.last_day):
        sums = [sum(numbers) for numbers in zip(*((p.sent, p.not_sent, p.deferred) for p in points), strict=True)]
        assert sums == [3, 1, 1]
    assert (found.provider.calls, found.provider.errors, found.provider.error_share) == (8, 2, 0.25)
    assert 0 < found.provider.latency_seconds.p50 < found.provider.latency_seconds.p95


async def test_what_needs_a_person_is_said(api: Api) -> None:
    await api.add_clients(9)
    slow = await api.add_mailing(rate_limit=0.001)
    paused = await api.add_mailing()
    await api.mailings.PauseMailing(PauseMailingRequest(mailing_id=paused.id))
    broken = ActorStatus("ticker", healthy=False, detail="it fell"), ActorStatus("recorder", healthy=False)
    api.control.become(
        breaker=BreakerStatus(BreakerState.BLOCKED, detail="401"),
        sending_paused=True,
        actors=(*broken, ActorStatus("x")),
        missing={"gone": 12},
    )
    found = await overview_of(api)
    code = overview_pb2.WarningCode.Value
    assert [(each.code, each.name, each.mailing_id, each.missed) for each in found.warnings] == [
        (code("WARNING_CODE_PROVIDER_TOKEN_REFUSED"), "", 0, 0),
        (code("WARNING_CODE_PROVIDER_MISSING"), "gone", 0, 0),
        (code("WARNING_CODE_SENDING_PAUSED"), "", 0, 0),
        (code("WARNING_CODE_ACTOR_UNHEALTHY"), "ticker", 0, 0),
        (code("WARNING_CODE_ACTOR_UNHEALTHY"), "recorder", 0, 0),
        (code("WARNING_CODE_MAILING_WILL_MISS_END"), "", slow.id, 6),
        (code("WARNING_CODE_PAUSED_MAILING_ENDS_SOON"), "", paused.id, 0),
    ]
    assert [found.warnings[place].detail for place in (0, 3)] == ["401", "it fell"]
    assert all(each.detail for each in found.warnings)
    assert (found.engine.missing_providers[0].name, found.engine.missing_providers[0].messages) == ("gone", 12)
    api.control.become(
        breaker=BreakerStatus(BreakerState.OPEN, detail="503"), sending_paused=False, actors=(), missing={}
    )
    first = (await overview_of(api)).warnings[0]
    assert (first.code, first.detail) == (code("WARNING_CODE_PROVIDER_UNREACHABLE"), "503")


async def test_an_engine_that_fell_silent_is_told_of_where_there_can_be_several(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.store.register_engine("host:666", 1, api.clock.us, 0)
    api.clock.pass_seconds(20)
    assert list((await overview_of(api)).warnings) == []  # the only engine on a SQLite file has taken over
    monkeypatch.setattr(type(api.store), "shared", property(lambda _: True))
    (warning,) = (await overview_of(api)).warnings
    assert (warning.code, warning.name) == (overview_pb2.WARNING_CODE_ENGINE_LOST, "host:666")
    api.clock.pass_seconds(3600)
    assert list((await overview_of(api)).warnings) == []


async def test_an_overview_is_read_once_for_all_who_ask(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    read, reads = api.store.overview, []

    async def counted(now_us: int, *, recent_us: int) -> Any:
        reads.append(now_us)
        return await read(now_us, recent_us=recent_us)

    monkeypatch.setattr(api.store, "overview", counted)
    answers = await asyncio.gather(*(api.engine.GetOverview(GetOverviewRequest()) for _ in range(5)))
    api.clock.pass_seconds(0.9)
    assert {each.time.ToMicroseconds() for each in [*answers, await api.engine.GetOverview(GetOverviewRequest())]} == {
        reads[0]
    }
    assert len(reads) == 1
    api.clock.pass_seconds(0.2)
    await api.engine.GetOverview(GetOverviewRequest())
    assert len(reads) == 2
