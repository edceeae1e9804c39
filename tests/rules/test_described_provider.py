"""An engine whose provider is described: a text goes out by its table, and so do its receipts come in."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpc import StatusCode, aio

from mailing.v1 import message_pb2, receipt_service_pb2, receipt_service_pb2_grpc, test_text_pb2
from scripts.token_channel import with_token
from tests.provider.stand_ins import SECRETS, Twilio, basic
from tests.provider.test_examples import pointed
from tests.rules.rig import running


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


async def test_from_the_text_to_its_receipt(tmp_path: Path) -> None:
    twilio = Twilio()
    async with pointed(twilio, tmp_path) as file, running(tmp_path, providers=str(file)) as rig:
        for number in (1, 1211):  # the second one is no number, as the stand-in says
            await rig.add_client(number)
        mailing = await rig.register(text="Hi & bye", end_seconds=900)
        assert await rig.finished(mailing.id) == (0, 1, 1)
        ((sid, sent),) = twilio.taken.items()
        assert (sent["To"], sent["Body"]) == ("+79160000001", "Hi & bye")
        assert 600 < int(sent["ValidityPeriod"]) <= 900  # until its end
        content_type, body = twilio.receipt(sid, "delivered")
        request = receipt_service_pb2.ReceiveReceiptsRequest(provider="twilio", content_type=content_type, body=body)
        receipts = receipt_service_pb2_grpc.ReceiptServiceStub(with_token(rig.channel))
        with pytest.raises(aio.AioRpcError) as refused:
            await receipts.ReceiveReceipts(request)
        assert refused.value.code() is StatusCode.UNAUTHENTICATED
        request.headers["authorization"] = basic("twilio", SECRETS["TWILIO_RECEIPTS_PASSWORD"])
        answer = await receipts.ReceiveReceipts(request)
        assert (answer.status, answer.result.accepted) == (204, 1)
        by_status = {message.status: message for message in await rig.list_messages(mailing.id)}
        arrived = by_status[message_pb2.MESSAGE_STATUS_SENT]
        assert arrived.delivery.status == message_pb2.DELIVERY_STATUS_DELIVERED
        assert (arrived.provider, arrived.provider_message_id) == ("twilio", sid)
        assert by_status[message_pb2.MESSAGE_STATUS_NOT_SENT].reason == message_pb2.NOT_SENT_REASON_REJECTED


async def test_one_text_tries_the_provider_that_is_named(tmp_path: Path) -> None:
    twilio = Twilio()
    async with pointed(twilio, tmp_path) as file, running(tmp_path, providers=str(file)) as rig:
        request = test_text_pb2.TestMailingRequest(text="Hi", phone_numbers=["79161234567"], provider="twilio")
        (result,) = (await rig.mailings.TestMailing(request)).results
        assert (result.status, len(twilio.taken)) == (test_text_pb2.TEST_STATUS_SENT, 1)
