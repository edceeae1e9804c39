"""Where the statements of a SQLite connection run: in a thread of its own, or in the caller's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeVar

import aiosqlite

from engine.store.database import stopped_with_caller

T = TypeVar("T")
_STEPS_BETWEEN_LOOKS = 100_000
"""Of SQLite's machine; some 2 ms. Each look takes the interpreter's lock from the event loop for a moment."""


LOCKED_SECONDS: Final = 5.0
"""How long a transaction waits, all in all, for a file that another program (a backup tool) has locked."""
_STILL_LOCKED_SECONDS: Final = 1.0
"""How long it waits when the one before has waited in vain: its caller learns sooner how things are."""
_TRY_AGAIN_SECONDS: Final = 0.01


class Patience:
    """Waits for a file that another program has locked. SQLite's own wait (``busy_timeout``) can't be ended, and begins
    anew for each transaction in the queue of a connection."""

    def __init__(self) -> None:
        self._given_up = threading.Event()
        self._in_vain = False

    def until_seconds(self) -> float:
        """By ``time.monotonic``: a transaction that comes at this moment waits until then at most."""
        return time.monotonic() + (_STILL_LOCKED_SECONDS if self._in_vain else LOCKED_SECONDS)

    def give_up(self) -> None:
        """End all waits, now and later: the database is being closed. From any thread."""
        self._given_up.set()

    def call(self, attempt: Callable[[], T], until_seconds: float) -> T:
        """Run ``attempt``, which must leave nothing when it fails, until the file is not locked: once at least.

        Raises:
            sqlite3.OperationalError: the file is locked still; or another error of ``attempt``.
        """
        while True:
            try:
                result = attempt()
            except sqlite3.OperationalError as error:
                if not is_locked(error):
                    raise
                self._in_vain = time.monotonic() >= until_seconds
                if self._in_vain or self._given_up.wait(_TRY_AGAIN_SECONDS):
                    raise
            else:
                self._in_vain = False
                return result


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program has the file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


class Runner(Protocol):
    """Where the statements of one connection run."""

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function with the connection."""

    async def close(self) -> None:
        """Close the connection after what was asked before."""


class Threaded:
    """A connection in aiosqlite's thread; calls queue up there in order."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, path: str) -> Threaded:
        """Connect; the caller sets the pragmas."""
        connection = aiosqlite.connect(path, isolation_level=None)
        try:
            return cls(await connection)
        except BaseException:
            # aiosqlite only tells its thread to end: left to itself, it may outlive the event loop it reports to.
            await asyncio.to_thread(connection._thread.join)
            raise

    def interrupt(self) -> None:
        """End the statement that runs just now, if there is one. From any thread."""
        if self._connection._conn is not None:
            self._connection._conn.interrupt()

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """See ``Runner``."""
        # One hop for a whole transaction; aiosqlite's public methods would be one a statement.
        result: T = await self._connection._execute(function, self._connection._conn)  # type: ignore[no-untyped-call]
        return result

    async def close(self) -> None:
        """See ``Runner``."""
        await self._connection.close()


class Interruptible:
    """A connection in a thread, for one long question after the other; each ends soon after its caller has left."""

    def __init__(self, runner: Threaded) -> None:
        self._runner = runner
        self._left = False
        """Read by the connection's thread: an interruption that falls between two statements ends none of them."""

    @classmethod
    async def open(cls, path: str) -> Interruptible:
        """Connect; the caller sets the pragmas."""
        reader = cls(await Threaded.open(path))
        await reader._runner.call(lambda it: it.set_progress_handler(reader._is_left, _STEPS_BETWEEN_LOOKS))
        return reader

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function with the connection; when the caller is cancelled, end what runs and then go on with that."""
        self._left = False
        return await stopped_with_caller(self._runner.call(function), self._leave)

    async def close(self) -> None:
        """See ``Runner``."""
        await self._runner.close()

    def _leave(self, _task: object) -> None:
        self._left = True
        self._runner.interrupt()

    def _is_left(self) -> bool:
        return self._left


class Inline:
    """A connection in the caller's thread: no thread, no waiting, for a simulated event loop."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """See ``Runner``."""
        return function(self.connection)

    async def close(self) -> None:
        """See ``Runner``."""
        self.connection.close()


class DirectConnection:
    """What Tortoise's client calls on an aiosqlite connection, done at once on the plain one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def total_changes(self) -> int:
        """As of aiosqlite."""
        return self._connection.total_changes

    def _cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] | None = None) -> list[Any]:
        """As of aiosqlite."""
        return self._cursor().execute(sql, tuple(parameters or ())).fetchall()

    async def execute_insert(self, sql: str, parameters: Iterable[Any] | None = None) -> tuple[Any, ...]:
        """As of aiosqlite."""
        return (self._cursor().execute(sql, tuple(parameters or ())).lastrowid,)

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> None:
        """As of aiosqlite."""
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
