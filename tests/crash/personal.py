"""kill -9, again and again, in a mailing with a fixed audience and a text of each client's own; then count.

INVARIANT. Whenever the engine dies, and whatever becomes of clients meanwhile:
  fixed       each client that matched at the start has one message in the end, also one that matches no more; nobody
              who came, or came to match, after the start has any
  whole       each text that the provider got is made of what its client had or had had; none has a hole
  incomplete  are exactly those who lack what the text asks for (with ``resend`` one that an engine had at a kill may be
              uncertain: nobody knows what its client had then); they are never called, and the counters say so
  kept        the text that ``GetMessage`` shows of a sent message is the one that the provider got last
  called      again only what was in flight at a kill, and with ``not_sent`` nothing
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc

from mailing.v1 import (
    client_service_pb2,
    client_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
    message_pb2,
    message_service_pb2,
    message_service_pb2_grpc,
)
from scripts.token_channel import with_token
from tests.crash.campaign import FIRST, LAST_SECONDS, POLICIES, STEP_SECONDS, Kill, describe, finished, kill, spread
from tests.crash.processes import Engine, Provider, sandbox

TEXT: Final = "{{name}}, заказов: {{orders|нет}}"
_BUYER, _OTHER = "buyer", "other"
_SOME: Final = 8
"""So many clients of each kind are changed before each kill."""
_REACHED: Final = 0.5
"""Of all: many are not meant, or incomplete."""
_START_SECONDS: Final = 1.5
_AT_ONCE: Final = 16
_PAGE: Final = 1000


@dataclass(slots=True)
class Person:
    """One client, and what is expected of it."""

    phone_number: int
    tag: str
    names: list[str]
    """All that it had, one after the other; none: the text has a hole."""
    orders: int | None
    is_meant: bool = False
    """Whether it matched at the start."""

    def texts(self) -> set[str]:
        """What it may get."""
        return {f"{name}, заказов: {'нет' if self.orders is None else self.orders}" for name in self.names}

    def row(self) -> client_service_pb2.ImportClientsRow:
        """To be imported as it is now."""
        attributes: dict[str, Any] = {"name": self.names[-1]} if self.names else {}
        attributes |= {} if self.orders is None else {"orders": self.orders}
        return client_service_pb2.ImportClientsRow(
            phone_number=str(self.phone_number), tag=self.tag, attributes=json.dumps(attributes)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """A message in the end, as the service and the provider know it."""

    message: message_pb2.Message
    texts: tuple[str, ...]
    """Of each call."""

    @property
    def is_sent(self) -> bool:
        """Whether the service says so."""
        return bool(self.message.status == message_pb2.MESSAGE_STATUS_SENT)


@dataclass(slots=True)
class PersonalReport:
    """What a campaign found."""

    on_uncertain: str
    people: dict[int, Person]
    kills: list[Kill] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    counted: tuple[int, int, int] = (0, 0, 0)
    damage: str = ""
    check: str = ""

    @property
    def incomplete(self) -> list[Told]:
        """Messages whose text had a hole."""
        return [one for one in self.told if one.message.reason == message_pb2.NOT_SENT_REASON_INCOMPLETE]

    @property
    def uncertain(self) -> list[Told]:
        """Messages whose fate nobody knows."""
        return [one for one in self.told if one.message.reason == message_pb2.NOT_SENT_REASON_UNCERTAIN]

    def faults(self) -> list[str]:
        """Violations of the invariant, in words."""
        return [*self._fixed(), *self._whole(), *self._incomplete(), *self._called(), *self._counted()]

    def _fixed(self) -> Iterator[str]:
        have = [int(one.message.phone_number) for one in self.told]
        meant = {number for number, person in self.people.items() if person.is_meant}
        if lost := meant - set(have):
            yield f"{len(lost)} clients that matched at the start have no message"
        if strangers := set(have) - meant:
            yield f"{len(strangers)} clients have a message that did not match at the start"
        if len(have) != len(set(have)):
            yield f"{len(have) - len(set(have))} clients have two messages"

    def _whole(self) -> Iterator[str]:
        for one in self.told:
            person = self.people[int(one.message.phone_number)]
            for text in set(one.texts) - person.texts():
                yield f"message {one.message.id} was called with {text!r}, not one of {person.texts()}"
            if one.is_sent and one.texts and one.message.text != one.texts[-1]:
                yield f"message {one.message.id} shows {one.message.text!r}, the provider got {one.texts[-1]!r}"

    def _incomplete(self) -> Iterator[str]:
        # Who was in an engine's hand at a kill may have had a text then, as far as anybody knows.
        found = {int(one.message.phone_number) for one in (*self.incomplete, *self._lost_and_incomplete())}
        lacking = {number for number, person in self.people.items() if person.is_meant and not person.names}
        if found != lacking:
            yield f"incomplete are {len(found)} messages, but {len(lacking)} clients lack something (or others)"
        if called := [one for one in self.incomplete if one.texts]:
            yield f"{len(called)} incomplete messages were called"

    def _called(self) -> Iterator[str]:
        in_flight = frozenset[int]().union(*(each.in_flight for each in self.kills))
        for one in self.told:
            if len(one.texts) > 1 and (self.on_uncertain == "not_sent" or one.message.id not in in_flight):
                yield f"message {one.message.id} was called {len(one.texts)} times"
            if one.is_sent and not one.texts:
                yield f"message {one.message.id} is sent, and was never called"
        marked = frozenset[int]().union(*(each.marked for each in self.kills))
        uncertain = {one.message.id for one in self.uncertain} - {one.message.id for one in self._lost_and_incomplete()}
        if uncertain != (marked if self.on_uncertain == "not_sent" else set()):
            yield f"{len(uncertain)} messages are uncertain, {len(marked)} were marked at a kill"

    def _lost_and_incomplete(self) -> list[Told]:
        """Messages that have no text, and that an engine had when it was killed."""
        claimed = frozenset[int]().union(*(each.claimed for each in self.kills))
        lost = [one for one in self.uncertain if one.message.id in claimed and not one.texts]
        return [one for one in lost if not self.people[int(one.message.phone_number)].names]

    def _counted(self) -> Iterator[str]:
        sent = sum(one.is_sent for one in self.told)
        not_sent = len(self.incomplete) + len(self.uncertain)
        if self.counted != (0, sent, not_sent) or sent + not_sent != len(self.told):
            yield f"the counters say {self.counted}; {len(self.told)} messages: {sent} sent, {not_sent} not"
        for fault in (self.check, self.damage, *(each.damage for each in self.kills)):
            if fault:
                yield f"the file: {fault}"


async def run_personal(
    folder: Path,
    *,
    messages: int,
    kills: int,
    workers: int = 32,
    on_uncertain: str = "resend",
    tell: Callable[[str], None] = lambda line: None,
) -> PersonalReport:
    """Register one mailing for most of ``messages`` clients; kill the engine ``kills`` times on the way."""
    people = {FIRST + i: _person(i) for i in range(messages)}
    report = PersonalReport(on_uncertain, people)
    async with sandbox("--latency-seconds", "0.002-0.02", "--keep", str(2 * messages)) as provider:
        engine = Engine(folder, f"{provider.url}/v1", workers)
        await engine.start()
        try:
            await _import(engine.target, people.values())
            mailing_id = await _register(engine.target, on_uncertain)
            known: dict[int, int] = {}
            for number in range(1, kills + 1):
                async with asyncio.timeout(STEP_SECONDS):
                    await provider.accepted(spread(number, kills, messages, _REACHED))
                    await _import(engine.target, _changes(people, number))
                    report.kills.append(await kill(engine, provider, known))
                tell(f"kill {number}: {describe(report.kills[-1])}")
            async with asyncio.timeout(LAST_SECONDS):
                report.counted = await finished(engine.target, mailing_id)
                report.told = await _told(engine.target, mailing_id, provider)
        finally:
            await engine.stop()
        report.damage, report.check = engine.rows().damage, await engine.check()
    return report


def _person(i: int) -> Person:
    is_buyer = i % 5 > 0
    names = [f"Имя {i}"] if i % 7 else []
    return Person(FIRST + i, _BUYER if is_buyer else _OTHER, names, i if i % 3 else None, is_meant=is_buyer)


def _changes(people: dict[int, Person], number: int) -> list[Person]:
    """What becomes of clients before a kill: some leave, come, are called otherwise, or are new; each once. They have
    the greatest ids, so most of them have not been called yet."""
    first = (number - 1) * _SOME
    buyers = [each for each in reversed(people.values()) if each.is_meant and each.names]
    others = [each for each in reversed(people.values()) if each.tag == _OTHER and not each.is_meant]
    leave, called_otherwise = buyers[2 * first :][:_SOME], buyers[2 * first + _SOME :][:_SOME]
    come = others[:_SOME]
    for person in leave:
        person.tag = _OTHER
    for person in come:
        person.tag = _BUYER
    for person in called_otherwise:
        person.names.append(f"{person.names[-1]} {number}")
    new = [Person(max(people) + i, _BUYER, [f"Новый {number}.{i}"], None) for i in range(1, _SOME + 1)]
    people |= {person.phone_number: person for person in new}
    return [*leave, *come, *called_otherwise, *new]


async def _import(target: str, people: Iterable[Person]) -> None:
    rows = [person.row() for person in people]
    pages = [
        client_service_pb2.ImportClientsRequest(rows=rows[first : first + _PAGE])
        for first in range(0, len(rows), _PAGE)
    ]
    async with grpc.aio.insecure_channel(target) as plain:
        stub = client_service_pb2_grpc.ClientServiceStub(with_token(plain))
        answer = await stub.ImportClients(iter(pages))
        assert not answer.rejected, answer


async def _register(target: str, on_uncertain: str) -> int:
    """Register the mailing, and wait for its start."""
    start = datetime.now(UTC) + timedelta(seconds=_START_SECONDS)
    mailing = mailing_pb2.Mailing(
        text=TEXT, on_uncertain=POLICIES[on_uncertain], audience=mailing_pb2.AUDIENCE_MODE_FIXED
    )
    mailing.filter.tags.append(_BUYER)
    mailing.start_time.FromDatetime(start)
    mailing.end_time.FromDatetime(start + timedelta(hours=1))
    async with grpc.aio.insecure_channel(target) as plain:
        stub = mailing_service_pb2_grpc.MailingServiceStub(with_token(plain))
        created = await stub.CreateMailing(mailing_service_pb2.CreateMailingRequest(mailing=mailing))
    await asyncio.sleep((start - datetime.now(UTC)).total_seconds())
    return int(created.id)


async def _told(target: str, mailing_id: int, provider: Provider) -> list[Told]:
    async with grpc.aio.insecure_channel(target) as plain:
        stub = message_service_pb2_grpc.MessageServiceStub(with_token(plain))
        ids, token = [], ""
        while True:
            request = message_service_pb2.ListMessagesRequest(mailing_id=mailing_id, page_size=_PAGE, page_token=token)
            page = await stub.ListMessages(request)
            ids += [message.id for message in page.messages]
            if not (token := page.next_page_token):
                break
        free = asyncio.Semaphore(_AT_ONCE)

        async def one(id: int) -> Told:
            async with free:
                message = await stub.GetMessage(message_service_pb2.GetMessageRequest(message_id=id))
                return Told(message, tuple(await provider.texts(id)))

        return await asyncio.gather(*map(one, ids))
