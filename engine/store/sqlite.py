"""SQLite: one connection writes, and each lane has one that only reads. Each runs in a thread of its own, or inline."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from tortoise.exceptions import OperationalError

from common.logs import get_logger
from engine.store import orm, sqlite_file
from engine.store.database import Database, Lane, Work, shielded
from engine.store.dialect import SQLITE
from engine.store.errors import DatabaseUnavailable, StoreUnavailable
from engine.store.lock import FileLock
from engine.store.sqlite_connections import Connections
from engine.store.sqlite_copy import open_copy
from engine.store.sqlite_file import MEMORY, FileWatch
from engine.store.sqlite_threads import Patience, Runner, is_locked
from engine.store.sqlite_tx import SqliteTx, drive, make_client

T = TypeVar("T")
log = get_logger(__name__)

_API_CHANGES_AT_ONCE = 2
"""One change is written while the next one is on its way to the writer's thread. Delivery waits for two at most."""
_SLOW_SECONDS = 0.02
_REST_SECONDS = 1.0
"""After a look-up of more than ``_SLOW_SECONDS``, look-ups go to the reader's thread for this time. So the event loop
waits for a slow disk once a second at most."""
_OF_A_ROW = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG})
"""Errors that a value has caused. All others (a full disk, a lock, a damaged page, a table that is gone) are the
database's."""


class SqliteDatabase(Database):
    """An open SQLite file."""

    dialect = SQLITE

    def __init__(self, path: str, lock: FileLock | None, connections: Connections) -> None:
        self.path = path
        self._lock, self._connections = lock, connections
        self._watch = None if path == MEMORY else FileWatch(path)
        self._writing, self._reading = Patience(), Patience()
        self._writer, self._near = connections.writer, connections.near
        self._near_again_seconds = 0.0
        """Until this time (``time.monotonic``) the event loop does not wait for the disk."""
        self._api_changes = asyncio.Semaphore(_API_CHANGES_AT_ONCE)
        self._event_changes = asyncio.Semaphore(1)
        self._idle: asyncio.Queue[Runner] = asyncio.Queue()
        for reader in connections.long:
            self._idle.put_nowait(reader)
        self._closed = False
        self._client = make_client(path)

    @classmethod
    async def open(cls, path: str, *, inline: bool) -> SqliteDatabase:
        """Open or make the file; see ``open_database``."""
        orm.prepare(make_client(path))
        lock = sqlite_file.own(path)
        try:
            sqlite_file.check_before_opening(path)
            sqlite_file.keep_private(path)
            return cls(path, lock, await Connections.open(path, inline))
        except (sqlite3.Error, OSError, DatabaseUnavailable) as error:
            if lock is not None:
                lock.release()
            why = error.strerror if isinstance(error, OSError) else error
            raise DatabaseUnavailable(f"can't open the database {path}: {why}") from None

    async def look_up(self, work: Work[T], lane: Lane = Lane.API) -> T:
        """See ``Database``. On the event loop itself: docs/decisions/look-ups.md."""
        began = time.monotonic()
        is_gone = self._watch is not None and self._watch.gone
        if self._near is None or self._closed or is_gone or began < self._near_again_seconds:
            return await self.read(work, lane)
        try:
            # One statement is a transaction by itself; and it can't be cut in half, since it does not suspend.
            return drive(work(SqliteTx(self._near.connection, self._client)))
        except sqlite3.DatabaseError:
            pass  # locked (a backup tool), or worse: the reader may wait, and says what is wrong as it always does
        finally:
            ended = time.monotonic()
            if ended - began > _SLOW_SECONDS:
                self._near_again_seconds = ended + _REST_SECONDS
        return await self.read(work, lane)

    async def _transaction(self, work: Work[T], lane: Lane) -> T:
        until_seconds = self._writing.until_seconds()
        if lane is Lane.DELIVERY:
            return await self._write(work, until_seconds)
        # The writer's thread takes what comes in order; so those who are not delivery wait out here.
        async with self._event_changes if lane is Lane.EVENTS else self._api_changes:
            return await self._write(work, until_seconds)

    async def _write(self, work: Work[T], until_seconds: float) -> T:
        whole = self._whole("BEGIN IMMEDIATE", work)
        return await self._call(self._writer, lambda it: self._writing.call(lambda: whole(it), until_seconds))

    async def _read(self, work: Work[T], lane: Lane) -> T:
        return await self._read_with(self._connections.readers[lane], work)

    async def _read_long(self, work: Work[T]) -> T:
        reader = await self._idle.get()
        try:
            return await self._read_with(reader, work)
        finally:
            self._idle.put_nowait(reader)

    async def _read_with(self, reader: Runner, work: Work[T]) -> T:
        until_seconds = self._reading.until_seconds()
        whole = self._whole("BEGIN", work)
        return await self._call(reader, lambda it: self._reading.call(lambda: whole(it), until_seconds))

    def _whole(self, begin: str, work: Work[T]) -> Callable[[sqlite3.Connection], T]:
        """A transaction, to be run with a connection; again, when the file was locked."""

        def whole(connection: sqlite3.Connection) -> T:
            _roll_back(connection)  # what a full disk has left, perhaps
            connection.execute(begin)
            try:
                result = drive(work(SqliteTx(connection, self._client)))
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
            return result

        return whole

    async def _call(self, runner: Runner, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in a connection's thread.

        Raises:
            StoreUnavailable: it is the database that fails, and not what it was given.
        """

        def watched(connection: sqlite3.Connection) -> T:
            if self._watch is not None:
                self._watch.check()
            return function(connection)

        if self._closed:
            raise StoreUnavailable(f"the database {self.path} is closed")
        try:
            return await runner.call(watched)
        except (sqlite3.Error, OperationalError) as error:
            if _is_of_a_row(error):
                raise
            raise StoreUnavailable(f"the database {self.path}: {error}{_hint(error)}") from error

    async def empty_log(self) -> bool:
        """See ``Database``."""
        if self._closed:
            return True
        # Nearly all of the work, beside the writer: pages go from the log to the file.
        reader = self._connections.readers[Lane.API]
        await shielded(self._call(reader, lambda it: _checkpoint(it, "PASSIVE")))
        return await shielded(self._call(self._writer, lambda it: _checkpoint(it, "TRUNCATE")))

    async def open_copy(self, now_us: int) -> BinaryIO:
        """See ``Database``."""
        return await shielded(asyncio.to_thread(open_copy, Path(self.path), now_us))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writing.give_up()
        self._reading.give_up()
        await self._connections.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        log.warning("database.not_rolled_back", error=str(error))


def _is_of_a_row(error: Exception) -> bool:
    """Whether the error comes from a value or a statement, which are ours, and not from the database."""
    if isinstance(error, sqlite3.DataError | sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_A_ROW


def _hint(error: Exception) -> str:
    return " by another program" if isinstance(error, sqlite3.Error) and is_locked(error) else ""


def _checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Move the log into the file; False: a reader still needs the log. Waits for no reader: the caller asks again."""
    try:
        busy: int = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
    except sqlite3.OperationalError as error:
        if not is_locked(error) and error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_LOCKED:
            raise
        return False
    return busy == 0
