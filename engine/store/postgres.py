"""PostgreSQL: a pool of connections; any number of engines may share one database."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.exceptions import BaseORMException

from engine import postgres_url
from engine.postgres_url import PostgresUrl
from engine.store import orm
from engine.store.database import LONG_AT_ONCE, Database, Lane, Row, Tx, Work, stopped_with_caller
from engine.store.dialect import POSTGRES
from engine.store.errors import DatabaseUnavailable, StoreUnavailable

T = TypeVar("T")

_ACQUIRE_SECONDS = 10.0
_CONNECTIONS = 10
_DELIVERY_CONNECTIONS = 4
"""Of these, that calls of the API leave free: delivery claims, records, marks and builds at the same time."""
_PASSWORD_LENGTH_MIN = 4
"""A shorter one is part of many words, and a server that repeats a password has not been seen."""
_TRIES = 8
_RACES_MAX = 3
"""A transaction that loses more races than this has a key that is taken for good: a bug of ours."""
_SETTINGS = {
    "application_name": "mailing-engine",
    "statement_timeout": "60s",
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "60s",
    # All our times and texts are our own; plans are stable, and a generic plan is never worse here.
    "jit": "off",
}
_CONFLICTS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# Another transaction was quicker with the same key, or removed what we refer to: the work, run once
# more, sees it and says so in its own words.
_RACES = (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover has made this server a standby, or a full managed disk read-only
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresSystemError,
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
)


class PostgresTx(Tx):
    """A transaction on one connection of the pool."""

    dialect = POSTGRES

    def __init__(self, connection: Any, client: AsyncpgDBClient) -> None:
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


class PostgresDatabase(Database):
    """An open PostgreSQL database."""

    dialect = POSTGRES

    def __init__(self, client: AsyncpgDBClient) -> None:
        self._client = client
        api_connections = client.pool_maxsize - _DELIVERY_CONNECTIONS
        self._api = asyncio.Semaphore(api_connections)
        """Taken by whoever is not delivery, so that the rest of the pool is delivery's."""
        self._long = asyncio.Semaphore(min(LONG_AT_ONCE, api_connections - 1))

    @classmethod
    async def open(cls, url: str) -> PostgresDatabase:
        """Connect; see ``open_database``."""
        try:
            address = postgres_url.parse(url)
            client = _client(address)
        except ValueError as error:
            raise DatabaseUnavailable(f"the database URL {error}") from None
        try:
            await client.create_connection(with_db=True)
        except (BaseORMException, asyncpg.PostgresError, ValueError, *_AWAY) as error:
            why = _why_not(error, address)
            raise DatabaseUnavailable(f"can't open the database at {address.name}: {why}") from None
        orm.prepare(client)
        return cls(client)

    async def _transaction(self, work: Work[T], lane: Lane) -> T:
        races = 0
        for attempt in range(_TRIES):
            try:
                return await self._on_connection(work, lane, "read_committed", readonly=False)
            except _RACES:
                races += 1
                if races > _RACES_MAX:
                    raise
            except _CONFLICTS as error:
                if attempt == _TRIES - 1:
                    raise StoreUnavailable(f"the database is too busy: {_line(error)}") from error
                await asyncio.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    async def _read(self, work: Work[T], lane: Lane) -> T:
        return await self._on_connection(work, lane, "repeatable_read", readonly=True)

    async def _read_long(self, work: Work[T]) -> T:
        async with self._long:
            # Cancelling asyncpg's task makes the server cancel the statement; the connection is used again.
            return await stopped_with_caller(self._read(work, Lane.LONG), lambda task: task.cancel())

    async def _on_connection(
        self, work: Work[T], lane: Lane, isolation: Literal["read_committed", "repeatable_read"], *, readonly: bool
    ) -> T:
        pool = self._client._pool
        if pool is None:
            raise StoreUnavailable("the database is closed")
        try:
            async with (
                self._turn(lane),
                pool.acquire(timeout=_ACQUIRE_SECONDS) as connection,
                connection.transaction(isolation=isolation, readonly=readonly),
            ):
                return await work(PostgresTx(connection, self._client))
        except _AWAY as error:
            raise StoreUnavailable(f"the database: {_line(error)}") from error

    @asynccontextmanager
    async def _turn(self, lane: Lane) -> AsyncIterator[None]:
        if lane is Lane.DELIVERY:
            yield
            return
        async with asyncio.timeout(_ACQUIRE_SECONDS):
            await self._api.acquire()
        try:
            yield
        finally:
            self._api.release()

    async def empty_log(self) -> bool:
        """See ``Database``. The server keeps its log, and vacuums its tables, as its administrator has set."""
        return True

    async def close(self) -> None:
        await self._client.close()


def _client(address: PostgresUrl) -> AsyncpgDBClient:
    return AsyncpgDBClient(
        connection_name="postgres",
        maxsize=_CONNECTIONS,
        server_settings=_SETTINGS | address.server_settings(),
        **address.connect_arguments(),
    )


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
        text = _line(error)
    password = address.password or ""
    return text.replace(password, "***") if len(password) >= _PASSWORD_LENGTH_MIN else text


def _line(error: BaseException) -> str:
    """The first line of an error's text, or its type when it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
