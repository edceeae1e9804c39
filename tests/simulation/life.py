"""One simulated life of the service, and what must be true of every life.

INVARIANT. Whatever the provider, the store and `kill -9` do, and whatever people change meanwhile:
  1  no call before a mailing's start, so late that it arrives after its end, outside the client's local hours, or
     between the return of a pause and the resume; none is waited for beyond the end; none for a client after its
     deletion has returned; once an edit has returned, none to a client's old number, in its old hours, or for it if
     it matches no more, and none with the mailing's old text, outside its new window or its new hours
  2  a mailing's rate and the provider's are kept: no second of one engine's life has more calls than that
  3  a message is called again only if the engine can't know that it was accepted or rejected: the
     answer was lost on the way, or a crash came between; two calls of one engine never overlap
  4  with on_uncertain = not_sent no message is called again after a call whose outcome is unknown, be it by a
     crash, by a time-out or by somebody who answered in the provider's place
  5  a crash leaves no more messages open than there are slots
  6  in the end nothing is pending, counters equal rows, and the rows equal what the provider knows
  7  in the end each client that matches has exactly one message, and it was sent, unless the client
     was rejected, the mailing ended or was cancelled first, or its fate is uncertain and may be; where an
     audience is fixed, each that matched when it was decided, and nobody gets a call who did not
  8  uncertain is exactly who was not accepted as far as the engine knows, and had a call whose outcome
     is unknown: so whoever is not sent for another reason never got the text
  9  no call begins while the provider wants none (``Retry-After``)
 10  a number that may have got a mailing's text gets it from no other message, whoever's number it is then
 14  attempts and retried are counted as often as the messages were tried, those included that a crash cut short
 15  a provider that fails again and again, or refuses the token, gets one call at a time, after pauses
 16  nothing is said to have stalled unless the store fails
 18  once a number is on the stop list no call to it begins until somebody asks to take it off; nobody else's message
     is suppressed
 19  each text that is called with is whole, with what the client had when the call began; nobody is incomplete who had
     all along what the text asks for
 21  delivered, undelivered and none are together the sent ones, and equal what the rows say of their receipts
 22  of a message's receipts that were answered the one with the latest time counts, whatever their order was; none is
     lost by a crash
 23  once a receipt of a message is answered no call of that message begins
 24  a message whose fate was open when its receipt came is sent
 20  a filter with ``messages`` means those, and only those, whose message of the other mailing was so when it was said:
     each has one message in the end, as 7 says, and nobody else gets a call (``snapshots.py``)
 25  a breakdown that is kept with the revision of the counters is what the rows say (``statistics.py``)

(12, 13 and 17 are of ``many.py``.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

from engine.api.receipts import Inbox
from engine.delivery.delivery import Delivery
from engine.domain.audience import AudienceFilter
from engine.domain.breaker import Breaker
from engine.domain.errors import Conflict, InvalidInput
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import LocalHours
from engine.ports import AudienceState, StoreUnavailable
from engine.store.rows import Actor
from engine.store.store import Store
from tests.simulation.asked import Client, Mailing
from tests.simulation.costs import draw_budget, draw_prices
from tests.simulation.history import NEVER_US
from tests.simulation.knobs import (
    attributes_of_number,
    calm,
    draw_faults,
    draw_local_hours,
    draw_settings,
    filter_for,
    listed_or_walked,
    seldom_looked,
)
from tests.simulation.loop import EPOCH_US, VirtualClock, VirtualLoop, bury
from tests.simulation.memory import File
from tests.simulation.providers import draw_specs, draw_wish, suppliers_of
from tests.simulation.receipts import Mouth, Word, handing_in, note_claims, tell
from tests.simulation.snapshots import READ_NOTES, Note, draw_filter
from tests.simulation.statistics import Statistics
from tests.simulation.stop_list import StopList, change
from tests.simulation.texts import text_for
from tests.simulation.world import Call, Faults, FaultyStore, NoMeter, SimulatedProvider

SECOND_US = 1_000_000
_LOOK_SECONDS = 2.0
_STEP_SECONDS = 0.2
_LATELY = 8
"""So many of the latest claims are of interest."""
TAGS = ("new", "vip", "")
ZONES = {"UTC": 0, "Europe/Moscow": 3, "Asia/Kamchatka": 12}
"""Hours ahead of UTC."""
_DAY_MINUTES = 1440
# What the product may do to a message leaves its row, but for removing it.
NOTE_REMOVALS = (
    "CREATE TABLE removed AS SELECT mailing_id, attempt, status FROM message;"
    " CREATE TRIGGER note_removal AFTER DELETE ON message BEGIN"
    " INSERT INTO removed VALUES (OLD.mailing_id, OLD.attempt, OLD.status); END;"
)
_OPEN = "SELECT 1 FROM message WHERE status <= 2 UNION ALL SELECT 1 FROM mailing WHERE NOT audience_ready LIMIT 1"
_READ_REMOVED = "SELECT mailing_id, attempt, status FROM removed"


class Life:
    """A life is a function of its seed; ``run`` it, then ``verify``."""

    def __init__(self, seed: int, file: File) -> None:
        self._file, self.random, self.mouth, self.statistics = file, Random(seed), Mouth(seed), Statistics(seed)
        self.kinds = Random(f"audiences of {seed}")
        """Draws nothing else, so that lives are otherwise what they were before there were fixed audiences."""
        self.settings = draw_settings(self.random)
        self.faults = self.mouth.doubtful(draw_faults(self.random))
        self.settings = self.mouth.narrow(self.settings)
        self.has_outages = self.random.random() < 0.3
        self.changes_per_second = self.random.choice((0.5, 2.0, 5.0))
        self.failure_threshold = self.random.choice((5, 20))
        # Soon the minute is over, and with it local hours that close or open.
        self.now_seconds = self.random.randrange(_DAY_MINUTES - 60) * 60 + self.random.uniform(45, 59)
        self.mailings: list[Mailing] = []
        self.clients: dict[int, Client] = {}  # by id
        self.owners: dict[int, list[Client]] = {}  # by phone number, old ones too
        self.stop_list = StopList()
        self.last_edited: Client | None = None
        self.freed: list[int] = []  # numbers that their clients have left, the last one last
        self.in_doubt: set[int] = set()  # numbers of changes that have not returned: a crash may have come between
        self.crashes_us: list[int] = []
        self.quiet_since_us = 0
        self.budgets: dict[int, int | None] = {}
        """Of each mailing, until there is quiet."""
        self.open_after_crash: list[set[int]] = []
        self.lost: set[int] = set()
        """Messages that were claimed at a crash, where nobody can tell who was called."""
        self.whose: dict[int, tuple[int, int]] = {}
        """Mailing and client of each message that was claimed."""
        self.providers = Random(f"providers of {seed}")
        """Draws nothing else, so that lives are otherwise what they were before there were several."""
        self.prices = draw_prices(seed)
        self.specs = draw_specs(self.providers, self.settings, self.prices)
        self.provider: SimulatedProvider | None = None
        """The first one; all of them note their calls with it."""
        self.calls: list[Call] = []
        self.rejects: set[int] = set()
        self.built_us: dict[int, list[int]] = {}
        """When each mailing's audience was complete."""
        self.stalls: list[str] = []
        """What was said to have stalled while the store did not fail."""
        self._next_phone, self._filters = 79160000000, 0
        self._end: list[list[Any]] = []

    def run(self) -> None:
        """Some clients and mailings, an engine that is killed now and then, and a quiet end."""
        with listed_or_walked(self.kinds):
            self._run()

    def _run(self) -> None:
        self._file.refill()
        self._phase(self._founding(), crash_after_seconds=None)
        for _ in range(self.random.choice((0, 1, 1, 2, 3))):
            self._phase(self._busy(), crash_after_seconds=self.random.uniform(0.05, 20))
        self.faults, self.settings = Faults(), calm(self.settings)
        with seldom_looked():
            self._phase(self._quiet(), crash_after_seconds=None)
        self._end = self._read_end()

    def final(self) -> tuple[list[Any], list[Any]]:
        """Messages and counters as they are in the end."""
        messages, counters, _, _ = self._end
        return messages, counters

    def removed(self) -> list[tuple[int, int, int]]:
        """Messages that are gone: mailing, attempt, and the status that they had last."""
        return [tuple(row) for row in self._end[2]]

    def notes(self) -> list[Note]:
        """What was committed, in this order."""
        return [Note(*row) for row in self._end[3]]

    def _read_end(self) -> list[list[Any]]:
        """What is read of the file in the end, before another life gets it."""
        whole = [self._file.dicts(f"SELECT * FROM {name}") for name in ("message", "mailing_counters")]
        return [*whole, *(self._file.rows(sql) for sql in (_READ_REMOVED, READ_NOTES))]

    # -- phases --------------------------------------------------------------------------------
    def _phase(self, work: Any, crash_after_seconds: float | None) -> None:
        """Run ``work`` in a process of its own: a loop, a store, an engine; then end it, or kill it."""
        loop = VirtualLoop(self.now_seconds)
        asyncio.set_event_loop(loop)
        self.clock = VirtualClock(loop)
        self.store = Store(self._file.open())
        note_claims(self.mouth, self.store, self.clock.now_us)
        self.provider = SimulatedProvider(
            self.clock, self.random, self.faults, rejects=self.rejects, on_answer=self.mouth.answered
        )
        if crash_after_seconds is None:
            loop.run_until_complete(work)
        else:
            task = loop.create_task(work)
            loop.run_until_complete(asyncio.sleep(crash_after_seconds))
            if task.done():
                task.result()
            self._crash(loop)
        self.calls += self.provider.calls
        self.now_seconds = loop.time()
        loop.close()
        asyncio.set_event_loop(None)

    def _crash(self, loop: VirtualLoop) -> None:
        self.crashes_us.append(self.clock.now_us())
        resend = {mailing.id for mailing in self.mailings if mailing.asked.on_uncertain == "resend"}
        self.lost |= {claim.message_id for claim in self.faulty_store.lost_claims if claim.mailing_id in resend}
        self.mouth.hang_up()
        _finish(self.store.close())
        for task in loop.tasks():
            bury(task)
        self.open_after_crash.append(self._open())

    def _open(self) -> set[int]:
        """Messages that this engine has called and whose fate it has not stored."""
        assert self.provider is not None
        called_us = {call.message_id: call.began_us for call in self.provider.calls}  # the last one of each
        claimed = self._file.rows(
            "SELECT message.id, (SELECT max(finished_us) FROM attempt WHERE message_id = message.id),"
            " status = 2 OR on_uncertain = 'resend'"
            " FROM message JOIN mailing ON mailing.id = mailing_id WHERE status IN (1, 2)"
        )
        self.lost |= {message_id for message_id, _, may_be_called in claimed if may_be_called}
        self.whose |= {claim.message_id: (claim.mailing_id, claim.client_id) for claim in self.faulty_store.claims}
        return {message_id for message_id, stored_us, _ in claimed if called_us.get(message_id, -1) >= (stored_us or 0)}

    async def _founding(self) -> None:
        """The clients and mailings of the first hour; nothing is sent yet."""
        given = [self._somebody() for _ in range(self.random.randint(1, 25))]
        added = await self.store.import_clients(given, by=Actor(), now_us=self.clock.now_us())
        for id, one in zip(added.changed_ids, given, strict=True):
            self._know(id, one, self.clock.now_us())
        for _ in range(self.random.randint(1, 3)):
            await self._add_mailing()
        await self.store.close()

    async def _busy(self) -> None:
        self.faulty_store = FaultyStore(self.store, self.random, self.faults)
        self.faulty_store.on_built = self._note_built
        delivery = await self._engine(self.faulty_store)
        self._outing = asyncio.create_task(self._outages())
        self._speaking = self._speak(delivery, self.faulty_store)
        while True:
            await self._somebody_does_something(delivery, await self._moment())

    def _speak(self, delivery: Delivery, store: Any) -> asyncio.Task[None]:
        hand_in = handing_in(Inbox(store, self.clock), delivery, self.mouth)
        asking: set[asyncio.Task[None]] = set()

        def ask(words: list[Word]) -> None:
            asking.add(asyncio.create_task(tell(self.mouth, words, hand_in, self.clock.now_us)))

        return asyncio.create_task(self.mouth.speak(self.clock.now_us, ask))

    async def _outages(self) -> None:
        """The store goes away while the engine has messages in hand, now and then for longer than a lease lasts."""
        while self.has_outages:
            await asyncio.sleep(self.random.expovariate(0.3))
            self.faulty_store.claimed.clear()
            await self.faulty_store.claimed.wait()
            await asyncio.sleep(self.random.uniform(0, 0.3))
            self.faulty_store.is_away = True
            await asyncio.sleep(self.settings.lease_seconds * self.random.uniform(0.1, 1.5))
            self.faulty_store.is_away = False

    async def _moment(self) -> bool:
        """Until somebody does something: at any time, or while the answer to a claim is on its way. Whether it is."""
        self.faulty_store.is_claiming.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.random.expovariate(self.changes_per_second)):
                return await self.faulty_store.is_claiming.wait()
        return False

    async def _quiet(self) -> None:
        """No faults any more: let everything come to its end."""
        self.quiet_since_us = self.clock.now_us()
        delivery = await self._engine(self.store)
        self._speaking = self._speak(delivery, self.store)
        for mailing in self.mailings:
            if self._is_open(mailing):
                mailing.asked = replace(mailing.asked, budget=None)
                await self._change(mailing)
                await self._resume(delivery, mailing)
        last_us = max(self.clock.now_us(), *(mailing.asked.end_us for mailing in self.mailings))
        while self.clock.now_us() < last_us + 30 * SECOND_US and await self._has_work():
            await self._some_seconds()
        self.mouth.all_is_due()
        while self.mouth.open():
            await asyncio.sleep(_STEP_SECONDS)
        self._speaking.cancel()
        await delivery.stop(10)
        await self.store.close()

    async def _some_seconds(self) -> None:
        """Ten, or until nothing is open: each second of a life's time costs as much as a call."""
        for _ in range(10):
            await asyncio.sleep(1)
            if not self._file.rows(_OPEN):
                return

    async def _has_work(self) -> bool:
        plans = await self.store.plans(self.clock.now_us())
        return any(plan.pending or plan.audience_state is not AudienceState.READY for plan in plans)

    async def _engine(self, store: Any) -> Delivery:
        delivery: Delivery | None = None
        while delivery is None:
            try:
                delivery = await self._start(store)
            except Exception:  # the store fails on purpose: start again, as an operator's restart would
                await asyncio.sleep(0.5)
        if not (self.faults.store_fails or self.faults.store_fails_after or self.has_outages):
            self._looking = asyncio.create_task(self._look(delivery))
        return delivery

    async def _start(self, store: Any) -> Delivery:
        assert self.provider is not None
        delivery = await Delivery.join(
            store,
            suppliers_of(self.specs, self._provider_of, self._breaker),
            clock=self.clock,
            random=self.random,
            settings=self.settings,
            name="simulated:1",
            meter=NoMeter(),
        )
        await delivery.start()
        self._counting = self.statistics.begin(self.store, delivery)
        return delivery

    def _breaker(self) -> Breaker:
        return Breaker(failure_threshold=self.failure_threshold, pause_max_seconds=5.0)

    def _provider_of(self, name: str) -> SimulatedProvider:
        first = self.provider
        assert first is not None
        if name == first.name:
            return first
        # Its faults are others': while one is away, another may be well. In the quiet end all are.
        faults, hang = first.faults, self.providers.choice((0.0, 0.2))
        if faults != Faults() and self.providers.random() < 0.7:
            faults = Faults(hang=hang)
        return SimulatedProvider(
            self.clock, self.random, faults, first.calls, self.rejects, name=name, on_answer=first.on_answer
        )

    async def _look(self, delivery: Delivery) -> None:
        while not delivery.state.stopping:
            self.stalls += map(str, delivery.liveness.stalls())
            await asyncio.sleep(_LOOK_SECONDS)

    def _note_built(self, mailing_id: int) -> None:
        self.built_us.setdefault(mailing_id, []).append(self.clock.now_us())

    # -- what people do ------------------------------------------------------------------------
    async def _somebody_does_something(self, delivery: Delivery, is_claiming: bool) -> None:
        mailing, client = self._subject(delivery, is_claiming)
        self._lie(delivery)
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (0 if is_claiming else 12, lambda: self._add_client(delivery)),
            (10, lambda: self._delete_client(delivery, client)),
            (17, lambda: self._edit_client(delivery, client)),
            (12, lambda: self._suppress(delivery, client)),
        ]
        if self._is_open(mailing):
            acts += [
                (8, lambda: self._pause(delivery, mailing)),
                (12, lambda: self._resume(delivery, mailing)),
                (3, lambda: self._cancel(delivery, mailing)),
                (15, lambda: self._edit_filter(delivery, mailing)),
                (17, lambda: self._edit_plan(delivery, mailing)),
            ]
        acts += [] if self._is_open(mailing) else [(10, lambda: self._archive(mailing))]
        (_, act), *_ = self.random.choices(acts, [weight for weight, _ in acts])
        if self.kinds.random() < 0.06:
            was_open = self._is_open(mailing)
            await self._follow_up(delivery)
            if self._is_open(mailing) is not was_open:
                return  # it was meant for an open mailing
        await act()

    def _lie(self, delivery: Delivery) -> None:
        assert self.provider is not None
        claimed = {claim.message_id for claim in self.faulty_store.claims[-_LATELY:]}
        self.mouth.lie(claimed, [*self.calls, *self.provider.calls], self.clock.now_us())

    def _subject(self, delivery: Delivery, is_claiming: bool) -> tuple[Mailing, Client]:
        """What an act is about: often what the engine has in hand, or has just claimed."""
        claims = self.faulty_store.claims[-_LATELY:]
        if is_claiming:
            claims = claims[-1:]
        elif self.random.random() < 0.4:
            claims = delivery.state.hand.claims()
        if claims and self.random.random() < 0.7:
            claim = self.random.choice(claims)
            return next(one for one in self.mailings if one.id == claim.mailing_id), self.clients[claim.client_id]
        return self.random.choice(self.mailings), self.random.choice(list(self.clients.values()))

    async def _add_client(self, delivery: Delivery, phone_number: int | None = None) -> None:
        given = self._somebody()
        given = given if phone_number is None else replace(given, phone_number=phone_number)
        row = (await self.store.create_client(given, by=Actor(), now_us=self.clock.now_us())).row
        self._know(row.id, given, row.create_us)
        delivery.actors.clients.changed([row.id])

    def _know(self, id: int, given: ClientInput, create_us: int) -> None:
        client = self.clients[id] = Client(id, given, self.clock.now_us(), create_us)
        self.owners.setdefault(given.phone_number, []).append(client)

    def _somebody(self) -> ClientInput:
        self._next_phone += 1
        held = {client.given.phone_number for client in self.clients.values() if not client.is_deleted}
        free = [number for number in self.freed if number not in held | self.in_doubt]
        # Mostly one whose last client has just left it.
        free = free[-2:] if self.random.random() < 0.7 else free
        phone_number = self.random.choice(free) if free and self.random.random() < 0.5 else self._next_phone
        tag, zone = self.random.choice(TAGS), self.random.choice(list(ZONES))
        return ClientInput(phone_number, "916", tag, zone, attributes=attributes_of_number(self._next_phone))

    async def _edit_client(self, delivery: Delivery, client: Client) -> None:
        if self.last_edited is not None and self.random.random() < 0.4:
            client = self.last_edited  # often the same one again, back and forth
        self.last_edited = client
        if client.is_deleted:
            return
        before = client.given
        await self._edit(delivery, client, self._somebody())
        if self.random.random() < 0.4 and not client.is_deleted:  # it was a mistake
            await self._edit(delivery, client, replace(self._somebody(), tag=before.tag))

    async def _edit(self, delivery: Delivery, client: Client, given: ClientInput) -> None:
        now_us, old, client.given = self.clock.now_us(), client.given, given
        self.owners.setdefault(client.given.phone_number, []).append(client)
        client.was.asked(client.given, now_us)
        self.in_doubt |= (doubtful := {old.phone_number, client.given.phone_number})
        await self.store.update_client(client.id, lambda _: given, by=Actor(), now_us=now_us)
        delivery.actors.clients.changed([client.id])
        client.was.returned(self.clock.now_us())
        self.in_doubt -= doubtful
        self.freed.append(old.phone_number)

    async def _suppress(self, delivery: Delivery, client: Client) -> None:
        """Put a client's number on the stop list, or take it off; often both, one after the other."""
        number = client.given.phone_number
        for _ in range(self.random.choice((1, 1, 2))):
            is_listed = self.stop_list.draw(self.random, number)
            self.stop_list.asked(number, is_listed, self.clock.now_us())
            delivery.actors.clients.changed(await change(self.store, number, is_listed, self.clock.now_us()))
            self.stop_list.returned(number, self.clock.now_us())
            await asyncio.sleep(self.random.choice((0.0, 0.3)))

    async def _delete_client(self, delivery: Delivery, client: Client) -> None:
        if not client.is_deleted:
            client.is_deleted = True
            self.in_doubt.add(client.given.phone_number)
            await self.store.delete_client(client.id, by=Actor(), now_us=self.clock.now_us())
            delivery.actors.clients.changed([client.id])
            client.deleted_us = self.clock.now_us()
            self.in_doubt.discard(client.given.phone_number)
            self.freed.append(client.given.phone_number)
            if self.random.random() < 0.4:  # it was a mistake
                await self._add_client(delivery, client.given.phone_number)

    async def _add_mailing(self, filter: AudienceFilter | None = None) -> Mailing:
        now_us = self.clock.now_us()
        start_us = now_us + int(self.random.choice((0, 0, 3)) * SECOND_US)
        hours, length_seconds = None, self.random.choice((5.0, 60.0, 3600.0, 3600.0))
        if self.random.random() < 0.3:
            hours, length_seconds = self._soon_over(), self.random.choice((30.0, 90.0))
        id = len(self.mailings) + 1
        asked = MailingInput(
            text=text_for(id),  # names the mailing, so that the provider's calls can be told apart
            filter=filter or filter_for(self.random.choice(((), ("new",), ("new", "vip"))), self.random),
            start_us=start_us,
            end_us=start_us + int(length_seconds * SECOND_US),
            local_hours=hours,
            rate_limit=self.random.choice((None, None, 2.0, 10.0)),
            on_uncertain=self.random.choice(("resend", "resend", "not_sent")),
            audience_fixed=self.kinds.random() < 0.4,
            provider=draw_wish(self.providers, self.specs),
            budget=draw_budget(self.providers),
        )
        created = await self.store.create_mailing(asked, by=Actor(), now_us=now_us)
        assert created.row.id == id
        self.budgets[id] = asked.budget
        self.mailings.append(Mailing(id, asked))
        return self.mailings[-1]

    async def _follow_up(self, delivery: Delivery) -> None:
        """A mailing for those whose message of another one is so, or another filter of that kind."""
        old = self.kinds.choice(self.mailings)
        filter = self._filter_by_messages()
        is_edit = self.kinds.random() < 0.3 and self._is_open(old)
        try:
            await self.store.check_filter(filter, old.id if is_edit else None)
        except (InvalidInput, Conflict):
            return
        if is_edit:
            await self._filter_anew(delivery, old, filter)
        else:
            await self._refresh(delivery, await self._add_mailing(filter))

    def _filter_by_messages(self) -> AudienceFilter:
        self._filters += 1
        tags = self.kinds.choice(((), (), ("new",), ("new", "vip")))
        sources = [one.id for one in self.mailings]
        return draw_filter(self.kinds, self._filters, sources, tags, sorted(self.clients))

    async def _pause(self, delivery: Delivery, mailing: Mailing) -> None:
        await self.store.set_paused(mailing.id, True, by=Actor(), now_us=self.clock.now_us())
        await self._refresh(delivery, mailing)
        mailing.pauses.append([self.clock.now_us(), NEVER_US])

    async def _resume(self, delivery: Delivery, mailing: Mailing) -> None:
        for pause in mailing.pauses:
            pause[1] = min(pause[1], self.clock.now_us())
        await self.store.set_paused(mailing.id, False, by=Actor(), now_us=self.clock.now_us())
        await self._refresh(delivery, mailing)

    async def _cancel(self, delivery: Delivery, mailing: Mailing) -> None:
        mailing.cancelled_us = self.clock.now_us()
        await self.store.set_cancelled(mailing.id, by=Actor(), now_us=self.clock.now_us())
        await self._refresh(delivery, mailing)
        mailing.pauses.append([self.clock.now_us(), NEVER_US])  # from here on: no call, as with a pause

    async def _archive(self, mailing: Mailing) -> None:
        """Put what is over into the archive, or take it out, while messages may be on their way. No engine is told."""
        wanted, now_us = self.random.random() < 0.7, self.clock.now_us()
        row = (await self.store.set_archived(mailing.id, wanted, by=Actor(), now_us=now_us)).row
        assert (row.archived_us is not None) is wanted

    async def _edit_filter(self, delivery: Delivery, mailing: Mailing) -> None:
        tags = self.random.choice(((), ("new",), ("vip",)))
        await self._filter_anew(delivery, mailing, filter_for(tags, self.random))

    async def _filter_anew(self, delivery: Delivery, mailing: Mailing, filter: AudienceFilter) -> None:
        mailing.asked = replace(mailing.asked, filter=filter)
        mailing.filters.asked(filter, self.clock.now_us())
        await self._change(mailing)
        await self._refresh(delivery, mailing)
        mailing.filters.returned(self.clock.now_us())

    async def _edit_plan(self, delivery: Delivery, mailing: Mailing) -> None:
        """Another text, rate, start or end, or other local hours, most of which forbid soon what was allowed."""
        now_us, old, random = self.clock.now_us(), mailing.asked, self.random
        end_us = now_us + int(random.uniform(0.5, 20) * SECOND_US)
        later = {"start_us": min(now_us + int(random.uniform(0.1, 3) * SECOND_US), old.end_us - 1)}
        changes: dict[str, Any] = random.choice(
            (
                {"text": f"0{old.text}"},  # still the mailing's number
                {"rate_limit": random.choice((None, 1.0, 5.0))},
                later,
                later,
                {"end_us": max(end_us, old.start_us + 1)},
                {"local_hours": random.choice((None, self._soon_over()))} if old.local_hours else {},
            )
        )
        if self.kinds.random() < 0.2:
            changes = {"audience_fixed": not old.audience_fixed}
        mailing.asked = replace(old, **changes)
        mailing.plans.asked(mailing.asked, now_us)
        await self._change(mailing)
        await self._refresh(delivery, mailing)
        mailing.plans.returned(self.clock.now_us())

    def _soon_over(self) -> LocalHours:
        """Local hours that open or close within a minute, for one of the zones."""
        now_seconds = (self.clock.now_us() - EPOCH_US) / SECOND_US
        return draw_local_hours(self.random, now_seconds, self.random.choice(list(ZONES.values())))

    async def _change(self, mailing: Mailing) -> None:
        await self.store.update_mailing(mailing.id, lambda _: mailing.asked, by=Actor(), now_us=self.clock.now_us())

    async def _refresh(self, delivery: Delivery, mailing: Mailing) -> None:
        """As the API does after a commit; when the store fails, the caller gets an error and asks again."""
        while True:
            try:
                return await delivery.refresh(mailing.id)
            except StoreUnavailable:
                await asyncio.sleep(0.1)

    def _is_open(self, mailing: Mailing) -> bool:
        return mailing.cancelled_us is None and self.clock.now_us() < mailing.asked.end_us


def _finish(work: Any) -> None:
    """Run to its end a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("closing an inline store should not wait")
