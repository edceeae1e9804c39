"""Everything that stores are asked for, all at once: what ``test_lock_order`` and ``scripts/locks`` run."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from engine.domain.audience import AudienceFilter
from engine.domain.errors import MailingError
from engine.domain.message import Event
from engine.domain.receipt import Delivery, Receipt
from engine.domain.validate import MailingInput
from engine.ports import Claim
from engine.store import Store
from engine.store.client_rows import ClientChange
from engine.store.database import Tx
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    add_engine,
    claim,
    client,
    mailing,
    record,
    release,
    stop,
    unsuppress,
)

_TAGS = ("a", "b", "c")
_CHUNK = 40
_MAILINGS = 6


@dataclass
class Commotion:
    """Callers and engines on one database, each in a loop until the time is over. ``clients``: numbers in use."""

    stores: list[Store]
    clients: int = 300
    seed: int = 1
    changes_seconds: list[float] = field(default_factory=list)
    """How long each change of clients took."""
    _over: bool = False

    async def run(self, seconds: float) -> None:
        """Go on for so long; raises what a verb raises, but for refusals."""
        first = self.stores[0]
        rows = [client(number, random.Random(number).choice(_TAGS)) for number in range(self.clients)]
        await first.import_clients(rows, by=BY, now_us=NOW)
        for tag in (*_TAGS, *_TAGS)[:_MAILINGS]:
            await first.create_mailing(_for_tag(tag), by=BY, now_us=NOW)
        loops = [
            self._loop(act, store, 10 * index + place)
            for index, store in enumerate(self.stores)
            for place, act in enumerate(
                (self._send, self._change, self._change, self._import, self._manage, self._keep)
            )
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stop(seconds))
            for loop in loops:
                group.create_task(loop)

    async def _stop(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._over = True

    async def _loop(self, act: Callable[[Store, random.Random], Awaitable[None]], store: Store, seed: int) -> None:
        chance = random.Random(self.seed * 1_000 + seed)
        while not self._over:
            try:
                await act(store, chance)
            except MailingError:
                continue  # a number that is taken, a client that is gone, a mailing that is over

    async def _ids(self, store: Store) -> list[int]:
        return [plan.mailing_id for plan in await store.plans(NOW)]

    # -- engines -------------------------------------------------------------------------------
    async def _send(self, store: Store, chance: random.Random) -> None:
        owner = await add_engine(store)
        for _ in range(20):
            claims: list[Claim] = []
            ids = await self._ids(store)
            for mailing_id in chance.sample(ids, min(3, len(ids))):
                claims += await claim(store, mailing_id, owner, 12)
            chance.shuffle(claims)
            await self._finish(store, owner, claims, chance)

    async def _finish(self, store: Store, owner: int, claims: list[Claim], chance: random.Random) -> None:
        """What an engine does with its claims, side by side as its actors do it."""
        third = len(claims) // 3
        event = chance.choice((Event.ACCEPT, Event.DEFER, Event.REJECT, Event.MISS))
        await asyncio.gather(
            store.renew(claims, owner=owner, lease_until_us=LEASE),
            store.begin(claims[:third], owner=owner),
            record(store, owner, claims[third : 2 * third], Event.ACCEPT),
            record(store, owner, claims[:third], event),
            store.record_receipts(_receipts(claims, chance), now_us=NOW),
        )
        if chance.random() < 0.8:  # or else the engine dies, and its claims are recovered
            await release(store, owner, claims[2 * third :])

    async def _keep(self, store: Store, chance: random.Random) -> None:
        for plan in await store.plans(NOW):
            if plan.deleted:
                await store.purge(plan.mailing_id, _CHUNK)
            elif plan.cancelled:
                await store.cancel_pending(plan.mailing_id, _CHUNK, NOW)
            else:
                await store.build_audience(plan.mailing_id, _CHUNK, NOW, LONG_AGO)
                await store.take_back(plan.mailing_id, _CHUNK, after=(0, 0), by_us=1)
        await store.recover(chance.choice((NOW, LEASE)), _CHUNK, expired_only=True)
        for plan in await store.plans(NOW):
            if chance.random() < 0.02:
                await store.expire(plan.mailing_id, _CHUNK, END)

    # -- callers -------------------------------------------------------------------------------
    async def _timed(self, change: Awaitable[object]) -> None:
        began = time.perf_counter()
        try:
            await change
        finally:
            self.changes_seconds.append(time.perf_counter() - began)

    async def _change(self, store: Store, chance: random.Random) -> None:
        number, tag = chance.randrange(self.clients), chance.choice(_TAGS)
        some = await self._some(store, chance, 30)
        one = chance.choice(some)
        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: store.create_client(client(number, tag), by=BY, now_us=NOW),
            lambda: store.update_client(one, lambda _: client(number, tag), by=BY, now_us=NOW),
            lambda: store.update_client(
                one, lambda old: client(old.phone_number - 79_160_000_000, tag), by=BY, now_us=NOW
            ),
            lambda: store.delete_client(one, by=BY, now_us=NOW),
            lambda: store.update_clients(some, ClientChange(tag=tag), by=BY, now_us=NOW),
            lambda: store.delete_clients(some[:3], by=BY, now_us=NOW),
            lambda: store.import_suppressions([stop(number), stop(number + 1)], by=BY, now_us=NOW),
            lambda: unsuppress(store, number),
            lambda: store.erase_client(one, suppress=tag == "a", by=BY, now_us=NOW),
        ]
        await self._timed(chance.choice(changes)())

    async def _some(self, store: Store, chance: random.Random, number: int) -> list[int]:
        """Ids of clients, in no order."""

        async def work(tx: Tx) -> list[int]:
            return [row[0] for row in await tx.rows("SELECT id FROM client ORDER BY id")]

        ids = await store._db.read(work)
        return chance.sample(ids, min(number, len(ids)))

    async def _import(self, store: Store, chance: random.Random) -> None:
        numbers = chance.sample(range(self.clients), 60)
        rows = [client(number, chance.choice(_TAGS)) for number in numbers]
        await self._timed(store.import_clients(rows, by=BY, now_us=NOW))

    async def _manage(self, store: Store, chance: random.Random) -> None:
        ids = await self._ids(store)
        one, tag = chance.choice(ids) if ids else 0, chance.choice((*_TAGS, ""))

        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: store.set_paused(one, True, by=BY, now_us=NOW),
            lambda: store.set_paused(one, False, by=BY, now_us=NOW),
            lambda: store.update_mailing(one, lambda _: _for_tag(tag), by=BY, now_us=NOW),
            lambda: store.set_paused(one, False, by=BY, now_us=NOW),
        ]
        await chance.choice(changes)()
        if chance.random() < 0.1:
            await store.set_cancelled(one, by=BY, now_us=NOW)
            await store.set_archived(one, True, by=BY, now_us=NOW)
        if chance.random() < 0.1:
            await store.delete_mailing(one, by=BY, now_us=NOW)
        if len(ids) < _MAILINGS:
            await store.create_mailing(_for_tag(tag, chance.choice(("resend", "not_sent"))), by=BY, now_us=NOW)
        await asyncio.sleep(0.02)


def _for_tag(tag: str, on_uncertain: str = "resend") -> MailingInput:
    return mailing(AudienceFilter((tag,) if tag else ()), on_uncertain=on_uncertain)


async def deadlocks(store: Store) -> int:
    """How many the server has seen in this database."""

    async def work(tx: Tx) -> int:
        await tx.rows("SELECT pg_stat_clear_snapshot()")
        return int(await tx.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))

    return await store._db.transaction(work)


def _receipts(claims: list[Claim], chance: random.Random) -> list[Receipt]:
    """For some messages that the provider may have by now, early or late."""
    some = chance.sample(claims, len(claims) // 2)
    return [Receipt(chance.choice(list(Delivery)), NOW + chance.randint(0, 9), taken.message_id) for taken in some]
