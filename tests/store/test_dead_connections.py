"""A PostgreSQL that says nothing any more, or says no; an engine that stands still with locks: how long others wait."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from engine.domain.message import Event
from engine.store import Store, StoreUnavailable, database, postgres_lanes
from engine.store.database import Lane, Tx
from engine.store.errors import TooLong
from engine.store.postgres import PostgresDatabase
from engine.store.postgres_lanes import Limits
from tests.patience import PATIENT_SECONDS
from tests.store.conftest import PATIENT
from tests.store.proxy import Proxy, proxy_before
from tests.store.world import NOW, add_clients, add_engine, add_mailing, claim, record

pytestmark = pytest.mark.postgres

LIMITS = Limits(turn_seconds=0.6, connect_seconds=0.5, reply_seconds=0.8, lock_seconds=0.4, idle_seconds=0.4)
BUSY_SECONDS = 20.0
"""What a machine that does other things too may add to any wait."""
Opener = Callable[..., Coroutine[Any, Any, Store]]


@pytest.fixture
async def url(postgres_url: Callable[[], str]) -> str:
    """A database with our tables."""
    url = postgres_url()
    await (await Store.open(url)).close()
    return url


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    async with proxy_before(url) as proxy:
        yield proxy


@pytest.fixture
async def opener() -> AsyncIterator[Opener]:
    """Opens a store that waits as long as ``LIMITS`` say, or others."""
    opened: list[Store] = []

    async def open_store(url: str, limits: Limits = LIMITS) -> Store:
        opened.append(Store(await PostgresDatabase.open(url, limits)))
        return opened[-1]

    yield open_store
    for store in opened:
        await store.close()


@pytest.fixture
async def store(opener: Opener, proxy: Proxy) -> Store:
    """A store behind the proxy, all of whose connections have been used."""
    store = await opener(proxy.url)
    await asyncio.gather(*(until_it_works(lambda: store._db.read(nap)) for _ in range(10)))
    return store


async def nap(tx: Tx) -> int:
    return int(await tx.value("SELECT pg_backend_pid() FROM pg_sleep(0.05)"))


async def process_id(tx: Tx) -> int:
    return int(await tx.value("SELECT pg_backend_pid()"))


async def until_it_works(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """What the call returns when it works at last; on a machine that is busy it may take more than ``LIMITS`` allow."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            try:
                return await call()
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def refused(call: Coroutine[Any, Any, Any]) -> float:
    """How long a call takes to be refused."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await call
    return time.monotonic() - began


async def test_every_call_ends_while_the_network_is_silent_and_works_again_after(store: Store, proxy: Proxy) -> None:
    before = {await until_it_works(lambda: store._db.read(process_id))}
    proxy.fall_silent()
    lanes = (Lane.DELIVERY, Lane.API, Lane.UPKEEP)
    calls = [run(process_id, lane) for run in (store._db.read, store._db.transaction) for lane in lanes * 10]
    waits = await asyncio.gather(*(refused(call) for call in calls))
    assert max(waits) < LIMITS.turn_seconds + LIMITS.reply_seconds + BUSY_SECONDS
    assert await refused(store._db.read(process_id)) < LIMITS.turn_seconds + BUSY_SECONDS
    proxy.speak()
    after = await until_it_works(lambda: store._db.read(process_id))
    assert after not in before


async def test_one_dead_connection_is_enough_to_distrust_those_that_nobody_uses(store: Store, proxy: Proxy) -> None:
    """Else each of the others would cost somebody the whole wait."""
    assert isinstance(store._db, PostgresDatabase)
    pool = store._db._client._pool
    assert pool is not None
    assert pool.get_idle_size() > 1
    proxy.forget()
    await refused(store._db.read(process_id))
    assert pool.get_size() == 0
    await asyncio.gather(*(until_it_works(lambda: store._db.read(process_id)) for _ in range(20)))


@pytest.mark.parametrize("lane", [Lane.DELIVERY, Lane.API])
@pytest.mark.parametrize("statements_after", [0, 1])
async def test_silence_within_a_transaction_ends_it_and_its_cancelled_caller(
    store: Store, proxy: Proxy, statements_after: int, lane: Lane
) -> None:
    begun = asyncio.Event()

    async def work(tx: Tx) -> None:
        await tx.run("UPDATE control SET revision = revision + 1")
        proxy.fall_silent()
        begun.set()
        for _ in range(statements_after):
            await tx.rows("SELECT 1")

    assert await refused(store._db.transaction(work, lane)) < LIMITS.reply_seconds + BUSY_SECONDS
    proxy.speak()
    begun.clear()
    call = asyncio.create_task(until_it_works(lambda: store._db.transaction(work, lane)))
    await begun.wait()
    call.cancel()
    began = time.monotonic()
    await asyncio.wait([call])
    assert time.monotonic() - began < LIMITS.reply_seconds + BUSY_SECONDS
    assert call.cancelled()


async def test_a_long_question_to_a_silent_server_ends(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LONG_SECONDS", 0.3)

    async def ask(tx: Tx) -> None:
        await tx.rows("SELECT 1")
        proxy.fall_silent()
        await tx.rows("SELECT 1")

    began = time.monotonic()
    with pytest.raises((TooLong, StoreUnavailable)):
        await store._db.read(ask, Lane.LONG)
    assert time.monotonic() - began < 0.3 + LIMITS.reply_seconds + BUSY_SECONDS


async def test_a_store_closes_while_the_network_is_silent(store: Store, proxy: Proxy) -> None:
    proxy.fall_silent()
    began = time.monotonic()
    await store.close()
    assert time.monotonic() - began < LIMITS.reply_seconds + BUSY_SECONDS
    await refused(store._db.read(process_id))


async def test_connections_that_break_are_replaced(store: Store, proxy: Proxy) -> None:
    proxy.cut()
    for _ in range(20):
        await until_it_works(lambda: store._db.read(process_id))


async def test_a_server_that_is_only_slow_ends_the_statement_itself(
    opener: Opener, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_lanes, "_BELOW", 0.01)  # long before we would, on a busy machine too
    store = await opener(url, PATIENT)
    before = await until_it_works(lambda: store._db.read(process_id))

    async def slow(tx: Tx) -> None:
        await tx.rows("SELECT pg_sleep(100)")

    with pytest.raises(StoreUnavailable, match="statement timeout"):
        await store._db.transaction(slow)
    assert await until_it_works(lambda: store._db.read(process_id)) == before


async def test_upkeep_takes_the_time_it_needs(opener: Opener, url: str) -> None:
    store = await opener(url)

    async def slow(tx: Tx) -> str:
        await tx.rows("SELECT pg_sleep(1)")
        await asyncio.sleep(0.6)  # as the server sees an engine that computes
        return str(await tx.value("SHOW lock_timeout"))

    assert await until_it_works(lambda: store._db.transaction(slow, Lane.UPKEEP)) == "1min"


async def test_the_kernel_watches_connections_too(store: Store) -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("this platform has no such option")
    assert isinstance(store._db, PostgresDatabase)
    assert store._db._client._pool is not None
    async with store._db._client._pool.acquire() as connection:
        watched = connection._transport.get_extra_info("socket")
        assert watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 800
        assert watched.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# -- locks in the hand of one that stands still --------------------------------------------------


async def test_an_engine_frozen_within_a_transaction_holds_others_up_for_a_moment_only(
    opener: Opener, url: str
) -> None:
    frozen, store, patient = await opener(url), await opener(url), await Store.open(url)
    await add_clients(patient, 4)
    mailing_id, owner = await add_mailing(patient), await add_engine(patient)
    claims = await claim(patient, mailing_id, owner)
    await patient.close()
    begun, thawed = asyncio.Event(), asyncio.Event()

    async def freeze(tx: Tx) -> None:
        await tx.rows("SELECT 1 FROM mailing_counters FOR UPDATE")
        begun.set()
        await thawed.wait()
        await tx.rows("SELECT 1")

    holder = asyncio.create_task(refused(frozen._db.transaction(freeze, Lane.DELIVERY)))
    await begun.wait()
    began = time.monotonic()
    assert await until_it_works(lambda: record(store, owner, claims, Event.ACCEPT)) == 4
    assert time.monotonic() - began < LIMITS.idle_seconds + BUSY_SECONDS
    thawed.set()
    await holder
    assert await until_it_works(lambda: frozen._db.read(process_id))


async def test_the_limits_of_the_product_let_the_others_go_on_within_3_seconds() -> None:
    limits = Limits()
    assert limits.idle_seconds < limits.lock_seconds <= 3 < limits.reply_seconds * 0.9
    assert max(limits.turn_seconds, limits.reply_seconds) < 5
    assert limits.connect_seconds + 1 < 5, "recovery: the actor's pause, then a new connection"
    assert limits.server_settings == {
        "statement_timeout": "4050ms",
        "lock_timeout": "3000ms",
        "idle_in_transaction_session_timeout": "2000ms",
    }


async def test_a_row_that_is_locked_for_long_is_said_to_the_caller(opener: Opener, url: str) -> None:
    store, other = await opener(url, replace(PATIENT, lock_seconds=0.4)), await opener(url, PATIENT)
    begun, done = asyncio.Event(), asyncio.Event()

    async def hold(tx: Tx) -> None:
        await tx.run("UPDATE control SET revision = revision")
        begun.set()
        while not done.is_set():
            await tx.rows("SELECT pg_sleep(0.05)")

    holder = asyncio.create_task(other._db.transaction(hold))
    await begun.wait()
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        await store.register_engine("e", 1, NOW, NOW)
    done.set()
    await holder
    assert await until_it_works(lambda: store.register_engine("e", 1, NOW, NOW))


# -- a server that was made read-only ------------------------------------------------------------


async def test_a_read_only_database_is_away_and_serves_again_when_it_may_be_written(opener: Opener, url: str) -> None:
    """As hosting companies do when its disk is full: sessions keep what they began with, so they must end."""
    store, admin = await opener(url, PATIENT), await opener(url, PATIENT)

    async def read_only(tx: Tx, value: str) -> None:
        name = await tx.value("SELECT current_database()")
        await tx.run(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")

    await admin._db.transaction(lambda tx: read_only(tx, "on"))
    store._db._distrust()  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="read-only"):
        await store.register_engine("e", 1, NOW, NOW)
    await admin._db.transaction(lambda tx: read_only(tx, "off"))
    assert await until_it_works(lambda: store.register_engine("e", 1, NOW, NOW))
