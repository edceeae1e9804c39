"""Looking up one row on the event loop: what it sees, and that it waits for nobody (docs/decisions/look-ups.md)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final

import pytest
from asyncpg import Connection

from engine.domain.errors import NotFound
from engine.ports import StoreUnavailable
from engine.store import Store, sqlite
from engine.store.database import Lane, Tx, Work
from engine.store.sqlite import SqliteDatabase
from engine.store.sqlite_threads import Inline
from tests.patience import PATIENT_SECONDS
from tests.store.world import BY, NOW, add_clients, add_mailing, client


async def test_it_sees_every_change_that_was_stored(store: Store) -> None:
    (client_id,) = await add_clients(store, 1)
    assert (await store.get_client(client_id)).tag == "new"
    await store.update_client(client_id, lambda _: client(0, tag="old"), by=BY, now_us=NOW)
    assert (await store.get_client(client_id)).tag == "old"
    await store.delete_client(client_id, by=BY, now_us=NOW)
    with pytest.raises(NotFound):
        await store.get_client(client_id)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_it_neither_waits_for_the_writer_nor_sees_half_of_its_work(store: Store) -> None:
    (client_id,) = await add_clients(store, 1)
    changed, looked_up = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def slow(tx: Tx) -> None:
        await tx.run("UPDATE client SET tag = 'half' WHERE id = ?", client_id)
        loop.call_soon_threadsafe(changed.set)
        assert looked_up.wait(PATIENT_SECONDS)  # in the database's thread

    writing = asyncio.create_task(store._db.transaction(slow))
    await changed.wait()
    assert (await store.get_client(client_id)).tag == "new"
    assert not writing.done()
    looked_up.set()
    await writing
    assert (await store.get_client(client_id)).tag == "half"


LOOK_UPS: Final[dict[str, Callable[[Store], Awaitable[object]]]] = {
    "get_client": lambda store: store.get_client(1),
    "get_mailing": lambda store: store.get_mailing(1),
    "identify": lambda store: store.identify("0" * 64, NOW),
    "listed": lambda store: store.listed([1]),
    "next_due_us": lambda store: store.next_due_us(1),
}


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("verb", LOOK_UPS)
async def test_it_is_one_statement_and_asks_no_thread(store: Store, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_clients(store, 1)
    await add_mailing(store)
    database, statements = store._db, list[str]()
    assert isinstance(database, SqliteDatabase)
    assert isinstance(database._near, Inline)

    async def asked(*_: object) -> None:
        raise AssertionError("the reader's thread was asked")

    monkeypatch.setattr(database, "_read", asked)
    database._near.connection.set_trace_callback(statements.append)
    await LOOK_UPS[verb](store)
    assert len(statements) == 1


ROUND_TRIPS: Final[dict[str, Callable[[Store], Awaitable[object]]]] = {
    **{verb: ask for verb, ask in LOOK_UPS.items() if verb != "next_due_us"},  # it says how to plan, in a transaction
    "plans": lambda store: store.plans(NOW),
    "read_control": lambda store: store.read_control(0),
}


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgres"])
@pytest.mark.parametrize("verb", ROUND_TRIPS)
async def test_on_postgres_it_is_one_round_trip(store: Store, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_clients(store, 1)
    await add_mailing(store)
    sent: list[str] = []

    def noting(send: Callable[..., Any]) -> Callable[..., Any]:
        async def noted(connection: Connection, sql: str, *args: Any, **more: Any) -> Any:
            sent.append(sql)
            return await send(connection, sql, *args, **more)

        return noted

    for name in ("fetch", "execute"):
        monkeypatch.setattr(Connection, name, noting(getattr(Connection, name)))
    with suppress(NotFound):
        await ROUND_TRIPS[verb](store)
    assert len(sent) == 1


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_a_slow_disk_is_left_to_the_readers_thread_for_a_while(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (client_id,) = await add_clients(store, 1)
    database, asked = store._db, 0
    assert isinstance(database, SqliteDatabase)
    read = database._read

    async def counted(work: Work[Any], lane: Lane) -> Any:
        nonlocal asked
        asked += 1
        return await read(work, lane)

    monkeypatch.setattr(database, "_read", counted)
    monkeypatch.setattr(sqlite, "_REST_SECONDS", PATIENT_SECONDS)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "_SLOW_SECONDS", -1.0)
        await store.get_client(client_id)
    assert asked == 0
    await store.get_client(client_id)
    assert asked == 1
    later = time.monotonic() + 2 * PATIENT_SECONDS
    monkeypatch.setattr(sqlite, "time", SimpleNamespace(monotonic=lambda: later))
    await store.get_client(client_id)
    assert asked == 1


class _Locked:
    """A connection that finds the file locked, as beside a tool that restores a backup."""

    def __init__(self) -> None:
        self.asked = 0

    def execute(self, *_: Any) -> None:
        self.asked += 1
        raise sqlite3.OperationalError("database is locked")


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_who_would_have_to_wait_waits_in_the_readers_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (client_id,) = await add_clients(store, 1)
    database, locked = store._db, _Locked()
    assert isinstance(database, SqliteDatabase)
    assert isinstance(database._near, Inline)
    with monkeypatch.context() as patched:
        patched.setattr(database._near, "connection", locked)
        assert (await store.get_client(client_id)).id == client_id
    assert locked.asked == 1


async def test_a_closed_database_says_so(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get_client(1)


async def test_a_database_in_memory_has_one_connection_and_works() -> None:
    store = await Store.open("sqlite://:memory:")
    try:
        (client_id,) = await add_clients(store, 1)
        assert (await store.get_client(client_id)).tag == "new"
    finally:
        await store.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_it_can_change_nothing(store: Store) -> None:
    database = store._db
    assert isinstance(database, SqliteDatabase)
    assert database._near is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database._near.connection.execute("UPDATE control SET revision = 77")
