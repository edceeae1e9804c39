"""PostgreSQL: a pool of connections; any number of engines may share one database."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any, BinaryIO, Final, TypeVar

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.exceptions import BaseORMException

from common.error_codes import ErrorCode
from engine import postgres_url
from engine.domain.access import Impossible
from engine.postgres_url import PostgresUrl
from engine.store import orm
from engine.store.database import LONG_AT_ONCE, Database, Lane, Row, Tx, Work, stopped_with_caller
from engine.store.dialect import POSTGRES
from engine.store.errors import DatabaseUnavailable, StoreUnavailable
from engine.store.postgres_errors import (
    CONFLICTS,
    RACES,
    ConnectionLost,
    is_away,
    line,
    said_to_callers,
    was_not_run,
)
from engine.store.postgres_lanes import Isolation, Limits, Terms
from engine.store.postgres_prepared import CACHE, NotPrepared, Prepared

T = TypeVar("T")

_CONNECTIONS: Final = 10
_DELIVERY_CONNECTIONS: Final = 4
"""How many of these the API leaves free: delivery claims, records, marks and builds at the same time."""
_PASSWORD_LENGTH_MIN: Final = 4
"""A shorter one is part of many words, and a server that repeats a password has not been seen."""
_TRIES: Final = 8
_RACES_MAX: Final = 3
"""A transaction that loses more races than this has a key that is taken for good: a bug of ours."""
_READ: Final = "REPEATABLE READ READ ONLY"
_ALONE: Final = "ALONE"
_SETTINGS: Final = {
    "application_name": "mailing-engine",
    "jit": "off",  # no question of ours runs for so long that compiling it would pay
}


class PostgresTx(Tx):
    """A transaction on one connection of the pool."""

    dialect = POSTGRES

    def __init__(self, connection: _Timed, client: AsyncpgDBClient) -> None:
        self._connection = connection
        self._client = client
        self._orm: TransactionWrapper | None = None

    @property
    def orm(self) -> TransactionWrapper:  # type: ignore[override]
        if self._orm is None:
            self._orm = TransactionWrapper(self._client)
            self._orm._connection = self._connection
        return self._orm

    async def rows(self, sql: str, *args: Any) -> Sequence[Row]:
        found: Sequence[Row] = await self._connection.fetch(POSTGRES.sql(sql), *args)
        return found

    async def table(self, columns: str, sql: str, *args: Any) -> Sequence[Row]:
        return await self.rows(f"SELECT {columns} FROM ({sql}) AS t", *args)

    async def run(self, sql: str, *args: Any) -> int:
        status: str = await self._connection.execute(POSTGRES.sql(sql), *args)
        return int(status.rsplit(" ", 1)[-1]) if status[-1:].isdigit() else 0


class _Timed:
    """A connection that waits for no answer longer than its transaction may; for us and for Tortoise.

    ``prepared``: of a transaction that writes, which runs no other statements.
    """

    def __init__(self, connection: Any, seconds: float, prepared: Prepared | None) -> None:
        self._connection, self._seconds, self._prepared = connection, seconds, prepared

    def fetch(self, sql: str, *args: Any) -> Any:
        if self._prepared is not None:
            self._prepared.check(sql)
        return self._connection.fetch(sql, *args, timeout=self._seconds)

    def execute(self, sql: str, *args: Any) -> Any:
        if self._prepared is not None and args:  # without arguments it is one whole command
            self._prepared.check(sql)
        return self._connection.execute(sql, *args, timeout=self._seconds)


class PostgresDatabase(Database):
    """An open PostgreSQL database."""

    dialect = POSTGRES

    def __init__(self, client: AsyncpgDBClient, limits: Limits = Limits()) -> None:  # noqa: B008 - never changes
        self._client, self._limits = client, limits
        self._terms = {lane: limits.terms(lane) for lane in Lane}
        api_connections = client.pool_maxsize - _DELIVERY_CONNECTIONS
        self._api = asyncio.Semaphore(api_connections)
        """Every lane but delivery's takes it, so that the rest of the pool is delivery's."""
        self._events = asyncio.Semaphore(1)
        self._long = asyncio.Semaphore(min(LONG_AT_ONCE, api_connections - 1))

    @classmethod
    async def open(cls, url: str, limits: Limits = Limits()) -> PostgresDatabase:  # noqa: B008 - never changes
        """Connect; see ``open_database``."""
        try:
            address = postgres_url.parse(url)
            connector = _Connector(limits)
            client = _client(address, connector)
        except ValueError as error:
            raise DatabaseUnavailable(f"the database URL {error}") from None
        try:
            await client.create_connection(with_db=True)
        except Exception as error:
            if not isinstance(error, BaseORMException | asyncpg.PostgresError | ValueError) and not is_away(error):
                raise
            why = _why_not(error, address)
            raise DatabaseUnavailable(f"can't open the database at {address.name}: {why}") from None
        connector.seconds = min(limits.connect_seconds, address.connect_seconds)
        orm.prepare(client)
        return cls(client, limits)

    async def _transaction(self, work: Work[T], lane: Lane) -> T:
        async with self._events if lane is Lane.EVENTS else nullcontext():
            return await self._in_the_end(work, lane)

    async def _in_the_end(self, work: Work[T], lane: Lane) -> T:
        """Run a transaction, again after a deadlock or a lost race."""
        races = 0
        with said_to_callers():
            for attempt in range(_TRIES):
                try:
                    return await self._on_living(work, lane, "READ COMMITTED", repeat=lane is not Lane.DELIVERY)
                except RACES:
                    races += 1
                    if races > _RACES_MAX:
                        raise
                except CONFLICTS as error:
                    if attempt == _TRIES - 1:
                        raise StoreUnavailable(f"the database is too busy: {line(error)}") from error
                    await asyncio.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    async def look_up(self, work: Work[T], lane: Lane = Lane.API) -> T:
        """See ``Database``. Where the lane says how to plan, a transaction says so first."""
        return await self.read(work, lane, alone=not self._terms[lane].set_local)

    async def _read_alone(self, work: Work[T], lane: Lane) -> T:
        """One statement is a transaction by itself: a round trip in place of three."""
        with said_to_callers():
            return await self._on_living(work, lane, _ALONE, repeat=True)

    async def _read(self, work: Work[T], lane: Lane) -> T:
        with said_to_callers():
            return await self._on_living(work, lane, _READ, repeat=True)

    async def _read_long(self, work: Work[T]) -> T:
        async with self._long:
            # Cancelling asyncpg's task makes the server cancel the statement; the connection is used again.
            return await stopped_with_caller(self._read(work, Lane.LONG), lambda task: task.cancel())

    async def _on_living(self, work: Work[T], lane: Lane, isolation: Isolation, *, repeat: bool) -> T:
        """Run ``work``; when its connection proves dead, once more on another: a server that was restarted has ended
        them all, and one whose engine stood still within a transaction has ended that one.

        ``repeat``: false for what delivery writes. Delivery repeats it itself, with the time that it is by then.
        """
        try:
            return await self._on_connection(work, lane, isolation)
        except ConnectionLost:
            if not repeat:
                raise
        return await self._on_connection(work, lane, isolation)

    async def _on_connection(self, work: Work[T], lane: Lane, isolation: Isolation) -> T:
        connection = await self._take(lane)
        try:
            return await self._run(work, connection, self._terms[lane], isolation)
        finally:
            await self._give_back(connection, lane)

    async def _run(self, work: Work[T], connection: Any, terms: Terms, isolation: Isolation) -> T:
        prepared = Prepared(connection) if isolation == "READ COMMITTED" else None
        timed = _Timed(connection, terms.reply_seconds, prepared)
        while True:
            try:
                return await self._once(work, timed, connection, terms, isolation)
            except NotPrepared as missing:
                await self._prepare(missing.sql, prepared, connection)

    async def _prepare(self, sql: str, prepared: Prepared | None, connection: Any) -> None:
        assert prepared is not None
        try:
            await prepared.prepare(sql, self._limits.reply_seconds)
        except TimeoutError as error:
            await self._roll_back(connection, error)
            raise StoreUnavailable("the database has not answered in time; its connection is given up") from error
        except Exception as error:
            if is_away(error):
                raise ConnectionLost(line(error)) from error
            raise

    async def _once(self, work: Work[T], timed: _Timed, connection: Any, terms: Terms, isolation: Isolation) -> T:
        commits = False
        try:
            if isolation == _ALONE:
                return await work(PostgresTx(timed, self._client))
            await connection.execute(terms.begin(isolation), timeout=self._limits.reply_seconds)
            result = await work(PostgresTx(timed, self._client))
            commits = isolation != _READ
            await connection.execute("COMMIT", timeout=terms.reply_seconds)
            return result
        except BaseException as error:
            # To roll back what was not begun would be a warning in the server's log.
            is_dead = (isolation != _ALONE or is_away(error)) and await self._roll_back(connection, error)
            if is_dead and is_away(error) and (not commits or was_not_run(error)):
                raise ConnectionLost(line(error)) from error
            if isinstance(error, TimeoutError):
                raise StoreUnavailable("the database has not answered in time; its connection is given up") from error
            raise

    async def _take(self, lane: Lane) -> Any:
        """A connection for a transaction in this lane."""
        pool = self._client._pool
        if pool is None:
            raise StoreUnavailable("the database is closed")
        try:
            async with asyncio.timeout(self._limits.turn_seconds):
                if lane is not Lane.DELIVERY:
                    await self._api.acquire()
                try:
                    return await pool.acquire()
                except BaseException:
                    self._leave(lane)
                    raise
        except TimeoutError as error:
            raise StoreUnavailable("the database: no connection in time") from error

    async def _give_back(self, connection: Any, lane: Lane) -> None:
        pool = self._client._pool
        try:
            if pool is not None:
                await pool.release(connection, timeout=self._limits.reply_seconds)
        except Exception as error:
            # The pool has let go of it. What was committed on it before is committed.
            if not is_away(error):
                raise
        finally:
            self._leave(lane)

    def _leave(self, lane: Lane) -> None:
        if lane is not Lane.DELIVERY:
            self._api.release()

    async def _roll_back(self, connection: Any, error: BaseException) -> bool:
        """End a transaction that has failed; where the server does not answer, end its connection.

        Returns whether the connection had ended before: noticed at once, and not after a wait for an answer.
        """
        had_ended = False
        if not _is_bad_address(error):
            try:
                await connection.execute("ROLLBACK", timeout=self._limits.reply_seconds)
                return False
            except Exception as failure:
                if not is_away(failure):
                    raise
                had_ended = not isinstance(failure, TimeoutError)
        # Not politely: a goodbye waits for an answer too.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
        self._distrust()
        return had_ended

    def _distrust(self) -> None:
        """End the idle connections: what killed one may have killed them all. To find them dead one after the other
        would cost a caller the whole wait each time."""
        pool = self._client._pool
        for holder in () if pool is None else pool._holders:
            if holder.is_idle():
                holder.terminate()

    async def empty_log(self) -> bool:
        """See ``Database``. The server keeps its log, and vacuums its tables, as its administrator has set."""
        return True

    async def open_copy(self, now_us: int) -> BinaryIO:
        """See ``Database``: the server's own programs do it, where they are installed (``postgres_dump``)."""
        raise Impossible(ErrorCode.BACKUP_ELSEWHERE.format())

    async def close(self) -> None:
        pool, self._client._pool = self._client._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(self._limits.reply_seconds):
                await pool.close()
        except Exception as error:
            if not is_away(error):
                raise
            pool.terminate()


class _Connector:
    """Makes the pool's connections."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.seconds: float | None = None
        """For a connection; ``None``: as the address says. That is for the first one, which somebody waits for."""

    async def __call__(self, *args: Any, **options: Any) -> Any:
        if self.seconds is not None:
            options["timeout"] = self.seconds
        connection = await asyncpg.connect(*args, **CACHE, **options)
        self._limits.watch(connection)
        return connection

    async def reset(self, _connection: Any) -> None:
        """Nothing: a transaction of ours leaves nothing behind in its session, and asking would be a round trip."""

    @property
    def server_settings(self) -> dict[str, str]:
        """For each session."""
        return _SETTINGS | self._limits.server_settings


def _client(address: PostgresUrl, connector: _Connector) -> AsyncpgDBClient:
    return AsyncpgDBClient(
        connection_name="postgres",
        minsize=0,  # with more, asyncpg keeps them up by itself, and logs a traceback each time that it can't
        init_size=1,
        maxsize=_CONNECTIONS,
        connect=connector,
        reset=connector.reset,
        server_settings=connector.server_settings | address.server_settings(),
        **address.connect_arguments(),
    )


def _is_bad_address(error: BaseException) -> bool:
    """Whether nothing can be done over this connection: no answer comes, or the server was made read-only. Another
    server may have taken its place by now; and a database that was set read-only stays so for the session."""
    return isinstance(error, TimeoutError | asyncpg.ReadOnlySQLTransactionError)


def _why_not(error: BaseException, address: PostgresUrl) -> str:
    """Why there is no connection, on one line without the password."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"its certificate is not trusted: {error.verify_message}"
    elif isinstance(error, ssl.SSLError):
        text = f"no TLS connection: {(error.reason or str(error)).lower().replace('_', ' ')}"
    elif isinstance(error, TimeoutError | asyncio.TimeoutError):
        text = f"no answer within {address.connect_seconds:g} s"
    elif "rejected SSL upgrade" in str(error):
        text = f"it does not use TLS, which sslmode={address.ssl_mode} asks for"
    else:
        text = line(error)
    password = address.password or ""
    return text.replace(password, "***") if len(password) >= _PASSWORD_LENGTH_MIN else text
