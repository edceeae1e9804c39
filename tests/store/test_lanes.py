"""Who waits for whom at the database (docs/decisions/lanes.md): delivery for nobody's question, short ones for no long
one, and a long one for nobody who has left."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.domain.audience import AudienceFilter, Candidate
from engine.store import Store, database, postgres
from engine.store.database import Lane, Tx
from engine.store.errors import TooLong
from tests.patience import PATIENT_SECONDS
from tests.store.conftest import AT_ONCE_SECONDS
from tests.store.world import BY, LEASE, NOW, a_mailing_with, add_clients, audience_size, client

THREADED = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
ON_SQLITE = pytest.mark.parametrize("kind", ["sqlite"])
ON_POSTGRES = pytest.mark.parametrize("kind", [pytest.param("postgres", marks=pytest.mark.postgres)])

_FOR_EVER_SECONDS = 600
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def endless(tx: Tx) -> Any:
    """A question that the database never answers."""
    return await tx.value(ENDLESS if tx.dialect.is_sqlite else f"SELECT pg_sleep({_FOR_EVER_SECONDS})")


@asynccontextmanager
async def held_up(ask: Callable[[Any], Awaitable[Any]], at_once: int, number: int) -> AsyncIterator[None]:
    """While the block runs, ``number`` operations are asked for, and ``at_once`` of them have begun and do not end."""
    begun, go_on = [0], threading.Event()

    async def work(tx: Tx) -> None:
        begun[0] += 1
        if tx.dialect.is_sqlite:
            assert go_on.wait(_FOR_EVER_SECONDS)  # in the connection's thread
        else:
            while not go_on.is_set():
                await asyncio.sleep(0.01)

    asked = [asyncio.ensure_future(ask(work)) for _ in range(number)]
    try:
        async with asyncio.timeout(AT_ONCE_SECONDS):
            while begun[0] < at_once:
                await asyncio.sleep(0.01)
            yield
    finally:
        go_on.set()
        await asyncio.wait(asked)


@THREADED
@pytest.mark.parametrize("lane", [Lane.API, Lane.LONG])
async def test_questions_that_hang_do_not_hold_up_delivery(store: Store, lane: Lane) -> None:
    mailing_id, owner = await a_mailing_with(store, 3)
    at_once = 1 if lane is Lane.API and not store.shared else 2
    async with held_up(lambda work: store._db.read(work, lane), at_once, 50):
        assert [plan.mailing_id for plan in await store.plans(NOW)] == [mailing_id]
        assert await store.next_due_us(mailing_id) == 0
        await store.read_control(0)
        assert len(await store.claim(mailing_id, 2, owner=owner, now_us=NOW, lease_until_us=LEASE)) == 2


@THREADED
async def test_long_questions_hold_up_no_short_one_and_no_change(store: Store) -> None:
    (client_id,) = await add_clients(store, 1)
    async with held_up(lambda work: store._db.read(work, Lane.LONG), database.LONG_AT_ONCE, 50):
        assert (await store.get_client(client_id)).tag == "new"
        assert await store.count_clients() == 1
        assert await store.has_accounts() is False
        await store.update_client(client_id, lambda _: client(0, tag="old"), by=BY, now_us=NOW)


@ON_POSTGRES
async def test_calls_that_hold_their_transactions_leave_connections_for_delivery(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 3)
    number = postgres._CONNECTIONS - postgres._DELIVERY_CONNECTIONS
    async with held_up(store._db.transaction, number, 50):
        assert len(await store.claim(mailing_id, 2, owner=owner, now_us=NOW, lease_until_us=LEASE)) == 2


@ON_SQLITE
async def test_delivery_waits_for_two_changes_of_others_at_most(store: Store) -> None:
    order: list[str] = []

    def change(name: str) -> Callable[[Tx], Any]:
        async def work(tx: Tx) -> None:
            order.append(name)
            time.sleep(0.001)  # noqa: ASYNC251 - in the database's thread

        return work

    calls = [asyncio.ensure_future(store._db.transaction(change("call"))) for _ in range(50)]
    await asyncio.sleep(0)
    await store._db.transaction(change("delivery"), Lane.DELIVERY)
    assert order.index("delivery") <= 3
    await asyncio.gather(*calls)
    assert len(order) == 51


@THREADED
async def test_a_question_ends_when_its_caller_leaves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("database.LONG_SECONDS", "postgres_lanes.LONG_SECONDS", "postgres_lanes._LONG_STATEMENT_SECONDS"):
        monkeypatch.setattr(f"engine.store.{limit}", _FOR_EVER_SECONDS)  # nothing else ends it
    await add_clients(store, 1)
    asked = [asyncio.ensure_future(store._db.read(endless, Lane.LONG)) for _ in range(database.LONG_AT_ONCE + 3)]
    await asyncio.sleep(0.2)
    for task in asked:
        task.cancel()
    async with asyncio.timeout(PATIENT_SECONDS):
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
        # and its way is free for others
        assert await asyncio.gather(*(audience_size(store, AudienceFilter()) for _ in range(8))) == [1] * 8


@THREADED
async def test_a_question_that_takes_too_long_ends_with_an_error_that_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_clients(store, 1)
    async with asyncio.timeout(PATIENT_SECONDS):
        with monkeypatch.context() as patched:
            patched.setattr(database, "LONG_SECONDS", 0.2)
            asked = [store._db.read(endless, Lane.LONG) for _ in range(database.LONG_AT_ONCE + 2)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(answer) for answer in answers] == [
            "this question takes more than 0.2 s; ask for less, or later"
        ] * 4
        assert all(isinstance(answer, TooLong) for answer in answers)
        assert await audience_size(store, AudienceFilter()) == 1


async def test_an_audience_is_counted_right_whatever_way_is_taken(store: Store) -> None:
    numbers = range(400)
    rows = [client(n, tag=f"tag{n % 40}", phone_code=str(900 + n % 10)) for n in numbers]
    await store.import_clients(rows, by=BY, now_us=NOW)
    many, all_codes = tuple(f"tag{n}" for n in range(40)), tuple(str(900 + n) for n in range(10))
    for tags in ((), ("tag1",), many[:20], many):
        for codes in ((), ("901",), all_codes[:5], all_codes):
            filter = AudienceFilter(tags=tags, phone_codes=codes)
            expected = len(list(filter.among(Candidate.of(0, row) for row in rows)))
            assert await audience_size(store, filter) == expected, (tags, codes)
