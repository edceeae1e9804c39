"""Opening a database, and the one way in which everything here runs a transaction."""

from __future__ import annotations

import abc
import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient

from engine.store.dialect import Dialect

T = TypeVar("T")
Row = Sequence[Any]

log = logging.getLogger(__name__)


class Tx(abc.ABC):
    """An open transaction (or a read). A work function awaits nothing but these methods: on SQLite
    the whole of it runs in the connection's thread in one hop, with no event loop around it."""

    dialect: Dialect
    orm: BaseDBAsyncClient
    """The same transaction for Tortoise: ``with orm.context(tx.orm): await Model.filter(…).values()``."""

    @abc.abstractmethod
    async def rows(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run a statement; return the rows it gives."""

    @abc.abstractmethod
    async def table(self, columns: str, sql: str, *args: Any) -> Sequence[Row]:
        """``SELECT columns FROM (sql)`` for results of many rows; ``sql`` ends in ``LIMIT``."""

    @abc.abstractmethod
    async def run(self, sql: str, *args: Any) -> int:
        """Run a statement that changes rows; return how many it changed."""

    async def row(self, sql: str, *args: Any) -> Row | None:
        """Run a statement; return its first row."""
        found = await self.rows(sql, *args)
        return found[0] if found else None

    async def value(self, sql: str, *args: Any) -> Any:
        """Run a statement; return the first column of its first row, ``None`` without a row."""
        found = await self.row(sql, *args)
        return None if found is None else found[0]


Work = Callable[[Tx], Coroutine[Any, Any, T]]


class Database(abc.ABC):
    """An open database. Any asyncio task may use it, and a process may have several."""

    dialect: Dialect

    async def transaction(self, work: Work[T]) -> T:
        """Run ``work`` as one transaction: committed when it returns, rolled back when it raises.

        It is never cut in half: when the caller is cancelled, the transaction is awaited to its end
        and then the cancellation goes on. ``work`` may be run again after a deadlock.

        Raises:
            StoreUnavailable: the database is away or busy; the transaction may have to be repeated.
        """
        return await shielded(self._transaction(work))

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, which only reads, on one consistent state beside the writers. Shielded too."""
        return await shielded(self._read(work))

    async def look_up(self, work: Work[T]) -> T:
        """Run ``work``, which is one statement that finds a few rows by their key: the cheapest way to read them."""
        return await self.read(work)

    @abc.abstractmethod
    async def _transaction(self, work: Work[T]) -> T: ...

    @abc.abstractmethod
    async def _read(self, work: Work[T]) -> T: ...

    @abc.abstractmethod
    async def close(self) -> None:
        """Wait for what runs, then let go of the database."""


async def shielded(operation: Awaitable[T]) -> T:
    """Await ``operation`` to its end, even when the caller is cancelled meanwhile.

    A transaction cancelled in its middle would keep its lock or its pooled connection for ever
    (FINDINGS, 4). An error of a cancelled operation is logged, since nobody is left to raise it to.
    """
    task = asyncio.ensure_future(operation)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and (failure := task.exception()) is not None:
        log.warning("a transaction failed after its caller was cancelled: %s", failure)
    raise cancelled
