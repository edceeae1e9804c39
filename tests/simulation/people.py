"""What people do meanwhile, each time through one of the engines, and what they have been told.

What a caller was not told (the engine died, the store failed) may have been done or not: both are right then. What is
true in the end is read from the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from engine.domain.access import Impossible
from engine.domain.audience import AudienceFilter, MessageCondition
from engine.domain.errors import Conflict, InvalidInput, NotFound, ReadOnly
from engine.domain.validate import ClientInput, MailingInput
from engine.ports import StoreUnavailable
from engine.store.client_rows import ClientChange
from engine.store.mailing_rows import filter_of
from engine.store.rows import Actor
from tests.simulation.asked import Client, Mailing
from tests.simulation.costs import draw_budget
from tests.simulation.history import NEVER_US
from tests.simulation.knobs import attributes_of_number, draw_local_hours, filter_for
from tests.simulation.life import SECOND_US, TAGS
from tests.simulation.snapshots import draw_filter
from tests.simulation.stop_list import change
from tests.simulation.texts import mailing_in, text_for

if TYPE_CHECKING:
    from tests.simulation.many import Engine, ManyLife

_ZONES: Final = {"UTC": 0, "Europe/Moscow": 3, "Asia/Kamchatka": 12}
_TAG_SETS: Final = ((), ("new",), ("new", "vip"))
_REFUSALS: Final = (StoreUnavailable, NotFound, ReadOnly, Impossible, Conflict, InvalidInput)
Act = Callable[["Engine"], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class SharedMailing(Mailing):
    """A mailing, whose ``id`` is its place in our list: what it is called in the database may never be told."""

    stored_id: int = 0
    is_gone: bool = False


class People:
    """All who use the service."""

    def __init__(self, life: ManyLife) -> None:
        self._life, self._random, self._kinds = life, life.random, life.kinds
        self._next_phone, self._filters = 79160000000, 0
        self._taken: set[int] = set()
        """Clients (ids) and mailings (negative ids) that somebody is at."""
        self._at_list: set[int] = set()
        """Numbers that somebody puts on the stop list or takes off."""
        self._tasks: list[asyncio.Task[None]] = []
        self._acts: list[tuple[float, Callable[[], Act | None]]] = [
            (3, self._import_clients),
            (2, self._create_client),
            (4, self._edit_client),
            (2, self._delete_client),
            (3, self._suppress),
            (1, self._edit_batch),
            (1, self._delete_batch),
            (3, self._pause),
            (2, self._resume),
            (1, self._cancel),
            (2, self._edit_filter),
            (1, self._delete_mailing),
            (1, self._archive),
            (3, self._create_mailing),
        ]

    def found(self) -> None:
        """The first clients and mailings."""
        for _ in range(2):
            self._start(self._import(self._somebodies(self._life.knobs.clients // 2 + 1)))
        for _ in range(self._life.knobs.mailings):
            self._start(self._make_mailing())

    async def be_busy(self) -> None:
        """Do things for ever."""
        while True:
            await asyncio.sleep(self._random.expovariate(self._life.knobs.actions_per_second))
            weights = [weight for weight, _ in self._acts]
            (_, choose) = self._random.choices(self._acts, weights)[0]
            dice = self._kinds.random()
            choose = self._edit_kind if dice < 0.05 else self._follow_up if dice < 0.12 else choose
            if self._life.well() and (act := choose()) is not None:
                self._start(act)

    def intervene(self, engine: Engine) -> None:
        """An engine hangs. Somebody stops or changes now, through another one, what it has in hand."""
        claims = engine.delivery.state.hand.claims()
        for claim in self._random.sample(claims, min(len(claims), self._random.choice((0, 1, 3)))):
            if not self._life.well():
                return
            client = self._life.clients.get(claim.client_id)
            mailing = next((one for one in self._life.mailings if one.stored_id == claim.mailing_id), None)
            dice = self._random.random()
            act = (
                self._pause(mailing)
                if dice < 0.4
                else self._edit_client(client)
                if dice < 0.7
                else self._suppress(client)
            )
            if act is not None:
                self._start(act)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return all(task.done() for task in self._tasks)

    async def resume_all(self) -> None:
        """Nothing stays paused, and budgets are lifted."""
        for mailing in self._life.mailings:
            while not mailing.is_gone:
                try:
                    engine = self._random.choice(self._life.well())
                    await self._lift_budget(engine, mailing)
                    await self._resume_one(engine, mailing)
                    break
                except StoreUnavailable:  # the caller gets an error and asks again
                    await asyncio.sleep(0.5)

    async def _lift_budget(self, engine: Engine, mailing: SharedMailing) -> None:
        if mailing.asked.budget is not None:
            asked = replace(mailing.asked, budget=None)
            with suppress(NotFound, ReadOnly):
                await engine.store.update_mailing(
                    mailing.stored_id, lambda _: asked, by=Actor(), now_us=engine.clock.now_us()
                )
            mailing.asked = asked

    def _start(self, act: Act) -> None:
        engine = self._random.choice(self._life.well())
        self._tasks.append(engine.program.start(self._try(act, engine)))

    async def _try(self, act: Act, engine: Engine) -> None:
        try:
            await act(engine)
        except _REFUSALS:
            return

    # -- clients -------------------------------------------------------------------------------
    def _somebody(self) -> ClientInput:
        self._next_phone += 1
        tag, zone = self._random.choice(TAGS), self._random.choice(list(_ZONES))
        return ClientInput(self._next_phone, "916", tag, zone, attributes=attributes_of_number(self._next_phone))

    def _somebodies(self, number: int) -> list[ClientInput]:
        return [self._somebody() for _ in range(number)]

    def _free_clients(self, most: int) -> list[Client]:
        free = [one for one in self._life.clients.values() if self._is_free(one)]
        return self._random.sample(free, min(most, len(free)))

    def _is_free(self, client: Client) -> bool:
        return not client.is_deleted and client.id not in self._taken

    def _know(self, id: int, given: ClientInput, since_us: int, create_us: int, known_us: int) -> None:
        if id not in self._life.clients:
            client = Client(id, given, since_us, create_us, known_us)
            self._life.clients[id] = client
            self._life.owners.setdefault(given.phone_number, []).append(client)

    def _create_client(self) -> Act:
        given = self._somebody()

        async def act(engine: Engine) -> None:
            since_us = self._life.clock.now_us()
            created = await engine.store.create_client(given, by=Actor(), now_us=engine.clock.now_us())
            self._know(created.row.id, given, since_us, created.row.create_us, self._life.clock.now_us())
            await _tell(engine, [created.row.id])

        return act

    def _import_clients(self) -> Act:
        return self._import(self._somebodies(self._random.randint(1, 6)), self._free_clients(4))

    def _import(self, new: list[ClientInput], old: Iterable[Client] = ()) -> Act:
        old = list(old)
        edits = {client.id: replace(client.given, tag=self._random.choice(TAGS)) for client in old}
        self._taken |= edits.keys()

        async def act(engine: Engine) -> None:
            since_us = self._life.clock.now_us()
            self._ask_edits(edits)
            now_us = engine.clock.now_us()
            result = await engine.store.import_clients([*new, *edits.values()], by=Actor(), now_us=now_us)
            phones = {given.phone_number: given for given in new}
            for id, given in zip(result.changed_ids, sorted(phones.values(), key=_phone), strict=False):
                self._know(id, given, since_us, now_us, self._life.clock.now_us())
            await _tell(engine, result.changed_ids)
            self._end_edits(edits)

        return act

    def _ask_edits(self, edits: dict[int, ClientInput]) -> None:
        now_us = self._life.clock.now_us()
        if edits:
            self._life.meddle(edits)
        for id, given in edits.items():
            client = self._life.clients[id]
            client.was.asked(given, now_us)
            if given.phone_number != client.given.phone_number:
                self._life.owners.setdefault(given.phone_number, []).append(client)

    def _end_edits(self, edits: dict[int, ClientInput]) -> None:
        """The caller has been told that it is done."""
        for id, given in edits.items():
            self._life.clients[id].given = given
            self._life.clients[id].was.returned(self._life.clock.now_us())
        self._taken -= edits.keys()

    def _edit_client(self, client: Client | None = None) -> Act | None:
        found = self._free_clients(1) if client is None or not self._is_free(client) else [client]
        if not found:
            return None
        edits = {found[0].id: self._somebody()}
        self._taken |= edits.keys()
        ((id, given),) = edits.items()

        async def act(engine: Engine) -> None:
            self._ask_edits(edits)
            await engine.store.update_client(id, lambda _: given, by=Actor(), now_us=engine.clock.now_us())
            await _tell(engine, [id])
            self._end_edits(edits)

        return act

    def _suppress(self, client: Client | None = None) -> Act | None:
        """Put a client's number on the stop list, or take it off."""
        # Most likely one that somebody else is writing just now.
        alive = [one for one in self._life.clients.values() if not one.is_deleted]
        alive = [one for one in alive if one.id in self._taken] or alive
        found = [client] if client is not None else self._random.sample(alive, min(1, len(alive)))
        if not found or (number := found[0].given.phone_number) in self._at_list:
            return None
        self._at_list.add(number)
        is_listed, stop_list = self._life.stop_list.draw(self._random, number), self._life.stop_list

        async def act(engine: Engine) -> None:
            stop_list.asked(number, is_listed, self._life.clock.now_us())
            await _tell(engine, await change(engine.store, number, is_listed, engine.clock.now_us()))
            stop_list.returned(number, self._life.clock.now_us())
            self._at_list.discard(number)

        return act

    def _edit_batch(self) -> Act:
        zone = self._random.choice(list(_ZONES))
        edits = {client.id: replace(client.given, time_zone=zone) for client in self._free_clients(5)}
        self._taken |= edits.keys()

        async def act(engine: Engine) -> None:
            self._ask_edits(edits)
            result = await engine.store.update_clients(
                list(edits), ClientChange(time_zone=zone), by=Actor(), now_us=engine.clock.now_us()
            )
            await _tell(engine, result.changed_ids)
            self._end_edits(edits)

        return act

    def _delete_client(self) -> Act | None:
        return self._delete(1)

    def _delete_batch(self) -> Act | None:
        return self._delete(4)

    def _delete(self, most: int) -> Act | None:
        clients = self._free_clients(most)
        self._taken |= (ids := {client.id for client in clients})
        if not ids:
            return None

        async def act(engine: Engine) -> None:
            now_us = engine.clock.now_us()
            for client in clients:
                client.is_deleted = True
            if most == 1:
                await engine.store.delete_client(clients[0].id, by=Actor(), now_us=now_us)
            else:
                await engine.store.delete_clients(sorted(ids), by=Actor(), now_us=now_us)
            await _tell(engine, sorted(ids))
            for client in clients:
                client.deleted_us = self._life.clock.now_us()

        return act

    # -- mailings ------------------------------------------------------------------------------
    def _free_mailing(self) -> SharedMailing | None:
        free = [one for one in self._life.mailings if self._is_open(one)]
        return self._random.choice(free) if free else None

    def _is_open(self, mailing: SharedMailing) -> bool:
        is_over = mailing.cancelled_us is not None or self._life.clock.now_us() >= mailing.asked.end_us - SECOND_US
        return not is_over and -mailing.id not in self._taken

    def _with_mailing(
        self, do: Callable[[Engine, SharedMailing], Coroutine[Any, Any, None]], mailing: SharedMailing | None = None
    ) -> Act | None:
        if mailing is None or not self._is_open(mailing):
            mailing = self._free_mailing()
        if mailing is None:
            return None
        self._taken.add(-mailing.id)

        async def act(engine: Engine) -> None:
            try:
                await do(engine, mailing)
            finally:
                self._taken.discard(-mailing.id)

        return act

    def _create_mailing(self) -> Act | None:
        return self._make_mailing() if len(self._life.mailings) < 2 * self._life.knobs.mailings else None

    def _follow_up(self) -> Act | None:
        """A mailing for those whose message of another one is so."""
        if (filter := self._filter_by_messages()) is None or filter.messages is None:
            return None
        source_id, is_last = filter.messages.mailing_id, self._kinds.random() < 0.4
        if is_last:  # for all who had one, and a little later: so there is somebody to lose
            filter = replace(filter, messages=MessageCondition(source_id))
        make = self._make_mailing(filter, 2 * SECOND_US * is_last)
        source = next(one for one in self._life.mailings if one.stored_id == source_id)

        async def act(engine: Engine) -> None:
            if is_last:
                self._start(self._finish(source))
            await make(engine)

        return act

    def _finish(self, source: SharedMailing) -> Act:
        """The old mailing is deleted while the new one is being made, and then some clients are edited."""
        before, after = self._kinds.choice((0.02, 0.1, 0.4)), self._kinds.choice((0.2, 1.0))

        async def act(engine: Engine) -> None:
            await asyncio.sleep(before)
            if self._is_open(source) and (delete := self._delete_mailing(source)) is not None:
                await delete(engine)
                await asyncio.sleep(after)
                await self._edit_batch()(engine)

        return act

    def _make_mailing(self, filter: AudienceFilter | None = None, later_us: int = 0) -> Act:
        asked = self._draw_mailing(filter, later_us)

        async def act(engine: Engine) -> None:
            now_us = engine.clock.now_us()
            number = len(self._life.mailings) + 1
            # The text names the mailing, so that the provider's calls can be told apart: its place in our list.
            mailing = SharedMailing(number, replace(asked, text=text_for(number)))
            self._life.mailings.append(mailing)
            self._taken.add(-number)
            created = await engine.store.create_mailing(mailing.asked, by=Actor(), now_us=now_us)
            mailing.stored_id = created.row.id
            await engine.delivery.refresh(created.row.id, is_new=True)
            self._taken.discard(-number)

        return act

    def _draw_mailing(self, filter: AudienceFilter | None, later_us: int) -> MailingInput:
        random, now_us = self._random, self._life.clock.now_us()
        start_us = now_us + int(random.choice((0, 0, 2)) * SECOND_US) + later_us
        hours, length_seconds = None, random.choice((5.0, 12.0, 3600.0, 3600.0))
        if random.random() < 0.3:
            zone_hours = random.choice(list(_ZONES.values()))
            hours, length_seconds = draw_local_hours(random, self._life.loop.time(), zone_hours), 20.0
        return MailingInput(
            text="",
            filter=filter or self._filter(),
            start_us=start_us,
            end_us=start_us + int(length_seconds * SECOND_US),
            local_hours=hours,
            rate_limit=random.choice((None, None, None, 3.0)),
            on_uncertain=random.choice(("resend", "resend", "not_sent")),
            audience_fixed=self._kinds.random() < 0.4,
            budget=draw_budget(self._kinds),
        )

    def _filter(self) -> AudienceFilter:
        """Whatever filter; often one for those whose message of another mailing is so."""
        filter = filter_for(self._random.choice(_TAG_SETS), self._random)
        return (self._kinds.random() < 0.5 and self._filter_by_messages()) or filter

    def _filter_by_messages(self) -> AudienceFilter | None:
        sources = [one.stored_id for one in self._life.mailings if one.stored_id]
        if not sources:
            return None
        self._filters += 1
        tags = self._kinds.choice(((), (), *_TAG_SETS))
        return draw_filter(self._kinds, self._filters, sources, tags, sorted(self._life.clients))

    def _pause(self, mailing: SharedMailing | None = None) -> Act | None:
        async def do(engine: Engine, mailing: SharedMailing) -> None:
            await engine.store.set_paused(mailing.stored_id, True, by=Actor(), now_us=engine.clock.now_us())
            await engine.delivery.refresh(mailing.stored_id)
            mailing.pauses.append([self._life.clock.now_us(), NEVER_US])

        return self._with_mailing(do, mailing)

    def _resume(self) -> Act | None:
        return self._with_mailing(self._resume_one)

    async def _resume_one(self, engine: Engine, mailing: SharedMailing) -> None:
        for pause in mailing.pauses:
            pause[1] = min(pause[1], self._life.clock.now_us())
        try:
            await engine.store.set_paused(mailing.stored_id, False, by=Actor(), now_us=engine.clock.now_us())
            await engine.delivery.refresh(mailing.stored_id)
        except (NotFound, ReadOnly):
            return

    def _cancel(self) -> Act | None:
        async def do(engine: Engine, mailing: SharedMailing) -> None:
            mailing.cancelled_us = self._life.clock.now_us()
            await engine.store.set_cancelled(mailing.stored_id, by=Actor(), now_us=engine.clock.now_us())
            await self._stopped(engine, mailing)

        return self._with_mailing(do)

    def _delete_mailing(self, mailing: SharedMailing | None = None) -> Act | None:
        async def do(engine: Engine, mailing: SharedMailing) -> None:
            mailing.cancelled_us = self._life.clock.now_us()
            await engine.store.delete_mailing(mailing.stored_id, by=Actor(), now_us=engine.clock.now_us())
            await self._stopped(engine, mailing)

        return self._with_mailing(do, mailing)

    def _archive(self) -> Act | None:
        """Of any mailing, or what is still open: then it is refused. No engine is told."""
        if not self._life.mailings:
            return None
        mailing, archived = self._random.choice(self._life.mailings), self._random.random() < 0.7

        async def act(engine: Engine) -> None:
            now_us = engine.clock.now_us()
            changed = await engine.store.set_archived(mailing.stored_id, archived, by=Actor(), now_us=now_us)
            assert (changed.row.archived_us is not None) is archived

        return act

    async def _stopped(self, engine: Engine, mailing: SharedMailing) -> None:
        await engine.delivery.refresh(mailing.stored_id)
        mailing.pauses.append([self._life.clock.now_us(), NEVER_US])  # from here on: no call, as with a pause

    def _edit_filter(self) -> Act | None:
        async def do(engine: Engine, mailing: SharedMailing) -> None:
            filter = self._filter()
            await engine.store.check_filter(filter, mailing.stored_id)  # refused here, it is not taken for asked
            asked = replace(mailing.asked, filter=filter)
            mailing.filters.asked(asked.filter, self._life.clock.now_us())
            await engine.store.update_mailing(
                mailing.stored_id, lambda _: asked, by=Actor(), now_us=engine.clock.now_us()
            )
            await engine.delivery.refresh(mailing.stored_id)
            mailing.asked = asked
            mailing.filters.returned(self._life.clock.now_us())

        return self._with_mailing(do)

    def _edit_kind(self) -> Act | None:
        """A fixed audience becomes live, or the other way round."""

        async def do(engine: Engine, mailing: SharedMailing) -> None:
            asked = replace(mailing.asked, audience_fixed=not mailing.asked.audience_fixed)
            mailing.plans.asked(asked, self._life.clock.now_us())
            await engine.store.update_mailing(
                mailing.stored_id, lambda _: asked, by=Actor(), now_us=engine.clock.now_us()
            )
            await engine.delivery.refresh(mailing.stored_id)
            mailing.asked = asked
            mailing.plans.returned(self._life.clock.now_us())

        return self._with_mailing(do)

    # -- in the end ----------------------------------------------------------------------------
    def learn_clients(self, rows: Iterable[dict[str, Any]]) -> None:
        """What the table says goes for what nobody was told."""
        stored = {row["id"]: row for row in rows}
        for id, row in stored.items():
            given = ClientInput(
                row["phone_number"], row["phone_code"], row["tag"], row["time_zone"], attributes=row["attributes"]
            )
            self._know(id, given, 0, row["create_us"], NEVER_US)
            self._life.clients[id].given = given
            self._life.clients[id].is_deleted = False
        for client in self._life.clients.values():
            client.is_deleted = client.id not in stored

    def learn_mailings(self, rows: Iterable[dict[str, Any]]) -> None:
        """As ``learn_clients``."""
        stored = {mailing_in(row["text"]): row for row in rows}
        for mailing in self._life.mailings:
            row = stored.get(mailing.id)
            mailing.is_gone = row is None
            if row is not None:
                mailing.stored_id, mailing.cancelled_us = row["id"], row["cancelled_us"]
                filter, is_fixed = filter_of(row["audience_filter"]), bool(row["audience_fixed"])
                mailing.asked = replace(mailing.asked, filter=filter, audience_fixed=is_fixed)


def _phone(given: ClientInput) -> int:
    return given.phone_number


async def _tell(engine: Engine, client_ids: Iterable[int]) -> None:
    """As the API does after the commit, before it answers."""
    ids = list(client_ids)
    engine.delivery.actors.clients.changed(ids)
    await engine.delivery.actors.clients.followed(ids)
