"""A transaction is never cut in half (docs/measured.md, Tortoise): gRPC cancels its handlers at their deadline."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.domain.message import Event
from engine.store import Store
from engine.store.client_rows import ClientQuery
from engine.store.database import Tx, shielded
from engine.store.rows import AuditQuery, Counts, Page
from tests.patience import PATIENT_SECONDS
from tests.store.world import BY, LEASE, NOW, add_clients, add_engine, add_mailing, client, counts, record

CALLS = 300


async def test_a_cancelled_call_ends_after_its_transaction(store: Store) -> None:
    """Else its caller would go on while the change is still on its way, or half of a lock is held."""
    ended: list[bool] = []

    async def slow(tx: Tx) -> None:
        await tx.run("UPDATE control SET revision = 77")
        if tx.dialect.is_sqlite:
            time.sleep(0.1)  # noqa: ASYNC251 - in the database's thread
        else:
            await tx.rows("SELECT pg_sleep(0.1)")
        ended.append(True)

    call = asyncio.create_task(store._db.transaction(slow))
    await asyncio.sleep(0.03)
    call.cancel()
    await asyncio.sleep(0)
    call.cancel()  # twice: a server that stops does not wait
    await asyncio.gather(call, return_exceptions=True)
    assert ended == [True]
    assert (await store.read_control(0)).revision == 77


async def test_the_cancellation_goes_on_afterwards() -> None:
    released = asyncio.Event()

    async def operation() -> int:
        await released.wait()
        return 1

    call = asyncio.create_task(shielded(operation()))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.sleep(0)
    assert not call.done()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_an_error_nobody_waits_for_is_logged() -> None:
    async def operation() -> int:
        await asyncio.sleep(0)
        raise RuntimeError("the disk is full")

    call = asyncio.create_task(shielded(operation()))
    await asyncio.sleep(0)
    call.cancel()
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await call
    assert [(line["event"], line["error"]) for line in lines] == [("database.failed_unheard", "the disk is full")]


async def test_a_storm_of_cancelled_calls_leaves_a_store_that_answers(store: Store) -> None:
    """Hundreds of calls with tight deadlines: each is whole or not there, and nothing is held afterwards."""
    await add_clients(store, 200)
    mailing_id, owner = await add_mailing(store), await add_engine(store)
    chance = random.Random(4)

    async def work(number: int) -> None:
        await store.create_client(client(1_000 + number), by=BY, now_us=NOW)
        claims = await store.claim(mailing_id, 2, owner=owner, now_us=NOW, lease_until_us=LEASE)
        await record(store, owner, claims, Event.ACCEPT)
        await store.list_clients(ClientQuery(), Page(5))

    async def hurried(number: int) -> None:
        await asyncio.sleep(chance.random() * 0.2)
        call = asyncio.create_task(work(number))
        await asyncio.wait([call], timeout=chance.random() * 0.02)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    await asyncio.wait_for(asyncio.gather(*map(hurried, range(CALLS))), PATIENT_SECONDS)
    before = await state(store, mailing_id)
    await asyncio.wait_for(store.create_client(client(9_999), by=BY, now_us=NOW), PATIENT_SECONDS)
    await asyncio.sleep(0.05)
    clients, audited, numbers = await state(store, mailing_id)
    assert clients == audited == before[0] + 1  # nothing arrived late
    assert numbers.total == clients
    assert numbers.sent == before[2].sent


async def state(store: Store, mailing_id: int) -> tuple[int, int, Counts]:
    """Clients, clients according to the audit list, and the counters after a recount."""
    audit = (await store.list_audit(AuditQuery(object_type="client"), Page(1000))).items
    made = sum(200 if event.action == "client.import" else 1 for event in audit)
    found: Any = await store.list_clients(ClientQuery(), Page(1))
    return found.total, made, await counts(store, mailing_id)
