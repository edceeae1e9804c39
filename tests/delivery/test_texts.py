"""Texts with placeholders on their way to the provider: never a text with a hole, and whoever has no text costs nothing
but its row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.delivery.delivery import Delivery
from engine.domain.audience import AudienceFilter
from engine.domain.message import Event, Reason, Status
from engine.domain.template import Filled, Template, Values
from engine.domain.validate import ClientInput, MailingInput
from engine.person import Person
from engine.ports import OnUncertain, Record
from engine.store.rows import Actor, Counts, MessageQuery, Page
from tests.delivery.engines import Fleet
from tests.delivery.plans import a_claim, a_plan
from tests.delivery.test_worker import One
from tests.simulation.loop import EPOCH_US, VirtualLoop

TEXT = "Hello, {{tag}}!"


class Mail:
    """A fleet, and one mailing for clients with these tags."""

    def __init__(self, loop: VirtualLoop, folder: Path, tags: Sequence[str]) -> None:
        self.fleet, self.folder, self.tags = Fleet(loop, latency_seconds=(0.01, 0.02)), folder, tags

    async def begin(self, text: str = TEXT, *, paused: bool = False, rate: float | None = None) -> Delivery:
        """Register the mailing; let an engine send it."""
        await self.fleet.open(self.folder, 0)
        rows = [ClientInput(79160000000 + place, "916", tag, "UTC") for place, tag in enumerate(self.tags)]
        await self.fleet.store.import_clients(rows, by=Actor(), now_us=EPOCH_US)
        await self.fleet.store.delete_mailing(1, by=Actor(), now_us=EPOCH_US)
        self.asked = MailingInput(
            text, AudienceFilter(), EPOCH_US - 10**9, EPOCH_US + 10**10, None, rate, OnUncertain.RESEND.value
        )
        created = await self.fleet.store.create_mailing(self.asked, by=Actor(), now_us=EPOCH_US)
        self.id = created.row.id
        if paused:
            await self.fleet.store.set_paused(self.id, True, by=Actor(), now_us=EPOCH_US)
        return await self.fleet.join()

    async def counts(self) -> Counts:
        return (await self.fleet.store.get_mailing(self.id)).counts

    def texts(self) -> list[str]:
        return [call.text for call in self.fleet.provider.calls]


def test_each_gets_a_text_of_its_own_and_nobody_one_with_a_hole(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        mail = Mail(loop, tmp_path, ["a", "", "b", "", "c"])
        engine = await mail.begin()
        await asyncio.sleep(1)
        assert sorted(mail.texts()) == ["Hello, a!", "Hello, b!", "Hello, c!"]
        assert await mail.counts() == Counts(sent=3, incomplete=2)
        page = await mail.fleet.store.list_messages(MessageQuery(reason=Reason.INCOMPLETE), Page())
        assert {(row.status, row.attempts, row.detail) for row in page.items} == {
            (Status.NOT_SENT, 0, "the client lacks tag")
        }
        assert engine.state.lines[0].queue.slots_used == 0
        assert not len(engine.state.hand)
        await mail.fleet.leave()

    loop.run_until_complete(life())


def test_a_mailing_of_which_nobody_gets_a_text_is_over_before_the_next_tick(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        mail = Mail(loop, tmp_path, [""] * 200)  # the queue has room for 20
        await mail.begin()
        await asyncio.sleep(2)
        assert await mail.counts() == Counts(incomplete=200)
        assert not mail.texts()
        await mail.fleet.leave()

    loop.run_until_complete(life())


def test_who_gets_no_text_takes_no_token(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        mail = Mail(loop, tmp_path, [""] * 100 + ["a"])
        await mail.begin(rate=1.0)
        await asyncio.sleep(60)
        calls = mail.fleet.provider.calls
        assert [call.text for call in calls] == ["Hello, a!"]
        assert await mail.counts() == Counts(sent=1, incomplete=100)
        await mail.fleet.leave()

    loop.run_until_complete(life())


def test_while_a_mailing_is_paused_nobody_lacks_anything(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        mail = Mail(loop, tmp_path, ["", "a"])
        engine = await mail.begin(paused=True)
        await asyncio.sleep(20)
        assert await mail.counts() == Counts(pending=2)
        await mail.fleet.store.set_paused(mail.id, False, by=Actor(), now_us=mail.fleet.clock.now_us())
        await engine.refresh(mail.id)
        await asyncio.sleep(1)
        assert await mail.counts() == Counts(sent=1, incomplete=1)
        await mail.fleet.leave()

    loop.run_until_complete(life())


def test_a_text_that_is_edited_while_messages_wait_goes_out_as_it_is_now(loop: VirtualLoop, tmp_path: Path) -> None:
    """They were claimed for a text without placeholders, without what goes into it: they are claimed anew."""

    async def life() -> None:
        mail = Mail(loop, tmp_path, ["a", "", "b"] * 10)
        engine = await mail.begin("Hello!", rate=2.0)
        await asyncio.sleep(3)
        edited = replace(mail.asked, text=TEXT, rate_limit=None)
        await mail.fleet.store.update_mailing(mail.id, lambda _: edited, by=Actor(), now_us=EPOCH_US)
        before = len(mail.texts())
        await engine.refresh(mail.id)
        await asyncio.sleep(20)
        assert set(mail.texts()[:before]) == {"Hello!"}
        assert set(mail.texts()[before:]) == {"Hello, a!", "Hello, b!"}
        assert (await mail.counts()).incomplete > 0
        assert (await mail.counts()).pending == 0
        await mail.fleet.leave()

    loop.run_until_complete(life())


def test_a_client_that_is_edited_while_its_message_waits_gets_what_it_is_now(loop: VirtualLoop, tmp_path: Path) -> None:
    async def life() -> None:
        mail = Mail(loop, tmp_path, ["a"] * 10)
        engine = await mail.begin(rate=1.0)
        await asyncio.sleep(1.5)
        before, ids = len(mail.texts()), list(range(1, 11))
        rows = [ClientInput(79160000000 + place, "916", "z", "UTC") for place in range(10)]
        await mail.fleet.store.import_clients(rows, by=Actor(), now_us=mail.fleet.clock.now_us())
        engine.actors.clients.changed(ids)
        await engine.actors.clients.followed(ids)
        await asyncio.sleep(30)
        assert set(mail.texts()[before:]) == {"Hello, z!"}
        assert len(mail.texts()) == 10
        await mail.fleet.leave()

    loop.run_until_complete(life())


class Outcomes:
    """A recorder that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.given_back = 0

    def put(self, record: Record) -> None:
        self.records.append(record)

    def give_back(self, claims: Sequence[object], *, slots: int = 0) -> None:
        self.given_back += slots


@pytest.mark.parametrize("person", [None, Person("{}", "", 79160000007)], ids=["not known", "lacks the tag"])
@pytest.mark.parametrize("policy", OnUncertain)
def test_a_worker_gives_back_what_has_no_text(loop: VirtualLoop, person: Person | None, policy: OnUncertain) -> None:
    one = One(loop, a_plan(1, text=TEXT, on_uncertain=policy))
    loop.run_until_complete(one.handle(a_claim(7, person=person)))
    assert not one.called
    assert one.returns.given_back == [7]


def test_an_outcome_says_what_the_placeholders_stood_for(loop: VirtualLoop) -> None:
    outcomes = Outcomes()
    for text, kept in ((TEXT, '{"tag":"vip"}'), ("{{first|Hi}}", "{}"), ("Hi", None)):
        one = One(loop, a_plan(1, text=text))
        one.worker._recorder = outcomes  # type: ignore[assignment]
        loop.run_until_complete(one.handle(a_claim(7, person=Person("{}", "vip", 79160000007))))
        assert (outcomes.records[-1].event, outcomes.records[-1].rendered) == (Event.ACCEPT, kept)


def test_a_bug_in_one_text_costs_this_message_a_retry(
    loop: VirtualLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = Template.fill

    def fill(self: Template, values: Values, segments_max: int) -> Filled:
        if values["tag"] == "bad":
            raise ZeroDivisionError
        return filled(self, values, segments_max)

    monkeypatch.setattr(Template, "fill", fill)

    async def life() -> None:
        mail = Mail(loop, tmp_path, ["a", "bad", "b"])
        await mail.begin()
        await asyncio.sleep(1)
        assert await mail.counts() == Counts(sent=2, pending=1)
        (row,) = (await mail.fleet.store.list_messages(MessageQuery(status="pending"), Page())).items
        assert (row.attempts, row.detail) == (1, "internal error: ZeroDivisionError")
        await mail.fleet.leave()

    loop.run_until_complete(life())
