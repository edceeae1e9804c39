"""The SQLite of a life of one engine: in memory, and the same connection for each of its processes.

What a kill leaves of a file is what was committed, and each transaction here is whole in one moment, so nothing is left
half done. What opening a file looks for, and what becomes of one that goes away, is tried by ``tests/store``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from engine.store import orm
from engine.store.database import Lane, Work
from engine.store.sqlite import SqliteDatabase
from engine.store.sqlite_connections import _PRAGMAS, Connections, _set_pragmas
from engine.store.sqlite_file import MEMORY
from engine.store.sqlite_threads import Runner
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
            return await self._heard(self._transaction(work, lane))
        finally:
            await asyncio.sleep(0)

    async def _write(self, work: Work[T], until_seconds: float) -> T:
        """No other program has this file locked."""
        return await self._call(self._writer, lambda it: self._all_or_nothing(SqliteTx(it, self._client), work))

    def _all_or_nothing(self, tx: SqliteTx, work: Work[T]) -> T:
        self._file.begin()
        try:
            result = drive(work(tx))
        except BaseException:
            self._file.roll_back()
            raise
        self._file.commit()
        return result

    async def _read_with(self, reader: Runner, work: Work[T]) -> T:
        """Nothing comes between the statements of what never suspends: they see one state without a transaction."""
        return await self._call(reader, lambda it: drive(work(SqliteTx(it, self._client))))

    async def read(self, work: Work[T], lane: Lane = Lane.API) -> T:
        """See ``Database``."""
        if lane is Lane.LONG:
            return await super().read(work, lane)
        try:
            return await self._heard(self._read(work, lane))
        finally:
            await asyncio.sleep(0)


class _Runner:
    """``Runner`` in the caller's thread, whose connection outlives it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """See ``Runner``."""
        return function(self._connection)

    async def close(self) -> None:
        """See ``Runner``."""
