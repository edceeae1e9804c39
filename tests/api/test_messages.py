"""MessageService over a real server and a real store."""

from __future__ import annotations

from google.rpc import error_details_pb2
from grpc import StatusCode

from engine.domain.message import Event
from mailing.v1.client_service_pb2 import DeleteClientRequest
from mailing.v1.mailing_service_pb2 import CancelMailingRequest
from mailing.v1.message_pb2 import (
    ATTEMPT_OUTCOME_DEFERRED,
    ATTEMPT_OUTCOME_REJECTED,
    ATTEMPT_OUTCOME_SENT,
    MESSAGE_STATUS_NOT_SENT,
    MESSAGE_STATUS_PENDING,
    MESSAGE_STATUS_SENT,
    NOT_SENT_REASON_CANCELLED,
    NOT_SENT_REASON_REJECTED,
    NOT_SENT_REASON_UNSPECIFIED,
    Message,
)
from mailing.v1.message_service_pb2 import GetMessageRequest, ListMessagesRequest
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US, START_US


async def get(api: Api, message_id: int) -> Message:
    return await api.messages.GetMessage(GetMessageRequest(message_id=message_id))


async def test_a_message_tells_its_attempts(api: Api) -> None:
    client = await api.add_client("79161234567")
    mailing = await api.add_mailing()
    (claim,) = await api.deliver(mailing.id, 1, Event.DEFER)
    waits = await get(api, claim.message_id)
    assert (waits.mailing_id, waits.client_id, waits.phone_number) == (mailing.id, client.id, "79161234567")
    assert (waits.status, waits.reason, waits.attempts) == (MESSAGE_STATUS_PENDING, NOT_SENT_REASON_UNSPECIFIED, 1)
    assert waits.next_attempt_time.ToMicroseconds() == START_US + 30 * SECOND_US
    assert (waits.last_error.http_status, waits.last_error.detail) == (503, "busy")
    assert not waits.HasField("sent_time")

    api.clock.pass_seconds(30)
    await api.deliver(mailing.id, 1)
    sent = await get(api, claim.message_id)
    assert (sent.status, sent.attempts) == (MESSAGE_STATUS_SENT, 2)
    assert sent.sent_time.ToMicroseconds() == api.clock.us
    assert not sent.HasField("last_error")
    assert not sent.HasField("next_attempt_time")
    first, second = sent.attempt_history
    assert (first.number, first.outcome, first.http_status, first.detail) == (1, ATTEMPT_OUTCOME_DEFERRED, 503, "busy")
    assert (second.number, second.outcome, second.http_status) == (2, ATTEMPT_OUTCOME_SENT, 200)
    assert second.end_time.ToMicroseconds() - second.start_time.ToMicroseconds() == 50_000


async def test_a_message_not_tried_yet_has_no_error_and_no_attempts(api: Api) -> None:
    await api.add_clients(1)
    mailing = await api.add_mailing()
    listed = await api.messages.ListMessages(ListMessagesRequest(mailing_id=mailing.id))
    message = await get(api, listed.messages[0].id)
    assert (message.text, listed.messages[0].text) == ("hello", "")
    message.ClearField("text")
    assert message == listed.messages[0]
    assert not message.HasField("text_version")
    assert not message.HasField("final_time")
    assert not message.HasField("last_error")
    assert not message.attempt_history
    assert message.create_time.ToMicroseconds() == api.clock.us


async def test_a_rejected_message_says_why(api: Api) -> None:
    await api.add_clients(1)
    mailing = await api.add_mailing()
    (claim,) = await api.deliver(mailing.id, 1, Event.REJECT)
    message = await get(api, claim.message_id)
    assert (message.status, message.reason) == (MESSAGE_STATUS_NOT_SENT, NOT_SENT_REASON_REJECTED)
    assert (message.last_error.http_status, message.last_error.detail) == (400, "bad number")
    assert [each.outcome for each in message.attempt_history] == [ATTEMPT_OUTCOME_REJECTED]


async def test_a_sent_message_outlives_its_client_without_the_number(api: Api) -> None:
    client = await api.add_client("79161234567")
    mailing = await api.add_mailing()
    (claim,) = await api.deliver(mailing.id, 1)
    await api.clients.DeleteClient(DeleteClientRequest(client_id=client.id))
    message = await get(api, claim.message_id)
    assert (message.HasField("client_id"), message.phone_number, message.status) == (False, "", MESSAGE_STATUS_SENT)


async def test_a_message_that_is_not_there(api: Api) -> None:
    refused = await refusal(api.messages.GetMessage(GetMessageRequest(message_id=99)))
    assert refused.code is StatusCode.NOT_FOUND
    assert refused.detail(error_details_pb2.ResourceInfo).resource_type == "message"


async def test_filters_of_the_list(api: Api) -> None:
    await api.add_clients(4)
    first, second = await api.add_mailing(), await api.add_mailing()
    (sent,) = await api.deliver(first.id, 1)
    (rejected,) = await api.deliver(first.id, 1, Event.REJECT)
    await api.mailings.CancelMailing(CancelMailingRequest(mailing_id=second.id))
    for request, number in (
        (ListMessagesRequest(), 8),
        (ListMessagesRequest(mailing_id=first.id), 4),
        (ListMessagesRequest(client_id=sent.client_id), 2),
        (ListMessagesRequest(status=MESSAGE_STATUS_PENDING), 2),
        (ListMessagesRequest(mailing_id=second.id, status=MESSAGE_STATUS_PENDING), 0),
        (ListMessagesRequest(status=MESSAGE_STATUS_SENT), 1),
        (ListMessagesRequest(status=MESSAGE_STATUS_NOT_SENT), 5),
        (ListMessagesRequest(reason=NOT_SENT_REASON_CANCELLED), 4),
        (ListMessagesRequest(reason=NOT_SENT_REASON_REJECTED, client_id=rejected.client_id), 1),
        (ListMessagesRequest(reason=NOT_SENT_REASON_REJECTED, status=MESSAGE_STATUS_SENT), 0),
        (ListMessagesRequest(mailing_id=99), 0),
        (ListMessagesRequest(mailing_id=0), 0),
    ):
        found = await api.messages.ListMessages(request)
        assert (len(found.messages), found.total_size) == (number, number), request
        assert not any(message.attempt_history for message in found.messages)


async def test_pages_and_bad_requests(api: Api) -> None:
    await api.add_clients(5)
    mailing = await api.add_mailing()
    request, seen = ListMessagesRequest(mailing_id=mailing.id, page_size=2), []
    while True:
        page = await api.messages.ListMessages(request)
        seen += [message.id for message in page.messages]
        await api.add_client(f"792600000{len(seen):02}")  # makes a message of this mailing meanwhile
        if not page.next_page_token or len(seen) > 8:
            break
        request.page_token = page.next_page_token
    assert seen == sorted(set(seen))
    assert len(seen) >= 5
    bad = ListMessagesRequest(page_token="AAAA", status=9, reason=9)  # type: ignore[arg-type]
    assert (await refusal(api.messages.ListMessages(bad))).bad == {"status", "page_token"}
    bad = ListMessagesRequest(reason=9)  # type: ignore[arg-type]
    assert (await refusal(api.messages.ListMessages(bad))).bad == {"reason"}
