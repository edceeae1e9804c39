"""Requests with a request id over a real server: the first answer again, and nothing is done twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from engine.api.repeats import InProgress, Running, digest_for, request_key, scoped_id
from engine.domain.access import ActorKind
from engine.domain.errors import InvalidInput
from engine.store.rows import Actor, RequestKey
from mailing.v1.access_pb2 import ROLE_ADMIN
from mailing.v1.access_service_pb2 import CreateAccountRequest, CreateTokenRequest, SignInRequest
from mailing.v1.client_pb2 import Client
from mailing.v1.client_service_pb2 import (
    CreateClientRequest,
    ImportClientsRequest,
    ImportClientsRow,
    ListClientsRequest,
    UpdateClientRequest,
)
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from mailing.v1.engine_service_pb2 import ListAuditEventsRequest
from mailing.v1.mailing_pb2 import (
    MAILING_STATE_ACTIVE,
    MAILING_STATE_CANCELLED,
    MAILING_STATE_ENDED,
    MAILING_STATE_PAUSED,
    Mailing,
)
from mailing.v1.mailing_service_pb2 import (
    CancelMailingRequest,
    CreateMailingRequest,
    DeleteMailingRequest,
    GetMailingRequest,
    PauseMailingRequest,
    ResumeMailingRequest,
)
from scripts.token_channel import metadata
from tests.api.conftest import Api, refusal
from tests.patience import PATIENT_SECONDS

REQUESTS = {"Pause": PauseMailingRequest, "Resume": ResumeMailingRequest, "Cancel": CancelMailingRequest}
OPPOSITE = {"Pause": "Resume", "Resume": "Pause"}
STATES = {"Pause": MAILING_STATE_PAUSED, "Resume": MAILING_STATE_ACTIVE, "Cancel": MAILING_STATE_CANCELLED}
STEERING = pytest.mark.parametrize("action", list(REQUESTS))


def steer(api: Api, action: str, mailing_id: int, request_id: str = "") -> Awaitable[Mailing]:
    call: Callable[..., Awaitable[Mailing]] = getattr(api.mailings, f"{action}Mailing")
    return call(REQUESTS[action](mailing_id=mailing_id, request_id=request_id))


async def read(api: Api, mailing_id: int) -> Mailing:
    return await api.mailings.GetMailing(GetMailingRequest(mailing_id=mailing_id))


async def events(api: Api) -> int:
    return (await api.engine.ListAuditEvents(ListAuditEventsRequest(page_size=1))).total_size


# -- pause, resume, cancel -----------------------------------------------------------------------


@STEERING
async def test_a_repeated_change_gets_the_first_answer_and_does_nothing(api: Api, action: str) -> None:
    await api.add_clients(3)
    made = await api.add_mailing()
    if action == "Resume":
        await steer(api, "Pause", made.id)
    first = await steer(api, action, made.id, "once")
    assert first == await read(api, made.id)
    assert first.state == STATES[action]
    if action in OPPOSITE:
        api.clock.pass_seconds(1)
        await steer(api, OPPOSITE[action], made.id)
    now, seen = await read(api, made.id), await events(api)
    api.clock.pass_seconds(1)
    assert await steer(api, action, made.id, "once") == first
    assert (await read(api, made.id), await events(api)) == (now, seen)


async def test_a_repeated_cancel_tells_what_the_first_one_had_done_to_the_messages(api: Api) -> None:
    await api.add_clients(10)
    made = await api.add_mailing()
    first = await steer(api, "Cancel", made.id, "once")
    assert (first.message_counts.pending, first.message_counts.not_sent) == (0, 10)
    assert await steer(api, "Cancel", made.id, "once") == first


async def test_the_first_answer_is_given_although_the_mailing_has_ended_or_is_gone(api: Api) -> None:
    made = await api.add_mailing()
    first = await steer(api, "Pause", made.id, "once")
    api.clock.pass_seconds(3600)
    assert (await read(api, made.id)).state == MAILING_STATE_ENDED
    assert await steer(api, "Pause", made.id, "once") == first
    assert (await refusal(steer(api, "Pause", made.id, "twice"))).reason == "READ_ONLY"
    await api.mailings.DeleteMailing(DeleteMailingRequest(mailing_id=made.id))
    assert await steer(api, "Pause", made.id, "once") == first
    assert (await refusal(steer(api, "Pause", made.id, "twice"))).code is StatusCode.NOT_FOUND


@STEERING
async def test_an_id_used_for_another_mailing_or_method_is_refused(api: Api, action: str) -> None:
    one, two = await api.add_mailing(), await api.add_mailing()
    await steer(api, "Pause", two.id)
    before = await read(api, two.id)
    await steer(api, action, one.id, "once")
    create = CreateMailingRequest(mailing=api.a_mailing(), request_id="once")
    calls: list[Callable[[], Awaitable[Mailing]]] = [
        partial(steer, api, action, two.id, "once"),
        partial(api.mailings.CreateMailing, create),
        *(partial(steer, api, each, one.id, "once") for each in REQUESTS if each != action),
    ]
    for call in calls:
        refused = await refusal(call())
        assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        assert refused.bad == {"request_id"}
    assert await read(api, two.id) == before


@STEERING
@pytest.mark.parametrize("request_id", ["x" * 129, "a\n"])
async def test_ids_that_can_not_be_are_refused(api: Api, action: str, request_id: str) -> None:
    made = await api.add_mailing()
    before = await read(api, made.id)
    assert (await refusal(steer(api, action, made.id, request_id))).bad == {"request_id"}
    assert await read(api, made.id) == before


@STEERING
async def test_a_refused_change_may_be_repeated_with_its_id(api: Api, action: str) -> None:
    assert (await refusal(steer(api, action, 1, "once"))).code is StatusCode.NOT_FOUND
    made = await api.add_mailing()
    assert made.id == 1
    assert (await steer(api, action, made.id, "once")).state == STATES[action]


async def test_two_at_the_same_time_one_does_it_the_other_is_told_to_come_back(api: Api) -> None:
    made = await api.add_mailing()
    go, asked = asyncio.Event(), asyncio.Event()

    async def slow(_: int) -> None:
        asked.set()
        await go.wait()

    api.control.during_refresh = slow
    first = asyncio.ensure_future(steer(api, "Pause", made.id, "once"))
    await asked.wait()
    refused = await refusal(steer(api, "Pause", made.id, "once"))
    assert (refused.code, refused.reason) == (StatusCode.ABORTED, "REQUEST_IN_PROGRESS")
    assert refused.detail(error_details_pb2.RetryInfo).retry_delay.seconds == 1
    go.set()
    assert await steer(api, "Pause", made.id, "another") == await first
    assert await steer(api, "Pause", made.id, "once") == await first


async def test_a_change_whose_caller_has_gone_is_still_in_progress(api: Api) -> None:
    made = await api.add_mailing()
    go, asked = asyncio.Event(), asyncio.Event()

    async def slow(_: int) -> None:
        asked.set()
        await go.wait()

    api.control.during_refresh = slow
    request = PauseMailingRequest(mailing_id=made.id, request_id="once")
    call = api.mailings.PauseMailing(request)
    gone = asyncio.ensure_future(call)
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert (await refusal(steer(api, "Pause", made.id, "once"))).code is StatusCode.ABORTED
    go.set()
    assert (await steer_when_free(api, made.id)).state == MAILING_STATE_PAUSED


async def steer_when_free(api: Api, mailing_id: int) -> Mailing:
    """Pause as soon as the first call has ended, which nobody can be told of."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            try:
                return await steer(api, "Pause", mailing_id, "once")
            except aio.AioRpcError as error:
                if error.code() is not StatusCode.ABORTED:
                    raise
            await asyncio.sleep(0.01)


async def test_a_change_that_failed_after_its_commit_has_delivery_follow_when_it_is_repeated(api: Api) -> None:
    made = await api.add_mailing()

    async def fail(_: int) -> None:
        raise RuntimeError("the engine is falling")

    api.control.during_refresh = fail
    assert (await refusal(steer(api, "Pause", made.id, "once"))).code is StatusCode.INTERNAL
    api.control.during_refresh, told, seen = None, len(api.control.refreshed), await events(api)
    assert (await steer(api, "Pause", made.id, "once")).state == MAILING_STATE_PAUSED
    assert len(api.control.refreshed) == told + 1
    assert await events(api) == seen


# -- callers -------------------------------------------------------------------------------------


async def test_each_caller_has_its_own_ids_whatever_its_name(api: Api) -> None:
    """Two tokens and an account of one name, their numbers the same as far as they can be, and two sessions."""
    clients = ClientServiceStub(api.plain_channel)

    async def make(secret: str, phone_number: str) -> int:
        request = CreateClientRequest(client=Client(phone_number=phone_number), request_id="once")
        return (await clients.CreateClient(request, metadata=metadata(secret))).id

    accounts = [
        await api.access.CreateAccount(CreateAccountRequest(name=name, role=ROLE_ADMIN, password="correct horse"))
        for name in ("anna", "boris", "olga")
    ]
    token = CreateTokenRequest(name="olga", role=ROLE_ADMIN)
    tokens = [await api.access.CreateToken(token) for _ in range(2)]
    assert accounts[-1].id in {each.token.id for each in tokens}
    sign_in = SignInRequest(name="olga", password="correct horse")
    sessions = [(await api.plain_access.SignIn(sign_in)).secret for _ in range(2)]

    own = [await make(each.secret, f"7916000000{n}") for n, each in enumerate(tokens)]
    of_account = await make(sessions[0], "79160000009")
    assert len({*own, of_account}) == 3
    assert [await make(each.secret, f"7916000000{n}") for n, each in enumerate(tokens)] == own
    assert await make(sessions[1], "79160000009") == of_account


def test_what_is_stored_of_an_id_is_the_callers_and_fits() -> None:
    token, account = ActorKind.TOKEN, ActorKind.ACCOUNT
    ids = {scoped_id("x" * 128, Actor("olga", "", *who)) for who in ((token, 1), (token, 2), (account, 1))}
    assert len(ids) == 3
    assert {len(each or "") for each in ids} == {64}
    assert scoped_id("", Actor("olga", "", token, 1)) is None
    # One caller's key can't run into another's id.
    assert scoped_id("2x", Actor("olga", "", token, 1)) != scoped_id("x", Actor("olga", "", token, 12))
    with pytest.raises(InvalidInput):
        scoped_id("a\0b", Actor("olga", "", token, 1))


def test_an_id_is_free_again_when_its_request_has_ended_or_failed() -> None:
    running, key = Running(), RequestKey("r", "Do", "this")
    with running.hold(key), running.hold(None), running.hold("other"):
        for same in (key, "r", RequestKey("r", "Do", "that")):
            with pytest.raises(InProgress), running.hold(same):
                pass
    with pytest.raises(KeyError), running.hold(key):
        raise KeyError
    with running.hold(key):
        pass


# -- import --------------------------------------------------------------------------------------


def row(phone_number: str, **fields: Any) -> ImportClientsRow:
    return ImportClientsRow(phone_number=phone_number, **fields)


def pages(*parts: Iterable[ImportClientsRow], request_id: str = "once") -> list[ImportClientsRequest]:
    """The request id on the first page only."""
    result = [ImportClientsRequest(rows=rows) for rows in parts]
    result[0].request_id = request_id
    return result


ROWS = [row("79160000001", tag="a", line=2), row("79160000002", line=3), row("x", line=4), row("79160000003", line=5)]


async def test_a_repeated_import_gets_the_first_report_and_stores_nothing(api: Api) -> None:
    first = await api.clients.ImportClients(iter(pages(ROWS[:2], ROWS[2:])))
    assert (first.created, first.rejected, [error.line for error in first.errors]) == (3, 1, [4])
    (client, *_) = (await api.clients.ListClients(ListClientsRequest())).clients
    await api.clients.UpdateClient(UpdateClientRequest(client=Client(id=client.id, tag="later")))
    told, seen = len(api.control.clients), await events(api)
    # How the rows are cut into pages is no part of what was asked for.
    for again in (pages(ROWS[:2], ROWS[2:]), pages(ROWS), pages([], ROWS[:1], [], ROWS[1:])):
        assert await api.clients.ImportClients(iter(again)) == first
    (client, *_) = (await api.clients.ListClients(ListClientsRequest())).clients
    assert (client.tag, len(api.control.clients), await events(api)) == ("later", told, seen)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ROWS[:3],
        [*ROWS, row("79160000004")],
        [ROWS[1], ROWS[0], *ROWS[2:]],
        [row("79160000001", tag="b", line=2), *ROWS[1:]],
        [row("79160000001", tag="a", line=7), *ROWS[1:]],
        [ROWS[0], row("79160000002", tag="", line=3), *ROWS[2:]],
    ],
    ids=["none", "fewer", "more", "another order", "another tag", "another line", "a tag that is said"],
)
async def test_other_rows_under_the_same_id_are_refused_and_not_stored(api: Api, rows: list[ImportClientsRow]) -> None:
    await api.clients.ImportClients(iter(pages(ROWS)))
    before = await api.clients.ListClients(ListClientsRequest())
    refused = await refusal(api.clients.ImportClients(iter(pages(rows))))
    assert (refused.code, refused.reason, refused.bad) == (
        StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED", {"request_id"},
    )  # fmt: skip
    assert await api.clients.ListClients(ListClientsRequest()) == before


async def test_an_id_used_for_something_else_is_no_import(api: Api) -> None:
    request = CreateClientRequest(client=Client(phone_number="79161234567"), request_id="once")
    await api.clients.CreateClient(request)
    assert (await refusal(api.clients.ImportClients(iter(pages(ROWS))))).reason == "REQUEST_ID_REUSED"
    await api.clients.ImportClients(iter(pages(ROWS, request_id="twice")))
    request.request_id = "twice"
    assert (await refusal(api.clients.CreateClient(request))).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("request_id", ["x" * 129, "a\n"])
async def test_an_import_with_an_id_that_can_not_be_is_refused(api: Api, request_id: str) -> None:
    assert (await refusal(api.clients.ImportClients(iter(pages(ROWS, request_id=request_id))))).bad == {"request_id"}
    assert (await api.clients.ListClients(ListClientsRequest())).total_size == 0


async def test_a_later_page_may_say_the_same_id_but_no_other(api: Api) -> None:
    same = pages(ROWS[:1], ROWS[1:])
    same[1].request_id = "once"
    assert (await api.clients.ImportClients(iter(same))).created == 3
    same[1].request_id = "twice"
    assert (await refusal(api.clients.ImportClients(iter(same)))).bad == {"request_id"}
    late = pages(ROWS[:1], ROWS[1:], request_id="")
    late[1].request_id = "late"
    assert (await refusal(api.clients.ImportClients(iter(late)))).bad == {"request_id"}


async def test_what_the_rows_were_made_of_is_part_of_what_was_asked_for(api: Api) -> None:
    def asked(source_digest: bytes) -> list[ImportClientsRequest]:
        return [*pages(ROWS), ImportClientsRequest(source_digest=source_digest)]

    first = await api.clients.ImportClients(iter(asked(b"one file")))
    assert await api.clients.ImportClients(iter(asked(b"one file"))) == first
    at_once = pages(ROWS)
    at_once[0].source_digest = b"one file"
    assert await api.clients.ImportClients(iter(at_once)) == first
    for other in (asked(b"another"), pages(ROWS)):
        assert (await refusal(api.clients.ImportClients(iter(other)))).reason == "REQUEST_ID_REUSED"
    assert (await refusal(api.clients.ImportClients(iter(asked(b"x" * 65))))).bad == {"source_digest"}


async def test_an_import_that_was_cut_off_goes_through_all_rows_again(api: Api) -> None:
    async def cut() -> AsyncIterator[ImportClientsRequest]:
        yield pages(ROWS[:1])[0]
        yield ImportClientsRequest(rows=[row("x")] * 10_001)

    assert (await refusal(api.clients.ImportClients(cut()))).bad == {"rows"}
    report = await api.clients.ImportClients(iter(pages(ROWS)))
    assert (report.created, report.unchanged, report.rejected) == (2, 1, 1)
    assert await api.clients.ImportClients(iter(pages(ROWS))) == report


async def test_two_imports_at_the_same_time_one_does_it_the_other_is_told_to_come_back(api: Api) -> None:
    go, begun = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[ImportClientsRequest]:
        first, second = pages(ROWS[:2], ROWS[2:])
        yield first
        begun.set()
        await go.wait()
        yield second

    first = asyncio.ensure_future(api.clients.ImportClients(slow()))
    await begun.wait()
    await asyncio.wait_for(api.control.clients_told.wait(), PATIENT_SECONDS)
    refused = await refusal(api.clients.ImportClients(iter(pages(ROWS))))
    assert (refused.code, refused.reason) == (StatusCode.ABORTED, "REQUEST_IN_PROGRESS")
    go.set()
    assert (await first).created == 3
    assert await api.clients.ImportClients(iter(pages(ROWS))) == await first


async def test_imports_without_an_id_are_not_compared(api: Api) -> None:
    assert (await api.clients.ImportClients(iter(pages(ROWS, request_id="")))).created == 3
    assert (await api.clients.ImportClients(iter(pages(ROWS, request_id="")))).unchanged == 3


def test_what_is_kept_of_a_request_with_numbers_cannot_be_tried_out() -> None:
    """There are a thousand million numbers: of a plain digest each could be tried. The request id is not stored."""
    request = CreateClientRequest(client=Client(phone_number="79161234567", tag="vip"))
    content = request.SerializeToString(deterministic=True)
    for method in ("CreateClient", "ImportClients"):
        one, two = (digest_for(method, request_id, content) for request_id in ("one", "two"))
        assert one != two
        assert hashlib.sha256(content).hexdigest() not in (one, two)
    key = request_key("CreateClient", request, "one", Actor())
    assert key is not None
    assert key.fingerprint == digest_for("CreateClient", "one", content)
