"""Whatever the order of verbs: every step is one of ``domain.message``'s, and counters equal rows.

A seeded walk calls verbs at random, late and doubled outcomes of forgotten claims included, and looks
at all rows before and after each call.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Set
from typing import NamedTuple

import pytest

from engine.domain.access import Impossible
from engine.domain.audience import AudienceFilter
from engine.domain.errors import NotFound, ReadOnly
from engine.domain.message import TABLE, Event, Status, Step, heard, step, withdraw
from engine.domain.receipt import Delivery, Receipt
from engine.domain.suppression import SuppressionInput
from engine.ports import Claim
from engine.store import Store
from engine.store.database import Tx
from engine.store.rows import Page
from engine.store.suppression_rows import SuppressionQuery
from tests.store.world import BY, END, add_engine, add_mailing, client, mailing, outcome, release

TAGS = ("a", "b", "c")
STEPS = {"sqlite": 200, "sqlite-inline": 500, "postgres": 300}
CHECKED_EACH = {"sqlite": 8, "sqlite-inline": 1, "postgres": 8}
"""Steps from one comparison of all counters with all rows to the next. What a verb has miscounted stays, so a later
one finds it; inline, where it is cheap, the verb is named, too."""
STEPS_MAX = 1_900
"""Where every step is to be seen, a walk goes on until it is. Later all mailings have ended."""
RESULTS = [
    (status, step(status, event, unsure=unsure))
    for status, event in TABLE
    if event is not Event.LACK
    for unsure in (False, True)
]
ALL_STEPS = {(status, result.status, result.reason) for status, result in RESULTS}


class Seen(NamedTuple):
    """A row, as far as the rules are about it."""

    status: Status
    reason: int | None
    attempt: int
    owner: int | None
    stale: bool
    unsure: bool
    has_receipt: bool

    def after(self, events: Iterable[Event]) -> Iterator[Step | None]:
        """What these events may make of it, or that its client matches no longer."""
        for event in events:
            if self.has_receipt and event is not Event.BEGIN:
                event = heard(event, self.attempt)
            if (self.status, event) in TABLE:
                result = step(self.status, event, unsure=self.unsure)
                yield result
                if self.stale and result.status is Status.PENDING:
                    yield from withdrawn(unsure=result.unsure)
        if self.status is Status.PENDING:
            yield from withdrawn(unsure=self.unsure)


def withdrawn(*, unsure: bool) -> Iterator[Step | None]:
    """What becomes of a message whose client matches no longer, or has a number on the stop list."""
    yield withdraw(unsure=unsure)
    yield withdraw(unsure=unsure, listed=True)


async def look(store: Store) -> dict[int, Seen]:
    """Every message row, by id."""

    async def work(tx: Tx) -> dict[int, Seen]:
        rows = await tx.rows(
            "SELECT id, status, reason, attempt, owner, stale, unsure, delivery IS NOT NULL FROM message"
        )
        return {row[0]: Seen(Status(row[1]), row[2], row[3], row[4], *map(bool, row[5:])) for row in rows}

    return await store._db.read(work)


async def waiting_and_listed(store: Store) -> int:
    """How many messages could be claimed although their number is on the stop list; and as many that are in hand and
    not marked."""

    async def work(tx: Tx) -> int:
        return int(
            await tx.value(
                "SELECT count(*) FROM message AS m JOIN client AS c ON c.id = m.client_id JOIN mailing AS k"
                " ON k.id = m.mailing_id JOIN suppression AS s ON s.phone_number = c.phone_number"
                f" WHERE m.status < {int(Status.SENT)} AND NOT m.stale AND k.cancelled_us IS NULL"
                " AND k.deleted_us IS NULL AND k.end_us > s.create_us"
            )
        )

    return await store._db.read(work)


class Walk:
    """One life of a store."""

    def __init__(self, store: Store, seed: int, checked_each: int) -> None:
        self.store, self.chance, self._checked_each = store, random.Random(seed), checked_each
        self.mailings: list[int] = []
        self.clients: list[int] = []
        self.owners: list[int] = []
        self.claims: list[tuple[int, Claim]] = []
        self.now_us = 2_000
        self.highest_id = 0
        self.steps_seen: set[tuple[Status, Status, int | None]] = set()

    def some(self, number: int = 4) -> tuple[int, list[Claim]]:
        """Claims of one owner, old and new ones."""
        owner = self.chance.choice(self.owners)
        ours = [taken for whose, taken in self.claims if whose == owner or self.chance.random() < 0.05]
        return owner, self.chance.sample(ours, min(len(ours), self.chance.randint(0, number)))

    async def claim(self) -> None:
        owner, lease = self.chance.choice(self.owners), self.now_us + self.chance.randint(1, 400)
        mailing_id = self.chance.choice(self.mailings)
        limit = self.chance.randint(1, 6)
        taken = await self.store.claim(mailing_id, limit, owner=owner, now_us=self.now_us, lease_until_us=lease)
        self.claims += [(owner, item) for item in taken]
        del self.claims[:-60]

    async def begin(self) -> None:
        owner, claims = self.some()
        await self.store.begin(claims, owner=owner)

    async def renew(self) -> None:
        owner, claims = self.some()
        await self.store.renew(claims, owner=owner, lease_until_us=self.now_us + 500)

    async def record(self) -> None:
        owner, claims = self.some(8)
        events = (Event.ACCEPT, Event.REJECT, Event.DEFER, Event.MISS)
        outcomes = [
            outcome(taken, self.chance.choice(events), due_us=self.now_us + self.chance.randint(-5, 300))
            for taken in claims
        ]
        await self.store.record(outcomes, owner=owner, now_us=self.now_us)

    async def release(self) -> None:
        owner, claims = self.some()
        await release(self.store, owner, claims, self.chance.choice((0, self.now_us + 100)))

    async def recover(self) -> None:
        await self.store.recover(self.now_us, 5, expired_only=self.chance.random() < 0.8)

    async def receive(self) -> None:
        """Receipts for a message that an engine has or had, and for any that there is or was."""
        _, claims = self.some(1)
        receipts = [
            Receipt(self.chance.choice(list(Delivery)), self.now_us - self.chance.randint(0, 200), id)
            for id in (*(taken.message_id for taken in claims), self.chance.randint(1, self.highest_id + 2))
        ]
        await self.store.record_receipts(receipts, now_us=self.now_us)

    async def expire(self) -> None:
        await self.store.expire(
            self.chance.choice(self.mailings), 5, END if self.chance.random() < 0.2 else self.now_us
        )

    async def cancel(self) -> None:
        chosen = self.chance.choice(self.mailings)
        if self.chance.random() < 0.3:
            await self.store.set_cancelled(chosen, by=BY, now_us=self.now_us)
        await self.store.cancel_pending(chosen, 5, self.now_us)

    async def pause(self) -> None:
        paused = self.chance.random() < 0.5
        await self.store.set_paused(self.chance.choice(self.mailings), paused, by=BY, now_us=self.now_us)

    async def archive(self) -> None:
        archived = self.chance.random() < 0.7
        await self.store.set_archived(self.chance.choice(self.mailings), archived, by=BY, now_us=self.now_us)

    async def build(self) -> None:
        await self.store.build_audience(self.chance.choice(self.mailings), 3, self.now_us, self.now_us)

    async def edit_mailing(self) -> None:
        filter = AudienceFilter(tuple(self.chance.sample(TAGS, self.chance.randint(0, 2))))
        chosen = self.chance.choice(self.mailings)
        await self.store.update_mailing(chosen, lambda old: mailing(filter), by=BY, now_us=self.now_us)

    async def create_mailing(self) -> None:
        filter = AudienceFilter(tuple(self.chance.sample(TAGS, self.chance.randint(0, 2))))
        self.mailings.append(await add_mailing(self.store, mailing(filter), build=self.chance.random() < 0.5))
        del self.mailings[:-5]

    async def delete_mailing(self) -> None:
        if self.chance.random() < 0.1:
            chosen = self.chance.choice(self.mailings)
            await self.store.delete_mailing(chosen, by=BY, now_us=self.now_us)

    async def purge(self) -> None:
        await self.store.purge(self.chance.choice(self.mailings), 4)

    async def import_clients(self) -> None:
        numbers = self.chance.sample(range(30), self.chance.randint(1, 6))
        rows = [client(number, self.chance.choice(TAGS)) for number in numbers]
        self.clients += (await self.store.import_clients(rows, by=BY, now_us=self.now_us)).changed_ids

    async def edit_client(self) -> None:
        tag = self.chance.choice(TAGS)
        await self.store.update_client(
            self.chance.choice(self.clients),
            lambda old: client(old.phone_number - 79_160_000_000, tag),
            by=BY,
            now_us=self.now_us,
        )

    async def suppress(self) -> None:
        entries = [SuppressionInput(client(number).phone_number) for number in self.chance.sample(range(30), 2)]
        await self.store.import_suppressions(entries, by=BY, now_us=self.now_us)
        await self.store.add_suppression(entries[0], by=BY, now_us=self.now_us)

    async def take_off(self) -> None:
        listed = (await self.store.list_suppressions(SuppressionQuery(), Page())).items
        for row in self.chance.sample(listed, len(listed) // 2):
            await self.store.delete_suppression(row.phone_number, by=BY, now_us=self.now_us)

    async def delete_client(self) -> None:
        await self.store.delete_client(self.chance.choice(self.clients), by=BY, now_us=self.now_us)

    def verbs(self) -> dict[Callable[[], Awaitable[None]], tuple[int, set[Event]]]:
        """Each verb with how often it is called and what may happen to a message in it."""
        return {
            self.claim: (5, {Event.CLAIM}),
            self.begin: (8, {Event.BEGIN}),
            self.renew: (1, set()),
            self.record: (7, {Event.ACCEPT, Event.REJECT, Event.DEFER, Event.MISS}),
            self.release: (2, {Event.RELEASE}),
            self.recover: (1, {Event.LOSE, Event.RELEASE}),
            self.receive: (2, {Event.CONFIRM, Event.CANCEL}),
            self.expire: (1, {Event.EXPIRE}),
            self.cancel: (1, {Event.CANCEL}),
            self.pause: (1, set()),
            self.archive: (1, set()),
            self.build: (3, set()),
            self.edit_mailing: (1, set()),
            self.create_mailing: (2, set()),
            self.delete_mailing: (1, set()),
            self.purge: (1, set()),
            self.import_clients: (2, set()),
            self.edit_client: (3, set()),
            self.delete_client: (1, {Event.CANCEL}),  # its messages of a cancelled mailing end first
            self.suppress: (2, {Event.SUPPRESS}),
            self.take_off: (1, set()),
        }

    async def run(self, steps: int, wanted: Set[tuple[Status, Status, int | None]] = frozenset()) -> None:
        """Walk so many steps, and on until those that are wanted have been seen, or hope is lost."""
        self.owners = [await add_engine(self.store), await add_engine(self.store)]
        await self.import_clients()
        await self.create_mailing()
        verbs = self.verbs()
        weights = [often for often, _ in verbs.values()]
        walked, before = 0, await look(self.store)
        while walked < steps or (wanted - self.steps_seen and walked < STEPS_MAX):
            walked += 1
            self.now_us += self.chance.randint(0, 100)
            (verb,) = self.chance.choices(list(verbs), weights)
            try:
                await verb()
            except (NotFound, ReadOnly, Impossible):
                continue  # a deleted client, an ended mailing: it has changed nothing, or the next one is blamed for it
            after = await look(self.store)
            self.judge(before, after, verbs[verb][1], verb.__name__)
            before = after
            if walked % self._checked_each == 0:
                assert await self.store.check() == [], verb.__name__
            assert await waiting_and_listed(self.store) == 0, verb.__name__
        assert await self.store.check() == []

    def judge(self, before: dict[int, Seen], after: dict[int, Seen], events: Iterable[Event], verb: str) -> None:
        """Every difference must be a step of the table by one of the verb's events."""
        for id, row in after.items():
            if (old := before.get(id)) is None:
                assert id > self.highest_id, f"{verb}: the id {id} was used before"
                assert (row.status, row.attempt) == (Status.PENDING, 0), verb
            elif row.status is not old.status:
                self.steps_seen.add((old.status, row.status, row.reason))
                steps = {(s.status, s.reason, s.unsure) for s in old.after(events) if s is not None}
                unsure = row.unsure and not row.status.is_final  # of final ones nobody asks any more
                assert (row.status, row.reason, unsure) in steps, f"{verb}: {old} became {row}"
                assert row.attempt - old.attempt == moved(old, row, verb), f"{verb}: {old} became {row}"
        for id in before.keys() - after.keys():
            old = before[id]
            may_go = verb == "purge" or None in old.after(events)
            assert may_go, f"{verb}: {old} is gone"
        self.highest_id = max([self.highest_id, *after])


def moved(old: Seen, new: Seen, verb: str) -> int:
    """How the attempt number changes: a claim takes one, a release gives it back."""
    if new.status is Status.CLAIMED and old.status is Status.PENDING:
        return 1
    return -1 if verb == "release" else 0


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_walk_keeps_the_rules(store: Store, kind: str, seed: int) -> None:
    walk = Walk(store, seed, CHECKED_EACH[kind])
    wanted = ALL_STEPS if kind == "sqlite-inline" else set()  # the others are slow, and walk less far
    await walk.run(STEPS[kind], wanted)
    assert walk.steps_seen >= wanted
