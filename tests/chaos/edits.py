"""Edits under fire: clients and mailings are added, changed, paused, resumed, cancelled and deleted, through any
engine, by several people at once, while engines send and are killed.

INVARIANT. Once a change has returned no call begins that it forbids, on any engine: none to a number that was changed
or deleted, none for a mailing that is paused, cancelled or deleted, none with an old text, none to a client that
matches no more. There is no deadlock and no error of ours. In the end everybody who matches a mailing that is open was
sent its text, all counters are right, and only what was in flight at a kill was called twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc

from mailing.v1 import (
    client_pb2,
    client_service_pb2,
    client_service_pb2_grpc,
    mailing_pb2,
    mailing_service_pb2,
    mailing_service_pb2_grpc,
)
from tests.chaos.bans import Ban, Bans, text_of
from tests.chaos.world import FIRST_PHONE, Plan, Shape, World

DATABASES = ("sqlite", "postgres")
_TAGS = ("red", "green", "blue")
_EDITORS = 4
_CLIENTS = 600
_OPEN_MAILINGS = 5
_PENDING_MIN = 300
_GROUP = 15
_KILL_SECONDS = (2.0, 5.0)
_SENT, _UNCERTAIN = (3, None), (4, 4)
"""Status and reason in the database."""


@dataclass(slots=True, eq=False)
class Person:
    """A client as the world should know it."""

    id: int
    phone: int
    tag: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, eq=False)
class Letter:
    """A mailing as the world should know it."""

    number: int
    id: int
    tag: str
    version: int = 1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def shape(plan: Plan) -> Shape:
    """Long queues: what waits in one when its client is changed must not be called. Mailings are the editors' own."""
    return Shape(clients=_CLIENTS, feeds=False, queue=250, latency_seconds=(0.05, 0.3), notes_calls=True)


async def act(here: World, events: int, kills: int | None = None) -> None:
    """So many changes, and so many kills meanwhile (``None``: as many as there is time for)."""
    office = Office(here, events)
    here.judges.append(office.judge)
    await office.open()
    killer = asyncio.create_task(_kill(here, kills))
    writer = asyncio.create_task(office.write_letters())
    editors = [asyncio.create_task(office.edit()) for _ in range(_EDITORS)]
    try:
        await asyncio.gather(*editors)
    finally:
        for task in (killer, writer):
            task.cancel()
        await asyncio.gather(killer, writer, return_exceptions=True)
    await _all_up(here)


async def _kill(here: World, kills: int | None) -> None:
    for _ in count() if kills is None else range(kills):
        await here.pause(*_KILL_SECONDS)
        # Not cancelled in the middle: a killed engine is always started again.
        await asyncio.shield(asyncio.ensure_future(_killed(here)))


async def _killed(here: World) -> None:
    number = await here.victim()
    try:
        with here.event("kill", [number]):
            await here.engines[number].kill()
            await here.start(number)
    finally:
        here.busy.discard(number)


async def _all_up(here: World) -> None:
    while here.busy:
        await asyncio.sleep(0.05)


class Office:
    """People who change things, and the list of what they have forbidden by it."""

    def __init__(self, here: World, changes: int) -> None:
        self._here = here
        self.bans = Bans()
        self._people: set[Person] = set()
        self._letters: set[Letter] = set()
        self._next_phone = FIRST_PHONE + _CLIENTS
        self._next_letter = 1
        self.left = changes
        self.done: Counter[str] = Counter()
        self.slowest = 0.0
        here.report.registered = -1

    async def open(self) -> None:
        """Learn who is there, give everybody a tag, and register the first mailings."""
        people: list[Person] = []
        token = ""
        while token or not people:
            request = client_service_pb2.ListClientsRequest(page_size=1000, page_token=token)
            answer = await self._clients("ListClients", request)
            people += [Person(client.id, int(client.phone_number), client.tag) for client in answer.clients]
            token = answer.next_page_token
        self._people = set(people)
        for number, tag in enumerate(_TAGS):
            await self._tag(people[number :: len(_TAGS)], tag)
        for _ in range(_OPEN_MAILINGS):
            await self._write()

    async def write_letters(self) -> None:
        """Register mailings as fast as they are sent."""
        while True:
            if await self._pending() < _PENDING_MIN:
                await self._write()
            await asyncio.sleep(0.3)

    async def _pending(self) -> int:
        return int(await self._here.call(self._here.open_messages))

    async def _write(self) -> None:
        letter = Letter(self._next_letter, 0, self._here.random.choice(_TAGS))
        self._next_letter += 1
        letter.id = await self._here.register(text_of(letter.number, 1), letter.tag)
        self._letters.add(letter)

    async def edit(self) -> None:
        """One editor: one change after another, until there have been enough."""
        here = self._here
        changes: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._change_phone, 20), (self._delete_client, 8), (self._add_client, 10), (self._tag_one, 10),
            (self._tag_group, 12), (self._delete_group, 2), (self._pause_and_resume, 14), (self._change_text, 14),
            (self._cancel, 2), (self._delete_letter, 2),
        ]  # fmt: skip
        actions, weights = zip(*changes, strict=True)
        while self.left > 0:
            self.left -= 1
            (action,) = here.random.choices(actions, weights)
            began = time.time()
            await action()
            self.slowest = max(self.slowest, time.time() - began)
            self.done[action.__name__.strip("_").replace("_", " ")] += 1
            await here.pause(0.0, 0.1)

    # -- clients -------------------------------------------------------------------------------
    def _anybody(self) -> Person:
        free = [person for person in self._people if not person.lock.locked()]
        return self._here.random.choice(sorted(free, key=lambda person: person.id))

    async def _change_phone(self) -> None:
        person = self._anybody()
        async with person.lock:
            before, person.phone = person.phone, self._new_phone()
            changed = client_pb2.Client(id=person.id, phone_number=str(person.phone))
            await self._patch(changed, "phone_number")
            self._ban_phone(before, "its number was changed")

    async def _delete_client(self) -> None:
        person = self._anybody()
        async with person.lock:
            self._people.discard(person)
            await self._clients("DeleteClient", client_service_pb2.DeleteClientRequest(client_id=person.id))
            self._ban_phone(person.phone, "it was deleted")

    async def _delete_group(self) -> None:
        people = self._group()
        self._people -= set(people)
        request = client_service_pb2.BatchDeleteClientsRequest(client_ids=[person.id for person in people])
        await self._clients("BatchDeleteClients", request)
        for person in people:
            person.lock.release()
            self._ban_phone(person.phone, "it was deleted with others")

    async def _add_client(self) -> None:
        phone, tag = self._new_phone(), self._here.random.choice(_TAGS)
        client = client_pb2.Client(phone_number=str(phone), tag=tag)
        request = client_service_pb2.CreateClientRequest(client=client, request_id=self._here.request_id())
        made = await self._clients("CreateClient", request)
        self._people.add(Person(made.id, phone, tag))

    async def _tag_one(self) -> None:
        person = self._anybody()
        async with person.lock:
            tag = self._here.random.choice(_TAGS)
            began = time.time()
            await self._patch(client_pb2.Client(id=person.id, tag=tag), "tag")
            self._moved(person, tag, began)

    async def _tag_group(self) -> None:
        people = self._group()
        await self._tag(people, self._here.random.choice(_TAGS))
        for person in people:
            person.lock.release()

    def _group(self) -> list[Person]:
        """Some, each of them locked at once: nobody waits for one while holding another."""
        free = sorted((p for p in self._people if not p.lock.locked()), key=lambda person: person.id)
        people = self._here.random.sample(free, min(_GROUP, len(free)))
        for person in people:
            # A free lock is taken without waiting.
            coroutine = person.lock.acquire()
            try:
                coroutine.send(None)
            except StopIteration:
                continue
        return people

    async def _tag(self, people: list[Person], tag: str) -> None:
        ids = [person.id for person in people]
        self._here.random.shuffle(ids)  # in nobody's order
        request = client_service_pb2.BatchUpdateClientsRequest(client_ids=ids, client=client_pb2.Client(tag=tag))
        request.update_mask.paths.append("tag")
        began = time.time()
        await self._clients("BatchUpdateClients", request)
        for person in people:
            self._moved(person, tag, began)

    def _moved(self, person: Person, tag: str, began: float) -> None:
        """Mailings for the old tag are not for this number any more; those for the new one are again."""
        now, before, person.tag = time.time(), person.tag, tag
        for letter in self._letters:
            bans = self.bans.pairs[person.phone, letter.number]
            if letter.tag == before != tag:
                bans.append(Ban("it got another tag", now))
            elif letter.tag == tag != before:
                for ban in bans:
                    ban.until = min(ban.until, began)

    def _new_phone(self) -> int:
        self._next_phone += 1
        return self._next_phone

    def _ban_phone(self, phone: int, why: str) -> None:
        self.bans.phones[phone].append(Ban(why, time.time()))

    async def _patch(self, client: client_pb2.Client, name: str) -> None:
        request = client_service_pb2.UpdateClientRequest(client=client)
        request.update_mask.paths.append(name)
        await self._clients("UpdateClient", request)

    # -- mailings ------------------------------------------------------------------------------
    def _any_letter(self) -> Letter | None:
        """One of the latest: they have something to send."""
        free = sorted((each for each in self._letters if not each.lock.locked()), key=lambda each: each.number)
        return self._here.random.choice(free[-_OPEN_MAILINGS:]) if free else None

    async def _pause_and_resume(self) -> None:
        if (letter := self._any_letter()) is None:
            return
        async with letter.lock:
            await self._mailings("PauseMailing", self._request(mailing_service_pb2.PauseMailingRequest, letter))
            ban = Ban("its mailing was paused", time.time())
            self.bans.mailings[letter.number].append(ban)
            await self._here.pause(0.0, 2.0)
            ban.until = time.time()
            await self._mailings("ResumeMailing", self._request(mailing_service_pb2.ResumeMailingRequest, letter))

    async def _change_text(self) -> None:
        if (letter := self._any_letter()) is None:
            return
        async with letter.lock:
            before, letter.version = letter.version, letter.version + 1
            mailing = mailing_pb2.Mailing(id=letter.id, text=text_of(letter.number, letter.version))
            request = mailing_service_pb2.UpdateMailingRequest(mailing=mailing)
            request.update_mask.paths.append("text")
            await self._mailings("UpdateMailing", request)
            self.bans.versions[letter.number, before].append(Ban("its text was changed", time.time()))

    async def _cancel(self) -> None:
        if (letter := self._any_letter()) is None:
            return
        async with letter.lock:
            self._letters.discard(letter)
            await self._mailings("CancelMailing", self._request(mailing_service_pb2.CancelMailingRequest, letter))
            self.bans.mailings[letter.number].append(Ban("its mailing was cancelled", time.time()))

    async def _delete_letter(self) -> None:
        if (letter := self._any_letter()) is None:
            return
        async with letter.lock:
            self._letters.discard(letter)
            await self._mailings("DeleteMailing", mailing_service_pb2.DeleteMailingRequest(mailing_id=letter.id))
            self.bans.mailings[letter.number].append(Ban("its mailing was deleted", time.time()))

    def _request(self, kind: Any, letter: Letter) -> Any:
        return kind(mailing_id=letter.id, request_id=self._here.request_id())

    # -- calls ---------------------------------------------------------------------------------
    async def _clients(self, method: str, request: Any) -> Any:
        return await self._ask(client_service_pb2_grpc.ClientServiceStub, method, request)

    async def _mailings(self, method: str, request: Any) -> Any:
        return await self._ask(mailing_service_pb2_grpc.MailingServiceStub, method, request)

    async def _ask(self, stub: Any, method: str, request: Any) -> Any:
        """Until it is answered; what is gone already when it is deleted again, is deleted."""
        try:
            return await self._here.call(lambda channel: getattr(stub(channel), method)(request))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND and method.startswith("Delete"):
                return None
            raise

    # -- the verdict ---------------------------------------------------------------------------
    async def judge(self, here: World) -> None:
        """Forbidden calls, and people who should have got a text and did not."""
        report = here.report
        broken = [why for call in report.begun if (why := self.bans.broken_by(call))]
        report.more["changes"] = ", ".join(f"{count} {name}" for name, count in self.done.items())
        report.more["slowest change"] = f"{self.slowest:.1f} s"
        report.more["forbidden calls"] = f"{len(broken)} of {len(report.begun)}"
        report.broken += [f"called although {why}" for why in broken[:5]]
        if len(broken) > 5:
            report.broken.append(f"and {len(broken) - 5} more forbidden calls")
        if unseen := report.arrivals.ids - {call.message_id for call in report.begun}:
            report.broken.append(f"{len(unseen)} messages were called and nobody noted when that began")
        if missed := await self._missed():
            report.broken.append(
                f"{len(missed)} people did not get a mailing that they match, such as (mailing, client, status and"
                f" reason) {missed[0]}"
            )

    async def _missed(self) -> list[tuple[int, int, str]]:
        """Mailing, client, and what became of the message. A message that a killed engine had may have been called;
        when its client stops matching it ends as uncertain, and nobody is sent it later when he matches again."""
        rows = await self._here.database.query("SELECT mailing_id, client_id, status, reason FROM message")
        became = {(mailing_id, client_id): (status, reason) for mailing_id, client_id, status, reason in rows}
        wanted = [
            (letter.id, person.id) for letter in self._letters for person in self._people if person.tag == letter.tag
        ]
        self._here.report.more["uncertain"] = f"{sum(became.get(pair) == _UNCERTAIN for pair in wanted)} who match"
        return sorted((*pair, str(became.get(pair))) for pair in wanted if became.get(pair) not in (_SENT, _UNCERTAIN))
