"""SQLite: a connection that writes, and one that only reads for each lane, in threads of their own or inline."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper

from common import private
from engine.store import orm
from engine.store.database import LONG_AT_ONCE, Database, Lane, Row, Tx, Work, shielded
from engine.store.dialect import SQLITE
from engine.store.errors import DatabaseUnavailable, StoreUnavailable
from engine.store.lock import FileLock
from engine.store.sqlite_threads import DirectConnection, Inline, Interruptible, Runner, Threaded

T = TypeVar("T")
R = TypeVar("R", bound=Runner)
MEMORY = ":memory:"
_FILES = ("", "-wal", "-shm", "-journal", ".lock")

log = logging.getLogger(__name__)

_PRAGMAS = {
    "busy_timeout": 5000,  # ms; nobody else should hold the file, but a backup tool may
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: costs nothing once outcomes share commits (FINDINGS, 7)
    "foreign_keys": 1,
    "cache_size": -32768,  # KiB; an import of a million rows is as fast with it as with twice as much
    "temp_store": 2,  # memory
    "secure_delete": 1,  # what is deleted is written over with zeros: a phone number goes with its client
    # Pages of 4 KiB. The log begins again from its start after so many, and what is written over costs less than what
    # makes the file longer: measured, for small transactions, 1,000 and 2,000 are cheaper than 250 or 8,000.
    "wal_autocheckpoint": 2000,
}
_NEAR_PRAGMAS = {
    "query_only": 1,
    "busy_timeout": 0,  # the event loop does not wait
    "cache_size": -4096,  # KiB: the inner pages of the indexes of ten million rows; the rest is in the system's cache
}
_READER_PRAGMAS = {"query_only": 1}
_DELIVERY_PRAGMAS = {"query_only": 1, "cache_size": -8192}  # KiB: it reads mailings, and the begin of one index
_LONG_PRAGMAS = {"query_only": 1, "cache_size": -8192}  # a scan reads each page once, and the system caches them
_API_CHANGES_AT_ONCE = 2
"""One is written while the next is on its way to the writer's thread. Delivery waits for these at most."""
_SLOW_SECONDS = 0.02
_REST_SECONDS = 1.0
"""After a look-up that took longer than that the reader's thread is asked for so long: the event loop waits for a slow
disk once a second at most."""
_TEMPORARY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class SqliteTx(Tx):
    """A transaction on a plain sqlite3 connection; its methods never suspend."""

    dialect = SQLITE

    def __init__(self, connection: sqlite3.Connection, client: SqliteClient) -> None:
        self._connection = connection
        self._client = client
        self._orm: SqliteTransactionWrapper | None = None

    @property
    def orm(self) -> SqliteTransactionWrapper:  # type: ignore[override]
        if self._orm is None:
            self._orm = SqliteTransactionWrapper(self._client)
            self._orm._connection = DirectConnection(self._connection)  # type: ignore[assignment]
        return self._orm

    async def rows(self, sql: str, *args: Any) -> Sequence[Row]:
        return self._connection.execute(sql, args).fetchall()

    async def table(self, columns: str, sql: str, *args: Any) -> Sequence[Row]:
        # One text instead of many rows: see the module ``dialect`` for what a row costs.
        wrapped = f"SELECT json_group_array(json_array({columns})) FROM ({sql})"
        result: list[Row] = orjson.loads(self._connection.execute(wrapped, args).fetchone()[0])
        return result

    async def run(self, sql: str, *args: Any) -> int:
        return self._connection.execute(sql, args).rowcount


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end a coroutine that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("a transaction may await its own statements only")


class SqliteDatabase(Database):
    """An open SQLite file."""

    dialect = SQLITE

    def __init__(self, path: str, lock: FileLock | None, connections: _Connections) -> None:
        self.path = path
        self._lock, self._connections = lock, connections
        self._writer, self._near = connections.writer, connections.near
        self._near_again_seconds = 0.0
        """Until then (``time.monotonic``) the disk is too slow to wait for on the event loop."""
        self._api_changes = asyncio.Semaphore(_API_CHANGES_AT_ONCE)
        self._idle: asyncio.Queue[Runner] = asyncio.Queue()
        for reader in connections.long:
            self._idle.put_nowait(reader)
        self._closed = False
        self._client = SqliteClient(path, connection_name="sqlite", fetch_inserted=True)
        self._client._connection = object()  # type: ignore[assignment] # never used: see SqliteTx.orm
        orm.prepare(self._client)

    @classmethod
    async def open(cls, path: str, *, inline: bool) -> SqliteDatabase:
        """Open or make the file; see ``open_database``."""
        lock = _own(path)
        try:
            _keep_private(path)
            return cls(path, lock, await _Connections.open(path, inline))
        except (sqlite3.Error, OSError) as error:
            if lock is not None:
                lock.release()
            raise DatabaseUnavailable(f"can't open the database {path}: {error}") from None

    async def look_up(self, work: Work[T]) -> T:
        """See ``Database``. On the event loop itself: docs/decisions/look-ups.md."""
        began = time.monotonic()
        if self._near is None or self._closed or began < self._near_again_seconds:
            return await self.read(work)
        try:
            # One statement is a transaction by itself; and it can't be cut in half, since it does not suspend.
            return drive(work(SqliteTx(self._near.connection, self._client)))
        except sqlite3.DatabaseError:
            pass  # locked (a backup tool), or worse: the reader may wait, and says what is wrong as it always does
        finally:
            ended = time.monotonic()
            if ended - began > _SLOW_SECONDS:
                self._near_again_seconds = ended + _REST_SECONDS
        return await self.read(work)

    async def _transaction(self, work: Work[T], lane: Lane) -> T:
        if lane is Lane.DELIVERY:
            return await self._call(self._writer, "BEGIN IMMEDIATE", work)
        # The writer's thread takes what comes in order; so those who are not delivery wait out here.
        async with self._api_changes:
            return await self._call(self._writer, "BEGIN IMMEDIATE", work)

    async def _read(self, work: Work[T], lane: Lane) -> T:
        return await self._call(self._connections.readers[lane], "BEGIN", work)

    async def _read_long(self, work: Work[T]) -> T:
        reader = await self._idle.get()
        try:
            return await self._call(reader, "BEGIN", work)
        finally:
            self._idle.put_nowait(reader)

    async def _call(self, runner: Runner, begin: str, work: Work[T]) -> T:
        def whole(connection: sqlite3.Connection) -> T:
            connection.execute(begin)
            try:
                result = drive(work(SqliteTx(connection, self._client)))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        if self._closed:
            raise StoreUnavailable(f"the database {self.path} is closed")
        try:
            return await runner.call(whole)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _TEMPORARY:
                raise StoreUnavailable(f"the database {self.path}: {error}") from error
            raise

    async def empty_log(self) -> bool:
        """See ``Database``."""
        if self._closed:
            return True
        # Nearly all of the work, beside the writer: pages go from the log to the file.
        await shielded(self._connections.readers[Lane.API].call(lambda it: _checkpoint(it, "PASSIVE")))
        return await shielded(self._writer.call(lambda it: _checkpoint(it, "TRUNCATE")))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._connections.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _own(path: str) -> FileLock | None:
    if path == MEMORY:
        return None
    file = Path(path)
    try:
        private.make_folder(file.parent)
    except OSError as error:
        raise DatabaseUnavailable(f"can't make the folder {file.parent} for the database: {error.strerror}") from None
    return FileLock(file)


def _keep_private(path: str) -> None:
    """Before it is opened: the database, and what a crash has left beside it. SQLite gives the files that it makes
    itself the mode of the database."""
    if path == MEMORY:
        return
    private.make_file(Path(path))
    open_to_others = [name for end in _FILES if not private.tighten(Path(name := path + end))]
    if open_to_others:
        log.warning("other users of this machine can read %s, and they are not ours to change", open_to_others)


@dataclass(slots=True)
class _Connections:
    """All connections to one file. A database in memory has one only, and the simulation needs no more than two."""

    writer: Runner
    readers: Mapping[Lane, Runner]
    long: Sequence[Runner]
    near: Inline | None
    """For ``look_up``."""
    opened: Sequence[Runner]

    @classmethod
    async def open(cls, path: str, inline: bool) -> _Connections:
        opened: list[Runner] = []

        async def connect(pragmas: Mapping[str, int], make: Callable[[str], Awaitable[R]]) -> R:
            runner = await make(path)
            opened.append(runner)
            await runner.call(lambda connection: _set_pragmas(connection, path, {**_PRAGMAS, **pragmas}))
            return runner

        try:
            writer = await connect({}, _inline if inline else Threaded.open)
            if inline or path == MEMORY:
                reader = writer if path == MEMORY else await connect(_READER_PRAGMAS, _inline)
                return cls(writer, dict.fromkeys(Lane, reader), [reader], None, opened)
            delivery = await connect(_DELIVERY_PRAGMAS, Threaded.open)
            api = await connect(_READER_PRAGMAS, Threaded.open)
            readers = {Lane.DELIVERY: delivery, Lane.API: api, Lane.UPKEEP: api}
            near = await connect(_NEAR_PRAGMAS, _inline)
            long = [await connect(_LONG_PRAGMAS, Interruptible.open) for _ in range(LONG_AT_ONCE)]
            return cls(writer, readers, long, near, opened)
        except BaseException:
            await _close(opened)
            raise

    async def close(self) -> None:
        """Close them after what was asked of them before; the writer last, for it empties the log."""
        await _close(self.opened)


async def _inline(path: str) -> Inline:
    return Inline(path)


async def _close(runners: Sequence[Runner]) -> None:
    for runner in reversed(runners):
        await runner.close()


def _checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Whether all of the log is in the file now. Waits for no reader: the caller asks again."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        busy: int = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_PRAGMAS['busy_timeout']}")
    return busy == 0


def _set_pragmas(connection: sqlite3.Connection, path: str, pragmas: dict[str, Any]) -> None:
    """Set, then read back: SQLite ignores what it does not know without a word."""
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value and not (path == MEMORY and name == "journal_mode"):
            raise sqlite3.OperationalError(f"PRAGMA {name} is {found}, not {value}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
