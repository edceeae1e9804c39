"""TestMailing: a text now, for who wants to see it, over real gRPC; the provider is not real."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import pytest
from grpc import StatusCode

from common.error_codes import ErrorCode
from engine.domain.outcome import Outcome, Verdict
from engine.domain.routing import Way, Wish
from engine.store.database import Tx
from engine.store.rows import AuditQuery, Page
from mailing.v1 import test_text_pb2 as contract
from tests.api.conftest import Api, refusal

NUMBER, OTHER = 79161234567, 79161234568
Results = list[tuple[str, int, str, int]]


async def send(api: Api, text: str = "Hello!", *numbers: str, client_id: int | None = None, key: str = "") -> Results:
    request = contract.TestMailingRequest(
        text=text, phone_numbers=numbers or (str(NUMBER),), client_id=client_id, request_id=key
    )
    answer: contract.TestMailingResponse = await api.mailings.TestMailing(request)
    return [(each.phone_number, each.status, each.detail, each.segments) for each in answer.results]


async def run(api: Api, sql: str, *args: object) -> None:
    async def change(tx: Tx) -> None:
        await tx.run(sql, *args)

    await api.store._db.transaction(change)


async def suppress(api: Api, number: int) -> None:
    sql = "INSERT INTO suppression (phone_number, reason, note, source, create_us) VALUES (?, 4, '', '', 1)"
    await run(api, sql, number)


async def test_it_goes_to_each_number_once_with_ids_of_messages(api: Api) -> None:
    sent = await send(api, "ж" * 71, "+7 916 123-45-67", "8 916 123-45-68", str(NUMBER))
    assert sent == [(str(number), contract.TEST_STATUS_SENT, "", 2) for number in (NUMBER, OTHER)]
    ids = [message_id for message_id, _, _ in api.control.trials]
    assert ids == [1, 2]
    await send(api)
    assert api.control.trials[-1] == (3, NUMBER, "Hello!")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(Verdict.REJECTED, 400, f"HTTP 400: {NUMBER} is bad", None), contract.TEST_STATUS_NOT_SENT),
        (Outcome(Verdict.RETRY, 503, "busy", None), contract.TEST_STATUS_NOT_SENT),
        (Outcome(Verdict.UNKNOWN, None, "timed out", None), contract.TEST_STATUS_UNCERTAIN),
    ],
)
async def test_what_the_provider_says_is_told(api: Api, outcome: Outcome, status: int) -> None:
    api.control.outcomes[NUMBER] = outcome
    detail = outcome.detail.replace(str(NUMBER), "7916*****67")
    assert await send(api) == [(str(NUMBER), status, detail, 1)]


async def test_placeholders_stand_for_what_the_client_has(api: Api) -> None:
    client = await api.add_client(phone_number="79160000001", tag="vip")
    await run(api, """UPDATE client SET attributes = '{"name":"Anna","sum":1.5}' WHERE id = ?""", client.id)
    text = "{{name|friend}} {{sum}} {{tag}} {{phone_number}}"
    await send(api, text, client_id=client.id)
    assert api.control.trials[-1][2] == "Anna 1.5 vip 79160000001"
    assert await send(api, text) == [(str(NUMBER), contract.TEST_STATUS_NOT_SENT, "the client lacks sum, tag", 0)]
    assert len(api.control.trials) == 1
    await send(api, "{{name|friend}} {{phone_number}}")
    assert api.control.trials[-1][2] == f"friend {NUMBER}"
    refused = await refusal(send(api, client_id=404))
    assert (refused.code, refused.reason) == (StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_all_that_is_bad_is_named(api: Api) -> None:
    refused = await refusal(send(api, "{{name", "12", str(NUMBER), "x"))
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert refused.bad == {"text", "phone_numbers[0]", "phone_numbers[2]"}
    assert (await refusal(send(api, "x", *[str(NUMBER + i) for i in range(6)]))).bad == {"phone_numbers"}
    assert (await refusal(send(api, "\ufeff"))).bad == {"text"}
    empty = api.mailings.TestMailing(contract.TestMailingRequest(text="x"))
    assert (await refusal(empty)).bad == {"phone_numbers"}
    assert not api.control.trials


async def test_a_number_on_the_stop_list_refuses_all(api: Api) -> None:
    await suppress(api, OTHER)
    refused = await refusal(send(api, "x", str(NUMBER), str(OTHER)))
    assert (refused.code, refused.reason) == (StatusCode.ALREADY_EXISTS, "SUPPRESSED")
    assert refused.bad == {"phone_numbers[1]"}
    assert not api.control.trials


async def test_a_number_that_is_listed_while_the_text_waits_gets_none(api: Api) -> None:
    async def list_it(number: int) -> None:
        await suppress(api, number)

    api.control.during_trial = list_it
    assert await send(api) == [(str(NUMBER), contract.TEST_STATUS_NOT_SENT, "the number was put on the stop list", 1)]
    assert not api.control.trials


@pytest.mark.parametrize(
    "fault", [ErrorCode.SENDING_PAUSED.format(), ErrorCode.PROVIDER_CLOSED.format(problem="HTTP 503")]
)
async def test_while_nothing_may_be_sent_it_says_why(api: Api, fault: ErrorCode) -> None:
    api.control.refusal = fault  # type: ignore[assignment]
    refused = await refusal(send(api))
    assert (refused.code, refused.message) == (StatusCode.FAILED_PRECONDITION, fault)


async def test_a_repeat_gets_the_first_answer_and_sends_nothing(api: Api) -> None:
    api.control.outcomes[OTHER] = Outcome(Verdict.RETRY, 503, "busy", None)
    first = await send(api, "x", str(NUMBER), str(OTHER), key="k")
    api.control.refusal = ErrorCode.SENDING_PAUSED.format()
    assert await send(api, "x", str(NUMBER), str(OTHER), key="k") == first
    assert len(api.control.trials) == 2
    refused = await refusal(send(api, "x", str(NUMBER), key="k"))
    assert refused.reason == "REQUEST_ID_REUSED"

    async def kept(tx: Tx) -> str:
        return str(await tx.rows("SELECT * FROM request"))

    assert str(NUMBER) not in await api.store._db.read(kept)


async def test_a_repeat_after_the_engine_died_sends_nothing_either(api: Api) -> None:
    async def die(_: int) -> None:
        raise ZeroDivisionError

    api.control.during_trial = die
    assert (await refusal(send(api, key="k"))).code is StatusCode.INTERNAL
    api.control.during_trial = None
    words = "the engine stopped before the provider answered"
    assert await send(api, key="k") == [(str(NUMBER), contract.TEST_STATUS_UNCERTAIN, words, 0)]
    assert not api.control.trials


async def test_the_audit_list_has_it_without_the_numbers(api: Api) -> None:
    await send(api, "Hello {{name|friend}}")
    (event,) = (await api.store.list_audit(AuditQuery(object_type="mailing"), Page())).items
    assert (event.action, event.object_id) == ("mailing.test", None)
    assert event.detail == {"text": "Hello {{name|friend}}", "phone_numbers": ["7916*****67"], "client_id": None}


async def test_only_to_check_refuses_the_same_and_sends_and_stores_nothing(api: Api) -> None:
    def check(text: str, *numbers: str, **more: Any) -> Awaitable[contract.TestMailingResponse]:
        request = contract.TestMailingRequest(text=text, phone_numbers=numbers, validate_only=True, **more)
        return cast("Awaitable[contract.TestMailingResponse]", api.mailings.TestMailing(request))

    async def stored(tx: Tx) -> object:
        return [await tx.rows(f"SELECT * FROM {table}") for table in ("request", "audit_event")]

    before = await api.store._db.read(stored)
    (result,) = (await check("ж" * 71, str(NUMBER), request_id="k")).results
    assert (result.phone_number, result.status, result.segments) == (str(NUMBER), contract.TEST_STATUS_UNSPECIFIED, 2)
    (result,) = (await check("{{name}}", str(NUMBER))).results
    assert (result.detail, result.segments) == ("the client lacks name", 0)
    refused = await refusal(check("{{", "12", request_id="x" * 129))
    assert refused.bad == {"text", "phone_numbers[0]", "request_id"}
    assert (await refusal(check("x", str(NUMBER), client_id=404))).reason == "NOT_FOUND"
    assert (await refusal(check("x", str(NUMBER), client_id=-1))).bad == {"client_id"}
    await suppress(api, OTHER)
    assert (await refusal(check("x", str(OTHER)))).reason == "SUPPRESSED"
    api.control.refusal = ErrorCode.SENDING_PAUSED.format()
    assert (await refusal(check("x", str(NUMBER)))).code is StatusCode.FAILED_PRECONDITION
    assert not api.control.trials
    assert await api.store._db.read(stored) == before


async def test_one_provider_is_chosen_of_those_that_there_are(api: Api) -> None:
    api.control.providers = (Way(1, name="fbrq"), Way(2, name="acme"))
    request = contract.TestMailingRequest(text="Hello!", phone_numbers=[str(NUMBER)], provider="acme")
    await api.mailings.TestMailing(request)
    await send(api)
    assert api.control.wishes == [Wish("acme"), Wish()]
    request.provider = "acne"
    refused = await refusal(api.mailings.TestMailing(request))
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert "there is no provider acne; there are: fbrq, acme" in str(refused.details)
    assert len(api.control.trials) == 2
