"""Rule 17: many engines, one PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from engine.domain.audience import AudienceFilter
from engine.domain.message import Event
from engine.store import Store, StoreUnavailable, audience
from engine.store.client_rows import ClientQuery
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.postgres import PostgresTx
from engine.store.rows import Counts, Difference, Page, RequestKey
from tests.patience import PATIENT_SECONDS
from tests.store.conftest import AT_ONCE_SECONDS, Opener
from tests.store.world import (
    BY,
    END,
    LEASE,
    LONG_AGO,
    NOW,
    add_clients,
    add_engine,
    add_mailing,
    audience_size,
    claim,
    client,
    counts,
    mailing,
    messages,
    record,
    release,
)

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("kind", ["postgres"], indirect=True)]


async def test_rule_17_no_message_is_claimed_twice(open_store: Opener) -> None:
    stores = [await open_store() for _ in range(3)]
    assert stores[0].shared
    await add_clients(stores[0], 600)
    mailing_id = await add_mailing(stores[0])
    claimed: list[int] = []

    async def engine(store: Store) -> None:
        owner = await add_engine(store)
        while claims := await claim(store, mailing_id, owner, 7):
            claimed.extend(taken.message_id for taken in claims)
            assert await record(store, owner, claims, Event.ACCEPT) == len(claims)

    await asyncio.gather(*(engine(store) for store in stores for _ in range(2)))
    assert len(claimed) == len(set(claimed)) == 600
    assert await counts(stores[0], mailing_id) == Counts(sent=600)


async def test_rule_17_a_dead_engines_claims_are_taken_over_after_the_lease(open_store: Opener) -> None:
    first, second = await open_store(), await open_store()
    await add_clients(first, 20)
    mailing_id = await add_mailing(first)
    dead, heir = await add_engine(first), await add_engine(second)
    lost = await claim(first, mailing_id, dead)
    assert await claim(second, mailing_id, heir) == []
    taken_back = await asyncio.gather(*(store.recover(LEASE, 20, expired_only=True) for store in (first, second)))
    assert sum(taken_back) == 20
    again = await claim(second, mailing_id, heir)
    assert {taken.attempt for taken in again} == {2}
    assert await record(first, dead, lost, Event.ACCEPT) == 0


async def test_several_engines_may_start_at_once(open_store: Opener) -> None:
    stores = await asyncio.gather(*(open_store() for _ in range(4)))
    ids = await asyncio.gather(*map(add_engine, stores))
    assert len(set(ids)) == 4


async def test_rule_1_no_client_falls_between_an_audience_builder_and_an_edit(open_store: Opener) -> None:
    one, two = await open_store(), await open_store()
    ids = await add_clients(one, 120, "a")
    mailing_id = await add_mailing(one, mailing(AudienceFilter(("a",))), build=False)
    chance = random.Random(3)

    async def build() -> None:
        while not await one.build_audience(mailing_id, 7, NOW, LONG_AGO):
            pass

    async def edit() -> None:
        for index in chance.sample(range(120), 60):
            await two.update_client(ids[index], lambda old, i=index: client(i, "b"), by=BY, now_us=NOW)  # type: ignore[misc]
            await two.create_client(client(500 + index, "a"), by=BY, now_us=NOW)

    async def change_the_filter() -> None:
        for tag in ("b", "a"):
            await asyncio.sleep(0.05)
            await two.update_mailing(mailing_id, lambda old, t=tag: mailing(AudienceFilter((t,))), by=BY, now_us=NOW)  # type: ignore[misc]

    await asyncio.gather(build(), edit(), change_the_filter())
    await build()
    assert len(await messages(one, mailing_id)) == await audience_size(one, AudienceFilter(("a",))) == 120
    assert await counts(one, mailing_id) == Counts(pending=120)


async def test_everything_at_once_neither_deadlocks_nor_miscounts(open_store: Opener) -> None:
    stores = [await open_store(), await open_store()]
    ids = await add_clients(stores[0], 200)
    mailings = [await add_mailing(stores[0]) for _ in range(3)]
    owners = [await add_engine(store) for store in stores]

    async def send(index: int) -> None:
        chance = random.Random(index)
        for _ in range(40):
            claims = []
            for mailing_id in chance.sample(mailings, 3):
                claims += await claim(stores[index], mailing_id, owners[index], 5)
            chance.shuffle(claims)
            await record(stores[index], owners[index], claims, chance.choice((Event.ACCEPT, Event.DEFER)))

    async def edit(index: int) -> None:
        chance = random.Random(10 + index)
        for client_id in chance.sample(ids[index * 100 : index * 100 + 100], 50):
            if chance.random() < 0.5:
                await stores[index].delete_client(client_id, by=BY, now_us=NOW)
            else:
                rows = [client(chance.randrange(200), chance.choice(("x", "new"))) for _ in range(5)]
                await stores[index].import_clients(rows, by=BY, now_us=NOW)

    async def end() -> None:
        await asyncio.sleep(0.2)
        await stores[0].set_cancelled(mailings[0], by=BY, now_us=NOW)
        while await stores[1].cancel_pending(mailings[0], 20, NOW) or await stores[0].expire(mailings[1], 20, END):
            pass

    await asyncio.gather(send(0), send(1), edit(0), edit(1), end())
    assert await stores[0].check() == []


async def test_a_lost_race_is_run_again_also_after_a_deadlock_but_not_for_ever(open_store: Opener) -> None:
    store = await open_store()
    deadlock, taken = asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError

    async def run(*failures: type[Exception]) -> str:
        left = list(failures)

        async def work(tx: Tx) -> str:
            if left:
                raise left.pop(0)("on purpose")
            return "done"

        return await store._db.transaction(work)

    assert await run(deadlock, taken, taken, asyncpg.ForeignKeyViolationError) == "done"
    with pytest.raises(taken):
        await run(*[taken] * 4)


async def test_a_lost_connection_is_an_error_to_retry_and_then_works_again(open_store: Opener) -> None:
    store, other = await open_store(), await open_store()
    await add_clients(store, 1)

    async def cut(tx: Tx) -> None:
        await tx.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    async def long(tx: Tx) -> None:
        await tx.rows("SELECT pg_sleep(100)")

    async def sleeps(tx: Tx) -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        return bool(await tx.value(asked))

    call = asyncio.create_task(store._db.transaction(long, Lane.DELIVERY))  # the others run once more
    async with asyncio.timeout(PATIENT_SECONDS):
        while not await other._db.transaction(sleeps):
            await asyncio.sleep(0.02)
    await other._db.transaction(cut)
    with pytest.raises(StoreUnavailable):
        await call
    for _ in range(3):
        try:
            assert (await store.list_clients(ClientQuery(), Page())).total == 1
            break
        except StoreUnavailable:
            continue
    else:
        pytest.fail("the pool never recovered")


async def test_one_request_id_twice_at_the_same_time_makes_one_mailing(open_store: Opener) -> None:
    stores = [await open_store(), await open_store()]
    key = RequestKey("same", "CreateMailing", "f")
    made = await asyncio.gather(
        *(store.create_mailing(mailing(), by=BY, now_us=NOW, request=key) for store in stores for _ in range(3))
    )
    assert len({created.row.id for created in made}) == 1
    assert [created.replayed for created in made].count(False) == 1


class SlowBuilder:
    """Builds chunks of which each waits, when it has made its rows, until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_made_rows, self.may_go_on = asyncio.Event(), asyncio.Event()
        build = audience._Chunk.build

        async def slowly(chunk: audience._Chunk, now_us: int, reset_us: int, tally: Tally, *, again: bool) -> None:
            await build(chunk, now_us, reset_us, tally, again=again)
            self.has_made_rows.set()
            await self.may_go_on.wait()

        monkeypatch.setattr(audience._Chunk, "build", slowly)

    async def build(self, store: Store, mailing_id: int) -> asyncio.Task[bool]:
        """Let it make the rows of a chunk."""
        self.has_made_rows.clear()
        self.may_go_on.clear()
        building = asyncio.create_task(store.build_audience(mailing_id, 30, NOW, LONG_AGO))
        await self.has_made_rows.wait()
        return building

    async def finish(self, building: asyncio.Task[bool]) -> bool:
        """Let it go on; what ``build_audience`` has returned."""
        assert not building.done()
        self.may_go_on.set()
        return await building


async def test_nothing_of_a_mailing_waits_for_a_chunk_of_its_audience(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found from outside: registering a mailing for 200,000 clients stopped all sending for 15 s, with 14 deadlocks."""
    sender, builder = await open_store(), await open_store()
    await add_clients(sender, 6)
    mailing_id, owner = await add_mailing(sender, build=False), await add_engine(sender)
    assert not await builder.build_audience(mailing_id, 3, NOW, LONG_AGO)
    first, *others = await claim(sender, mailing_id, owner, 2)
    slow = SlowBuilder(monkeypatch)
    building = await slow.build(builder, mailing_id)
    async with asyncio.timeout(AT_ONCE_SECONDS):
        assert await record(sender, owner, [first], Event.ACCEPT) == 1
        assert await release(sender, owner, others) == 1
        assert len(await claim(sender, mailing_id, owner)) == 2
        assert (await sender.set_paused(mailing_id, True, by=BY, now_us=NOW)).row.paused
        assert (await sender.set_paused(mailing_id, False, by=BY, now_us=NOW)).row.counts == Counts(pending=2, sent=1)
        assert await sender.cancel_pending(mailing_id, 9, NOW) == 0
    assert await slow.finish(building)
    assert await counts(sender, mailing_id) == Counts(pending=5, sent=1)


async def test_a_claim_does_not_wait_for_one_that_another_engine_is_making(open_store: Opener) -> None:
    first, second = await open_store(), await open_store()
    await add_clients(first, 2)
    mailing_id, heir = await add_mailing(first), await add_engine(second)
    locked, done = asyncio.Event(), asyncio.Event()

    async def half_a_claim(tx: Tx) -> None:
        await tx.rows("SELECT id FROM message ORDER BY id LIMIT 1 FOR UPDATE")
        locked.set()
        await done.wait()

    slow = asyncio.create_task(first._db.transaction(half_a_claim))
    await locked.wait()
    try:
        async with asyncio.timeout(AT_ONCE_SECONDS):
            assert len(await claim(second, mailing_id, heir)) == 1
    finally:
        done.set()
        await slow


@pytest.mark.parametrize("change", ["edit", "cancel", "delete"])
async def test_rule_14_a_chunk_that_an_edit_has_overtaken_leaves_nothing(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    one, two = await open_store(), await open_store()
    await add_clients(one, 4, "a")
    await add_clients(one, 3, "b", first=4)
    # Its statements are prepared by a build for nobody: one that meets a new statement begins again, and sees the edit.
    nobody = await add_mailing(one, mailing(AudienceFilter(("z",))), build=False)
    assert await two.build_audience(nobody, 30, NOW, LONG_AGO)
    mailing_id = await add_mailing(one, mailing(AudienceFilter(("a",))), build=False)
    slow = SlowBuilder(monkeypatch)
    building = await slow.build(two, mailing_id)
    async with asyncio.timeout(AT_ONCE_SECONDS):
        if change == "edit":
            await one.update_mailing(mailing_id, lambda _: mailing(AudienceFilter(("b",))), by=BY, now_us=NOW)
        elif change == "cancel":
            await one.set_cancelled(mailing_id, by=BY, now_us=NOW)
        else:
            await one.delete_mailing(mailing_id, by=BY, now_us=NOW)
    assert not await slow.finish(building)
    assert await messages(one) == []
    assert await two.build_audience(mailing_id, 30, NOW, LONG_AGO)
    assert len(await messages(one)) == (3 if change == "edit" else 0)
    assert await one.check() == []


async def test_rule_14_a_rebuild_takes_away_what_is_given_back_meanwhile(open_store: Opener) -> None:
    """A message that was put off between two statements of the chunk was neither removed nor marked."""
    one, two = await open_store(), await open_store()
    await add_clients(one, 3, "a")
    mailing_id, owner = await add_mailing(one, mailing(AudienceFilter(("a",)))), await add_engine(one)
    claims = await claim(one, mailing_id, owner)
    await one.update_mailing(mailing_id, lambda _: mailing(AudienceFilter(("b",))), by=BY, now_us=NOW)
    given_back: list[asyncio.Task[int]] = []
    change = audience._Chunk._change

    async def beside(chunk: audience._Chunk, *args: Any, **values: Any) -> int:
        number = await change(chunk, *args, **values)
        if args[0].startswith("DELETE"):
            given_back.append(asyncio.create_task(release(two, owner, claims)))
            await asyncio.wait(given_back, timeout=0.3)
        return number

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(audience._Chunk, "_change", beside)
        assert await one.build_audience(mailing_id, 30, NOW, LONG_AGO)
    # A chunk that meets a new statement begins again: then there are two returns, and either may come first.
    assert sum(await asyncio.gather(*given_back)) == 3
    assert await messages(one) == []
    assert await one.check() == []


async def test_a_check_holds_nobody_up_while_it_counts(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had the counters while it counted, so engines kept their outcomes until a big mailing was counted."""
    one, two = await open_store(), await open_store()
    await add_clients(one, 6)
    mailing_id, owner = await add_mailing(one), await add_engine(one)
    claims = await claim(one, mailing_id, owner, 4)
    await one._db.transaction(lambda tx: tx.run("UPDATE mailing_counters SET pending = pending + 3, sent = 5"))
    counted, go_on, rows = asyncio.Event(), asyncio.Event(), PostgresTx.rows

    async def slow(tx: PostgresTx, sql: str, *args: object) -> object:
        found = await rows(tx, sql, *args)
        if "count(*)" in sql and "FROM message" in sql and not counted.is_set():
            counted.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(PostgresTx, "rows", slow)
    checking = asyncio.create_task(two.check())
    async with asyncio.timeout(AT_ONCE_SECONDS):
        await counted.wait()
        assert await record(one, owner, claims, Event.ACCEPT) == 4
        go_on.set()
        assert [(each.name, each.counted - each.stored) for each in await checking] == [("pending", -3), ("sent", -5)]
    assert await counts(one, mailing_id) == Counts(pending=2, sent=4)


async def test_two_checks_at_a_time_correct_once(open_store: Opener) -> None:
    one, two = await open_store(), await open_store()
    await add_clients(one, 6)
    mailing_id = await add_mailing(one)
    await one._db.transaction(lambda tx: tx.run("UPDATE mailing_counters SET pending = pending + 3"))
    found = await asyncio.gather(*(store.check() for store in (one, two) for _ in range(3)))
    assert sum(len(differences) for differences in found) == 1
    assert await counts(one, mailing_id) == Counts(pending=6)


async def test_a_reference_that_came_between_is_a_race(open_store: Opener) -> None:
    """PostgreSQL 18 has an error of its own for what 17 called a foreign key that is violated."""
    store = await open_store()
    await add_clients(store, 1)
    mailing_id = await add_mailing(store)
    runs: list[int] = []

    async def work(tx: Tx) -> int:
        runs.append(1)
        return await tx.run("DELETE FROM mailing WHERE id = ?", mailing_id) if len(runs) == 1 else 0

    assert await store._db.transaction(work) == 0
    assert len(runs) == 2


async def _waiting(store: Store) -> None:
    """Until a session of this database waits for a lock."""

    async def work(tx: Tx) -> int:
        return int(
            await tx.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    async with asyncio.timeout(PATIENT_SECONDS):
        while not await store._db.transaction(work):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("change", ["resume", "cancel"])
async def test_a_change_that_was_made_before_answers_with_the_counts_of_after_its_wait(
    open_store: Opener, change: str
) -> None:
    """PostgreSQL gives whoever waited the new row of the mailing with the old row of its counters."""
    one, two, third = await open_store(), await open_store(), await open_store()
    await add_clients(one, 3)
    mailing_id = await add_mailing(one)
    if change == "cancel":
        await one.set_cancelled(mailing_id, by=BY, now_us=NOW)
    has_locked = asyncio.Event()

    async def count_late(tx: Tx) -> None:
        await tx.rows("SELECT 1 FROM mailing WHERE id = ? FOR SHARE", mailing_id)
        await tx.run("UPDATE mailing_counters SET pending = 0, sent = 3 WHERE mailing_id = ?", mailing_id)
        has_locked.set()
        await _waiting(third)

    counting = asyncio.create_task(one._db.transaction(count_late))
    await has_locked.wait()
    if change == "resume":
        answer = await two.set_paused(mailing_id, False, by=BY, now_us=NOW)
    else:
        answer = await two.set_cancelled(mailing_id, by=BY, now_us=NOW)
    await counting
    assert answer.row.counts == Counts(sent=3)


async def test_a_message_of_nobody_is_found_by_a_check(open_store: Opener) -> None:
    """PostgreSQL has no foreign key that would refuse to remove its client or mailing."""
    store = await open_store()
    await add_clients(store, 3)
    mailing_id = await add_mailing(store)
    assert await store.check() == []
    await store._db.transaction(lambda tx: tx.run("DELETE FROM client WHERE id IN (SELECT max(id) FROM client)"))
    of_messages = [found for found in await store.check() if found.mailing_id is not None]
    assert of_messages == [Difference(mailing_id, "messages of nobody", 1, 0, repaired=False)]
