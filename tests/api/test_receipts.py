"""RecordReceipts over real gRPC: what is answered, what is bad, repeats, and calls that share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
from grpc import StatusCode

from engine.api.receipts import Inbox
from engine.domain.message import Event
from engine.domain.receipt import Delivery, Effect, Receipt
from engine.ports import StoreUnavailable
from engine.store.receipts import RECEIPTS_MAX, Recorded
from mailing.v1 import message_pb2, receipt_service_pb2
from mailing.v1.mailing_service_pb2 import GetMailingStatsRequest, WatchMailingRequest
from mailing.v1.message_service_pb2 import GetMessageRequest, ListMessagesRequest
from mailing.v1.receipt_service_pb2_grpc import ReceiptServiceStub
from tests.api.conftest import Api, refusal
from tests.api.fakes import SECOND_US, FakeClock

DELIVERED, UNDELIVERED = message_pb2.DELIVERY_STATUS_DELIVERED, message_pb2.DELIVERY_STATUS_UNDELIVERED
DAY_SECONDS = 86_400


def receipt(
    api: Api, id: int | None = None, status: Any = DELIVERED, seconds: float = 2, **more: Any
) -> receipt_service_pb2.Receipt:
    """A receipt whose time is so long from now."""
    made = receipt_service_pb2.Receipt(id=id, status=status, **more)
    made.time.FromMicroseconds(api.clock.us + int(seconds * SECOND_US))
    return made


def hand_in(
    api: Api, *receipts: receipt_service_pb2.Receipt, **more: Any
) -> Awaitable[receipt_service_pb2.RecordReceiptsResponse]:
    request = receipt_service_pb2.RecordReceiptsRequest(receipts=receipts, **more)
    stub = ReceiptServiceStub(api.channel)
    return cast("Awaitable[receipt_service_pb2.RecordReceiptsResponse]", stub.RecordReceipts(request))


def counts(answer: receipt_service_pb2.RecordReceiptsResponse) -> tuple[int, int, int]:
    return answer.accepted, answer.duplicate, answer.unknown


async def test_what_a_receipt_does_is_answered_and_shown(api: Api) -> None:
    await api.add_clients(4)
    mailing = await api.add_mailing()
    first, second, third, _ = [each.message_id for each in await api.deliver(mailing.id, 4)]
    said = [
        receipt(api, first, code="000", detail="ok"),
        receipt(api, second, UNDELIVERED, 4),
        receipt(api, first, UNDELIVERED, 1),
        receipt(api, 2**62),
    ]
    assert counts(await hand_in(api, *said)) == (2, 1, 1)
    assert counts(await hand_in(api, *said)) == (0, 3, 1)
    message = await api.messages.GetMessage(GetMessageRequest(message_id=first))
    shown = message.delivery
    assert (shown.status, shown.code, shown.detail) == (DELIVERED, "000", "ok")
    assert shown.time.ToMicroseconds() == api.clock.us + 2 * SECOND_US
    assert (message.provider, message.attempt_history[0].provider) == ("fbrq", "fbrq")
    assert not (await api.messages.GetMessage(GetMessageRequest(message_id=third))).HasField("delivery")
    for word, ids in (("DELIVERED", [first]), ("UNDELIVERED", [second])):
        wanted = ListMessagesRequest(delivery=message_pb2.DeliveryFilter.Value(f"DELIVERY_FILTER_{word}"))
        listed = await api.messages.ListMessages(wanted)
        assert ([each.id for each in listed.messages], listed.total_size) == (ids, 1)
    stats = await api.mailings.GetMailingStats(GetMailingStatsRequest(mailing_id=mailing.id))
    delivery = stats.delivery
    assert (delivery.delivered, delivery.undelivered, delivery.none) == (1, 1, 2)
    assert 1.5 <= delivery.seconds.p50 <= delivery.seconds.p95 <= 2.2
    assert [(point.sent, point.delivered) for point in stats.timeline] == [(4, 1)]
    watched = api.mailings.WatchMailing(WatchMailingRequest(mailing_id=mailing.id))
    progress = [each async for each in watched].pop().delivery
    assert (progress.delivered, progress.undelivered, progress.none) == (1, 1, 2)
    assert not progress.HasField("seconds")


async def test_a_pending_message_is_sent_and_its_last_error_is_history(api: Api) -> None:
    await api.add_clients(1)
    mailing = await api.add_mailing()
    (claim,) = await api.deliver(mailing.id, 1, Event.DEFER)
    assert counts(await hand_in(api, receipt(api, claim.message_id, seconds=-5))) == (1, 0, 0)
    message = await api.messages.GetMessage(GetMessageRequest(message_id=claim.message_id))
    assert message.status == message_pb2.MESSAGE_STATUS_SENT
    assert not message.HasField("last_error")
    assert [each.detail for each in message.attempt_history] == ["busy"]


async def test_delivery_is_told_of_claims_that_need_no_call_any_more(api: Api) -> None:
    client = await api.add_client("79161234567")
    mailing = await api.add_mailing()
    (claim,) = await api.deliver(mailing.id, 1, Event.DEFER)
    api.clock.pass_seconds(40)
    now_us = api.clock.us
    await api.store.claim(mailing.id, 1, owner=1, now_us=now_us, lease_until_us=now_us + SECOND_US)
    api.control.clients.clear()
    assert counts(await hand_in(api, receipt(api, claim.message_id))) == (1, 0, 0)
    assert api.control.clients == [client.id]
    assert api.control.followed[-1] == (client.id,)


BAD: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"id"}),
    ({"id": 0}, {"id"}),
    ({"id": 1, "status": 0}, {"status"}),
    ({"id": 1, "status": 9}, {"status"}),
    ({"id": 1, "seconds": DAY_SECONDS + 1}, {"time"}),
    ({"id": 1, "code": "x" * 65, "detail": "x" * 501}, {"code", "detail"}),
    ({"provider_message_id": "x" * 257}, {"provider_message_id"}),
    ({"id": 1, "provider_message_id": "\0", "detail": "a\0b"}, {"provider_message_id", "detail"}),
]


@pytest.mark.parametrize(("fields", "bad"), BAD)
async def test_all_that_is_bad_is_named_by_place_and_field(api: Api, fields: dict[str, Any], bad: set[str]) -> None:
    refused = await refusal(hand_in(api, receipt(api, 1), receipt(api, **fields)))
    assert (refused.code, refused.bad) == (StatusCode.INVALID_ARGUMENT, {f"receipts[1].{name}" for name in bad})


async def test_there_are_receipts_and_not_too_many_and_each_has_a_time(api: Api) -> None:
    assert (await refusal(hand_in(api))).bad == {"receipts"}
    many = [receipt(api, n + 1) for n in range(RECEIPTS_MAX + 1)]
    assert (await refusal(hand_in(api, *many))).bad == {"receipts"}
    assert counts(await hand_in(api, *many[1:])) == (0, 0, RECEIPTS_MAX)
    many[0].ClearField("time")
    assert (await refusal(hand_in(api, many[0]))).bad == {"receipts[0].time"}
    assert counts(await hand_in(api, receipt(api, 1, seconds=DAY_SECONDS - 1))) == (0, 0, 1)


async def test_a_repeat_with_a_key_gets_the_first_answer(api: Api) -> None:
    await api.add_clients(1)
    mailing = await api.add_mailing()
    (claim,) = await api.deliver(mailing.id, 1)
    said = (receipt(api, claim.message_id), receipt(api, 2**62))
    for _ in range(2):
        assert counts(await hand_in(api, *said, request_id="k")) == (1, 0, 1)
    assert counts(await hand_in(api, *said)) == (0, 1, 1)
    assert (await refusal(hand_in(api, said[0], request_id="k"))).reason == "REQUEST_ID_REUSED"


# -- calls that come together --------------------------------------------------------------------------


class SlowStore:
    """Keeps each transaction going until it is let."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.let = asyncio.Event()
        self.error: Exception | None = None

    async def record_receipts(self, receipts: Sequence[Receipt], *, now_us: int) -> Recorded:
        self.batches.append(len(receipts))
        await self.let.wait()
        if self.error is not None:
            raise self.error
        effects = [Effect.KEPT if each.message_id else Effect.UNKNOWN for each in receipts]
        return Recorded(tuple(effects), (5,) if self.batches == [1] else ())


def batch(number: int, message_id: int | None = 1) -> list[Receipt]:
    return [Receipt(Delivery.DELIVERED, 1, message_id)] * number


def inbox_on(store: SlowStore) -> Callable[[Sequence[Receipt]], asyncio.Task[Recorded]]:
    inbox = Inbox(store, FakeClock())  # type: ignore[arg-type]  # a part of a store
    return lambda receipts: asyncio.create_task(inbox.hand_in(receipts))


async def test_what_comes_while_a_transaction_runs_shares_the_next() -> None:
    store = SlowStore()
    hand = inbox_on(store)
    calls = [hand(batch(1))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls += [hand(batch(1, None if n == 3 else 1)) for n in range(50)]
    calls += [hand(batch(900)), hand(batch(60)), hand(batch(1000)), hand(batch(1))]
    await asyncio.sleep(0)
    store.let.set()
    answers = await asyncio.gather(*calls)
    assert store.batches == [1, 950, 60, 1000, 1]
    assert [len(each.effects) for each in answers] == [1] * 51 + [900, 60, 1000, 1]
    assert [each.client_ids for each in answers] == [(5,)] + [()] * 54
    assert [n for n, each in enumerate(answers) if Effect.UNKNOWN in each.effects] == [4]


async def test_whoever_shares_a_failure_is_told_and_the_next_are_stored() -> None:
    store = SlowStore()
    hand = inbox_on(store)
    store.error = StoreUnavailable()
    store.let.set()
    failed = await asyncio.gather(hand(batch(1)), hand(batch(2)), return_exceptions=True)
    assert [type(each) for each in failed] == [StoreUnavailable] * 2
    store.error = None
    assert len((await hand(batch(2))).effects) == 2
