"""SQLite: one connection that writes, one that only reads, each with its own thread or inline."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiosqlite
import orjson
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper

from engine.store import orm
from engine.store.database import Database, Row, Tx, Work
from engine.store.dialect import SQLITE
from engine.store.errors import DatabaseUnavailable, StoreUnavailable
from engine.store.lock import FileLock

T = TypeVar("T")
MEMORY = ":memory:"

_PRAGMAS = {
    "busy_timeout": 5000,  # ms; nobody else should hold the file, but a backup tool may
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: costs nothing once outcomes share commits (FINDINGS, 7)
    "foreign_keys": 1,
    "cache_size": -32768,  # KiB; an import of a million rows is as fast with it as with twice as much
    "temp_store": 2,  # memory
    # Pages of 4 KiB. The log begins again from its start after so many, and what is written over costs less than what
    # makes the file longer: measured, for small transactions, 1,000 and 2,000 are cheaper than 250 or 8,000.
    "wal_autocheckpoint": 2000,
}
_NEAR_PRAGMAS = {
    "query_only": 1,
    "busy_timeout": 0,  # the event loop does not wait
    "cache_size": -4096,  # KiB: the inner pages of the indexes of ten million rows; the rest is in the system's cache
}
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
    }
)


class _Runner(Protocol):
    """Where the statements of one connection run."""

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function with the connection."""

    async def close(self) -> None:
        """Close the connection after what was asked before."""


class _Threaded:
    """A connection in aiosqlite's thread; calls queue up there in order."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, path: str) -> _Threaded:
        connection = aiosqlite.connect(path, isolation_level=None)
        try:
            return cls(await connection)
        except BaseException:
            # aiosqlite only tells its thread to end: left to itself, it may outlive the event loop it reports to.
            await asyncio.to_thread(connection._thread.join)
            raise

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        # One hop for a whole transaction; aiosqlite's public methods would be one a statement.
        result: T = await self._connection._execute(function, self._connection._conn)  # type: ignore[no-untyped-call]
        return result

    async def close(self) -> None:
        await self._connection.close()


class _Inline:
    """A connection in the caller's thread: no thread, no waiting, for a simulated event loop."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return function(self.connection)

    async def close(self) -> None:
        self.connection.close()


class _DirectConnection:
    """What Tortoise's client calls on an aiosqlite connection, done at once on the plain one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def _cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None) -> list[Any]:
        return self._cursor().execute(sql, tuple(parameters or ())).fetchall()

    async def execute_insert(self, sql: str, parameters: Iterable[Any] | None = None) -> tuple[Any, ...]:
        return (self._cursor().execute(sql, tuple(parameters or ())).lastrowid,)

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> None:
        self._cursor().executemany(sql, [tuple(row) for row in parameters])

    async def executescript(self, sql: str) -> None:
        """Statement by statement: sqlite3's own ``executescript`` would commit first."""
        for statement in _statements(sql):
            self._connection.execute(statement)


def _statements(script: str) -> Iterable[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


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
            self._orm._connection = _DirectConnection(self._connection)  # type: ignore[assignment]
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

    def __init__(
        self, path: str, lock: FileLock | None, writer: _Runner, reader: _Runner, near: _Inline | None
    ) -> None:
        self.path = path
        self._lock, self._writer, self._reader = lock, writer, reader
        self._near = near
        """For ``look_up``; a database in memory has one connection only, and an inline one no need."""
        self._near_again_seconds = 0.0
        """Until then (``time.monotonic``) the disk is too slow to wait for on the event loop."""
        self._closed = False
        self._client = SqliteClient(path, connection_name="sqlite", fetch_inserted=True)
        self._client._connection = object()  # type: ignore[assignment] # never used: see SqliteTx.orm
        orm.prepare(self._client)

    @classmethod
    async def open(cls, path: str, *, inline: bool) -> SqliteDatabase:
        """Open or make the file; see ``open_database``."""
        lock = _own(path)
        runners: list[_Runner] = []
        near: _Inline | None = None
        try:
            runners.append(await _connect(path, inline, {}))
            if path != MEMORY:
                runners.append(await _connect(path, inline, {"query_only": 1}))
            if path != MEMORY and not inline:
                runners.append(near := _Inline(path))
                await _prepare(near, path, _NEAR_PRAGMAS)
        except (sqlite3.Error, OSError) as error:
            await _abandon(runners, lock)
            raise DatabaseUnavailable(f"can't open the database {path}: {error}") from None
        return cls(path, lock, runners[0], runners[min(1, len(runners) - 1)], near)

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

    async def _transaction(self, work: Work[T]) -> T:
        return await self._call(self._writer, "BEGIN IMMEDIATE", work)

    async def _read(self, work: Work[T]) -> T:
        return await self._call(self._reader, "BEGIN", work)

    async def _call(self, runner: _Runner, begin: str, work: Work[T]) -> T:
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

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        runners = (self._reader, self._writer) if self._near is None else (self._near, self._reader, self._writer)
        for runner in dict.fromkeys(runners):
            await runner.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _own(path: str) -> FileLock | None:
    if path == MEMORY:
        return None
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(f"can't make the folder {file.parent} for the database: {error.strerror}") from None
    return FileLock(file)


async def _connect(path: str, inline: bool, extra: Mapping[str, int]) -> _Runner:
    runner: _Runner = _Inline(path) if inline else await _Threaded.open(path)
    try:
        await _prepare(runner, path, extra)
    except BaseException:
        await runner.close()
        raise
    return runner


async def _prepare(runner: _Runner, path: str, extra: Mapping[str, int]) -> None:
    await runner.call(lambda connection: _set_pragmas(connection, path, {**_PRAGMAS, **extra}))


def _set_pragmas(connection: sqlite3.Connection, path: str, pragmas: dict[str, Any]) -> None:
    """Set, then read back: SQLite ignores what it does not know without a word."""
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value and not (path == MEMORY and name == "journal_mode"):
            raise sqlite3.OperationalError(f"PRAGMA {name} is {found}, not {value}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


async def _abandon(runners: Iterable[_Runner], lock: FileLock | None) -> None:
    await asyncio.gather(*(runner.close() for runner in runners))
    if lock is not None:
        lock.release()
