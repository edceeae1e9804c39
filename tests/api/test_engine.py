"""EngineService over a real server and a real store."""

from __future__ import annotations

import math
from collections.abc import Awaitable

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc import StatusCode

from engine.api.control import BreakerStatus, ProviderCalls, ProviderStatus
from engine.domain.breaker import BreakerState
from engine.ports import Control
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import DeleteClientRequest, UpdateClientRequest
from mailing.v1.engine_pb2 import (
    BREAKER_STATE_BLOCKED,
    BREAKER_STATE_CLOSED,
    BREAKER_STATE_OPEN,
    SENDING_STATE_PAUSED,
    SENDING_STATE_RUNNING,
)
from mailing.v1.engine_service_pb2 import (
    GetStatusRequest,
    ListAuditEventsRequest,
    PauseSendingRequest,
    ResumeSendingRequest,
    SetRateRequest,
    SetWorkersRequest,
    UpdateEngineRequest,
)
from mailing.v1.mailing_service_pb2 import PauseMailingRequest
from tests.api.conftest import Api, refusal
from tests.api.fakes import START_US

CALLS = ProviderCalls(window_seconds=60.0, calls=4, errors=1)


async def control_record(api: Api) -> Control:
    return await api.store.read_control(0)


async def test_the_status_says_it_all(api: Api) -> None:
    status = await api.engine.GetStatus(GetStatusRequest())
    assert (status.engine_id, status.workers, status.queue_size, status.queue_depth, status.in_flight) == (
        7, 64, 1000, 3, 2,
    )  # fmt: skip
    assert (status.HasField("rate_limit"), status.rate_per_second, status.sending) == (
        False, 12.5, SENDING_STATE_RUNNING,
    )  # fmt: skip
    assert (status.breaker.state, status.breaker.HasField("next_probe_time")) == (BREAKER_STATE_CLOSED, False)
    (engine,) = status.engines
    assert (engine.id, engine.name, engine.workers, engine.in_flight) == (7, "host:1", 64, 2)
    assert engine.heartbeat_time.ToMicroseconds() == START_US + 1
    assert [(actor.name, actor.healthy, actor.restarts) for actor in status.actors] == [
        ("ticker", True, 0), ("recorder", True, 1),
    ]  # fmt: skip


async def test_the_status_of_an_engine_in_trouble(api: Api) -> None:
    api.control.become(
        sending_paused=True, rate_limit=50.0, breaker=BreakerStatus(BreakerState.BLOCKED, START_US, 3, "401")
    )
    status = await api.engine.GetStatus(GetStatusRequest())
    assert (status.sending, status.rate_limit, status.breaker.state) == (
        SENDING_STATE_PAUSED,
        50,
        BREAKER_STATE_BLOCKED,
    )
    assert (status.breaker.consecutive_failures, status.breaker.detail) == (3, "401")
    assert status.breaker.next_probe_time.ToMicroseconds() == START_US


async def test_settings_are_stored_for_all_engines_and_followed_at_once(api: Api) -> None:
    await api.engine.SetWorkers(SetWorkersRequest(workers=200))
    await api.engine.SetRate(SetRateRequest(rate_limit=12.5))
    await api.engine.PauseSending(PauseSendingRequest())
    record = await control_record(api)
    assert (record.workers, record.provider_rate, record.sending_paused) == (200, 12.5, True)
    assert api.control.controls == 3
    await api.engine.SetRate(SetRateRequest())
    await api.engine.ResumeSending(ResumeSendingRequest())
    record = await control_record(api)
    assert (record.workers, record.provider_rate, record.sending_paused) == (200, 0, False)


@pytest.mark.parametrize("workers", [0, -1, 10_001])
async def test_bad_numbers_of_workers(api: Api, workers: int) -> None:
    refused = await refusal(api.engine.SetWorkers(SetWorkersRequest(workers=workers)))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"workers"})


@pytest.mark.parametrize("rate", [-1, 100_001, math.nan, math.inf])
async def test_bad_rates(api: Api, rate: float) -> None:
    refused = await refusal(api.engine.SetRate(SetRateRequest(rate_limit=rate)))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {"rate_limit"})


async def test_several_settings_are_changed_together(api: Api) -> None:
    status = await api.engine.UpdateEngine(
        UpdateEngineRequest(workers=200, rate_limit=12.5, sending=SENDING_STATE_PAUSED)
    )
    assert status.engine_id == 7
    record = await control_record(api)
    assert (record.workers, record.provider_rate, record.sending_paused) == (200, 12.5, True)
    assert api.control.controls == 1
    (event,) = (await api.engine.ListAuditEvents(ListAuditEventsRequest())).audit_events
    was = {"workers": None, "provider_rate": None, "sending_paused": False}
    assert (event.action, MessageToDict(event.detail)) == (
        "engine.control", {"workers": 200, "provider_rate": 12.5, "sending_paused": True, "before": was},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "after"),
    [
        (UpdateEngineRequest(workers=9), (9, 12.5, True)),
        (UpdateEngineRequest(rate_limit=0), (200, 0, True)),
        (UpdateEngineRequest(sending=SENDING_STATE_RUNNING), (200, 12.5, False)),
    ],
    ids=["workers", "rate", "sending"],
)
async def test_what_is_not_set_stays(api: Api, request_: UpdateEngineRequest, after: tuple[int, float, bool]) -> None:
    await api.engine.UpdateEngine(UpdateEngineRequest(workers=200, rate_limit=12.5, sending=SENDING_STATE_PAUSED))
    await api.engine.UpdateEngine(request_)
    record = await control_record(api)
    assert (record.workers, record.provider_rate, record.sending_paused) == after


@pytest.mark.parametrize(
    ("request_", "bad"),
    [
        (UpdateEngineRequest(workers=0, rate_limit=math.nan, sending=9), {"workers", "rate_limit", "sending"}),  # type: ignore[arg-type]
        (UpdateEngineRequest(workers=10_001, rate_limit=-1, sending=SENDING_STATE_PAUSED), {"workers", "rate_limit"}),
        (UpdateEngineRequest(workers=5, rate_limit=100_001), {"rate_limit"}),
        (UpdateEngineRequest(workers=5, rate_limit=1, sending=-1), {"sending"}),  # type: ignore[arg-type]
        (UpdateEngineRequest(), {"workers", "rate_limit", "sending"}),
    ],
    ids=["all", "two", "one", "an unknown word", "nothing"],
)
async def test_every_bad_setting_is_named_and_none_is_changed(
    api: Api, request_: UpdateEngineRequest, bad: set[str]
) -> None:
    before = await control_record(api)
    refused = await refusal(api.engine.UpdateEngine(request_))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, bad)
    assert (await control_record(api), api.control.controls) == (before, 0)


async def test_the_audit_list_tells_who_changed_what(api: Api) -> None:
    client = await api.add_client("79161234567", tag="a")
    await api.clients.UpdateClient(UpdateClientRequest(client=Client(id=client.id, tag="b")))
    mailing = await api.add_mailing()
    await api.mailings.PauseMailing(PauseMailingRequest(mailing_id=mailing.id))
    await api.engine.SetWorkers(SetWorkersRequest(workers=5))
    await api.clients.DeleteClient(DeleteClientRequest(client_id=client.id))
    found = await api.engine.ListAuditEvents(ListAuditEventsRequest())
    assert [event.action for event in found.audit_events] == [
        *("client.delete", "engine.control", "mailing.pause", "mailing.create", "client.update", "client.create")
    ]
    assert found.total_size == 6
    by_action = {event.action: event for event in found.audit_events}
    assert by_action["client.update"].detail["tag"] == "b"
    assert by_action["client.update"].object_id == client.id
    assert by_action["engine.control"].detail["workers"] == 5
    assert not by_action["engine.control"].HasField("object_id")
    for event in found.audit_events:
        assert event.actor == "tester"
        assert event.peer.startswith("ipv4:127.0.0.1:")
        assert event.time.ToMicroseconds() == api.clock.us
        assert "79161234567" not in str(event)


async def test_pages_and_filters_of_the_audit_list(api: Api) -> None:
    clients = [await api.add_client(f"7916123456{n}") for n in range(5)]
    first = await api.engine.ListAuditEvents(ListAuditEventsRequest(page_size=2))
    await api.add_client("79161234569")
    rest = await api.engine.ListAuditEvents(ListAuditEventsRequest(page_token=first.next_page_token))
    ids = [event.object_id for event in (*first.audit_events, *rest.audit_events)]
    assert ids == [client.id for client in reversed(clients)]
    for request, number in (
        (ListAuditEventsRequest(object_type="client", object_id=clients[0].id), 1),
        (ListAuditEventsRequest(object_type="mailing"), 0),
        (ListAuditEventsRequest(actor="tester"), 6),
        (ListAuditEventsRequest(actor="somebody"), 0),
        (ListAuditEventsRequest(action="client.create"), 6),
        (ListAuditEventsRequest(action="client.update"), 0),
        (ListAuditEventsRequest(since_time=first.audit_events[0].time), 6),
        (ListAuditEventsRequest(until_time=first.audit_events[0].time), 0),
    ):
        assert (await api.engine.ListAuditEvents(request)).total_size == number
    refused = await refusal(
        api.engine.ListAuditEvents(ListAuditEventsRequest(page_token=first.next_page_token, actor="tester"))
    )
    assert refused.bad == {"page_token"}


async def test_each_provider_is_shown_by_its_name(api: Api) -> None:
    one = ProviderStatus("one", "fbrq", BreakerStatus(BreakerState.OPEN, START_US, 20, "HTTP 500"), calls=CALLS)
    two = ProviderStatus(
        "two", "http", rate_limit=5.0, rate_unit="segments", workers=3, prefixes=("7916",), senders=("Shop",),
        price_per_segment=2.5, calls=ProviderCalls(cost=7_500_000),
    )  # fmt: skip
    api.control.become(providers=(one, two))
    first, second = (await api.engine.GetStatus(GetStatusRequest())).providers
    assert (first.name, first.kind, first.breaker.state, first.breaker.detail) == (
        "one", "fbrq", BREAKER_STATE_OPEN, "HTTP 500",
    )  # fmt: skip
    assert (first.calls, first.errors, first.error_share, first.window_seconds) == (4, 1, 0.25, 60.0)
    assert not first.HasField("rate_limit")
    assert not first.HasField("price_per_segment")
    assert (first.HasField("cost"), second.cost) == (False, 7.5)
    assert (second.rate_limit, second.rate_unit, second.workers, second.price_per_segment) == (5.0, "segments", 3, 2.5)
    assert (list(second.prefixes), list(second.senders)) == (["7916"], ["Shop"])
    assert not second.HasField("error_share")


async def test_what_the_providers_file_says_is_not_changed_here(api: Api) -> None:
    api.control.is_steered = False
    calls: list[Awaitable[object]] = [
        api.engine.SetWorkers(SetWorkersRequest(workers=5)),
        api.engine.SetRate(SetRateRequest(rate_limit=5)),
        api.engine.UpdateEngine(UpdateEngineRequest(workers=5, sending=SENDING_STATE_PAUSED)),
    ]
    for call in calls:
        refused = await refusal(call)
        failure = refused.detail(error_details_pb2.PreconditionFailure)
        assert (refused.code, failure.violations[0].type) == (StatusCode.FAILED_PRECONDITION, "PROVIDERS_FILE")
    control = await control_record(api)
    assert (control.workers, control.provider_rate, control.sending_paused) == (None, None, False)
    await api.engine.PauseSending(PauseSendingRequest())
    assert (await control_record(api)).sending_paused
