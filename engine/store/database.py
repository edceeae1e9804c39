"""Opening a database, and the one way in which everything here runs a transaction."""

from __future__ import annotations

import abc
import asyncio
import enum
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, BinaryIO, Final, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient

from common.error_codes import ErrorCode
from common.logs import get_logger
from engine.domain.events import EventKind
from engine.domain.message import Step
from engine.store.availability import Availability
from engine.store.dialect import Dialect
from engine.store.errors import StoreUnavailable, TooLong

T = TypeVar("T")
Row = Sequence[Any]

log = get_logger(__name__)


class Tx(abc.ABC):
    """An open transaction (or a read). A work function awaits nothing but these methods: on SQLite
    the whole of it runs in the connection's thread in one hop, with no event loop around it."""

    dialect: Dialect
    orm: BaseDBAsyncClient
    """The same transaction as Tortoise's client, on which aerich runs the migrations."""
    wanted: frozenset[EventKind] = frozenset()
    """Events of single messages that somebody wants to be told of; see ``Verbs.wanted``."""

    steps: Mapping[Step, int] = MappingProxyType({})
    """How many messages have made each step of their lives in it; ``Tally.write`` adds to it."""

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

LONG_SECONDS: Final = 10.0
"""A long question ends when it has no answer after this time, the wait for its turn included."""
LONG_AT_ONCE: Final = 2
"""How many long questions run at a time. Others wait for their turn."""


class Lane(enum.Enum):
    """The way that an operation takes to the database: docs/decisions/lanes.md. No lane waits for one below it."""

    DELIVERY = "delivery"
    """For sending, and for what sending must know. No call of the API can occupy it."""
    API = "api"
    """For what a caller waits for and what costs little: a few rows by an index."""
    LONG = "long"
    """For questions that read much. Few run at a time. Each ends when its caller leaves, or after ``LONG_SECONDS``."""
    EVENTS = "events"
    """For telling others what has happened. One change at a time: no caller and no call to a provider waits for two."""
    UPKEEP = "upkeep"
    """For what an operator's command does and what may take hours: migrations, recounts."""


class Database(abc.ABC):
    """An open database. Any asyncio task may use it, and a process may have several."""

    dialect: Dialect

    @cached_property
    def _availability(self) -> Availability:
        return Availability()

    async def transaction(self, work: Work[T], lane: Lane = Lane.API) -> T:
        """Run ``work`` as one transaction: committed when it returns, rolled back when it raises.

        It is never cut in half: when the caller is cancelled, the transaction is awaited to its end, which comes
        within seconds also when the database does not answer, and then the cancellation goes on. ``work`` may be run
        again after a deadlock.

        Raises:
            StoreUnavailable: the database is away or busy; the transaction may have to be repeated.
        """
        return await shielded(self._heard(self._transaction(work, lane)))

    async def read(self, work: Work[T], lane: Lane = Lane.API, *, alone: bool = False) -> T:
        """Run ``work``, which only reads, on one consistent state beside the writers. Shielded too, unless it is long.

        ``alone``: it is one statement, of tables with few rows, for which each plan is a good one. It needs no
        transaction.

        Raises:
            StoreUnavailable: the database is away or busy.
            TooLong: the question is a long one, and took too long.
        """
        if lane is not Lane.LONG:
            return await shielded(self._heard(self._read_alone(work, lane) if alone else self._read(work, lane)))
        try:
            async with asyncio.timeout(LONG_SECONDS):
                return await self._heard(self._read_long(work))
        except TimeoutError:
            raise TooLong(ErrorCode.QUESTION_TOO_LONG.format(seconds=f"{LONG_SECONDS:g}")) from None

    async def _heard(self, operation: Awaitable[T]) -> T:
        """Await ``operation``, and log whether the database was there."""
        try:
            result = await operation
        except StoreUnavailable as error:
            self._availability.lost(error)
            raise
        self._availability.found()
        return result

    async def look_up(self, work: Work[T], lane: Lane = Lane.API) -> T:
        """Run ``work``, which is one statement that finds a few rows by their key: the cheapest way to read them."""
        return await self.read(work, lane)

    @abc.abstractmethod
    async def _transaction(self, work: Work[T], lane: Lane) -> T: ...

    @abc.abstractmethod
    async def _read(self, work: Work[T], lane: Lane) -> T: ...

    def _read_alone(self, work: Work[T], lane: Lane) -> Coroutine[Any, Any, T]:
        """Run one statement."""
        return self._read(work, lane)

    @abc.abstractmethod
    async def _read_long(self, work: Work[T]) -> T:
        """Wait for a turn and read; cancelled, stop reading at once."""

    @abc.abstractmethod
    async def empty_log(self) -> bool:
        """Leave nothing of deleted rows in the write-ahead log, where the log is ours. False: a reader still needs it.
        Writers wait for milliseconds meanwhile."""

    @abc.abstractmethod
    async def open_copy(self, now_us: int) -> BinaryIO:
        """See ``Store.open_copy``."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Wait for what runs, then let go of the database."""


async def shielded(operation: Awaitable[T]) -> T:
    """Await ``operation`` to its end, even when the caller is cancelled meanwhile.

    A transaction that is cancelled in its middle keeps its lock or its connection for ever (docs/measured.md). So every
    wait in ``operation`` must have an end of its own. When the caller was cancelled, an error is logged instead of
    raised; ``Availability`` logs that the database is away.
    """
    task = asyncio.ensure_future(operation)
    cancelled = await _ended(task, None)
    if cancelled is None:
        return task.result()
    if not task.cancelled() and (failure := task.exception()) is not None and not isinstance(failure, StoreUnavailable):
        log.warning("database.failed_unheard", error=str(failure), effect="its caller was cancelled before")
    raise cancelled


async def stopped_with_caller(operation: Awaitable[T], stop: Callable[[asyncio.Future[T]], object]) -> T:
    """Await ``operation`` to its end. When the caller is cancelled meanwhile, call ``stop`` once, which must make the
    end come soon. What ``operation`` raises after that is dropped."""
    task = asyncio.ensure_future(operation)
    cancelled = await _ended(task, lambda: stop(task))
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()
    raise cancelled


async def _ended(task: asyncio.Future[T], on_cancel: Callable[[], object] | None) -> asyncio.CancelledError | None:
    """Wait for a task's end, whatever happens to the caller; return what did."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await _end_of(task)
        except asyncio.CancelledError as error:
            if cancelled is None and on_cancel is not None:
                on_cancel()
            cancelled = error
    return cancelled


def _end_of(task: asyncio.Future[Any]) -> asyncio.Future[None]:
    """Is done when the task is. Whoever is cancelled while awaiting it leaves the task alone, as with ``asyncio.wait``,
    which costs several microseconds more; and every transaction waits here."""
    end: asyncio.Future[None] = task.get_loop().create_future()

    def say(_: asyncio.Future[Any]) -> None:
        if not end.done():
            end.set_result(None)

    task.add_done_callback(say)
    return end
