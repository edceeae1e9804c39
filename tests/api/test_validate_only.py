"""``validate_only`` (AIP-163) over a real server: everything is checked, nothing is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import CreateClientRequest, GetClientRequest, ListClientsRequest, UpdateClientRequest
from mailing.v1.engine_service_pb2 import ListAuditEventsRequest
from mailing.v1.mailing_pb2 import AUDIENCE_STATE_BUILDING, AUDIENCE_STATE_READY, AudienceFilter, Mailing
from mailing.v1.mailing_service_pb2 import (
    CancelMailingRequest,
    CreateMailingRequest,
    GetMailingRequest,
    ListMailingsRequest,
    UpdateMailingRequest,
)
from tests.api.conftest import Api, refusal
from tests.api.test_clients import BAD as BAD_CLIENT
from tests.api.test_clients import BAD_FIELDS as BAD_CLIENT_FIELDS
from tests.api.test_mailings import BAD_FIELDS as BAD_MAILING_FIELDS
from tests.api.test_mailings import a_bad_mailing


async def stored(api: Api) -> list[object]:
    """All that a call could have left behind."""
    return [
        await api.clients.ListClients(ListClientsRequest()),
        await api.mailings.ListMailings(ListMailingsRequest()),
        (await api.engine.ListAuditEvents(ListAuditEventsRequest(page_size=1))).total_size,
        list(api.control.refreshed),
        list(api.control.clients),
    ]


@pytest.fixture
async def unchanged(api: Api) -> AsyncIterator[None]:
    """A client (id 1) and a mailing (id 1), which a test must leave as they are."""
    await api.add_client("79161234567", tag="a")
    await api.add_mailing(filter=AudienceFilter(tags=["a"]))
    before = await stored(api)
    yield
    assert await stored(api) == before


# -- clients -----------------------------------------------------------------------------------


def new_client(client: Client, request_id: str = "") -> CreateClientRequest:
    return CreateClientRequest(client=client, request_id=request_id, validate_only=True)


def edited_client(client: Client, *paths: str) -> UpdateClientRequest:
    return UpdateClientRequest(client=client, update_mask=FieldMask(paths=paths), validate_only=True)


@pytest.mark.usefixtures("unchanged")
async def test_a_client_as_it_would_be(api: Api) -> None:
    api.clock.pass_seconds(1)
    would = await api.clients.CreateClient(new_client(Client(phone_number="+7 925 123-45-67", tag="b")))
    assert (would.id, would.phone_number, would.phone_code, would.tag, would.time_zone) == (
        0, "79251234567", "925", "b", "UTC",
    )  # fmt: skip
    assert would.create_time.ToMicroseconds() == would.update_time.ToMicroseconds() == api.clock.us


@pytest.mark.usefixtures("unchanged")
async def test_a_client_that_could_not_be(api: Api) -> None:
    refused = await refusal(api.clients.CreateClient(new_client(BAD_CLIENT, "x" * 129)))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, BAD_CLIENT_FIELDS | {"request_id"})
    refused = await refusal(api.clients.CreateClient(new_client(Client(phone_number="79161234567"))))
    assert (refused.code, refused.bad) == (StatusCode.ALREADY_EXISTS, {"phone_number"})


@pytest.mark.usefixtures("unchanged")
async def test_an_edited_client_as_it_would_be(api: Api) -> None:
    now = await api.clients.GetClient(GetClientRequest(client_id=1))
    api.clock.pass_seconds(1)
    would = await api.clients.UpdateClient(edited_client(Client(id=1, phone_number="79251234567")))
    assert (would.id, would.phone_number, would.phone_code, would.tag) == (1, "79251234567", "925", "a")
    assert (would.create_time, would.update_time.ToMicroseconds()) == (now.create_time, api.clock.us)
    for nothing in (Client(id=1), Client(id=1, tag="a"), Client(id=1, phone_number="89161234567")):
        assert await api.clients.UpdateClient(edited_client(nothing)) == now


@pytest.mark.usefixtures("unchanged")
async def test_an_edited_client_that_could_not_be(api: Api) -> None:
    bad = Client(id=1)
    bad.MergeFrom(BAD_CLIENT)
    assert (await refusal(api.clients.UpdateClient(edited_client(bad, "*")))).bad == BAD_CLIENT_FIELDS
    assert (await refusal(api.clients.UpdateClient(edited_client(Client(id=1), "nonsense")))).bad == {"update_mask"}
    gone = await refusal(api.clients.UpdateClient(edited_client(Client(id=9, tag="b"))))
    assert gone.code is StatusCode.NOT_FOUND


async def test_an_edited_client_can_not_have_the_number_of_another(api: Api) -> None:
    await api.add_client("79161234567")
    other = await api.add_client("79161234568")
    refused = await refusal(api.clients.UpdateClient(edited_client(Client(id=other.id, phone_number="79161234567"))))
    assert (refused.code, refused.bad) == (StatusCode.ALREADY_EXISTS, {"phone_number"})


# -- mailings ----------------------------------------------------------------------------------


def new_mailing(mailing: Mailing, request_id: str = "") -> CreateMailingRequest:
    return CreateMailingRequest(mailing=mailing, request_id=request_id, validate_only=True)


def edited_mailing(mailing: Mailing, *paths: str) -> UpdateMailingRequest:
    return UpdateMailingRequest(mailing=mailing, update_mask=FieldMask(paths=paths), validate_only=True)


@pytest.mark.usefixtures("unchanged")
async def test_a_mailing_as_it_would_be(api: Api) -> None:
    wanted = api.a_mailing(filter=AudienceFilter(tags=["b", "b"]), rate_limit=2.5)
    would = await api.mailings.CreateMailing(new_mailing(wanted))
    assert (would.id, would.text, list(would.filter.tags), would.rate_limit) == (0, "hello", ["b"], 2.5)
    assert (would.audience_state, would.segments) == (AUDIENCE_STATE_BUILDING, 1)


async def test_a_mailing_becomes_what_it_would_be(api: Api) -> None:
    wanted = api.a_mailing()
    would = await api.mailings.CreateMailing(new_mailing(wanted))
    made = await api.mailings.CreateMailing(CreateMailingRequest(mailing=wanted))
    would.id = made.id
    assert would == made


@pytest.mark.usefixtures("unchanged")
async def test_a_mailing_that_could_not_be(api: Api) -> None:
    refused = await refusal(api.mailings.CreateMailing(new_mailing(a_bad_mailing(), "\n")))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, BAD_MAILING_FIELDS | {"request_id"})


async def test_a_check_with_a_request_id_leaves_the_id_free_and_is_no_repeat(api: Api) -> None:
    request = new_mailing(api.a_mailing(), "once")
    assert (await api.mailings.CreateMailing(request)).id == 0
    request.validate_only = False
    made = await api.mailings.CreateMailing(request)
    request.validate_only = True
    assert (await api.mailings.CreateMailing(request)).id == 0
    api.clock.pass_seconds(2 * 3600)
    assert (await refusal(api.mailings.CreateMailing(request))).bad == {"end_time"}
    client = new_client(Client(phone_number="79161234567"), "twice")
    assert (await api.clients.CreateClient(client)).id == 0
    client.validate_only = False
    assert (await api.clients.CreateClient(client)).id > 0
    client.validate_only = True
    client.client.time_zone = "Mars/Olympus"
    assert (await refusal(api.clients.CreateClient(client))).bad == {"time_zone"}
    request.validate_only = False
    assert await api.mailings.CreateMailing(request) == made


@pytest.mark.usefixtures("unchanged")
async def test_an_edited_mailing_as_it_would_be(api: Api) -> None:
    now = await api.mailings.GetMailing(GetMailingRequest(mailing_id=1))
    api.clock.pass_seconds(1)
    would = await api.mailings.UpdateMailing(edited_mailing(Mailing(id=1, text="other")))
    assert (would.id, would.text, would.audience_state) == (1, "other", AUDIENCE_STATE_READY)
    assert (would.filter, would.message_counts) == (now.filter, now.message_counts)
    assert (would.create_time, would.update_time.ToMicroseconds()) == (now.create_time, api.clock.us)
    would = await api.mailings.UpdateMailing(edited_mailing(Mailing(id=1), "filter"))
    assert (would.filter, would.audience_state) == (AudienceFilter(), AUDIENCE_STATE_BUILDING)
    assert await api.mailings.UpdateMailing(edited_mailing(now, "*")) == now


@pytest.mark.usefixtures("unchanged")
async def test_an_edited_mailing_that_could_not_be(api: Api) -> None:
    refused = await refusal(api.mailings.UpdateMailing(edited_mailing(a_bad_mailing(id=1), "*")))
    assert refused.bad == BAD_MAILING_FIELDS
    gone = await refusal(api.mailings.UpdateMailing(edited_mailing(Mailing(id=9, text="x"))))
    assert gone.code is StatusCode.NOT_FOUND
    api.clock.pass_seconds(3600)
    refused = await refusal(api.mailings.UpdateMailing(edited_mailing(Mailing(id=1, text="x"))))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "READ_ONLY")
    api.clock.pass_seconds(-3600)


async def test_a_cancelled_mailing_could_not_be_edited(api: Api) -> None:
    made = await api.add_mailing()
    await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=made.id))
    refused = await refusal(api.mailings.UpdateMailing(edited_mailing(Mailing(id=made.id, text="x"))))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "READ_ONLY")
