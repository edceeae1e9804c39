"""What happens to an open SQLite file: it goes, it is locked, the disk is full, somebody drops a table."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.domain.message import Event
from engine.ports import StoreUnavailable
from engine.store import Store, sqlite_connections, sqlite_file, sqlite_threads
from engine.store.database import Lane, Tx
from engine.store.sqlite import SqliteDatabase
from tests.store.world import BY, NOW, a_mailing_with, add_clients, claim, client, record

pytestmark = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
ENDS = ("", "-wal", "-shm")
SHORT_SECONDS = 0.3
PATIENT_SECONDS = 20.0
"""Longer than any test waits, on a machine with much else to do."""
MANY = 50
ALL_OF_IT = 10**8


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "mailing.db"


@pytest.fixture
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the files, and not once a second."""
    monkeypatch.setattr(sqlite_file, "_PERIOD_SECONDS", 0.0)


def removed(file: Path, end: str) -> None:
    Path(f"{file}{end}").unlink()


def replaced(file: Path, end: str) -> None:
    name = Path(f"{file}{end}")
    shutil.copy(name, f"{name}.new")
    Path(f"{name}.new").replace(name)


def moved_away(file: Path, end: str) -> None:
    """The folder is."""
    file.parent.rename(file.parent.with_name(f"{file.parent.name} elsewhere"))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("happens", [removed, replaced, moved_away])
@pytest.mark.usefixtures("look_always")
async def test_a_file_that_goes_is_noticed_by_everybody(
    store: Store, file: Path, happens: Callable[[Path, str], None], end: str
) -> None:
    (client_id,) = await add_clients(store, 1)
    happens(file, end)
    what = r"mailing\.db\S* was (removed|replaced by another file) while the engine runs; .*: stop the engine"
    asked: list[Callable[[], Awaitable[Any]]] = [
        lambda: add_clients(store, 1, first=1),
        lambda: store.read_control(0),
        lambda: store.get_client(client_id),
        lambda: store._db.read(count_clients, Lane.LONG),
        store.forget_log,
    ]
    for ask in asked:
        with pytest.raises(StoreUnavailable, match=what):
            await ask()
    assert is_there(file, end) == (happens is replaced)  # no new and empty one


def is_there(file: Path, end: str) -> bool:
    return Path(f"{file}{end}").exists()


async def count_clients(tx: Tx) -> Any:
    return await tx.value("SELECT count(*) FROM client")


def rename(old: Path, new: Path) -> None:
    old.rename(new)


@pytest.mark.usefixtures("look_always")
async def test_a_file_that_was_away_is_not_trusted_again(store: Store, file: Path) -> None:
    elsewhere = file.with_name("elsewhere.db")
    rename(file, elsewhere)
    with pytest.raises(StoreUnavailable):
        await store.read_control(0)
    rename(elsewhere, file)
    with pytest.raises(StoreUnavailable, match="removed"):
        await store.read_control(0)


@pytest.mark.usefixtures("look_always")
@pytest.mark.parametrize("end", ENDS)
async def test_what_the_lost_file_holds_can_be_saved(store: Store, url: str, file: Path, end: str) -> None:
    """As docs/operating.md says: from the open files, before the engine ends."""
    await add_clients(store, 3)
    open_files = {end: os.open(f"{file}{end}", os.O_RDONLY) for end in ("", "-wal")}  # as in /proc/PID/fd
    removed(file, end)
    with pytest.raises(StoreUnavailable):
        await store.read_control(0)
    kept = {end: os.pread(number, ALL_OF_IT, 0) for end, number in open_files.items()}
    for number in open_files.values():
        os.close(number)
    await store.close()
    for end, data in kept.items():
        write(Path(f"{file}{end}"), data)
    again = await Store.open(url)
    assert (await again.get_client(3)).id == 3
    await again.close()


def write(file: Path, data: bytes) -> None:
    file.write_bytes(data)


async def test_the_files_are_looked_at_once_a_second_at_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    stat = sqlite_file._identity

    def counted(name: str) -> Any:
        nonlocal looks
        looks += 1
        return stat(name)

    monkeypatch.setattr(sqlite_file, "_identity", counted)
    monkeypatch.setattr(sqlite_file, "_PERIOD_SECONDS", PATIENT_SECONDS)
    for _ in range(MANY):
        await store.read_control(0)
    assert looks <= len(ENDS)


def by_hand(file: Path, sql: str) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute(sql)
        other.commit()


OF_THE_STORE = {
    "a table is gone": ("DROP TABLE audit_event", "no such table: audit_event"),
    "a column is gone": ("ALTER TABLE audit_event DROP COLUMN actor_id", "no column named actor_id"),
    "the control record is gone": ("DELETE FROM control", "the control record is missing"),
}


@pytest.mark.parametrize("name", OF_THE_STORE)
async def test_what_somebody_did_to_the_tables_is_the_stores_failure(store: Store, file: Path, name: str) -> None:
    await a_mailing_with(store, 2)
    sql, said = OF_THE_STORE[name]
    by_hand(file, sql)
    for attempt in (lambda: store.set_control(workers=3, by=BY, now_us=NOW), lambda: store.read_control(0)):
        try:
            await attempt()
        except StoreUnavailable as error:
            assert said in str(error)  # noqa: PT017 - one of the two meets it
            return
    pytest.fail("nobody has noticed")


OF_A_ROW: dict[str, tuple[tuple[Any, ...], type[Exception]]] = {
    "a constraint": ((5, "916", "new", "UTC", 1, 1), sqlite3.IntegrityError),
    "too large a number": ((2**70, "916", "new", "UTC", 1, 1), OverflowError),
    "no value that SQLite knows": ((object(), "916", "new", "UTC", 1, 1), sqlite3.Error),
    "too few values": ((1,), sqlite3.ProgrammingError),
}


@pytest.mark.parametrize("name", OF_A_ROW)
async def test_what_is_wrong_with_a_row_is_not(store: Store, name: str) -> None:
    values, kind = OF_A_ROW[name]

    async def work(tx: Tx) -> int:
        columns = "phone_number, phone_code, tag, time_zone, create_us, update_us"
        return await tx.run(f"INSERT INTO client ({columns}) VALUES (?, ?, ?, ?, ?, ?)", *values)

    with pytest.raises(kind):
        await store._db.transaction(work)
    await add_clients(store, 1)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """What a backup tool does to it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def failed(work: Awaitable[Any]) -> str:
    try:
        await work
    except StoreUnavailable as error:
        return str(error)
    return ""


async def test_a_lock_fails_all_who_wait_in_one_time_and_not_one_after_the_other(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_threads, "LOCKED_SECONDS", SHORT_SECONDS)
    (client_id,) = await add_clients(store, 1)
    with locked(file):
        changes = [store.create_client(client(n + 10), by=BY, now_us=NOW, request=None) for n in range(MANY)]
        async with asyncio.timeout(MANY * SHORT_SECONDS / 2):
            said = await asyncio.gather(*map(failed, changes), failed(store.register_engine("host", 1, NOW, 0)))
        assert {text.split(": ")[1] for text in said} == {"database is locked by another program"}
        assert (await store.get_client(client_id)).id == client_id  # who reads does not wait
        assert (await store.read_control(0)).revision >= 0
    await store.create_client(client(5), by=BY, now_us=NOW, request=None)


async def test_a_short_lock_is_waited_for(store: Store, file: Path) -> None:
    with locked(file):
        change = asyncio.create_task(add_clients(store, 1))
        await asyncio.sleep(0.1)
        assert not change.done()
    assert len(await change) == 1


async def test_after_one_has_waited_in_vain_the_next_learn_it_soon_until_the_lock_is_gone(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_threads, "LOCKED_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(sqlite_threads, "_STILL_LOCKED_SECONDS", 0.0)
    with locked(file):
        assert await failed(add_clients(store, 1))
        monkeypatch.setattr(sqlite_threads, "LOCKED_SECONDS", PATIENT_SECONDS)
        async with asyncio.timeout(PATIENT_SECONDS / 2):
            assert await failed(add_clients(store, 1))
    await add_clients(store, 1)
    with locked(file):
        change = asyncio.create_task(add_clients(store, 1, first=1))
        await asyncio.sleep(0.05)
        assert not change.done()  # as patient as at first
    await change


async def test_closing_waits_for_no_lock(store: Store, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_threads, "LOCKED_SECONDS", PATIENT_SECONDS)
    with locked(file):
        changes = [asyncio.create_task(failed(add_clients(store, 1, first=n))) for n in range(3)]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await store.close()
        said = await asyncio.gather(*changes)
        assert time.monotonic() - began < PATIENT_SECONDS / 2
    assert all(said)


async def test_a_full_disk_keeps_outcomes_out_and_they_go_in_once_there_is_room(store: Store) -> None:
    mailing_id, owner = await a_mailing_with(store, 5)
    claims = await claim(store, mailing_id, owner)
    database = store._db
    assert isinstance(database, SqliteDatabase)

    async def room(tx: Tx) -> None:
        await tx.rows(f"PRAGMA max_page_count = {await tx.value('PRAGMA page_count')}")

    async def more_room(tx: Tx) -> None:
        await tx.rows("PRAGMA max_page_count = 1000000")

    await database.transaction(room)
    said = [await failed(add_clients(store, 1_000, first=1_000 * part)) for part in range(1, 9)]
    # The first ones find a place in pages that are there; whatever was half done is in nobody's way.
    assert said[-3:] == [f"the database {database.path}: database or disk is full"] * 3
    await database.transaction(more_room)
    assert await record(store, owner, claims, Event.ACCEPT) == 5
    assert await store.check() == []


async def test_the_log_is_cut_after_a_long_reader_has_gone(
    url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 1024 * 1024
    monkeypatch.setitem(sqlite_connections._PRAGMAS, "journal_size_limit", bound)
    monkeypatch.setitem(sqlite_connections._PRAGMAS, "wal_autocheckpoint", 100)
    store = await Store.open(url)
    log = Path(f"{file}-wal")
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM client").fetchone()
        first = 0
        while size(log) < bound * 1.5:
            await add_clients(store, 500, first=(first := first + 500))
    for _ in range(2):  # one copies the log into the file, the next begins it again
        await store.register_engine("host", 1, NOW, 0)
    assert size(log) <= bound
    await store.close()


def size(file: Path) -> int:
    return file.stat().st_size
