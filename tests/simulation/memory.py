"""The SQLite of a life of one engine: in memory, and the same connection for each of its processes.

What a kill leaves of a file is what was committed, and each transaction here is whole in one moment, so nothing is left
half done. What opening a file looks for, and what becomes of one that goes away, is tried by ``tests/store``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tortoise.exceptions import OperationalError

from engine.store import orm
from engine.store.database import Lane, Work
from engine.store.errors import StoreUnavailable
from engine.store.sqlite import SqliteDatabase, _is_of_a_row
from engine.store.sqlite_connections import _PRAGMAS, Connections, _set_pragmas
from engine.store.sqlite_file import MEMORY
from engine.store.sqlite_tx import SqliteTx, drive, make_client
from tests.simulation.postgres.setup import migrated
from tests.simulation.refill import Refillable

T = TypeVar("T")


class File:
    """What all processes of a life have stored. The next life gets it as it was at first."""

    def __init__(self, content: bytes) -> None:
        self._refillable = Refillable(content, lambda it: _set_pragmas(it, MEMORY, dict(_PRAGMAS)))
        self.connection = self._refillable.connection
        orm.prepare(make_client(MEMORY))

    def refill(self) -> None:
        """For the next life."""
        self._refillable.refill()

    def rows(self, sql: str) -> list[Any]:
        """What is committed."""
        return self.connection.execute(sql).fetchall()

    def dicts(self, sql: str) -> list[dict[str, Any]]:
        """The same, by the columns' names."""
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def open(self) -> MemoryDatabase:
        """As a process does that has just been started."""
        runner = _Runner(self.connection)
        connections = Connections(runner, dict.fromkeys(Lane, runner), [runner], None, [])
        return MemoryDatabase(self._refillable, connections)


async def make_file(more: str) -> File:
    """A migrated one, with ``more`` SQL."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(await migrated())
    connection.executescript(more)
    content = connection.serialize()
    connection.close()
    return File(content)


class MemoryDatabase(SqliteDatabase):
    """As the product's. A transaction never suspends here, so nobody can be cancelled in the middle of one: it needs no
    task of its own to be shielded. After it others have their turn, as after any answer of a thread."""

    def __init__(self, file: Refillable, connections: Connections) -> None:
        super().__init__(MEMORY, None, connections)
        self._file = file

    async def transaction(self, work: Work[T], lane: Lane = Lane.API) -> T:
        """See ``Database``."""
        try:
            return self._at_once(work, self._all_or_nothing)
        finally:
            await asyncio.sleep(0)

    async def read(self, work: Work[T], lane: Lane = Lane.API, *, alone: bool = False) -> T:
        """See ``Database``. Nothing comes between the statements of what never suspends: they see one state without a
        transaction."""
        try:
            return self._at_once(work, drive)
        finally:
            await asyncio.sleep(0)

    def _at_once(self, work: Work[T], run: Callable[[Coroutine[Any, Any, T]], T]) -> T:
        """What the product does in a thread, when it is its turn there: here nobody else can have it."""
        try:
            if self._closed:
                raise StoreUnavailable(f"the database {self.path} is closed")
            try:
                result = run(work(SqliteTx(self._file.connection, self._client)))
            except (sqlite3.Error, OperationalError) as error:
                if _is_of_a_row(error):
                    raise
                raise StoreUnavailable(f"the database {self.path}: {error}") from error
        except StoreUnavailable as error:
            self._availability.lost(error)
            raise
        self._availability.found()
        return result

    def _all_or_nothing(self, work: Coroutine[Any, Any, T]) -> T:
        self._file.begin()
        try:
            result = drive(work)
        except BaseException:
            self._file.roll_back()
            raise
        self._file.commit()
        return result


class _Runner:
    """``Runner`` in the caller's thread, whose connection outlives it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """See ``Runner``."""
        return function(self._connection)

    async def close(self) -> None:
        """See ``Runner``."""
