"""ReceiveText over real gRPC: repeats and checks."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import pytest

from engine.domain.stop_words import StopWords
from engine.store.database import Tx
from mailing.v1 import inbound_service_pb2 as contract
from mailing.v1.inbound_service_pb2_grpc import InboundServiceStub
from tests.api.conftest import Api, refusal

NUMBER = "79161234567"
SUPPRESSED, IGNORED = contract.INBOUND_ACTION_SUPPRESSED, contract.INBOUND_ACTION_IGNORED


def receive(api: Api, text: str, number: str = NUMBER, **more: Any) -> Awaitable[contract.ReceiveTextResponse]:
    request = contract.ReceiveTextRequest(phone_number=number, text=text, **more)
    stub = InboundServiceStub(api.channel)
    return cast("Awaitable[contract.ReceiveTextResponse]", stub.ReceiveText(request))


async def stored(api: Api, *tables: str) -> list[list[tuple[Any, ...]]]:
    async def look(tx: Tx) -> list[Any]:
        return [list(await tx.rows(f"SELECT * FROM {table}")) for table in tables]

    return await api.store._db.read(look)


@pytest.mark.parametrize(("text", "other", "action"), [("Stop!", "hello", SUPPRESSED), ("hello", "Stop!", IGNORED)])
async def test_a_repeat_gets_the_first_answer_whatever_has_changed_since(
    api: Api, monkeypatch: pytest.MonkeyPatch, text: str, other: str, action: int
) -> None:
    assert (await receive(api, text, request_id="k")).action == action
    number_and_key, audit = await stored(api, "request", "audit_event")
    assert len(number_and_key) == 1
    assert NUMBER not in str(number_and_key)
    assert NUMBER[1:] not in str(number_and_key)

    async def forget(tx: Tx) -> None:
        await tx.run("DELETE FROM suppression")

    await api.store._db.transaction(forget)
    said = StopWords.has
    monkeypatch.setattr(StopWords, "has", lambda self, text: not said(self, text))  # the setting is another one now
    assert (await receive(api, text, request_id="k")).action == action
    assert await stored(api, "suppression", "audit_event") == [[], audit]
    for changed in ({"text": other}, {"number": "79161234568"}):
        refused = await refusal(receive(api, **{"text": text, **changed}, request_id="k"))
        assert (refused.reason, refused.bad) == ("REQUEST_ID_REUSED", {"request_id"})


@pytest.mark.parametrize(("text", "action"), [("Stop!", SUPPRESSED), ("hello", IGNORED)])
async def test_only_to_check_stores_nothing(api: Api, text: str, action: int) -> None:
    tables = ("request", "audit_event", "suppression")
    before = await stored(api, *tables)
    assert (await receive(api, text, request_id="k", validate_only=True)).action == action
    refused = await refusal(receive(api, "\0", "12", request_id="x" * 129, validate_only=True))
    assert refused.bad == {"phone_number", "text", "request_id"}
    assert await stored(api, *tables) == before
