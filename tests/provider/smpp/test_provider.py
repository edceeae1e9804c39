"""The fault table of ``kind = "smpp"``, against a message centre that speaks in bytes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC
from typing import Any

import pytest

from engine.domain.outcome import Answer, Verdict, classify
from engine.ports import Request, StoreUnavailable
from engine.provider.receipts import ProviderReceipt, StandingProvider
from engine.provider.smpp.provider import Manners, SmppProvider
from engine.provider.smpp.receipts import ReceiptIds
from engine.provider.smpp.session import Link
from engine.provider.smpp.texts import LongTexts
from tests.patience import PATIENT_SECONDS, let_time_pass, until
from tests.ports import held_port
from tests.provider.smpp import smsc as centre
from tests.provider.smpp.smsc import Pdu, Session, Smsc, Submit

PHONE = 79990000001
NOW_US = 1_764_000_000_000_000
LONG = "a" * 200
GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\xff" * 64,
    b"\0\0\0\4" * 8,  # a unit shorter than its header
    b"\0\x10\0\x10" + b"x" * 4000,  # one of a megabyte
    Pdu(0x99, 0, 1).encoded(),  # a request that nobody knows
    Pdu(0x80000099, 0, 1).encoded(),
    Pdu(centre.SUBMIT_SM | centre.RESPONSE, 0, 4711, b"x\0").encoded(),  # to a number that was never used
    Pdu(centre.GENERIC_NACK, 3, 0).encoded(),  # "I could not read even the number"
]


_GARBAGE_SECONDS = 0.2
"""For reading it: some of it ends the session, and some the library throws away, so the call waits to its end."""


def _request(text: str = "hi", timeout_seconds: float = PATIENT_SECONDS, **options: Any) -> Request:
    return Request(options.pop("message_id", 1), PHONE, text, timeout_seconds, **options)


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with Smsc() as smsc:
        yield smsc
        assert not smsc.strange


class Made:
    """Providers of one test, closed at its end, and what they handed over."""

    def __init__(self) -> None:
        self.providers: list[SmppProvider] = []
        self.receipts: list[ProviderReceipt] = []
        self.store_is_away = False

    async def take(self, receipts: Sequence[ProviderReceipt]) -> None:
        if self.store_is_away:
            raise StoreUnavailable("away")
        self.receipts += receipts

    def make(
        self,
        smsc: Smsc,
        *,
        window: int = 10,
        bind_seconds: float = PATIENT_SECONDS,
        busy_seconds: float = 1.0,
        store_pause_seconds: float = 1.0,
        hold_seconds: float = 0.05,
        is_open: bool = True,
        **manners: Any,
    ) -> SmppProvider:
        link = Link("127.0.0.1", smsc.port, "me", "secret", "shop", window=window)
        provider = SmppProvider(
            link,
            Manners(senders=("SHOP",), **manners),
            bind_seconds=bind_seconds,
            busy_seconds=busy_seconds,
            store_pause_seconds=store_pause_seconds,
            hold_seconds=hold_seconds,
            now_us=lambda: NOW_US,
        )
        self.providers.append(provider)
        if is_open:
            provider.open(self.take)
        return provider


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    made = Made()
    yield made
    for provider in made.providers:
        await provider.close()


def _sent(message_id: str) -> Answer:
    return Answer(None, True, "", provider_message_id=message_id, verdict=Verdict.SENT, smpp_status=0)


async def test_a_text_is_sent(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    assert await provider.send(_request(valid_seconds=90.7)) == _sent("1")
    assert smsc.binds == [b"me\0secret\0shop\0\x34\0\0\0"]  # 4.1.5: version 3.4
    assert smsc.submits == [Submit(5, 0, "SHOP", 1, 1, str(PHONE), 0, "000000000130000R", 1, 0, b"hi", {})]


async def test_a_sent_text_counts_as_the_providers_word(smsc: Smsc, made: Made) -> None:
    outcome = classify(await made.make(smsc).send(_request()), NOW_US)
    assert (outcome.verdict, outcome.shows_life) == (Verdict.SENT, True)


@pytest.mark.parametrize(
    ("sender", "ton", "npi", "address"),
    [("", 5, 0, "SHOP"), ("Other", 5, 0, "Other"), ("+79160000000", 1, 1, "79160000000"), ("8800", 0, 1, "8800")],
)
async def test_senders(smsc: Smsc, made: Made, sender: str, ton: int, npi: int, address: str) -> None:
    await made.make(smsc).send(_request(sender=sender))
    submit = smsc.submits[0]
    assert (submit.source_ton, submit.source_npi, submit.source) == (ton, npi, address)


async def test_type_and_plan_of_the_sender_can_be_told(smsc: Smsc, made: Made) -> None:
    await made.make(smsc, source_ton=3, source_npi=9).send(_request())
    assert (smsc.submits[0].source_ton, smsc.submits[0].source_npi) == (3, 9)


@pytest.mark.parametrize("sender", ["x" * 21, "Магазин", "a\nb"])
async def test_a_sender_that_is_no_address_is_not_sent(smsc: Smsc, made: Made, sender: str) -> None:
    answer = await made.make(smsc).send(_request(sender=sender))
    assert (answer.verdict, smsc.submits) == (Verdict.REJECTED, [])
    with pytest.raises(ValueError, match="ASCII"):
        SmppProvider(Link("127.0.0.1", 1, "me", "x"), Manners(senders=(sender,)))


async def test_a_long_text_goes_in_parts_and_one_receipt_is_asked_for(smsc: Smsc, made: Made) -> None:
    text = "Привет 😀! " * 10
    assert await made.make(smsc).send(_request(text, message_id=0x1234)) == _sent("2")
    first, second = smsc.submits
    assert (first.esm_class, first.data_coding, first.short_message[:6]) == (0x40, 8, b"\5\0\3\x34\2\1")
    assert second.short_message[:6] == b"\5\0\3\x34\2\2"
    assert (first.short_message[6:] + second.short_message[6:]).decode("utf-16-be") == text
    assert (first.registered_delivery, second.registered_delivery) == (0, 1)


async def test_a_long_text_goes_as_a_payload(smsc: Smsc, made: Made) -> None:
    assert await made.make(smsc, long_texts=LongTexts.PAYLOAD).send(_request(LONG)) == _sent("1")
    (submit,) = smsc.submits
    assert (submit.short_message, submit.message, submit.esm_class) == (b"", LONG.encode(), 0)


REFUSALS = [
    (centre.RTHROTTLED, Verdict.BUSY, "SMPP 0x58: too many messages"),
    (centre.RMSGQFUL, Verdict.BUSY, "SMPP 0x14: the queue is full"),
    (centre.RINVDSTADR, Verdict.REJECTED, "SMPP 0x0B: the number is not valid"),
    (0x0A, Verdict.FORBIDDEN, "SMPP 0x0A: the sender is not allowed"),
    (0x08, Verdict.RETRY, "SMPP 0x08: system error"),
    (0x45, Verdict.RETRY, "SMPP 0x45: the message was not taken"),
    (0x4FF, Verdict.RETRY, "SMPP 0x4FF"),
    (0x401, Verdict.REJECTED, "SMPP 0x401"),
    (0x402, Verdict.BUSY, "SMPP 0x402"),
]


@pytest.mark.parametrize("body", [b"", b"\0"], ids=["no body", "empty id"])
@pytest.mark.parametrize(("status", "verdict", "detail"), REFUSALS)
async def test_refusals_are_known(
    smsc: Smsc, made: Made, status: int, verdict: Verdict, detail: str, body: bytes
) -> None:
    smsc.on_submit = lambda session, pdu: session.send(pdu.answered(status, body))
    provider = made.make(smsc, rejected=frozenset({0x401}), busy=frozenset({0x402}))
    answer = await provider.send(_request())
    assert (answer.verdict, answer.detail, answer.smpp_status) == (verdict, detail, status)
    assert classify(answer, NOW_US).smpp_status == status
    assert classify(answer, NOW_US).hold_seconds == (1.0 if verdict is Verdict.BUSY else 0.0)
    smsc.on_submit = None
    assert await provider.send(_request()) == _sent("1")  # in the same session
    assert len(smsc.binds) == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(0x03, Verdict.RETRY), (centre.RTHROTTLED, Verdict.BUSY), (0x08, Verdict.UNKNOWN), (0x500, Verdict.UNKNOWN)],
)
async def test_a_generic_nack(smsc: Smsc, made: Made, status: int, verdict: Verdict) -> None:
    """Those that the library can't tell from its own failures are unknown."""
    smsc.on_submit = lambda session, pdu: session.send(Pdu(centre.GENERIC_NACK, status, pdu.sequence))
    provider = made.make(smsc)
    assert (await provider.send(_request())).verdict is verdict
    smsc.on_submit = None
    assert (await provider.send(_request())).verdict is Verdict.SENT


@pytest.mark.parametrize("body", [b"", b"no-end"])
async def test_a_yes_that_can_not_be_read_is_unknown(smsc: Smsc, made: Made, body: bytes) -> None:
    smsc.on_submit = lambda session, pdu: session.send(pdu.answered(body=body))
    assert (await made.make(smsc).send(_request())).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("message_id", ["x" * 64, "x" * 200, "5f0c-ab:9"])
async def test_ids_of_all_lengths_are_taken(smsc: Smsc, made: Made, message_id: str) -> None:
    smsc.on_submit = lambda session, pdu: session.accept(pdu, message_id)
    assert await made.make(smsc).send(_request()) == _sent(message_id)


async def test_a_yes_without_an_id_is_a_yes(smsc: Smsc, made: Made) -> None:
    smsc.on_submit = lambda session, pdu: session.accept(pdu, "")
    assert await made.make(smsc).send(_request()) == Answer(None, True, "", verdict=Verdict.SENT, smpp_status=0)


async def test_responses_in_any_order(smsc: Smsc, made: Made) -> None:
    held: list[tuple[Session, Pdu]] = []

    def hold(session: Session, pdu: Pdu) -> None:
        held.append((session, pdu))
        if len(held) == 10:
            for each, unit in reversed(held):
                each.accept(unit, Submit.of(unit.body).message.decode())

    smsc.on_submit = hold
    provider = made.make(smsc, window=10)
    answers = await asyncio.gather(*(provider.send(_request(f"text-{n}")) for n in range(10)))
    assert [answer.provider_message_id for answer in answers] == [f"text-{n}" for n in range(10)]


async def test_no_more_units_without_response_than_the_window(smsc: Smsc, made: Made) -> None:
    held: list[tuple[Session, Pdu]] = []
    smsc.on_submit = lambda session, pdu: held.append((session, pdu))
    provider = made.make(smsc, window=3)
    calls = [asyncio.create_task(provider.send(_request())) for _ in range(4)]
    await until(lambda: len(held) == 3)
    answers = await asyncio.gather(*(provider.send(_request(timeout_seconds=0.1)) for _ in range(4)))
    assert {(answer.verdict, answer.arrived) for answer in answers} == {(Verdict.RETRY, False)}
    assert answers[0].detail == "not called: no place in the window was free in time"
    assert len(smsc.submits) == 3
    held[0][0].accept(held[0][1], "1")
    await until(lambda: len(held) == 4)
    for session, pdu in held[1:]:
        session.accept(pdu, "2")
    assert {answer.verdict for answer in await asyncio.gather(*calls)} == {Verdict.SENT}


async def test_no_response_is_unknown_and_silence_ends_the_session(smsc: Smsc, made: Made) -> None:
    """The connection may be open on one side only: the next call gets a new one."""
    smsc.on_submit = lambda _session, _pdu: None
    provider = made.make(smsc)
    call = asyncio.create_task(provider.send(_request()))
    await until(lambda: smsc.submits)
    let_time_pass()
    answer = await call
    assert (answer.verdict, answer.arrived) == (Verdict.UNKNOWN, True)
    assert re.fullmatch(r"no response within [\d.]+ s", answer.detail)
    smsc.on_submit = None
    await until(lambda: len(smsc.binds) == 2 and provider.is_bound)
    assert (await provider.send(_request())).verdict is Verdict.SENT


async def test_one_slow_response_among_others_ends_nothing(smsc: Smsc, made: Made) -> None:
    def answer_all_but_slow(session: Session, pdu: Pdu) -> None:
        if Submit.of(pdu.body).message != b"slow":
            session.accept(pdu, smsc.new_id())

    smsc.on_submit = answer_all_but_slow
    provider = made.make(smsc)
    slow = asyncio.create_task(provider.send(_request("slow")))
    await until(lambda: smsc.submits)
    assert (await provider.send(_request())).verdict is Verdict.SENT
    let_time_pass()
    assert (await slow).verdict is Verdict.UNKNOWN
    assert (await provider.send(_request())).verdict is Verdict.SENT
    assert len(smsc.binds) == 1


async def test_a_late_response_is_nobody_elses(smsc: Smsc, made: Made) -> None:
    held: list[tuple[Session, Pdu]] = []

    def hold_the_first(session: Session, pdu: Pdu) -> None:
        held.append((session, pdu))
        if len(held) == 1:
            return
        if len(held) > 2:
            session.accept(held[0][1], "late")
        session.accept(pdu, f"own-{len(held)}")

    smsc.on_submit = hold_the_first
    provider = made.make(smsc)
    first = asyncio.create_task(provider.send(_request()))
    await until(lambda: held)
    answers = [await provider.send(_request())]
    let_time_pass()
    assert (await first).verdict is Verdict.UNKNOWN
    answers += [await provider.send(_request()) for _ in range(2)]
    assert [answer.provider_message_id for answer in answers] == ["own-2", "own-3", "own-4"]


async def _reset(session: Session) -> None:
    session.reset()


async def _hang_up(session: Session) -> None:
    session.writer.close()


async def _unbind(session: Session) -> None:
    # 4.2: it is answered, or the connection is gone already.
    with contextlib.suppress(TimeoutError, ConnectionError):
        await session.request(centre.UNBIND)


@pytest.mark.parametrize("end", [_reset, _hang_up, _unbind])
async def test_what_is_without_response_when_the_session_ends_is_unknown(
    smsc: Smsc, made: Made, end: Callable[[Session], Any]
) -> None:
    """What waits for a place in the window was never written, and that is known."""
    smsc.on_submit = lambda _session, _pdu: None
    provider = made.make(smsc, window=5)
    calls = [asyncio.create_task(provider.send(_request())) for _ in range(8)]
    await until(lambda: len(smsc.submits) == 5)
    ending = asyncio.create_task(end(smsc.sessions[0]))
    answers = await asyncio.gather(*calls)
    smsc.on_submit = None
    assert [(a.verdict, a.arrived) for a in answers[:5]] == [(Verdict.UNKNOWN, True)] * 5
    written = [Verdict.UNKNOWN if answer.arrived else Verdict.RETRY for answer in answers[5:]]
    assert [answer.verdict for answer in answers[5:]] == written
    await until(lambda: len(smsc.binds) == 2 and provider.is_bound)
    assert (await provider.send(_request())).verdict is Verdict.SENT
    ending.cancel()


async def test_calls_without_a_session_are_known_and_quick(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    await provider.send(_request())
    smsc.bind_status = centre.RBINDFAIL
    smsc.sessions[0].reset()
    await until(lambda: len(smsc.binds) == 2)
    answer = await provider.send(_request())
    assert (answer.verdict, answer.arrived) == (Verdict.RETRY, False)
    assert answer.detail.startswith("not called: ")
    assert len(smsc.submits) == 1


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "not answered"])
async def test_a_bind_that_fails(smsc: Smsc, made: Made, silent: bool) -> None:
    smsc.bind_status, smsc.answers_binds = centre.RINVPASWD, not silent
    provider = made.make(smsc, bind_seconds=0.3)
    answers = await asyncio.gather(*(provider.send(_request()) for _ in range(5)))
    assert {(answer.verdict, answer.arrived) for answer in answers} == {(Verdict.RETRY, False)}
    assert answers[0].detail == (
        "not called: the bind was refused (system_id, password, system_type?) or not answered within 0.3 s"
    )
    assert "secret" not in answers[0].detail
    smsc.bind_status, smsc.answers_binds = centre.ROK, True
    await until(lambda: provider.is_bound)
    assert (await provider.send(_request())).verdict is Verdict.SENT


async def test_binds_that_fail_are_not_repeated_at_once(smsc: Smsc, made: Made) -> None:
    """Centres lock accounts that try too often."""
    smsc.bind_status = centre.RINVPASWD
    provider = made.make(smsc, bind_seconds=0.05)
    for _ in range(100):
        await provider.send(_request())
    assert len(smsc.binds) <= 2


async def test_nobody_listens(made: Made) -> None:
    gone = Smsc()
    with held_port() as gone.port:
        answer = await made.make(gone).send(_request())
    assert (answer.verdict, answer.arrived) == (Verdict.RETRY, False)
    assert "refused" in answer.detail


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_in_the_place_of_a_response_is_unknown(smsc: Smsc, made: Made, garbage: bytes) -> None:
    smsc.on_submit = lambda session, _pdu: session.writer.write(garbage)
    provider = made.make(smsc)
    call = asyncio.create_task(provider.send(_request()))
    await until(lambda: smsc.submits)
    await asyncio.wait([call], timeout=_GARBAGE_SECONDS)
    let_time_pass()
    assert (await call).verdict is Verdict.UNKNOWN
    smsc.on_submit = None

    async def sent() -> bool:
        return (await provider.send(_request(timeout_seconds=1))).verdict is Verdict.SENT

    async with asyncio.timeout(PATIENT_SECONDS):
        while not await sent():
            await asyncio.sleep(0.05)


async def test_links_are_answered(smsc: Smsc, made: Made) -> None:
    await made.make(smsc).send(_request())
    response = await smsc.sessions[0].request(centre.ENQUIRE_LINK)
    assert response == Pdu(centre.ENQUIRE_LINK | centre.RESPONSE, 0, 1)


async def test_a_part_that_is_refused_after_another_was_taken_is_unknown(smsc: Smsc, made: Made) -> None:
    """The client has read a part of the text: another try would begin anew."""

    def take_one(session: Session, pdu: Pdu) -> None:
        if len(smsc.submits) == 1:
            session.accept(pdu, "1")
        else:
            session.send(pdu.answered(centre.RINVDSTADR))

    smsc.on_submit = take_one
    answer = await made.make(smsc).send(_request(LONG))
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.detail == ("part 2 of 2 was not taken, the parts before it were: SMPP 0x0B: the number is not valid")


async def test_a_first_part_that_is_refused_is_known(smsc: Smsc, made: Made) -> None:
    smsc.on_submit = lambda session, pdu: session.send(pdu.answered(centre.RTHROTTLED))
    assert (await made.make(smsc).send(_request(LONG))).verdict is Verdict.BUSY
    assert len(smsc.submits) == 1


async def test_a_later_part_is_tried_again_while_the_centre_is_busy(smsc: Smsc, made: Made) -> None:
    def busy_once(session: Session, pdu: Pdu) -> None:
        if len(smsc.submits) == 2:
            session.send(pdu.answered(centre.RTHROTTLED))
        else:
            session.accept(pdu, str(len(smsc.submits)))

    smsc.on_submit = busy_once
    assert await made.make(smsc, busy_seconds=0.05).send(_request(LONG)) == _sent("3")


async def test_receipts_are_handed_over_and_answered(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    await provider.send(_request(message_id=4711))
    session = smsc.sessions[0]
    answered = [
        await session.receipt("id:1 stat:DELIVRD err:000"),
        await session.receipt("id:99 stat:UNDELIV err:011"),
        await session.receipt("STOP", esm_class=0),
        await session.receipt("id:1 stat:ENROUTE"),
        await session.receipt(tlvs={centre.TLV_RECEIPTED_MESSAGE_ID: b"5\0", centre.TLV_MESSAGE_STATE: b"\3"}),
    ]
    assert {pdu.status for pdu in answered} == {centre.ROK}
    await until(lambda: len(made.receipts) == 3)
    assert sorted(made.receipts, key=lambda receipt: receipt.message_id or 0, reverse=True) == [
        ProviderReceipt(4711, "1", True, NOW_US, "", "DELIVRD"),  # quicker than the store: by our id
        ProviderReceipt(None, "99", False, NOW_US, "011", "UNDELIV"),
        ProviderReceipt(None, "5", False, NOW_US, "", "EXPIRED"),
    ]


@pytest.mark.parametrize(("done", "time_us"), [("2511241500", NOW_US - 60_000_000 * 60), ("2511241700", NOW_US)])
async def test_a_receipts_time_is_never_to_come(smsc: Smsc, made: Made, done: str, time_us: int) -> None:
    provider = made.make(smsc, receipt_zone=UTC)
    await provider.send(_request())
    await smsc.sessions[0].receipt(f"id:1 done date:{done} stat:DELIVRD")
    await until(lambda: made.receipts)
    assert made.receipts[0].time_us == time_us


async def test_a_receipt_may_be_quicker_than_its_response(smsc: Smsc, made: Made) -> None:
    """Both come at once, and whoever reads receipts may be first."""
    asked: list[asyncio.Task[Pdu]] = []

    async def receipt_first(session: Session, pdu: Pdu) -> None:
        asked.append(asyncio.create_task(session.receipt("id:7 stat:DELIVRD")))
        await asyncio.sleep(0.05)
        session.accept(pdu, "7")

    smsc.on_submit = receipt_first
    provider = made.make(smsc, hold_seconds=PATIENT_SECONDS)
    await provider.send(_request(message_id=4711))
    await until(lambda: asked and asked[0].done())
    let_time_pass()
    await until(lambda: made.receipts)
    assert made.receipts[0].message_id == 4711
    await asyncio.gather(*asked)


async def test_receipts_come_though_nothing_is_sent(smsc: Smsc, made: Made) -> None:
    assert isinstance(made.make(smsc), StandingProvider)
    await until(lambda: smsc.sessions)
    await smsc.sessions[0].receipt("id:1 stat:DELIVRD")
    await until(lambda: made.receipts)


async def test_ids_of_receipts_in_another_base(smsc: Smsc, made: Made) -> None:
    smsc.on_submit = lambda session, pdu: session.accept(pdu, "1A2B")
    provider = made.make(smsc, receipt_ids=ReceiptIds.DECIMAL)
    assert await provider.send(_request(message_id=7)) == _sent(str(0x1A2B))
    await smsc.sessions[0].receipt(f"id:{0x1A2B:010} stat:DELIVRD")
    await until(lambda: made.receipts)
    assert made.receipts[0].message_id == 7


async def test_receipts_wait_for_a_store_that_is_away(smsc: Smsc, made: Made) -> None:
    """The session is not stopped by it: the library would answer receipts with units of a wrong length."""
    provider = made.make(smsc, store_pause_seconds=0.01)
    await provider.send(_request())
    made.store_is_away = True
    for number in range(30):
        assert (await smsc.sessions[0].receipt(f"id:{number} stat:DELIVRD")).status == centre.ROK
    made.store_is_away = False
    await until(lambda: len(made.receipts) == 30)
    assert {receipt.provider_message_id for receipt in made.receipts} == {str(number) for number in range(30)}


async def test_receipts_that_have_come_are_stored_before_the_end(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    await provider.send(_request())
    for number in range(50):
        await smsc.sessions[0].receipt(f"id:{number} stat:DELIVRD")
    await provider.close()
    assert len(made.receipts) == 50


async def test_the_end_does_not_wait_for_a_store_that_is_away(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    await provider.send(_request())
    made.store_is_away = True
    await smsc.sessions[0].receipt("id:1 stat:DELIVRD")
    async with asyncio.timeout(PATIENT_SECONDS):
        await provider.close()
    assert not made.receipts


@pytest.mark.parametrize("options", [{"is_open": False}, {"receipts": False}])
async def test_none_are_asked_for_where_nobody_takes_them(smsc: Smsc, made: Made, options: dict[str, bool]) -> None:
    provider = made.make(smsc, **options)
    assert provider.abilities.receipts == options.get("receipts", True)
    await provider.send(_request())
    assert smsc.submits[0].registered_delivery == 0
    assert (await smsc.sessions[0].receipt("id:1 stat:DELIVRD")).status == centre.ROK
    await provider.close()
    assert not made.receipts


async def test_closing_unbinds(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    await provider.send(_request())
    await provider.close()
    await until(lambda: not smsc.sessions)
    assert smsc.unbinds == 1
    answer = await provider.send(_request())
    assert (answer.verdict, answer.detail) == (Verdict.RETRY, "not called: the client was closed")
    await provider.close()


async def test_no_time(smsc: Smsc, made: Made) -> None:
    provider = made.make(smsc)
    await provider.send(_request())
    answer = await provider.send(_request(timeout_seconds=0))
    assert (answer.verdict, answer.arrived, len(smsc.submits)) == (Verdict.RETRY, False, 1)


async def test_a_text_of_too_many_parts_is_not_sent(smsc: Smsc, made: Made) -> None:
    answer = await made.make(smsc).send(_request("Я" * 67 * 256))
    assert (answer.verdict, smsc.submits) == (Verdict.REJECTED, [])


async def test_a_cancelled_call_gives_its_place_back(smsc: Smsc, made: Made) -> None:
    smsc.on_submit = lambda _session, _pdu: None
    provider = made.make(smsc, window=1)
    call = asyncio.create_task(provider.send(_request()))
    await until(lambda: smsc.submits)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    smsc.on_submit = None
    assert (await provider.send(_request())).verdict is Verdict.SENT
